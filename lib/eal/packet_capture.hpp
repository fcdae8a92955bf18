// PacketCapture: copies of the frames that the workers receive by a port and give it to send.
//
// DPDK calls it in rte_eth_rx_burst() and rte_eth_tx_burst() of each queue, on that queue's worker,
// from start() until stop(); before and after, the packet path does not know of it. A frame that
// the filter means is copied into its queue's ring, or counted as missed where that is full; the
// worker never waits. A frame to send is seen before the device takes it, which a full device may
// not do.
//
// Errors: start() gives one line; nothing of it is left on the packet path then.
// Thread safety: the control thread's. REQUIRES: one worker polls a queue of a number and sends by
// that of the same number.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "eal/capture_ring.hpp"
#include "eal/packet_filter.hpp"
#include "net/result.hpp"

struct rte_eth_rxtx_callback;

namespace dlb {

struct CaptureTap {
    uint16_t port = 0;    // DPDK's number of it
    uint16_t queues = 1;  // pairs
    PacketFilter filter = {};
    uint32_t snap_length = 262144;               // bytes of a frame at most
    size_t ring_size = size_t{4} * 1024 * 1024;  // bytes a queue, a power of two
};

class PacketCapture {
  public:
    static Result<std::unique_ptr<PacketCapture>> start(CaptureTap tap);
    // REQUIRES: every worker has been quiescent, or has ended, since stop().
    ~PacketCapture();
    PacketCapture(const PacketCapture&) = delete;
    PacketCapture& operator=(const PacketCapture&) = delete;

    // Takes it off the packet path. Workers may still be in it: next() goes on until they have been
    // quiescent.
    void stop();

    // Takes the oldest frame of all queues that is not younger than `until` (TSC); its data are
    // valid until the next call. False: there is none.
    bool next(CapturedFrame& frame, uint64_t until = UINT64_MAX);
    uint64_t missed() const;

  private:
    struct Queue;
    explicit PacketCapture(CaptureTap tap);
    Result<void> add_callbacks();

    CaptureTap tap_;
    std::vector<std::unique_ptr<Queue>> queues_;
    CaptureRing* given_ = nullptr;  // whose frame next() gave last
    bool on_path_ = false;
};

}  // namespace dlb
