// Worker: the way of fragments.
//
// RSS hashes a fragment without its ports, so it comes by any queue. It goes to the worker that
// gathers its datagram, by a hash of what all its fragments have alike. The first fragment tells
// that worker the flow; then the first and all others go on to the flow's owner, who finds the
// datagram in its own table, as the ring keeps their order.
#include <algorithm>

#include "datapath/worker.hpp"

namespace dlb {

Worker::~Worker() {
    fragments_.clear([](rte_mbuf* mbuf) { rte_pktmbuf_free(mbuf); });
}

void Worker::take_fragment(const DataplaneTables& tables, Packet& packet) {
    packet.meta.family == Family::V4 ? take_fragment_of<V4>(tables, packet)
                                     : take_fragment_of<V6>(tables, packet);
}

template <typename F>
void Worker::take_fragment_of(const DataplaneTables& tables, Packet& packet) {
    const PacketMeta& meta = packet.meta;
    const DatagramKey key = make_datagram_key(packet.key<F>(), meta.identification);
    const unsigned gatherer = hash_share(key.hash(), setup_.identity.count);
    if (gatherer != setup_.identity.id && !packet.gathered) {
        hand_over(gatherer, packet.mbuf,
                  {.kind = PacketNote::Kind::ToGatherer, .port = packet.port});
        return;
    }
    const FragmentRange range{meta.fragment_offset,
                              static_cast<uint16_t>(meta.fragment_offset + meta.fragment_length),
                              meta.more_fragments};
    const auto [failure, datagram] = fragments_.admit(key, range, now_ms_);
    if (failure != Verdict::Forwarded) {
        drop(packet.mbuf, failure);
        while (rte_mbuf* mbuf = failure == Verdict::FragmentOverlap
                                    ? fragments_.next_waiting(datagram)
                                    : nullptr) {
            drop(mbuf, failure);
        }
    } else if (range.begin == 0) {
        fragments_.set_transport(datagram,
                                 {meta.source_port, meta.destination_port, meta.protocol});
        follow_datagram<F>(tables, packet, datagram);
        release_waiting<F>(tables, packet, datagram);
        fragments_.forget_if_whole(datagram);
    } else if (fragments_.transport_of(datagram) != nullptr) {
        follow_datagram<F>(tables, packet, datagram);
        fragments_.forget_if_whole(datagram);
    } else {
        note_of(packet.mbuf).port = packet.port;
        fragments_.keep(datagram, packet.mbuf);
    }
}

template <typename F>
void Worker::follow_datagram(const DataplaneTables& tables, Packet& packet, uint16_t datagram) {
    classify_fragment<F>(*tables.lb, setup_.identity, *fragments_.transport_of(datagram), packet);
    decide(tables, packet);
}

// Those that came before the first fragment, as if they came now.
template <typename F>
void Worker::release_waiting(const DataplaneTables& tables, const Packet& first,
                             uint16_t datagram) {
    while (rte_mbuf* mbuf = fragments_.next_waiting(datagram)) {
        Packet packet;
        packet.mbuf = mbuf;
        packet.port = note_of(mbuf).port;
        packet.gathered = first.gathered;
        packet.handed_over = first.handed_over;
        packet.queues = &setup_.ports[packet.port].queues;
        open(*tables.lb, packet);
        if (packet.cls == PacketClass::Fragment) {
            follow_datagram<F>(tables, packet, datagram);
        } else {
            decide(tables, packet);  // its service has gone meanwhile
        }
    }
}

// All datagrams are looked at each 128 ms.
void Worker::sweep_fragments(uint32_t elapsed_ms) {
    constexpr uint32_t kSlice = FragmentTable::kDatagrams / 128;
    fragments_.sweep(now_ms_, kSlice * std::min(elapsed_ms, 128U),
                     [this](rte_mbuf* mbuf) { drop(mbuf, Verdict::FragmentTimeout); });
}

}  // namespace dlb
