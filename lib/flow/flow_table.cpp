#include "flow/flow_table.hpp"

#include <bit>

namespace dlb {

template <typename F>
uint32_t FlowTable<F>::bucket_count(uint32_t capacity) {
    // Room for twice the entries, for reply hashes and so that both buckets are seldom full.
    return std::bit_ceil((capacity * 2 + kWays - 1) / kWays);
}

template <typename F>
size_t FlowTable<F>::memory_needed(uint32_t capacity) {
    return bucket_count(capacity) * sizeof(Bucket) + capacity * sizeof(Entry);
}

template <typename F>
FlowTable<F>::FlowTable(uint32_t capacity, const Allocate& allocate)
    : capacity_(capacity),
      mask_(bucket_count(capacity) - 1),
      bucket_memory_(allocate(bucket_count(capacity) * sizeof(Bucket))),
      entry_memory_(allocate(capacity * sizeof(Entry))),
      buckets_(static_cast<Bucket*>(bucket_memory_.get())),
      entries_(static_cast<Entry*>(entry_memory_.get())) {}

// The first bucket while more than half of it is free, so that most inserts touch one cache line;
// else the emptier. (The first that has room at all would fill pairs of buckets from a fifth of the
// capacity on.)
template <typename F>
bool FlowTable<F>::link(uint64_t hash, uint32_t index) {
    const uint16_t tag = tag_of(hash);
    uint32_t target = bucket_of(hash);
    unsigned free = match_tags(buckets_[target], 0);
    if (std::popcount(free) * 2 <= static_cast<int>(kWays)) {
        const uint32_t second = other_bucket(target, tag);
        const unsigned free_there = match_tags(buckets_[second], 0);
        if (std::popcount(free_there) > std::popcount(free)) {
            free = free_there;
            target = second;
        }
    }
    if (free == 0) {
        return false;
    }
    const int way = __builtin_ctz(free);
    buckets_[target].tags[way] = tag;
    buckets_[target].entries[way] = index;
    if (target != bucket_of(hash)) {
        ++buckets_[bucket_of(hash)].elsewhere;
    }
    return true;
}

template <typename F>
bool FlowTable<F>::unlink_from(Bucket& bucket, uint16_t tag, uint32_t index) {
    for (unsigned ways = match_tags(bucket, tag); ways != 0; ways &= ways - 1) {
        const int way = __builtin_ctz(ways);
        if (bucket.entries[way] == index) {
            bucket.tags[way] = 0;
            return true;
        }
    }
    return false;
}

template <typename F>
void FlowTable<F>::unlink(uint64_t hash, uint32_t index) {
    const uint16_t tag = tag_of(hash);
    const uint32_t first = bucket_of(hash);
    if (!unlink_from(buckets_[first], tag, index) &&
        unlink_from(buckets_[other_bucket(first, tag)], tag, index)) {
        --buckets_[first].elsewhere;
    }
}

template <typename F>
uint32_t FlowTable<F>::insert(const Key& key, uint64_t hash) {
    const bool reused = free_ != kNone;
    if (!reused && fresh_ == capacity_) {
        return kNone;
    }
    const uint32_t index = reused ? free_ : fresh_;
    if (!link(hash, index)) {
        return kNone;
    }
    Entry& entry = entries_[index];
    if (reused) {
        free_ = entry.backend;
        if (free_ != kNone) {
            __builtin_prefetch(&entries_[free_], 1);  // the next one's
        }
    } else {
        ++fresh_;
    }
    entry = Entry{};
    entry.source = key.source;
    entry.destination = key.destination;
    entry.source_port = key.source_port;
    entry.destination_port = key.destination_port;
    entry.protocol = key.protocol;
    set_count(count() + 1);
    return index;
}

template <typename F>
bool FlowTable<F>::index_reply(uint32_t index, uint32_t reply_hash) {
    if (!link(reply_hash, index)) {
        return false;
    }
    entries_[index].reply_hash = reply_hash;
    return true;
}

template <typename F>
typename FlowTable<F>::Key FlowTable<F>::key_of(const Entry& entry) {
    Key key;
    key.source = entry.source;
    key.destination = entry.destination;
    key.source_port = entry.source_port;
    key.destination_port = entry.destination_port;
    key.protocol = entry.protocol;
    return key;
}

template <typename F>
void FlowTable<F>::erase(uint32_t index) {
    Entry& entry = entries_[index];
    unlink(key_of(entry).hash(), index);
    if (entry.reply_hash != 0) {
        unlink(entry.reply_hash, index);
    }
    entry = Entry{};
    entry.backend = free_;
    free_ = index;
    set_count(count() - 1);
}

template class FlowTable<V4>;
template class FlowTable<V6>;

}  // namespace dlb
