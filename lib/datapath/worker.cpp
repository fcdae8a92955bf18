#include "datapath/worker.hpp"

#include <algorithm>
#include <cstring>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "datapath/classify.hpp"
#include "datapath/flow_keys.hpp"

namespace dlb {

Worker::Worker(WorkerSetup setup)
    : setup_(std::move(setup)),
      reader_(*setup_.rcu, setup_.identity.id),
      flows_(setup_.identity, setup_.flow_capacity, setup_.allocate, counters_, by_table_),
      forwarder_(flows_, by_table_, setup_.identity),
      fast_path_(flows_, forwarder_, by_table_, setup_.identity),
      tx_(setup_.ports.size()),
      handovers_(setup_.identity.count),
      cycles_per_ms_(std::max<uint64_t>(rte_get_tsc_hz() / 1000, 1)),
      started_(rte_rdtsc()),
      ms_began_(started_) {
    for (const WorkerPort& port : setup_.ports) {
        FastPort& fast = fast_ports_.emplace_back();
        std::memcpy(&fast.mac, port.mac.bytes.data(), port.mac.bytes.size());
        fast.any_mac = port.any_mac;
        fast.vlan = port.vlan;
        fast.queues = &port.queues;
    }
}

unsigned Worker::poll_once() {
    const uint64_t start = rte_rdtsc();
    update_clock(start);
    const DataplaneTables& tables = *setup_.tables->read();
    routing_peers_ = tables.routing_peers.get();
    unsigned taken = 0;
    for (uint16_t port = 0; port < setup_.ports.size(); ++port) {
        rte_mbuf* mbufs[kBurst];
        const WorkerPort& from = setup_.ports[port];
        if (from.sender >= 0) {
            continue;
        }
        const unsigned received = rte_eth_rx_burst(from.device, from.queue, mbufs, kBurst);
        process(tables, mbufs, received, port, false);
        taken += received;
    }
    counters_.rx_packets.add(taken);
    taken += take_handovers(tables);
    taken += take_injected();
    flush_all();
    housekeep(tables);
    reader_.quiescent();
    const uint64_t spent = rte_rdtsc() - start;
    counters_.total_cycles.add(spent);
    counters_.busy_cycles.add(taken != 0 ? spent : 0);
    return taken;
}

void Worker::rest_once() {
    update_clock(rte_rdtsc());
    housekeep(*setup_.tables->read());
    reader_.quiescent();
}

void Worker::update_clock(uint64_t cycles) {
    if (cycles - ms_began_ >= cycles_per_ms_) {  // a division is dear
        const uint64_t ms = (cycles - started_) / cycles_per_ms_;
        ms_began_ = started_ + ms * cycles_per_ms_;
        now_ms_ = static_cast<uint32_t>(ms);
    }
}

// Stages, so that the memory of one packet is fetched while others are worked on.
void Worker::process(const DataplaneTables& tables, rte_mbuf** mbufs, unsigned count, uint16_t port,
                     bool handed_over) {
    for (unsigned i = 0; i < count; ++i) {
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void*));
    }
    if (handed_over) {  // once counted, and with a note of where it came from
        std::for_each_n(fast_.begin(), count,
                        [](FastPacket& fast) { fast.kind = FastPacket::Kind::General; });
    } else {
        fast_path_.look(*tables.lb, fast_ports_[port], mbufs, count, fast_.data());
    }
    for (unsigned i = 0; i < count; ++i) {
        if (fast_[i].kind == FastPacket::Kind::General) {
            open(*tables.lb, begin(mbufs[i], port, handed_over, burst_[i]));
        }
    }
    fast_path_.prefetch_entries(fast_.data(), count);
    for (unsigned i = 0; i < count; ++i) {
        if (fast_[i].kind == FastPacket::Kind::General) {
            const Packet& packet = burst_[i];
            packet.meta.family == Family::V4 ? prefetch_entry<V4>(packet)
                                             : prefetch_entry<V6>(packet);
        }
    }
    fast_path_.prefetch_backends(tables, fast_.data(), count);
    // In the order in which they came.
    FastSent sent[kBurst];
    for (unsigned done = 0; done < count; ++done) {
        const unsigned ready = fast_path_.forward(tables, mbufs + done, fast_.data() + done,
                                                  count - done, now_ms_, sent);
        transmit_all(sent, mbufs + done, ready);
        done += ready;
        if (done == count) {
            break;
        }
        Packet& packet = burst_[done];
        switch (fast_[done].kind) {
            case FastPacket::Kind::General:
                break;
            case FastPacket::Kind::V4:
            case FastPacket::Kind::V6:
                FastPath::describe(fast_ports_[port], fast_[done],
                                   begin(mbufs[done], port, false, packet));
                break;
            default:
                open(*tables.lb, begin(mbufs[done], port, false, packet));
        }
        decide(tables, packet);
    }
}

