#include "datapath/flow_store.hpp"

#include <algorithm>

namespace dlb {

namespace {

// Who has to go first when room is needed: the lower the earlier.
constexpr unsigned kOver = 0, kHalfOpen = 1, kLive = 2, kAny = 3;
unsigned rank(FlowState state) {
    switch (state) {
        case FlowState::Closed:
        case FlowState::Fin:
            return kOver;
        case FlowState::Handshake:
        case FlowState::Joined:
        case FlowState::UdpNew:
        case FlowState::ClientNew:
            return kHalfOpen;
        case FlowState::HalfClosed:
        case FlowState::Udp:
        case FlowState::Client:
            return kLive;
        default:
            return kAny;
    }
}

template <typename F>
bool goes_before(const FlowEntry<F>& a, const FlowEntry<F>& b) {
    return rank(a.state) != rank(b.state) ? rank(a.state) < rank(b.state)
                                          : static_cast<int32_t>(a.expires - b.expires) < 0;
}

}  // namespace

FlowStore::FlowStore(unsigned worker, uint32_t capacity, const Allocate& allocate,
                     WorkerCounters& counters, TableCounters& by_table)
    : worker_(worker),
      capacity_(capacity),
      half_open_quota_(std::max(capacity / kHalfOpenShare, 1U)),
      v4_(capacity, allocate),
      v6_(capacity, allocate),
      half_open_ring_(half_open_quota_, allocate),
      counters_(counters),
      by_table_(by_table) {}

void FlowStore::count_state(FlowState from, FlowState to, BackendId backend) {
    half_open_ += static_cast<uint32_t>(int{is_half_open(to)} - int{is_half_open(from)});
    const int clients = int{is_client(to)} - int{is_client(from)};
    if (clients != 0) {
        clients_.add(static_cast<uint32_t>(clients));
    }
    const int change = int{is_active(to)} - int{is_active(from)};
    if (change != 0) {
        by_table_.change_active(backend, change);
    }
}

template <typename F>
void FlowStore::set_state(FlowEntry<F>& entry, FlowState state) {
    count_state(entry.state, state, BackendId::from_value(entry.backend));
    entry.state = state;
}

template <typename F>
void FlowStore::close(const DataplaneTables& tables, uint32_t index) {
    FlowEntry<F>& entry = table<F>().entry(index);
    const BackendId id = BackendId::from_value(entry.backend);
    // A gone backend's counters may already be another's.
    if (!is_client(entry.state) && by_table_.find(id) != nullptr) {
        auto& flows = by_table_.of(id).flows;
        flows.set(flows.get() - 1);
    }
    set_state<F>(entry, FlowState::Free);
    if (entry.snat_port != 0) {
        tables.snat_pools[worker_][entry.snat_slot]->give_back(
            entry.protocol, Be16::from_raw(entry.snat_port).host());
    }
    table<F>().erase(index);
}

template <typename F>
void FlowStore::evict(const DataplaneTables& tables, uint32_t index) {
    close<F>(tables, index);
    counters_.flows_evicted.add(1);
}

// The flow of a record, while it is half-open or, by now, over; nullptr: it went on, or is no more.
template <typename F>
const FlowEntry<F>* FlowStore::find_record(const HalfOpenRing::Record& record) const {
    const FlowEntry<F>& entry = table<F>().entry(record.index);
    const bool holds = entry.state != FlowState::Free && rank(entry.state) <= kHalfOpen &&
                       static_cast<uint32_t>(FlowTable<F>::key_of(entry).hash()) == record.tag;
    return holds ? &entry : nullptr;
}

template <typename F>
FlowStore::Recorded FlowStore::try_record(const DataplaneTables& tables,
                                          const HalfOpenRing::Record& record, const void* spared,
                                          uint8_t snat_protocol) {
    const FlowEntry<F>* entry = find_record<F>(record);
    if (entry == nullptr) {
        return Recorded::Gone;
    }
    const bool holds_port = entry->snat_port != 0 && entry->protocol == snat_protocol;
    if (entry == spared || (snat_protocol != 0 && !holds_port)) {
        half_open_ring_.push(record);
        return Recorded::Kept;
    }
    evict<F>(tables, record.index);
    return Recorded::Evicted;
}

bool FlowStore::evict_half_open(const DataplaneTables& tables, const void* spared,
                                uint8_t snat_protocol) {
    constexpr uint32_t kMostRecords = 64;  // a packet waits for this
    for (uint32_t left = std::min(kMostRecords, half_open_ring_.size()); left > 0; --left) {
        const HalfOpenRing::Record record = *half_open_ring_.pop();
        const Recorded done = record.v6 != 0
                                  ? try_record<V6>(tables, record, spared, snat_protocol)
                                  : try_record<V4>(tables, record, spared, snat_protocol);
        if (done == Recorded::Evicted) {
            return true;
        }
    }
    return false;
}

// Erases the least worthy flow among those that share this hash's buckets, if its rank is
// `most_rank` or less.
template <typename F>
bool FlowStore::make_room(const DataplaneTables& tables, uint64_t hash, unsigned most_rank,
                          const FlowEntry<F>* spared) {
    const FlowTable<F>& flows = table<F>();
    uint32_t victim = FlowTable<F>::kNone;
    flows.for_each_rival(hash, [&](uint32_t index) {
        const FlowEntry<F>& rival = flows.entry(index);
        if (&rival != spared &&
            (victim == FlowTable<F>::kNone || goes_before(rival, flows.entry(victim)))) {
            victim = index;
        }
    });
    if (victim == FlowTable<F>::kNone || rank(flows.entry(victim).state) > most_rank) {
        return false;
    }
    evict<F>(tables, victim);
    return true;
}

// Erases the least worthy of the next few flows of the table.
template <typename F>
void FlowStore::evict_one(const DataplaneTables& tables) {
    constexpr uint32_t kLookedAt = 16;
    constexpr uint32_t kMostSteps = 256;  // over free entries too: a packet waits for this
    const FlowTable<F>& flows = table<F>();
    const uint32_t most = std::min(flows.used(), kMostSteps);
    uint32_t victim = FlowTable<F>::kNone;
    for (uint32_t seen = 0, steps = 0; seen < kLookedAt && steps < most; ++steps) {
        eviction_cursor_ = eviction_cursor_ + 1 < flows.used() ? eviction_cursor_ + 1 : 0;
        const FlowEntry<F>& entry = flows.entry(eviction_cursor_);
        if (entry.state != FlowState::Free) {
            ++seen;
            victim = victim == FlowTable<F>::kNone || goes_before(entry, flows.entry(victim))
                         ? eviction_cursor_
                         : victim;
        }
    }
    if (victim != FlowTable<F>::kNone) {
        evict<F>(tables, victim);
    }
}

template <typename F>
uint32_t FlowStore::insert(const DataplaneTables& tables, const FlowKey<F>& key, uint64_t hash,
                           bool required, const FlowEntry<F>* spared) {
    FlowTable<F>& flows = table<F>();
    const auto try_insert = [&] {
        return count() < capacity_ ? flows.insert(key, hash) : FlowTable<F>::kNone;
    };
    uint32_t index = try_insert();
    if (index == FlowTable<F>::kNone && make_room<F>(tables, hash, kOver, spared)) {
        index = try_insert();
    }
    if (index == FlowTable<F>::kNone && required && evict_half_open(tables, spared)) {
        index = try_insert();
    }
    if (index == FlowTable<F>::kNone && required && make_room<F>(tables, hash, kHalfOpen, spared)) {
        index = try_insert();
    }
    // Full of live flows, and no flood of half-open ones that would push them all out: the least
    // worthy goes, of the other family where that has taken all.
    if (index == FlowTable<F>::kNone && required && count() >= capacity_ && half_open_ <= 1) {
        if (!make_room<F>(tables, hash, kAny, spared)) {
            v4_.count() > v6_.count() ? evict_one<V4>(tables) : evict_one<V6>(tables);
        }
        index = try_insert();
    }
    return index;
}

template <typename F>
uint32_t FlowStore::make(const DataplaneTables& tables, const FlowKey<F>& key, uint64_t hash,
                         BackendId backend, FlowState state, bool required,
                         const FlowEntry<F>* spared) {
    const bool half_open = is_half_open(state);
    if (half_open && half_open_full()) {
        evict_half_open(tables, spared);
    }
    const uint32_t index = insert<F>(tables, key, hash, required, spared);
    if (index == FlowTable<F>::kNone) {
        return index;
    }
    FlowEntry<F>& entry = table<F>().entry(index);
    entry.backend = backend.value();
    entry.state = FlowState::Free;
    set_state<F>(entry, state);
    if (!is_client(state)) {
        by_table_.of(backend).flows.add(1);
    }
    if (half_open) {
        half_open_ring_.push(
            {index, F::kFamily == Family::V6 ? 1U : 0U, static_cast<uint32_t>(hash)});
    }
    return index;
}

template <typename F>
bool FlowStore::index_reply(const DataplaneTables& tables, uint32_t index, uint32_t reply_hash) {
    FlowTable<F>& flows = table<F>();
    while (!flows.index_reply(index, reply_hash)) {
        if (!make_room<F>(tables, reply_hash, kHalfOpen, &flows.entry(index))) {
            close<F>(tables, index);
            return false;
        }
    }
    return true;
}

void FlowStore::sweep(const DataplaneTables& tables, uint32_t now_ms, uint32_t slice) {
    const auto end = [&]<typename F>(FlowTable<F>& flows) {
        flows.sweep(now_ms, slice, [&](uint32_t index) {
            close<F>(tables, index);
            counters_.flows_expired.add(1);
        });
    };
    end(v4_);
    end(v6_);
}

#define DLB_INSTANTIATE(F)                                                                    \
    template uint32_t FlowStore::make<F>(const DataplaneTables&, const FlowKey<F>&, uint64_t, \
                                         BackendId, FlowState, bool, const FlowEntry<F>*);    \
    template void FlowStore::set_state<F>(FlowEntry<F>&, FlowState);                          \
    template void FlowStore::close<F>(const DataplaneTables&, uint32_t);                      \
    template bool FlowStore::index_reply<F>(const DataplaneTables&, uint32_t, uint32_t);
DLB_INSTANTIATE(V4)
DLB_INSTANTIATE(V6)
#undef DLB_INSTANTIATE

}  // namespace dlb
