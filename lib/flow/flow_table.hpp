// FlowTable<F>: which backend each flow of one worker goes to.
//
// Shape: an index of 64-byte buckets, each with eight 16-bit tags and eight entry numbers, before
// an array of entries of 32 bytes (IPv4) or 64 bytes (IPv6). A key may lie in either of two buckets
// (the second is the first XOR a function of the tag); the emptier one takes a new key. The first
// one counts those in the second, which need not be looked at where there are none. A flow may
// have a second index position, its reply hash, by which packets of the other direction find it.
// Expiry walks the entries in order, a slice at a time.
//
// Bounded: insert() fails when the entries, or both buckets, are full; it never moves or evicts
// others. By their keys alone flows fill it to its capacity; where each has a reply hash too, pairs
// of buckets begin to be full from some 60 % of it on. Units: times in milliseconds of a clock that
// wraps at 2^32; a timeout is below 2^31. Thread safety: one thread, the worker's. count() may be
// read from others. Source: the bucket is that of memC3 (Fan et al., NSDI 2013) without its kicks.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <emmintrin.h>

#include "lb/flow_state.hpp"
#include "lb/ids.hpp"
#include "net/flow_key.hpp"
#include "net/memory.hpp"

namespace dlb {

template <typename F>
struct FlowEntry;

template <>
struct alignas(32) FlowEntry<V4> {
    uint32_t source;
    uint32_t destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
    FlowState state;
    uint16_t snat_slot;
    uint32_t backend;  // BackendId::value()
    uint32_t expires;
    uint32_t reply_hash;  // 0: only its own direction is indexed
    uint16_t snat_port;   // network byte order; 0: none
    uint16_t spare;
};

template <>
struct alignas(64) FlowEntry<V6> {
    Ipv6Words source;
    Ipv6Words destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
    FlowState state;
    uint16_t snat_slot;
    uint32_t backend;
    uint32_t expires;
    uint32_t reply_hash;
    uint16_t snat_port;
    uint16_t spare;
};
static_assert(sizeof(FlowEntry<V4>) == 32 && sizeof(FlowEntry<V6>) == 64);

template <typename F>
class FlowTable {
  public:
    using Entry = FlowEntry<F>;
    using Key = FlowKey<F>;
    static constexpr uint32_t kNone = UINT32_MAX;

    // valid() is false when `allocate` had no room. REQUIRES: 0 < capacity < 2^28.
    FlowTable(uint32_t capacity, const Allocate& allocate);
    bool valid() const { return buckets_ != nullptr && entries_ != nullptr; }

    void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[bucket_of(hash)]); }
    // The entry that `hash` most likely means, fetched ahead; call once its bucket has come. kNone:
    // it has none there, and its other bucket is fetched ahead if that may have it.
    uint32_t prefetch_entry(uint64_t hash) const;
    // The same of its other bucket. REQUIRES: prefetch_entry() said kNone.
    uint32_t prefetch_entry_elsewhere(uint64_t hash) const;
    // Whether the entry is this key's.
    bool holds(uint32_t index, const Key& key) const { return same_key(entries_[index], key); }

    uint32_t find(const Key& key, uint64_t hash) const;
    // By reply hash: the first entry that `matches` (called with an Entry) takes.
    template <typename Matches>
    uint32_t find_reply(uint32_t reply_hash, Matches matches) const;

    // A new entry with the key set and the rest zero; kNone when there is no room.
    // REQUIRES: find(key, hash) == kNone.
    uint32_t insert(const Key& key, uint64_t hash);
    // REQUIRES: the entry has no reply hash yet; reply_hash != 0. False: both buckets are full.
    bool index_reply(uint32_t index, uint32_t reply_hash);
    void erase(uint32_t index);
    // Calls visit(index) for each entry whose end would make room for this hash.
    template <typename Visitor>
    void for_each_rival(uint64_t hash, Visitor visit) const;

    Entry& entry(uint32_t index) { return entries_[index]; }
    const Entry& entry(uint32_t index) const { return entries_[index]; }

    // Looks at the next `slice` entries; calls expired(index) for each whose time has come, which
    // should erase it.
    template <typename Expired>
    void sweep(uint32_t now, uint32_t slice, Expired expired);

    // Entries from this number on have never been used.
    uint32_t used() const { return fresh_; }
    uint32_t capacity() const { return capacity_; }
    uint32_t count() const { return count_.load(std::memory_order_relaxed); }
    static size_t memory_needed(uint32_t capacity);

    static Key key_of(const Entry& entry);

  private:
    static constexpr unsigned kWays = 8;
    struct alignas(64) Bucket {
        uint16_t tags[kWays];  // 0: free
        uint32_t entries[kWays];
        uint32_t elsewhere;  // keys of this first bucket that lie in their second one
        uint32_t spare[3];
    };
    static_assert(sizeof(Bucket) == 64);

    static uint32_t bucket_count(uint32_t capacity);
    // Any 64-bit hash may be shortened to its lower 32 bits: reply hashes are.
    static uint16_t tag_of(uint64_t hash) {
        const auto tag = static_cast<uint16_t>((static_cast<uint32_t>(hash) * 0x9e3779b1U) >> 16);
        return tag == 0 ? 1 : tag;
    }
    uint32_t bucket_of(uint64_t hash) const { return static_cast<uint32_t>(hash) & mask_; }
    uint32_t other_bucket(uint32_t bucket, uint16_t tag) const {
        return (bucket ^ (tag * 0x5bd1e995U)) & mask_;
    }
    // A bit for each way with this tag.
    static unsigned match_tags(const Bucket& bucket, uint16_t tag) {
        const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
        const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
        return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, equal))) & 0xff;
    }
    template <typename Matches>
    uint32_t search(uint64_t hash, Matches matches) const;
    uint32_t prefetch_entry_of(const Bucket& bucket, uint16_t tag) const;
    bool link(uint64_t hash, uint32_t index);
    bool unlink_from(Bucket& bucket, uint16_t tag, uint32_t index);
    void unlink(uint64_t hash, uint32_t index);
    // Word by word: an entry begins like a key, up to the protocol.
    static bool same_key(const Entry& entry, const Key& key) {
        constexpr size_t kWords = sizeof(Key) / sizeof(uint64_t);
        static_assert(std::endian::native == std::endian::little && kWords * 8 == sizeof(Key));
        static_assert(offsetof(Entry, protocol) == offsetof(Key, protocol));
        uint64_t theirs[kWords];
        uint64_t ours[kWords];
        std::memcpy(theirs, static_cast<const void*>(&entry), sizeof theirs);
        std::memcpy(ours, static_cast<const void*>(&key), sizeof ours);
        uint64_t differs = (theirs[kWords - 1] ^ ours[kWords - 1]) & 0xff'ffff'ffffU;
        for (size_t i = 0; i + 1 < kWords; ++i) {
            differs |= theirs[i] ^ ours[i];
        }
        return differs == 0;
    }
    void set_count(uint32_t count) { count_.store(count, std::memory_order_relaxed); }

    uint32_t capacity_;
    uint32_t mask_;
    ZeroedMemory bucket_memory_;
    ZeroedMemory entry_memory_;
    Bucket* buckets_;
    Entry* entries_;
    uint32_t fresh_ = 0;     // entries never used begin here
    uint32_t free_ = kNone;  // list through Entry::backend
    uint32_t cursor_ = 0;    // of sweep()
    std::atomic<uint32_t> count_{0};
};

