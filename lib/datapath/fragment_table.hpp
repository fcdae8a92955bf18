// FragmentTable: the datagrams that one worker has seen pieces of, what their first fragments told,
// and the fragments that wait for one.
//
// Shape: a fixed number of datagrams of both families, found by hash; each knows which of its bytes
// have come, as a few disjoint ranges. Nothing is put together: fragments pass one by one, and what
// a receiver could read in two ways does not pass. Bounded: memory is reserved when the table is
// made; where there is no room, a fragment is refused.
//
// Invariants: (1) a fragment waits only while its datagram's first one has not come. (2) No byte of
// a datagram passes twice while the datagram is known.
// Units: milliseconds of a clock that wraps at 2^32; bytes of the datagram. Thread safety: one
// thread, the worker's. The mbufs that it is given are only kept, never looked into.
// Source: RFC 791 §3.2, RFC 8200 §4.5, RFC 5722 §4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <rte_mbuf.h>

#include "datapath/verdict.hpp"
#include "net/flow_key.hpp"

namespace dlb {

// What belongs together: RFC 791 §3.2; for IPv6, whose fragments may name another next header each,
// without the protocol (RFC 8200 §4.5).
struct DatagramKey {
    Ipv6Words source{};  // IPv4: the first bytes, then zeros
    Ipv6Words destination{};
    uint32_t identification = 0;
    Family family = Family::V4;
    uint8_t protocol = 0;  // 0 for IPv6
    uint16_t zero = 0;

    uint64_t hash() const { return XXH3_64bits(this, sizeof *this); }
    friend bool operator==(const DatagramKey&, const DatagramKey&) = default;
};
static_assert(sizeof(DatagramKey) == 40);

template <typename F>
DatagramKey make_datagram_key(const FlowKey<F>& key, uint32_t identification) {
    DatagramKey datagram;
    std::memcpy(&datagram.source, &key.source, sizeof key.source);
    std::memcpy(&datagram.destination, &key.destination, sizeof key.destination);
    datagram.identification = identification;
    datagram.family = F::kFamily;
    datagram.protocol = F::kFamily == Family::V4 ? key.protocol : 0;
    return datagram;
}

// A fragment's part of its datagram. REQUIRES: begin < end.
struct FragmentRange {
    uint16_t begin = 0;
    uint16_t end = 0;
    bool more = false;  // it is not the last
};

// What the first fragment alone knows of a datagram.
struct FragmentTransport {
    uint16_t source_port = 0;  // network byte order; no ports: zero
    uint16_t destination_port = 0;
    uint8_t protocol = 0;
};

class FragmentTable {
  public:
    static constexpr uint16_t kNone = UINT16_MAX;
    static constexpr uint16_t kDatagrams = 1024;
    static constexpr uint16_t kWaiting = 256;   // fragments that wait, of all datagrams
    static constexpr uint8_t kWaitingEach = 8;  // of one
    static constexpr uint8_t kRanges = 16;      // of one: as many holes may be open
    static constexpr uint32_t kLifeMs = 2000;   // from a datagram's first fragment to come

    FragmentTable();

    // Takes note of a fragment. `failure` Forwarded: it may pass, or wait where the first has not
    // come; otherwise the name to drop it by. FragmentOverlap: the datagram is given up, and what
    // waits for it (next_waiting()) has to go too.
    struct Admission {
        Verdict failure = Verdict::Forwarded;
        uint16_t datagram = kNone;
    };
    Admission admit(const DatagramKey& key, const FragmentRange& range, uint32_t now_ms);

    // The first fragment has come.
    void set_transport(uint16_t datagram, const FragmentTransport& transport);
    // nullptr: it has not.
    const FragmentTransport* transport_of(uint16_t datagram) const;

    // Keeps a fragment until the first comes. REQUIRES: admitted, and transport_of() is nullptr.
    void keep(uint16_t datagram, rte_mbuf* mbuf);
    // Takes out what waits, in order of arrival; nullptr: nothing does.
    rte_mbuf* next_waiting(uint16_t datagram);
    // Forgets the datagram if all of it has come. REQUIRES: nothing waits.
    void forget_if_whole(uint16_t datagram);

    // Looks at the next `slice` datagrams; those whose time has come are forgotten, and `drop`
    // gets each mbuf that waited.
    template <typename Drop>
    void sweep(uint32_t now_ms, uint32_t slice, Drop drop);
    // Gives all that waits to `drop`.
    template <typename Drop>
    void clear(Drop drop);

    uint32_t count() const { return count_; }
    uint32_t waiting() const { return waiting_count_; }

  private:
    enum class State : uint8_t { Free, Headless, Known, GivenUp };

    struct Span {
        uint16_t begin, end;
    };
    struct Datagram {
        DatagramKey key;
        uint32_t made_ms;
        uint16_t next;  // in its bucket, or among the free ones
        State state;
        uint8_t spans;       // in `covered`, in order, with holes between
        uint16_t piece;      // the length of its fragments but the last; 0: none of them has come
        bool even;           // they all have that length, and begin at multiples of it
        uint8_t waiting;     // how many wait
        uint16_t last_from;  // where the last one begins and ends; both 0: it has not come
        uint16_t total;
        uint16_t head, tail;  // of those that wait
        FragmentTransport transport;
        std::array<Span, kRanges> covered;
    };
    struct Waiting {
        rte_mbuf* mbuf;
        uint16_t next;
    };

    static constexpr size_t kBuckets = size_t{2} * kDatagrams;
    uint16_t& bucket_of(const DatagramKey& key) { return buckets_[key.hash() % kBuckets]; }
    uint16_t find(const DatagramKey& key);
    uint16_t make(const DatagramKey& key, uint32_t now_ms);
    void forget(uint16_t index);
    static Verdict check(const Datagram& datagram, const FragmentRange& range);
    static bool is_copy(const Datagram& datagram, const FragmentRange& range);
    static bool cover(Datagram& datagram, const FragmentRange& range);
    static void note_shape(Datagram& datagram, const FragmentRange& range);

    std::vector<Datagram> datagrams_;
    std::vector<uint16_t> buckets_;  // the first datagram of each
    std::vector<Waiting> waiting_;
    uint16_t free_ = 0;          // list of datagrams
    uint16_t free_waiting_ = 0;  // list of waiting_
    uint32_t count_ = 0;
    uint32_t waiting_count_ = 0;
    uint16_t cursor_ = 0;  // of sweep()
};

template <typename Drop>
void FragmentTable::sweep(uint32_t now_ms, uint32_t slice, Drop drop) {
    for (uint32_t step = 0; step < slice && count_ != 0; ++step) {
        cursor_ = static_cast<uint16_t>((cursor_ + 1) % kDatagrams);
        const Datagram& datagram = datagrams_[cursor_];
        if (datagram.state == State::Free || now_ms - datagram.made_ms < kLifeMs) {
            continue;
        }
        while (rte_mbuf* mbuf = next_waiting(cursor_)) {
            drop(mbuf);
        }
        forget(cursor_);
    }
}

template <typename Drop>
void FragmentTable::clear(Drop drop) {
    for (uint16_t index = 0; index < kDatagrams; ++index) {
        while (rte_mbuf* mbuf = next_waiting(index)) {
            drop(mbuf);
        }
    }
}

}  // namespace dlb
