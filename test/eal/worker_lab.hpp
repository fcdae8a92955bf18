// WorkerLab: workers over net_ring ports, stepped by the test: frames in, frames out, and every
// mbuf accounted for. Thread safety: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rte_ring.h>

#include "datapath/worker.hpp"
#include "eal/memory.hpp"
#include "lb/model.hpp"
#include "net/memory.hpp"
#include "support/packet_builder.hpp"

namespace dlb::test {

struct LabOptions {
    unsigned workers = 1;
    uint32_t flow_capacity = 4096;
    Allocate allocate = allocate_pages;  // the flow table's memory
    uint32_t mbufs = 4095;
    uint16_t vlan = 0;
    uint16_t mtu = 1500;
    bool twin = true;
    bool any_mac = true;
    unsigned queue_pairs = 0;  // 0: one for each worker
    QueueRule queues{};
    PortRange kernel_ports{};  // no SNAT ports
    // Not null: rings of their own for routing control and neighbour discovery.
    std::shared_ptr<const RoutingPeers> routing_peers{};
};

class WorkerLab {
  public:
    // Starts EAL once for the program: plain memory, no devices, no privilege.
    static void start_eal();

    explicit WorkerLab(const std::vector<ServiceConfig>& services, LabOptions options = {});
    ~WorkerLab();
    WorkerLab(const WorkerLab&) = delete;
    WorkerLab& operator=(const WorkerLab&) = delete;

    LbModel& model() { return model_; }
    // Publishes the model as it is now.
    void publish();
    // Routes and neighbours of every lab: 10.0.0.0/24 and 2001:db8::/64 on the link, the rest by
    // .1; all addresses that known() was told of have the MAC 02:00:00:00:00:XX with the address's
    // last byte.
    void know(const std::string& address);

    // Puts a frame into a worker's RX queue. False: the queue or the pool is full.
    bool put(const Bytes& frame, unsigned queue = 0);
    // One round of every worker.
    void step();
    // What the workers have transmitted since the last call, in order, queue by queue.
    std::vector<Bytes> taken(unsigned queue = 0);
    // Frees what the workers have transmitted.
    void discard();
    // put(), steps until quiet, and all that came out of any queue.
    std::vector<Bytes> pass(const Bytes& frame, unsigned queue = 0);
    // What was put up for the control thread; freed.
    struct ForControl {
        PacketNote note;
        Bytes frame;
    };
    std::vector<ForControl> for_control(unsigned worker = 0);
    std::vector<ForControl> routing(unsigned worker = 0);  // the same, of those rings
    std::vector<ForControl> discovery(unsigned worker = 0);
    KnownSessions& known_sessions() { return known_; }

    unsigned queue_pairs() const { return static_cast<unsigned>(rx_.size()); }
    uint64_t count(Verdict verdict) const;  // of all workers
    uint64_t count_all() const;             // of all workers and verdicts
    Worker& worker(unsigned id) { return *workers_[id]; }
    unsigned mbufs_in_use() const { return pool_->in_use(); }
    size_t tables_waiting() { return retired_.reclaim(); }
    const RcuPtr<DataplaneTables>& tables() const { return tables_; }
    Doorbell& control_bell() { return control_bell_; }

  private:
    static std::vector<ForControl> empty(rte_ring* ring);
    void make_port();
    void make_workers();

    LabOptions options_;
    std::string name_;
    std::unique_ptr<PacketPool> pool_;
    std::vector<rte_ring*> rx_, tx_;
    uint16_t device_ = 0;
    LbModel model_;
    std::vector<Neighbor> neighbors_;
    RcuDomain rcu_;
    RcuPtr<DataplaneTables> tables_;
    RetireList<DataplaneTables> retired_;
    KnownSessions known_;
    std::shared_ptr<const LbSnapshot> snapshot_;
    std::vector<std::vector<std::unique_ptr<SnatPool>>> snat_;
    Doorbell control_bell_;
    std::vector<std::unique_ptr<Doorbell>> bells_;
    std::vector<PacketRing> punts_, routing_punts_, neighbor_punts_, injects_;
    std::vector<std::vector<PacketRing>> handovers_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace dlb::test
