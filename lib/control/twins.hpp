// Twins: carries packets between the workers and the kernel, and holds those whose next hop is not
// known yet.
//
// Thread safety: the control thread's.
// Bounds: kWait packets wait in all, kWaitPerHop for one next hop, each at most kWaitTime; each
// round takes at most kRound packets of each worker, and reads at most twice as many of each twin,
// so that a flood of packets for the kernel leaves the control thread time for the rest.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <rte_mempool.h>

#include "control/ports.hpp"
#include "control/tunnel_checks.hpp"
#include "control/worker_pool.hpp"
#include "datapath/tables.hpp"

namespace dlb {

class Twins {
  public:
    static constexpr size_t kWait = 4096;
    static constexpr size_t kWaitPerHop = 128;
    static constexpr std::chrono::milliseconds kWaitTime{1000};
    static constexpr unsigned kRound = 512;

    // `tables` gives the tables now in force; `unresolved` is told of a next hop that a packet
    // waits for; `checks` takes its packets out of what the kernel sends.
    Twins(boost::asio::io_context& io, std::vector<ControlPort>& ports, WorkerPool& workers,
          rte_mempool* pool, std::function<const DataplaneTables&()> tables,
          std::function<void(const NextHop&)> unresolved, TunnelChecks& checks);
    ~Twins();

    void start();
    void stop();

    // Tells the link who has this address: a gratuitous ARP, an unsolicited neighbour
    // advertisement.
    void announce(uint16_t port, const IpAddress& address);
    // Takes what workers have put up for the control thread. True: there is more.
    bool drain();
    // Sends what waited for neighbours that are known now.
    void neighbors_changed();
    // Gives up on what has waited too long. Each 100 ms or so.
    void expire();

    // Since the start, or since clear_counters().
    uint64_t dropped_without_neighbor() const { return without_neighbor_; }
    uint64_t refused_by_kernel() const { return refused_; }
    uint64_t dropped_towards_workers() const { return not_injected_; }
    void clear_counters() { without_neighbor_ = refused_ = not_injected_ = 0; }

  private:
    using Clock = std::chrono::steady_clock;
    struct Waiting {
        rte_mbuf* mbuf;
        Clock::time_point until;
    };
    using HopKey = std::pair<IpAddress, uint16_t>;
    struct Twin {  // the same file as its Tap's
        boost::asio::posix::stream_descriptor descriptor;
    };

    unsigned drain_ring(rte_ring* ring, unsigned most);
    bool note_session(rte_mbuf* mbuf);
    void take(rte_mbuf* mbuf);
    void to_kernel(rte_mbuf* mbuf, uint16_t port);
    void write_to_kernel(rte_mbuf* mbuf, uint16_t port);
    void hold(rte_mbuf* mbuf);
    void send_ready(rte_mbuf* mbuf, const NextHop& hop);
    void inject(rte_mbuf* mbuf, uint16_t port, bool urgent = false);
    void wait_for_kernel(uint16_t port);
    bool read_frame(uint16_t port);
    void read_frames(uint16_t port, unsigned most);
    void read_kernel(unsigned most);  // of each twin
    bool take_check(rte_mbuf* mbuf, uint16_t port);

    std::vector<ControlPort>& ports_;
    WorkerPool& workers_;
    rte_mempool* pool_;
    std::function<const DataplaneTables&()> tables_;
    std::function<void(const NextHop&)> unresolved_;
    TunnelChecks& checks_;
    std::vector<std::unique_ptr<Twin>> twins_;  // by port; null without
    boost::asio::io_context& io_;
    std::map<HopKey, std::deque<Waiting>> waiting_;
    size_t waiting_count_ = 0;
    uint64_t without_neighbor_ = 0;
    uint64_t refused_ = 0;
    uint64_t not_injected_ = 0;
};

}  // namespace dlb
