// BackendId: where a backend's entry lies in every snapshot, tagged with a generation.
//
// A flow keeps an id, never a pointer, and so outlives snapshots. A slot that is given to another
// backend gets the next generation, so that an old flow sees that its backend has gone. Thread
// safety: plain values.
#pragma once

#include <cstdint>

namespace dlb {

class BackendId {
  public:
    static constexpr unsigned kSlotBits = 20;
    static constexpr uint32_t kMaxSlots = 1U << 17;  // bounds the workers' counter arrays
    static constexpr uint32_t kGenerations = 1U << (32 - kSlotBits);

    constexpr BackendId() = default;  // no backend: no entry has generation 0
    constexpr BackendId(uint32_t slot, uint32_t generation)
        : value_(generation << kSlotBits | slot) {}
    static constexpr BackendId from_value(uint32_t value) {
        BackendId id;
        id.value_ = value;
        return id;
    }
    constexpr uint32_t slot() const { return value_ & ((1U << kSlotBits) - 1); }
    constexpr uint32_t generation() const { return value_ >> kSlotBits; }
    constexpr uint32_t value() const { return value_; }
    constexpr bool valid() const { return value_ != 0; }
    friend constexpr bool operator==(BackendId, BackendId) = default;

  private:
    uint32_t value_ = 0;
};

inline constexpr uint32_t kMaxServices = 1U << 14;
inline constexpr uint32_t kMaxSnatAddresses = 1024;

}  // namespace dlb