// Where the packet's flow is looked up, if it is: by its key, or as a reply's.
template <typename F>
void Worker::prefetch_entry(const Packet& packet) const {
    const bool request = packet.cls == PacketClass::Request && packet.service->sticky;
    const bool reply = packet.cls == PacketClass::FnatReply ||
                       (packet.cls == PacketClass::NatReply && packet.reply<F>()->ambiguous);
    if (request) {
        flows_.prefetch_entry<F>(packet.hash);
    } else if (reply) {
        flows_.prefetch_entry<F>(reply_hash_of(packet.hash));
    }
}

// The general way: all that the fast path does not take.
Packet& Worker::begin(rte_mbuf* mbuf, uint16_t port, bool handed_over, Packet& packet) {
    packet.mbuf = mbuf;
    packet.port = handed_over ? note_of(mbuf).port : port;
    packet.gathered = handed_over;
    packet.handed_over = handed_over && note_of(mbuf).kind == PacketNote::Kind::ToOwner;
    packet.queues = &setup_.ports[packet.port].queues;
    return packet;
}

// Frames that are not for us, or of another VLAN, end here; so do those that only the kernel
// understands.
bool Worker::filter_frame(const WorkerPort& port, Packet& packet) const {
    packet.cls = PacketClass::Done;
    const auto* destination = rte_pktmbuf_mtod(packet.mbuf, const uint8_t*);
    const bool multicast = (destination[0] & 1) != 0;
    if (!multicast && !port.any_mac && std::memcmp(destination, port.mac.bytes.data(), 6) != 0) {
        packet.verdict = Verdict::OtherHost;
        return false;
    }
    if (packet.meta.vlan != port.vlan) {
        packet.verdict = Verdict::OtherVlan;
        return false;
    }
    if (packet.meta.status == ParseStatus::NotIp || multicast) {
        packet.cls = PacketClass::Punt;
        return false;
    }
    return true;
}

// What the packet is, by its headers.
void Worker::open(const LbSnapshot& lb, Packet& packet) {
    rte_mbuf* mbuf = packet.mbuf;
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const uint64_t checked = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    packet.meta = parse(frame, rte_pktmbuf_data_len(mbuf),
                        {.verify_ipv4_checksum = checked != RTE_MBUF_F_RX_IP_CKSUM_GOOD});
    packet.local = false;
    if (packet.meta.status != ParseStatus::Ok && packet.meta.status != ParseStatus::NotIp) {
        packet.cls = PacketClass::Done;
        packet.verdict = verdict_of(packet.meta.status);
        return;
    }
    if (!filter_frame(setup_.ports[packet.port], packet)) {
        return;
    }
    if (packet.meta.family == Family::V4) {
        load_key<V4>(frame, packet);
        flows_.prefetch<V4>(packet.hash);
        classify<V4>(lb, setup_.identity, packet);
    } else {
        load_key<V6>(frame, packet);
        flows_.prefetch<V6>(packet.hash);
        classify<V6>(lb, setup_.identity, packet);
    }
}

