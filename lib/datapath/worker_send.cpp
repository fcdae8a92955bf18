// Worker: how packets leave it, by ports and by rings to other workers.
#include <algorithm>

#include <rte_ethdev.h>

#include "datapath/worker.hpp"

namespace dlb {

void Worker::drop(rte_mbuf* mbuf, Verdict verdict) {
    counters_.of(verdict).add(1);
    rte_pktmbuf_free(mbuf);
}

void Worker::transmit(uint16_t port, rte_mbuf* mbuf, Verdict verdict, bool part) {
    const int sender = setup_.ports[port].sender;
    if (sender >= 0) [[unlikely]] {
        hand_over(
            static_cast<unsigned>(sender), mbuf,
            {.kind = PacketNote::Kind::ToSend, .verdict = verdict, .part = part, .port = port});
    } else if (add(tx_[port], mbuf, verdict, part)) {
        flush_port(port);
    }
}

// Of one port and verdict, packets go into its box together.
void Worker::transmit_all(const FastSent* sent, rte_mbuf** mbufs, unsigned count) {
    for (unsigned i = 0; i < count;) {
        const auto [port, verdict] = sent[i];
        if (setup_.ports[port].sender >= 0) [[unlikely]] {
            transmit(port, mbufs[i++], verdict);
            continue;
        }
        Outbox& box = tx_[port];
        const unsigned most = std::min(count - i, kBurst - box.count);
        unsigned run = 1;
        while (run < most && sent[i + run].port == port && sent[i + run].verdict == verdict) {
            ++run;
        }
        std::copy_n(mbufs + i, run, box.mbufs.begin() + box.count);
        std::fill_n(box.parts.begin() + box.count, run, false);
        std::fill_n(box.verdicts.begin() + box.count, run, verdict);
        box.mixed |= box.verdicts[0] != verdict;
        box.count += run;
        i += run;
        if (box.count == kBurst) {
            flush_port(port);
        }
    }
}

// Out of line, so that transmit() stays small.
[[gnu::noinline]] void Worker::hand_over(unsigned worker, rte_mbuf* mbuf, const PacketNote& note) {
    note_of(mbuf) = note;
    if (add(handovers_[worker], mbuf, Verdict::HandedOver, note.part)) {
        flush_handovers(worker);
    }
}

// The first `accepted` are gone; the rest is freed.
void Worker::settle(Outbox& box, unsigned accepted, Verdict refused) {
    if (!box.mixed) [[likely]] {
        counters_.of(box.verdicts[0]).add(accepted);
    } else {
        for (unsigned i = 0; i < accepted; ++i) {
            if (!box.parts[i]) {
                counters_.of(box.verdicts[i]).add(1);
            } else if (box.verdicts[i] != Verdict::HandedOver) {  // counted where it leaves
                counters_.fragments_sent.add(1);
            }
        }
    }
    for (unsigned i = accepted; i < box.count; ++i) {
        if (box.parts[i]) {
            rte_pktmbuf_free(box.mbufs[i]);
        } else {
            drop(box.mbufs[i], refused);
        }
    }
    box.count = 0;
    box.mixed = false;
}

void Worker::flush_port(uint16_t port) {
    Outbox& box = tx_[port];
    if (box.count == 0) {
        return;
    }
    const WorkerPort& to = setup_.ports[port];
    const unsigned sent =
        rte_eth_tx_burst(to.device, to.queue, box.mbufs.data(), static_cast<uint16_t>(box.count));
    counters_.tx_dropped[port].add(box.count - sent);
    settle(box, sent, Verdict::TxFull);
}

void Worker::flush_handovers(unsigned worker) {
    Outbox& box = handovers_[worker];
    if (box.count == 0) {
        return;
    }
    settle(box,
           rte_ring_sp_enqueue_burst(setup_.rings.handover_out[worker],
                                     reinterpret_cast<void* const*>(box.mbufs.data()), box.count,
                                     nullptr),
           Verdict::HandoverFull);
    setup_.doorbells[worker]->ring();
}

void Worker::flush_all() {
    for (uint16_t port = 0; port < tx_.size(); ++port) {
        flush_port(port);
    }
    for (unsigned worker = 0; worker < handovers_.size(); ++worker) {
        flush_handovers(worker);
    }
    flush_punts();
}

}  // namespace dlb
