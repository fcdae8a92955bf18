// FlowEngine: one worker's flows. Which backend does this packet go to, and which flow is this
// reply of?
//
// A decision is made by a const function (plan_*, peek*) that changes nothing, and then carried
// out: what `explain` says is what would happen. Thread safety: the worker's thread; counters may
// be read by others.
#pragma once

#include <cstdint>
#include <vector>

#include "datapath/classify.hpp"
#include "datapath/counters.hpp"
#include "datapath/flow_store.hpp"
#include "datapath/packet.hpp"
#include "datapath/service_gate.hpp"
#include "datapath/tables.hpp"
#include "lb/scheduler.hpp"

namespace dlb {

class FlowEngine {
  public:
    // `capacity` bounds the flows of both families together. valid() is false when memory is short.
    FlowEngine(WorkerIdentity self, uint32_t capacity, const Allocate& allocate,
               WorkerCounters& counters, TableCounters& by_table);
    bool valid() const { return store_.valid() && scheduler_.valid() && gate_.valid(); }
    // The counters of all workers, this one's too: what is least loaded, or full, is so for all
    // together. Before the first packet; without it there is one worker.
    void set_peers(std::vector<const TableCounters*> peers) { peers_ = std::move(peers); }

    // Where a request goes: packet.backend, and in fnat the source that it gets.
    template <typename F>
    struct Path {
        Verdict failure = Verdict::Forwarded;  // Forwarded: the rest is set
        bool known = false;                    // by its flow, not by the scheduler
        typename F::Address snat_address{};
        uint16_t snat_port = 0;  // 0: the client's own endpoint stays
    };
    template <typename F>
    Path<F> find_path(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);

    // What a reply is translated to: `to` is its new 5-tuple.
    template <typename F>
    struct ReplyPath {
        Verdict failure = Verdict::Replied;
        FlowKey<F> to;
    };
    template <typename F>
    ReplyPath<F> find_reply_path(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);

    // What find_path() would say; changes nothing.
    struct Peek {
        Verdict failure = Verdict::Forwarded;
        const BackendEntry* backend = nullptr;
        bool known = false;       // from a flow
        bool persistent = false;  // from where the client's other flows went
        bool stateless = false;   // by hash, and no flow would be kept
    };
    template <typename F>
    Peek peek(const LbSnapshot& snapshot, const Packet& packet, uint32_t now_ms) const;

    // The backend that has the flow of packet's key, or where it is not known here, the one that
    // its hash means, as for any member of the group. nullptr: none. Changes nothing.
    template <typename F>
    const BackendEntry* backend_of_flow(const LbSnapshot& lb, const Packet& packet) const;

    // The flow of a request; of a reply; nullptr: none. Change nothing.
    template <typename F>
    const FlowEntry<F>* peek_flow(const Packet& packet) const;
    template <typename F>
    const FlowEntry<F>* peek_reply(const LbSnapshot& snapshot, const Packet& packet) const;

    template <typename F>
    void prefetch(uint64_t hash) const {
        table<F>().prefetch(hash);
    }
    template <typename F>
    void prefetch_entry(uint64_t hash) const {
        table<F>().prefetch_entry(hash);
    }

    // Ends flows whose time has come, looking at a slice of each table.
    void sweep(const DataplaneTables& tables, uint32_t now_ms, uint32_t slice) {
        store_.sweep(tables, now_ms, slice);
    }

    uint32_t count() const { return store_.flows(); }
    template <typename F>
    const FlowTable<F>& table() const {
        return store_.table<F>();
    }
    // For FastPath, which changes nothing of an entry but its time.
    template <typename F>
    FlowTable<F>& table() {
        return store_.table<F>();
    }

  private:
    // What becomes of a packet whose flow is known.
    enum class Fate : uint8_t { GoesOn, BeginsAnew, BackendGone };
    template <typename F>
    static Fate fate_of(const BackendEntry* serving, const FlowEntry<F>& entry,
                        const Packet& packet);

    // What becomes of a packet that has no flow.
    struct Plan {
        Verdict failure = Verdict::Forwarded;
        const BackendEntry* backend = nullptr;
        Scheduler::Choice choice;  // where the scheduler was asked
        FlowState state = FlowState::Free;
        bool scheduled = false;
        bool counts = false;  // towards max_new_flows
        bool persistent = false;
        bool stateless = false;
    };
    template <typename F>
    Plan plan_new(const LbSnapshot& lb, const Packet& packet, uint32_t now_ms) const;
    template <typename F>
    Scheduler::Choice schedule(const LbSnapshot& lb, const Packet& packet, bool by_hash) const;
    template <typename F>
    Path<F> open_flow(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);
    template <typename F>
    Path<F> open_without_flow(const DataplaneTables& tables, Packet& packet, Plan& plan,
                              uint32_t now_ms);
    template <typename F>
    Path<F> serve_without_flow(Packet& packet, const Plan& plan);
    template <typename F>
    Verdict fill_flow(const DataplaneTables& tables, const Packet& packet, uint32_t index);
    template <typename F>
    Path<F> path_of(const DataplaneTables& tables, const FlowEntry<F>& entry, bool known) const;

    // Persistence: notes of where a client's flows go.
    template <typename F>
    const BackendEntry* find_client(const LbSnapshot& lb, const Packet& packet) const;
    template <typename F>
    void note_client(const DataplaneTables& tables, const Packet& packet, const FlowEntry<F>& flow,
                     bool is_new, uint32_t now_ms);

    template <typename F>
    bool index_reply(const DataplaneTables& tables, uint32_t index, const BackendEntry& backend);
    template <typename F>
    uint32_t find_reply(const LbSnapshot& snapshot, const Packet& packet) const;
    template <typename F>
    bool take_snat_port(const DataplaneTables& tables, const Packet& packet, uint32_t index);
    void count_new_flow(const BackendEntry& backend, uint32_t now_ms, const ServiceEntry& service);
    uint64_t opened(const ServiceEntry& service) const;
    uint32_t connections(BackendId id) const;

    WorkerIdentity self_;
    FlowStore store_;
    Scheduler scheduler_;
    ServiceGate gate_;
    std::vector<const TableCounters*> peers_;
    WorkerCounters& counters_;
    TableCounters& by_table_;
};

}  // namespace dlb
