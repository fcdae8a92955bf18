// FlowStore: one worker's flow tables, of both families under one bound, and what has to stay in
// step with them: counts by backend, SNAT ports, the quota of half-open flows. It finds room.
//
// Half-open flows, which a forged packet can make, may take a quarter of the bound. Who would make
// one more is told (half_open_full()), and may do without, or takes the place of the oldest.
// A live flow goes for a new one only in a table full of live ones.
// Thread safety: the worker's thread; counters may be read by others.
#pragma once

#include <cstdint>

#include "datapath/counters.hpp"
#include "datapath/tables.hpp"
#include "flow/flow_table.hpp"
#include "flow/half_open_ring.hpp"

namespace dlb {

class FlowStore {
  public:
    static constexpr uint32_t kHalfOpenShare = 4;  // of the capacity, a quarter

    // `capacity` bounds the flows of both families together. valid() is false when memory is short.
    FlowStore(unsigned worker, uint32_t capacity, const Allocate& allocate,
              WorkerCounters& counters, TableCounters& by_table);
    bool valid() const { return v4_.valid() && v6_.valid() && half_open_ring_.valid(); }

    // Bytes that it asks of its allocator.
    static size_t memory_needed(uint32_t capacity) {
        return FlowTable<V4>::memory_needed(capacity) + FlowTable<V6>::memory_needed(capacity) +
               sizeof(HalfOpenRing::Record) * (capacity / kHalfOpenShare + 1);
    }

    template <typename F>
    FlowTable<F>& table();
    template <typename F>
    const FlowTable<F>& table() const;
    uint32_t count() const { return v4_.count() + v6_.count(); }  // entries
    uint32_t flows() const {  // without clients' notes; from any thread
        const uint32_t clients = clients_.get();
        const uint32_t entries = count();
        return entries > clients ? entries - clients : 0;
    }
    bool half_open_full() const { return half_open_ >= half_open_quota_; }

    // A new entry of `backend` in `state`; FlowTable::kNone: no room. `required`: live flows may
    // have to go for it, if not for half-open ones; never the entry `spared`.
    template <typename F>
    uint32_t make(const DataplaneTables& tables, const FlowKey<F>& key, uint64_t hash,
                  BackendId backend, FlowState state, bool required,
                  const FlowEntry<F>* spared = nullptr);
    template <typename F>
    void set_state(FlowEntry<F>& entry, FlowState state);
    template <typename F>
    void close(const DataplaneTables& tables, uint32_t index);
    // Makes replies find the entry, making room for that. False: the entry had to go itself.
    template <typename F>
    bool index_reply(const DataplaneTables& tables, uint32_t index, uint32_t reply_hash);
    // Ends the half-open flow that came first, and is not the entry `spared`; with `snat_protocol`,
    // the first that holds a SNAT port of this protocol. One that is over will do too. False: none
    // is known.
    bool evict_half_open(const DataplaneTables& tables, const void* spared = nullptr,
                         uint8_t snat_protocol = 0);
    // Ends flows whose time has come, looking at a slice of each table.
    void sweep(const DataplaneTables& tables, uint32_t now_ms, uint32_t slice);

  private:
    template <typename F>
    uint32_t insert(const DataplaneTables& tables, const FlowKey<F>& key, uint64_t hash,
                    bool required, const FlowEntry<F>* spared);
    template <typename F>
    bool make_room(const DataplaneTables& tables, uint64_t hash, unsigned most_rank,
                   const FlowEntry<F>* spared = nullptr);
    template <typename F>
    void evict_one(const DataplaneTables& tables);
    template <typename F>
    void evict(const DataplaneTables& tables, uint32_t index);
    template <typename F>
    const FlowEntry<F>* find_record(const HalfOpenRing::Record& record) const;
    enum class Recorded : uint8_t { Gone, Kept, Evicted };
    template <typename F>
    Recorded try_record(const DataplaneTables& tables, const HalfOpenRing::Record& record,
                        const void* spared, uint8_t snat_protocol);
    void count_state(FlowState from, FlowState to, BackendId backend);

    unsigned worker_;
    uint32_t capacity_;
    uint32_t half_open_quota_;
    uint32_t half_open_ = 0;
    OwnedCounter<uint32_t> clients_;
    uint32_t eviction_cursor_ = 0;  // of evict_one()
    FlowTable<V4> v4_;
    FlowTable<V6> v6_;
    HalfOpenRing half_open_ring_;
    WorkerCounters& counters_;
    TableCounters& by_table_;
};

template <>
inline FlowTable<V4>& FlowStore::table<V4>() {
    return v4_;
}
template <>
inline FlowTable<V6>& FlowStore::table<V6>() {
    return v6_;
}
template <>
inline const FlowTable<V4>& FlowStore::table<V4>() const {
    return v4_;
}
template <>
inline const FlowTable<V6>& FlowStore::table<V6>() const {
    return v6_;
}

}  // namespace dlb
