// WorkerPool: the workers, their rings and doorbells, and the lcores that they run on.
//
// Errors: create() gives one line that names the mend.
// Thread safety: the control thread's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/config.hpp"
#include "control/ports.hpp"
#include "datapath/doorbell.hpp"
#include "datapath/worker.hpp"
#include "datapath/worker_thread.hpp"
#include "eal/memory.hpp"
#include "net/result.hpp"
#include "rcu/rcu.hpp"

namespace dlb {

class WorkerPool {
  public:
    static Result<std::unique_ptr<WorkerPool>> create(const LbConfig& config,
                                                      const std::vector<ControlPort>& ports,
                                                      RcuDomain& domain,
                                                      const RcuPtr<DataplaneTables>& tables);
    ~WorkerPool();  // stop()
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // REQUIRES: tables are published.
    Result<void> launch();
    void stop();
    void pause(bool paused);
    bool paused() const { return threads_[0]->paused(); }

    unsigned size() const { return static_cast<unsigned>(workers_.size()); }
    Worker& worker(unsigned id) { return *workers_[id]; }
    const Worker& worker(unsigned id) const { return *workers_[id]; }
    rte_ring* punt_ring(unsigned id) const { return punts_[id].get(); }
    rte_ring* routing_punt_ring(unsigned id) const { return routing_punts_[id].get(); }
    rte_ring* neighbor_punt_ring(unsigned id) const { return neighbor_punts_[id].get(); }
    // What the kernel's own packets tell of its conversations with routers.
    KnownSessions& known_sessions() { return known_sessions_; }
    // Gives worker 0 a frame to transmit, whose PacketNote names the port. False: its ring is full,
    // but for a reserve that only what is `urgent` takes.
    bool inject(rte_mbuf* mbuf, bool urgent);
    // Wakes the control thread; its fd() is to be watched.
    Doorbell& control_bell() { return control_bell_; }

  private:
    WorkerPool() = default;
    Result<void> make_rings(unsigned count);
    WorkerSetup make_setup(const LbConfig& config, const std::vector<ControlPort>& ports,
                           unsigned id, unsigned count);

    Doorbell control_bell_;
    std::vector<std::unique_ptr<Doorbell>> bells_;
    KnownSessions known_sessions_;
    std::vector<PacketRing> punts_;
    std::vector<PacketRing> routing_punts_;
    std::vector<PacketRing> neighbor_punts_;
    std::vector<PacketRing> injects_;
    std::vector<std::vector<PacketRing>> handovers_;  // [from][to]; none to oneself
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::unique_ptr<WorkerThread>> threads_;
    bool launched_ = false;
};

}  // namespace dlb
