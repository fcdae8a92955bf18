// Worker: what goes to the kernel. Routing control and neighbour discovery have rings of their own,
// and each class has its bounds, so that no flood takes a session with a router down.
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "datapath/worker.hpp"

namespace dlb {

void Worker::punt(Packet& packet) {
    rte_mbuf* mbuf = packet.mbuf;
    if (!setup_.ports[packet.port].has_twin) {
        drop(mbuf, Verdict::NoTwin);
        return;
    }
    PacketNote& note = note_of(mbuf);
    note.kind = PacketNote::Kind::ToTwin;
    note.port = packet.port;
    PuntKind kind =
        classify_punt(rte_pktmbuf_mtod(mbuf, const uint8_t*), rte_pktmbuf_data_len(mbuf),
                      packet.meta, routing_peers_, setup_.known);
    if (is_routing(kind.cls) && setup_.rings.punt_routing != nullptr) {
        if (!policer_.admit(kind, now_ms_)) {
            drop(mbuf, Verdict::RoutingLimit);
        } else if (add(punts_routing_, mbuf, Verdict::PuntedRouting)) {
            flush_punts(punts_routing_, setup_.rings.punt_routing, Verdict::RoutingFull);
        }
    } else if (kind.cls == PuntClass::Neighbor && setup_.rings.punt_neighbor != nullptr) {
        if (!policer_.admit(kind, now_ms_)) {
            drop(mbuf, Verdict::NeighborLimit);
        } else if (add(punts_neighbor_, mbuf, Verdict::PuntedNeighbor)) {
            flush_punts(punts_neighbor_, setup_.rings.punt_neighbor, Verdict::NeighborFull);
        }
    } else if (!policer_.admit({}, now_ms_)) {
        drop(mbuf, Verdict::PuntLimit);
    } else {
        to_control(mbuf, Verdict::Punted);
    }
}

void Worker::to_control(rte_mbuf* mbuf, Verdict verdict, bool part) {
    if (add(punts_, mbuf, verdict, part)) {
        flush_punts(punts_, setup_.rings.punt, Verdict::PuntFull);
    }
}

void Worker::flush_punts(Outbox& box, rte_ring* ring, Verdict full) {
    if (box.count == 0) {
        return;
    }
    settle(box,
           rte_ring_sp_enqueue_burst(ring, reinterpret_cast<void* const*>(box.mbufs.data()),
                                     box.count, nullptr),
           full);
    setup_.control->ring();
}

void Worker::flush_punts() {
    flush_punts(punts_routing_, setup_.rings.punt_routing, Verdict::RoutingFull);
    flush_punts(punts_neighbor_, setup_.rings.punt_neighbor, Verdict::NeighborFull);
    flush_punts(punts_, setup_.rings.punt, Verdict::PuntFull);
}

}  // namespace dlb
