// FlowEngine: packets that have no flow: where they go, and the flow that they may open.
#include <cstring>

#include "datapath/flow_engine.hpp"
#include "datapath/flow_keys.hpp"
#include "datapath/reply_ports.hpp"

namespace dlb {

namespace {

// By which hash a service's flows are told apart where there is no state to go by.
bool hashes_clients(const ServiceEntry& service) {
    return service.scheduler == SchedulerKind::Sh || service.persistence_ms != 0;
}

template <typename F>
uint64_t client_hash(const Packet& packet) {
    const auto& client = packet.key<F>().source;
    return XXH3_64bits(&client, sizeof client);
}

// Where the note of a client's backend lies in the flow table: no packet has protocol 0 there.
template <typename F>
FlowKey<F> client_key(const Packet& packet) {
    FlowKey<F> key;
    key.source = packet.key<F>().source;
    std::memcpy(&key.destination, &packet.service->slot, sizeof packet.service->slot);
    return key;
}

}  // namespace

uint64_t FlowEngine::opened(const ServiceEntry& service) const {
    uint64_t sum = 0;
    for (const TableCounters* peer : peers_) {
        sum += peer->of_service(service.slot).new_flows.get();
    }
    return sum;
}

uint32_t FlowEngine::connections(BackendId id) const {
    uint32_t sum = 0;
    for (const TableCounters* peer : peers_) {
        sum += peer->active(id);
    }
    return sum;
}

template <typename F>
Scheduler::Choice FlowEngine::schedule(const LbSnapshot& lb, const Packet& packet,
                                       bool by_hash) const {
    const ServiceEntry& service = *packet.service;
    const bool by_client = hashes_clients(service);
    NewFlow flow;
    flow.client = F::kFamily;
    flow.client_hash = by_client ? client_hash<F>(packet) : 0;
    flow.flow_hash = by_client && by_hash ? flow.client_hash : packet.hash;
    flow.by_hash = by_hash;
    return scheduler_.decide(lb, service, flow, [this](BackendId id) { return connections(id); });
}

template <typename F>
const BackendEntry* FlowEngine::backend_of_flow(const LbSnapshot& lb, const Packet& packet) const {
    const ServiceEntry& service = *packet.service;
    if (const FlowEntry<F>* entry = peek_flow<F>(packet)) {
        return serving_backend(lb, entry->backend, service);
    }
    return service.maglev_of(F::kFamily).size == 0 ? nullptr
                                                   : schedule<F>(lb, packet, true).backend;
}

// Without a SYN the flow was begun elsewhere, or here without a note of it: all members of the
// group, and this one later, have only the hash to go by.
template <typename F>
FlowEngine::Plan FlowEngine::plan_new(const LbSnapshot& lb, const Packet& packet,
                                      uint32_t now_ms) const {
    const ServiceEntry& service = *packet.service;
    const PacketMeta& meta = packet.meta;
    Plan plan;
    plan.state = first_state(meta.protocol, meta.tcp_flags);
    if (service.maglev_of(F::kFamily).size == 0) {
        plan.failure = Verdict::NoBackend;
        return plan;
    }
    if (gate_.is_full(service, F::kFamily, now_ms)) {
        plan.failure = Verdict::BackendsFull;
        return plan;
    }
    const bool over = plan.state == FlowState::Fin || plan.state == FlowState::Closed;
    if (over && needs_flow(service)) {  // nothing to translate it by, and nothing to begin
        plan.failure = Verdict::NoFlow;
        return plan;
    }
    const bool tcp = meta.protocol == kProtocolTcp;
    const bool opening = is_opening(meta.protocol, meta.tcp_flags);
    const bool hashed = service.scheduler == SchedulerKind::Maglev || hashes_clients(service);
    plan.stateless =
        !service.sticky || over ||
        (!needs_flow(service) && opening && (tcp || hashed) && store_.half_open_full());
    // A datagram that opens no flow cannot be told from the next one of its kind.
    plan.counts = opening && (tcp || !plan.stateless);
    if (plan.counts && service.max_new_flows != 0 &&
        !gate_.admits(service, opened(service), now_ms)) {
        plan.failure = Verdict::NewFlowLimit;
        return plan;
    }
    if (service.persistence_ms != 0 && service.sticky) {
        plan.backend = find_client<F>(lb, packet);
        plan.persistent = plan.backend != nullptr;
    }
    if (plan.backend == nullptr) {
        // The fragments of a datagram go one way, with a flow or without.
        const bool by_hash = service.sticky ? plan.stateless || (tcp && !opening) : meta.fragment;
        plan.choice = schedule<F>(lb, packet, by_hash);
        plan.scheduled = true;
        plan.backend = plan.choice.backend;
    }
    if (plan.backend == nullptr) {
        plan.failure = Verdict::BackendsFull;
    }
    return plan;
}

template <typename F>
FlowEngine::Path<F> FlowEngine::serve_without_flow(Packet& packet, const Plan& plan) {
    packet.backend = plan.backend;
    if (plan.scheduled) {
        scheduler_.commit(*packet.service, F::kFamily, plan.choice);
    }
    return {.failure = plan.failure};
}

void FlowEngine::count_new_flow(const BackendEntry& backend, uint32_t now_ms,
                                const ServiceEntry& service) {
    if (service.max_new_flows != 0) {
        gate_.note(service, opened(service), now_ms);
    }
    by_table_.of(backend.id).new_flows.add(1);
    by_table_.of_service(service.slot).new_flows.add(1);
}

template <typename F>
FlowEngine::Path<F> FlowEngine::open_flow(const DataplaneTables& tables, Packet& packet,
                                          uint32_t now_ms) {
    const ServiceEntry& service = *packet.service;
    Plan plan = plan_new<F>(*tables.lb, packet, now_ms);
    if (plan.failure == Verdict::BackendsFull) {
        gate_.note_full(service, F::kFamily, now_ms);
    }
    if (plan.failure != Verdict::Forwarded) {
        return {.failure = plan.failure};
    }
    const bool required = needs_flow(service);
    uint32_t index = FlowTable<F>::kNone;
    if (!plan.stateless) {
        index = store_.make<F>(tables, packet.key<F>(), packet.hash, plan.backend->id, plan.state,
                               required);
        if (index == FlowTable<F>::kNone && required) {
            return {.failure = Verdict::FlowTableFull};
        }
    }
    if (index == FlowTable<F>::kNone) {
        return open_without_flow<F>(tables, packet, plan, now_ms);
    }
    packet.backend = plan.backend;
    FlowEntry<F>& entry = store_.table<F>().entry(index);
    entry.expires = now_ms + service.timeout_ms[static_cast<unsigned>(plan.state)];
    if (plan.scheduled) {
        scheduler_.commit(service, F::kFamily, plan.choice);
    }
    const Verdict filled = fill_flow<F>(tables, packet, index);
    if (filled != Verdict::Forwarded) {
        return {.failure = filled};
    }
    count_new_flow(*plan.backend, now_ms, service);
    if (service.persistence_ms != 0) {
        note_client<F>(tables, packet, entry, true, now_ms);
    }
    return path_of<F>(tables, entry, false);
}

// Every member of the group hashes alike, so the packet is served all the same.
template <typename F>
FlowEngine::Path<F> FlowEngine::open_without_flow(const DataplaneTables& tables, Packet& packet,
                                                  Plan& plan, uint32_t now_ms) {
    const ServiceEntry& service = *packet.service;
    if (!plan.stateless && !plan.persistent) {  // it would have had a flow, had there been room
        plan.choice = schedule<F>(*tables.lb, packet, true);
        plan.backend = plan.choice.backend;
        if (plan.backend == nullptr) {
            return {.failure = Verdict::BackendsFull};
        }
    }
    counters_.flows_stateless.add(1);
    if (plan.counts) {
        count_new_flow(*plan.backend, now_ms, service);
    }
    return serve_without_flow<F>(packet, plan);
}

// What a flow has besides its backend: a SNAT port, a way for its replies. On failure the flow is
// closed.
template <typename F>
Verdict FlowEngine::fill_flow(const DataplaneTables& tables, const Packet& packet, uint32_t index) {
    if (packet.service->mode == Mode::Fnat && !take_snat_port<F>(tables, packet, index)) {
        store_.close<F>(tables, index);
        return Verdict::NoSnatPort;
    }
    if (needs_flow(*packet.service) && !index_reply<F>(tables, index, *packet.backend)) {
        return Verdict::FlowTableFull;
    }
    return Verdict::Forwarded;
}

// The oldest half-open flows give their ports up before a new flow goes without.
template <typename F>
bool FlowEngine::take_snat_port(const DataplaneTables& tables, const Packet& packet,
                                uint32_t index) {
    constexpr unsigned kRounds = 4;
    const std::vector<uint16_t>& slots = packet.service->snat_slots(F::kFamily);
    FlowEntry<F>& entry = store_.table<F>().entry(index);
    for (unsigned round = 0; round < kRounds; ++round) {
        for (size_t tried = 0; tried < slots.size(); ++tried) {
            const uint16_t slot = slots[(packet.hash + tried) % slots.size()];
            const uint16_t port = tables.snat_pools[self_.id][slot]->take(
                packet.meta.protocol, reply_ports<F>(tables, packet, slot, self_.id));
            if (port != 0) {
                entry.snat_slot = slot;
                entry.snat_port = Be16(port).raw();
                return true;
            }
        }
        if (!store_.evict_half_open(tables, &entry, packet.meta.protocol)) {
            break;
        }
    }
    return false;
}

template <typename F>
bool FlowEngine::index_reply(const DataplaneTables& tables, uint32_t index,
                             const BackendEntry& backend) {
    const FlowEntry<F>& entry = store_.table<F>().entry(index);
    return store_.index_reply<F>(tables, index,
                                 reply_hash_of(reply_key<F>(*tables.lb, entry, backend).hash()));
}

// The backend that the client's other flows went to, while it takes new ones.
template <typename F>
const BackendEntry* FlowEngine::find_client(const LbSnapshot& lb, const Packet& packet) const {
    const FlowKey<F> key = client_key<F>(packet);
    const uint32_t index = table<F>().find(key, key.hash());
    if (index == FlowTable<F>::kNone) {
        return nullptr;
    }
    const BackendEntry* backend =
        serving_backend(lb, table<F>().entry(index).backend, *packet.service);
    const bool usable =
        backend != nullptr && backend->takes_new_flows &&
        (backend->max_connections == 0 || connections(backend->id) < backend->max_connections);
    return usable ? backend : nullptr;
}

// Remembers where the client's flows go; a flow that has come to life makes the note last. Only a
// new flow moves the client: old ones go on where they are.
template <typename F>
void FlowEngine::note_client(const DataplaneTables& tables, const Packet& packet,
                             const FlowEntry<F>& flow, bool is_new, uint32_t now_ms) {
    const FlowKey<F> key = client_key<F>(packet);
    const uint64_t hash = key.hash();
    const FlowState state = is_half_open(flow.state) ? FlowState::ClientNew : FlowState::Client;
    uint32_t index = table<F>().find(key, hash);
    if (index != FlowTable<F>::kNone && table<F>().entry(index).backend != flow.backend) {
        if (!is_new) {
            return;
        }
        store_.close<F>(tables, index);
        index = FlowTable<F>::kNone;
    }
    if (index == FlowTable<F>::kNone) {
        index = store_.make<F>(tables, key, hash, packet.backend->id, state, false, &flow);
    }
    if (index != FlowTable<F>::kNone) {
        FlowEntry<F>& entry = store_.table<F>().entry(index);
        if (state == FlowState::Client && entry.state != state) {
            store_.set_state<F>(entry, state);
        }
        entry.expires = now_ms + packet.service->persistence_ms;
    }
}

#define DLB_INSTANTIATE(F)                                                                        \
    template FlowEngine::Path<F> FlowEngine::open_flow<F>(const DataplaneTables&, Packet&,        \
                                                          uint32_t);                              \
    template FlowEngine::Path<F> FlowEngine::serve_without_flow<F>(Packet&, const Plan&);         \
    template FlowEngine::Plan FlowEngine::plan_new<F>(const LbSnapshot&, const Packet&, uint32_t) \
        const;                                                                                    \
    template const BackendEntry* FlowEngine::backend_of_flow<F>(const LbSnapshot&, const Packet&) \
        const;                                                                                    \
    template bool FlowEngine::index_reply<F>(const DataplaneTables&, uint32_t,                    \
                                             const BackendEntry&);                                \
    template void FlowEngine::note_client<F>(const DataplaneTables&, const Packet&,               \
                                             const FlowEntry<F>&, bool, uint32_t);
DLB_INSTANTIATE(V4)
DLB_INSTANTIATE(V6)
#undef DLB_INSTANTIATE

}  // namespace dlb