void Worker::decide(const DataplaneTables& tables, Packet& packet) {
    Outcome outcome{packet.verdict};
    switch (packet.cls) {
        case PacketClass::Done:
            break;
        case PacketClass::Punt:
            outcome.verdict = Verdict::Punted;
            break;
        case PacketClass::HandOver:
            hand_over(packet.owner, packet.mbuf,
                      {.kind = PacketNote::Kind::ToOwner, .port = packet.port});
            return;
        case PacketClass::Fragment:
            take_fragment(tables, packet);
            return;
        default:
            outcome = forwarder_.handle(tables, packet, now_ms_);
    }
    conclude(packet, outcome);
}

void Worker::send_ahead(const Outcome& outcome) {
    for (rte_mbuf* fragment : forwarder_.fragments()) {
        if (outcome.port >= 0) {
            transmit(static_cast<uint16_t>(outcome.port), fragment, outcome.verdict, true);
        } else {
            to_control(fragment, outcome.verdict, true);
        }
    }
}

void Worker::conclude(Packet& packet, Outcome outcome) {
    if (outcome.in_fragments) [[unlikely]] {
        send_ahead(outcome);
    }
    if (outcome.port >= 0) {
        transmit(static_cast<uint16_t>(outcome.port), packet.mbuf, outcome.verdict);
    } else if (outcome.verdict == Verdict::Punted) {
        punt(packet);
    } else if (outcome.verdict == Verdict::AwaitsNeighbor) {
        to_control(packet.mbuf, outcome.verdict);
    } else {
        drop(packet.mbuf, outcome.verdict);
    }
}

unsigned Worker::take_handovers(const DataplaneTables& tables) {
    unsigned taken = 0;
    for (rte_ring* ring : setup_.rings.handover_in) {
        if (ring == nullptr) {
            continue;
        }
        rte_mbuf* mbufs[kBurst];
        const unsigned count =
            rte_ring_sc_dequeue_burst(ring, reinterpret_cast<void**>(mbufs), kBurst, nullptr);
        unsigned ours = 0;
        for (unsigned i = 0; i < count; ++i) {
            const PacketNote& note = note_of(mbufs[i]);
            if (note.kind == PacketNote::Kind::ToSend) {
                transmit(note.port, mbufs[i], note.verdict, note.part);
            } else {
                mbufs[ours++] = mbufs[i];
            }
        }
        process(tables, mbufs, ours, 0, true);
        taken += count;
    }
    counters_.handed_in.add(taken);
    return taken;
}

unsigned Worker::take_injected() {
    rte_mbuf* mbufs[kBurst];
    const unsigned count = rte_ring_sc_dequeue_burst(
        setup_.rings.inject, reinterpret_cast<void**>(mbufs), kBurst, nullptr);
    for (unsigned i = 0; i < count; ++i) {
        transmit(note_of(mbufs[i]).port, mbufs[i], Verdict::FromKernel);
    }
    return count;
}

// Expiry: each entry is looked at about once a second. And a step of a job, if there is one.
void Worker::housekeep(const DataplaneTables& tables) {
    const uint32_t elapsed = now_ms_ - swept_ms_;
    if (elapsed != 0) {
        swept_ms_ = now_ms_;
        const uint32_t slice = setup_.flow_capacity / 1024 + 1;
        flows_.sweep(tables, now_ms_, slice * std::min(elapsed, 100U));
        sweep_fragments(elapsed);
    }
    WorkerJob* job = job_.load(std::memory_order_acquire);
    if (job != nullptr && job->step(*this, tables)) {
        job_.store(nullptr, std::memory_order_relaxed);
        job->done_.store(true, std::memory_order_release);
        setup_.control->ring();
    }
}

bool Worker::has_ring_work() const {
    const auto waits = [](rte_ring* ring) { return ring != nullptr && !rte_ring_empty(ring); };
    return waits(setup_.rings.inject) ||
           std::any_of(setup_.rings.handover_in.begin(), setup_.rings.handover_in.end(), waits);
}

bool Worker::post(WorkerJob* job) {
    WorkerJob* none = nullptr;
    if (!job_.compare_exchange_strong(none, job, std::memory_order_release)) {
        return false;
    }
    setup_.doorbells[setup_.identity.id]->ring();
    return true;
}

}  // namespace dlb
