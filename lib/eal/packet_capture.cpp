#include "eal/packet_capture.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

namespace dlb {

namespace {

using Callback = const rte_eth_rxtx_callback*;

void copy_frame(const rte_mbuf* mbuf, uint8_t* to, uint32_t size) {
    for (; size != 0; mbuf = mbuf->next) {
        const uint32_t part = std::min<uint32_t>(size, mbuf->data_len);
        std::memcpy(to, rte_pktmbuf_mtod(mbuf, const uint8_t*), part);
        to += part;
        size -= part;
    }
}

}  // namespace

// One queue pair: its worker writes the ring, the control thread reads it.
struct PacketCapture::Queue {
    Queue(const CaptureTap& of_tap, size_t ring_size) : tap(of_tap), ring(ring_size) {}

    const CaptureTap& tap;
    CaptureRing ring;
    Callback rx = nullptr, tx = nullptr;

    // The packet path: no lock, allocation, system call or log.
    void take(rte_mbuf* const* mbufs, uint16_t count, CaptureDirection direction) {
        if (count == 0) {
            return;
        }
        CapturedFrame frame;
        frame.tsc = rte_rdtsc();
        frame.direction = direction;
        for (uint16_t i = 0; i < count; ++i) {
            const rte_mbuf* mbuf = mbufs[i];
            frame.length = mbuf->pkt_len;
            if (!tap.filter.matches(rte_pktmbuf_mtod(mbuf, const uint8_t*), frame.length,
                                    mbuf->data_len)) {
                continue;
            }
            frame.captured = std::min(frame.length, tap.snap_length);
            ring.write(frame, [&](uint8_t* to) { copy_frame(mbuf, to, frame.captured); });
        }
        ring.publish();
    }

    static uint16_t received(uint16_t, uint16_t, rte_mbuf** mbufs, uint16_t count, uint16_t,
                             void* queue) {
        static_cast<Queue*>(queue)->take(mbufs, count, CaptureDirection::Received);
        return count;
    }
    static uint16_t sending(uint16_t, uint16_t, rte_mbuf** mbufs, uint16_t count, void* queue) {
        static_cast<Queue*>(queue)->take(mbufs, count, CaptureDirection::Sent);
        return count;
    }
};

PacketCapture::PacketCapture(CaptureTap tap) : tap_(std::move(tap)) {
    for (uint16_t queue = 0; queue < tap_.queues; ++queue) {
        queues_.push_back(std::make_unique<Queue>(tap_, tap_.ring_size));
    }
}

Result<std::unique_ptr<PacketCapture>> PacketCapture::start(CaptureTap tap) {
    std::unique_ptr<PacketCapture> capture(new PacketCapture(std::move(tap)));
    if (Result<void> added = capture->add_callbacks(); !added) {
        // Workers may be in those that were added: they and what they write to are left behind, as
        // there is nobody to wait. DPDK refuses the first one or none, but for want of memory.
        capture->stop();
        capture.release();
        return Error{added.error()};
    }
    return capture;
}

Result<void> PacketCapture::add_callbacks() {
    on_path_ = true;
    for (uint16_t number = 0; number < queues_.size(); ++number) {
        Queue& queue = *queues_[number];
        queue.rx = rte_eth_add_rx_callback(tap_.port, number, &Queue::received, &queue);
        queue.tx = queue.rx == nullptr
                       ? nullptr
                       : rte_eth_add_tx_callback(tap_.port, number, &Queue::sending, &queue);
        if (queue.tx == nullptr) {
            return Error{std::string("DPDK does not let queue ") + std::to_string(number) +
                         " be captured: " + rte_strerror(rte_errno)};
        }
    }
    return {};
}

void PacketCapture::stop() {
    if (!std::exchange(on_path_, false)) {
        return;
    }
    for (uint16_t number = 0; number < queues_.size(); ++number) {
        const Queue& queue = *queues_[number];
        if (queue.rx != nullptr) {
            rte_eth_remove_rx_callback(tap_.port, number, queue.rx);
        }
        if (queue.tx != nullptr) {
            rte_eth_remove_tx_callback(tap_.port, number, queue.tx);
        }
    }
}

PacketCapture::~PacketCapture() {
    stop();
    for (const auto& queue : queues_) {
        // DPDK leaves them to whom took them off, as a worker may be in them.
        rte_free(const_cast<rte_eth_rxtx_callback*>(queue->rx));
        rte_free(const_cast<rte_eth_rxtx_callback*>(queue->tx));
    }
}

bool PacketCapture::next(CapturedFrame& frame, uint64_t until) {
    if (given_ != nullptr) {
        std::exchange(given_, nullptr)->pop();
    }
    CapturedFrame candidate;
    for (const auto& queue : queues_) {
        if (queue->ring.peek(candidate) && candidate.tsc <= until &&
            (given_ == nullptr || candidate.tsc < frame.tsc)) {
            frame = candidate;
            given_ = &queue->ring;
        }
    }
    return given_ != nullptr;
}

uint64_t PacketCapture::missed() const {
    uint64_t missed = 0;
    for (const auto& queue : queues_) {
        missed += queue->ring.missed();
    }
    return missed;
}

}  // namespace dlb
