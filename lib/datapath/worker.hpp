// Worker: one poll-mode, run-to-completion loop over one RX and TX queue of each port, where there
// is one for it.
//
// Thread safety: poll_once() and all else on the worker's own thread, but for counters(),
// table_counters(), flow_count() and post(), which are for the control thread. Worker itself starts
// no thread: tests step it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include <rte_ring.h>

#include "datapath/classify.hpp"
#include "datapath/counters.hpp"
#include "datapath/doorbell.hpp"
#include "datapath/fast_path.hpp"
#include "datapath/flow_engine.hpp"
#include "datapath/forwarder.hpp"
#include "datapath/fragment_table.hpp"
#include "datapath/packet.hpp"
#include "datapath/punt_policer.hpp"
#include "datapath/tables.hpp"
#include "net/ip_address.hpp"
#include "rcu/rcu.hpp"

namespace dlb {

inline constexpr unsigned kBurst = 32;

struct WorkerPort {
    uint16_t device = 0;  // DPDK's port id
    uint16_t queue = 0;   // of RX and TX alike
    MacAddress mac;
    uint16_t vlan = 0;
    bool any_mac =
        false;  // promiscuous, or a device that has no shared medium: each frame is for us
    bool has_twin = false;
    // -1: the queue is this worker's. Else it has none here, and that worker sends its frames.
    int sender = -1;
    QueueRule queues{};
};

// Rings of mbufs, each with one producer and one consumer.
struct WorkerRings {
    rte_ring* punt = nullptr;  // to the control thread, see PacketNote
    // The same for packets of routing control, and of neighbour discovery, so that a flood of
    // others loses none of them. Null: they go with the others.
    rte_ring* punt_routing = nullptr;
    rte_ring* punt_neighbor = nullptr;
    rte_ring* inject = nullptr;          // from it: frames ready for the port that PacketNote names
    std::vector<rte_ring*> handover_in;  // by the other worker's id; null for this one's
    std::vector<rte_ring*> handover_out;
};

class Worker;

// Work that needs a worker's own state, done in steps between bursts.
class WorkerJob {
  public:
    virtual ~WorkerJob() = default;
    // A short step on the worker's thread. True: done; the job is the control thread's again.
    virtual bool step(const Worker& worker, const DataplaneTables& tables) = 0;

    bool done() const { return done_.load(std::memory_order_acquire); }

  private:
    friend class Worker;
    std::atomic<bool> done_{false};
};

struct WorkerSetup {
    WorkerIdentity identity;
    std::vector<WorkerPort> ports;
    WorkerRings rings;
    const RcuPtr<DataplaneTables>* tables = nullptr;
    RcuDomain* rcu = nullptr;
    const KnownSessions* known = nullptr;  // with the routers; null: none
    Doorbell* control = nullptr;  // rung when packets or finished jobs wait for the control thread
    std::vector<Doorbell*> doorbells;  // of the workers, by id
    uint32_t flow_capacity = 1 << 20;
    Allocate allocate = allocate_pages;
};

class Worker {
  public:
    explicit Worker(WorkerSetup setup);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    bool valid() const { return flows_.valid() && by_table_.valid(); }

    // The counters of all workers, see FlowEngine. Before the first round.
    void set_peers(std::vector<const TableCounters*> peers) { flows_.set_peers(std::move(peers)); }

    // One round over all queues and rings; gives the number of packets taken. REQUIRES:
    // reader().online().
    unsigned poll_once();
    // Jobs and expiry alone, for a worker that does not forward.
    void rest_once();

    // Control thread: hands over a job. False: one is still under way.
    bool post(WorkerJob* job);
    // Something waits in a ring for this worker.
    bool has_ring_work() const;
    bool has_job() const { return job_.load(std::memory_order_relaxed) != nullptr; }

    ReaderSlot& reader() { return reader_; }
    WorkerIdentity identity() const { return setup_.identity; }
    const QueueRule& queues(uint16_t port) const { return setup_.ports[port].queues; }
    const FlowEngine& flows() const { return flows_; }
    const FragmentTable& fragments() const { return fragments_; }
    const WorkerCounters& counters() const { return counters_; }
    const TableCounters& table_counters() const { return by_table_; }
    uint32_t now_ms() const { return now_ms_; }

