// reply_ports(): the SNAT ports that bring a flow's replies to the worker that has the flow.
// Thread safety: pure.
#pragma once

#include "datapath/packet.hpp"
#include "datapath/tables.hpp"

namespace dlb {

// Any port, where the NIC that the replies come by does not tell its queues. `slot`: of the SNAT
// address. REQUIRES: the request's backend is set.
template <typename F>
RssPorts reply_ports(const DataplaneTables& tables, const Packet& packet, uint16_t slot,
                     unsigned worker) {
    const BackendEntry& backend = *packet.backend;
    const uint16_t port = tables.hops.of_backend(backend.id).port;
    const RssView* view = port < tables.rss.size() ? tables.rss[port] : nullptr;
    if (view == nullptr || !view->covers<F>(packet.meta.protocol)) {
        return {};
    }
    FlowKey<F> reply;
    reply.source = raw_address<F>(backend.address);
    reply.source_port = backend.port != 0 ? backend.port : packet.key<F>().destination_port;
    reply.destination = raw_address<F>(tables.lb->snat_addresses[slot]);
    return {view, F::kFamily, static_cast<uint16_t>(worker), view->hash(reply)};
}

}  // namespace dlb