// True once `time` has come, on a clock that wraps.
inline bool has_come(uint32_t time, uint32_t now) {
    return static_cast<int32_t>(now - time) >= 0;
}

template <typename F>
template <typename Matches>
uint32_t FlowTable<F>::search(uint64_t hash, Matches matches) const {
    const uint16_t tag = tag_of(hash);
    const uint32_t first = bucket_of(hash);
    const auto search_in = [&](const Bucket& bucket) {
        for (unsigned ways = match_tags(bucket, tag); ways != 0; ways &= ways - 1) {
            const uint32_t index = bucket.entries[__builtin_ctz(ways)];
            if (matches(entries_[index])) {
                return index;
            }
        }
        return kNone;
    };
    const uint32_t index = search_in(buckets_[first]);
    return index != kNone || buckets_[first].elsewhere == 0
               ? index
               : search_in(buckets_[other_bucket(first, tag)]);
}

template <typename F>
uint32_t FlowTable<F>::find(const Key& key, uint64_t hash) const {
    return search(hash, [&](const Entry& entry) { return same_key(entry, key); });
}

template <typename F>
template <typename Matches>
uint32_t FlowTable<F>::find_reply(uint32_t reply_hash, Matches matches) const {
    return search(reply_hash, [&](const Entry& entry) {
        return entry.reply_hash == reply_hash && matches(entry);
    });
}

template <typename F>
uint32_t FlowTable<F>::prefetch_entry_of(const Bucket& bucket, uint16_t tag) const {
    const unsigned ways = match_tags(bucket, tag);
    if (ways == 0) {
        return kNone;
    }
    const uint32_t index = bucket.entries[__builtin_ctz(ways)];
    __builtin_prefetch(&entries_[index], 1);
    return index;
}

template <typename F>
uint32_t FlowTable<F>::prefetch_entry(uint64_t hash) const {
    const Bucket& bucket = buckets_[bucket_of(hash)];
    const uint32_t index = prefetch_entry_of(bucket, tag_of(hash));
    if (index == kNone && bucket.elsewhere != 0) {
        __builtin_prefetch(&buckets_[other_bucket(bucket_of(hash), tag_of(hash))]);
    }
    return index;
}

template <typename F>
uint32_t FlowTable<F>::prefetch_entry_elsewhere(uint64_t hash) const {
    const uint32_t first = bucket_of(hash);
    const uint16_t tag = tag_of(hash);
    return buckets_[first].elsewhere == 0
               ? kNone
               : prefetch_entry_of(buckets_[other_bucket(first, tag)], tag);
}

template <typename F>
template <typename Visitor>
void FlowTable<F>::for_each_rival(uint64_t hash, Visitor visit) const {
    const uint16_t tag = tag_of(hash);
    const uint32_t first = bucket_of(hash);
    for (const uint32_t at : {first, other_bucket(first, tag)}) {
        const Bucket& bucket = buckets_[at];
        for (unsigned way = 0; way < kWays; ++way) {
            if (bucket.tags[way] != 0) {
                visit(bucket.entries[way]);
            }
        }
    }
}

template <typename F>
template <typename Expired>
void FlowTable<F>::sweep(uint32_t now, uint32_t slice, Expired expired) {
    for (uint32_t step = 0; step < slice && fresh_ != 0; ++step) {
        if (cursor_ >= fresh_) {
            cursor_ = 0;
        }
        const Entry& entry = entries_[cursor_];
        if (entry.state != FlowState::Free && has_come(entry.expires, now)) {
            expired(cursor_);
        }
        ++cursor_;
    }
}

extern template class FlowTable<V4>;
extern template class FlowTable<V6>;

}  // namespace dlb