  private:
    // Packets on their way out, with the verdict that each gets once it is through.
    struct Outbox {
        std::array<rte_mbuf*, kBurst> mbufs;
        std::array<Verdict, kBurst> verdicts;
        std::array<bool, kBurst> parts;  // a fragment: the packet's verdict is its last one's
        unsigned count = 0;
        bool mixed = false;  // not all of one verdict, or some a part
    };

    void process(const DataplaneTables& tables, rte_mbuf** mbufs, unsigned count, uint16_t port,
                 bool handed_over);
    Packet& begin(rte_mbuf* mbuf, uint16_t port, bool handed_over, Packet& packet);
    void open(const LbSnapshot& lb, Packet& packet);
    template <typename F>
    void prefetch_entry(const Packet& packet) const;
    void take_fragment(const DataplaneTables& tables, Packet& packet);
    template <typename F>
    void take_fragment_of(const DataplaneTables& tables, Packet& packet);
    template <typename F>
    void follow_datagram(const DataplaneTables& tables, Packet& packet, uint16_t datagram);
    template <typename F>
    void release_waiting(const DataplaneTables& tables, const Packet& first, uint16_t datagram);
    bool filter_frame(const WorkerPort& port, Packet& packet) const;
    void decide(const DataplaneTables& tables, Packet& packet);
    void punt(Packet& packet);
    void drop(rte_mbuf* mbuf, Verdict verdict);
    void send_ahead(const Outcome& outcome);
    void conclude(Packet& packet, Outcome outcome);
    void transmit(uint16_t port, rte_mbuf* mbuf, Verdict verdict, bool part = false);
    void transmit_all(const FastSent* sent, rte_mbuf** mbufs, unsigned count);
    void hand_over(unsigned worker, rte_mbuf* mbuf, const PacketNote& note);
    void to_control(rte_mbuf* mbuf, Verdict verdict, bool part = false);
    void flush_punts(Outbox& box, rte_ring* ring, Verdict full);
    // True: the box is full now.
    static bool add(Outbox& box, rte_mbuf* mbuf, Verdict verdict, bool part = false) {
        box.mbufs[box.count] = mbuf;
        box.parts[box.count] = part;
        box.verdicts[box.count] = verdict;
        box.mixed |= part || verdict != box.verdicts[0];
        return ++box.count == kBurst;
    }
    void settle(Outbox& box, unsigned accepted, Verdict refused);
    void flush_port(uint16_t port);
    void flush_handovers(unsigned worker);
    void flush_punts();
    void flush_all();
    unsigned take_handovers(const DataplaneTables& tables);
    unsigned take_injected();
    void housekeep(const DataplaneTables& tables);
    void sweep_fragments(uint32_t elapsed_ms);
    void update_clock(uint64_t cycles);
    void count(Verdict verdict) { counters_.of(verdict).add(1); }

    WorkerSetup setup_;
    ReaderSlot reader_;
    WorkerCounters counters_;
    TableCounters by_table_;
    FlowEngine flows_;
    Forwarder forwarder_;
    FastPath fast_path_;
    std::vector<FastPort> fast_ports_;
    FragmentTable fragments_;
    std::vector<Outbox> tx_;  // by port
    // worker_punt.cpp
    Outbox punts_, punts_routing_, punts_neighbor_;
    PuntPolicer policer_;
    const RoutingPeers* routing_peers_ = nullptr;  // of the tables of this round
    std::vector<Outbox> handovers_;                // by worker
    std::array<Packet, kBurst> burst_;
    std::array<FastPacket, kBurst> fast_;
    std::atomic<WorkerJob*> job_{nullptr};
    uint64_t cycles_per_ms_;
    uint64_t started_;
    uint64_t ms_began_;
    uint32_t now_ms_ = 0;
    uint32_t swept_ms_ = 0;
};

}  // namespace dlb
