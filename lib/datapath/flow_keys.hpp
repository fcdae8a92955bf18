// What FlowEngine's parts know of a flow's keys. Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "flow/flow_table.hpp"
#include "lb/snapshot.hpp"
#include "net/flow_key.hpp"

namespace dlb {

// The 5-tuple of this flow's replies as its backend sends them.
template <typename F>
FlowKey<F> reply_key(const LbSnapshot& snapshot, const FlowEntry<F>& entry,
                     const BackendEntry& backend) {
    FlowKey<F> key;
    key.source = raw_address<F>(backend.address);
    key.source_port = backend.port != 0 ? backend.port : entry.destination_port;
    const bool snat = entry.snat_port != 0;
    key.destination =
        snat ? raw_address<F>(snapshot.snat_addresses[entry.snat_slot]) : entry.source;
    key.destination_port = snat ? entry.snat_port : entry.source_port;
    key.protocol = entry.protocol;
    return key;
}

inline uint32_t reply_hash_of(uint64_t hash) {
    const auto word = static_cast<uint32_t>(hash);
    return word == 0 ? 1 : word;
}

// Whether no reply finds its way back without the flow.
inline bool needs_flow(const ServiceEntry& service) {
    return service.mode == Mode::Fnat || service.stateful_replies;
}

// The backend of this id, while it serves the service and is not dead; nullptr: it has gone.
inline const BackendEntry* serving_backend(const LbSnapshot& lb, uint32_t id,
                                           const ServiceEntry& service) {
    const BackendEntry* backend = lb.find_backend(BackendId::from_value(id));
    const bool serves = backend != nullptr && !backend->dead && backend->service == service.slot;
    return serves ? backend : nullptr;
}

}  // namespace dlb
