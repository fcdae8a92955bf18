// FlowEngine: one worker's flows. Which backend does this packet go to, and which flow is this
// reply of?
//
// Thread safety: the worker's thread; counters may be read by others.
#pragma once

#include <cstdint>

#include "datapath/counters.hpp"
#include "datapath/packet.hpp"
#include "datapath/tables.hpp"
#include "flow/flow_table.hpp"

namespace dlb {

class FlowEngine {
  public:
    // `capacity` bounds the flows of both families together. valid() is false when memory is short.
    FlowEngine(unsigned worker, uint32_t capacity, const Allocate& allocate,
               WorkerCounters& counters, TableCounters& by_table);
    bool valid() const { return v4_.valid() && v6_.valid(); }

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

    // The backend that find_path() would give, and whether from a flow; changes nothing. nullptr:
    // none.
    template <typename F>
    const BackendEntry* peek(const LbSnapshot& snapshot, const Packet& packet, bool& known) const;

    // The flow that a reply is of; nullptr: none. Changes nothing.
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
    void sweep(const DataplaneTables& tables, uint32_t now_ms, uint32_t slice);

    uint32_t count() const { return v4_.count() + v6_.count(); }
    template <typename F>
    const FlowTable<F>& table() const;

  private:
    template <typename F>
    FlowTable<F>& table();
    template <typename F>
    const BackendEntry* live_backend(const LbSnapshot& snapshot, const FlowEntry<F>& entry,
                                     const Packet& packet) const;
    template <typename F>
    Path<F> open_flow(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);
    template <typename F>
    uint32_t make_entry(const DataplaneTables& tables, const Packet& packet, bool required);
    template <typename F>
    bool make_room(const DataplaneTables& tables, uint64_t hash, bool required);
    template <typename F>
    void evict_one(const DataplaneTables& tables);
    template <typename F>
    bool index_reply(const DataplaneTables& tables, uint32_t index, const BackendEntry& backend);
    template <typename F>
    uint32_t find_reply(const LbSnapshot& snapshot, const Packet& packet) const;
    template <typename F>
    bool take_snat_port(const DataplaneTables& tables, const Packet& packet, uint32_t index);
    template <typename F>
    void close_flow(const DataplaneTables& tables, uint32_t index);
    template <typename F>
    void set_state(FlowEntry<F>& entry, FlowState state);
    template <typename F>
    Path<F> path_of(const DataplaneTables& tables, const FlowEntry<F>& entry, bool known) const;

    unsigned worker_;
    uint32_t capacity_;
    uint32_t eviction_cursor_ = 0;  // of evict_one()
    FlowTable<V4> v4_;
    FlowTable<V6> v6_;
    WorkerCounters& counters_;
    TableCounters& by_table_;
};

}  // namespace dlb
