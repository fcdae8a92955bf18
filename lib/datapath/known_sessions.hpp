// KnownSessions: the conversations with routers that our kernel takes part in, told by what it
// sends: a stranger who writes a neighbour's address into his packets cannot make one.
//
// A key is a hash of the peer's view of a TCP connection, or of a BFD session's addresses and our
// discriminator. Bounds: kSlots, in sets of kWays; the one that was quiet for longest gives way.
// Thread safety: learn() is one thread's; find() any thread's. Ordering: none needed, a key means
// nothing but itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace dlb {

class KnownSessions {
  public:
    static constexpr unsigned kSlots = 1024;
    static constexpr unsigned kWays = 4;

    // Its slot; -1: not known.
    int find(uint64_t key) const {
        const unsigned first = set_of(key);
        for (unsigned slot = first; slot < first + kWays; ++slot) {
            if (keys_[slot].load(std::memory_order_relaxed) == filled(key)) {
                return static_cast<int>(slot);
            }
        }
        return -1;
    }

    void learn(uint64_t key, uint64_t now) {
        const unsigned first = set_of(key);
        unsigned chosen = first;
        for (unsigned slot = first; slot < first + kWays; ++slot) {
            if (keys_[slot].load(std::memory_order_relaxed) == filled(key)) {
                seen_[slot] = now;
                return;
            }
            chosen = seen_[slot] < seen_[chosen] ? slot : chosen;
        }
        seen_[chosen] = now;
        keys_[chosen].store(filled(key), std::memory_order_relaxed);
    }

  private:
    static uint64_t filled(uint64_t key) { return key == 0 ? 1 : key; }  // 0: a free slot
    static unsigned set_of(uint64_t key) {
        return static_cast<unsigned>(key % (kSlots / kWays)) * kWays;
    }

    std::array<std::atomic<uint64_t>, kSlots> keys_{};
    std::array<uint64_t, kSlots> seen_{};  // the writer's alone
};

}  // namespace dlb
