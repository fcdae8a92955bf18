// HalfOpenRing: which flows were half-open when they came, oldest first.
//
// A record stays when its flow goes on or ends, so who takes one out has to look whether it still
// holds. When the ring is full the oldest record is forgotten. Shape: an entry's index, its family,
// and 32 bits of its key's hash, by which a later flow in the same entry is told. Thread safety:
// the worker's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "net/memory.hpp"

namespace dlb {

class HalfOpenRing {
  public:
    struct Record {
        uint32_t index : 31;
        uint32_t v6 : 1;
        uint32_t tag;
    };

    // valid() is false when `allocate` had no room. REQUIRES: capacity > 0.
    HalfOpenRing(uint32_t capacity, const Allocate& allocate)
        : capacity_(capacity), memory_(allocate(sizeof(Record) * capacity)) {}
    bool valid() const { return memory_ != nullptr; }

    void push(Record record) {
        if (count_ == capacity_) {
            pop();
        }
        const uint32_t tail = head_ + count_;
        records()[tail < capacity_ ? tail : tail - capacity_] = record;
        ++count_;
    }
    std::optional<Record> pop() {
        if (count_ == 0) {
            return std::nullopt;
        }
        const Record record = records()[head_];
        head_ = head_ + 1 == capacity_ ? 0 : head_ + 1;
        --count_;
        return record;
    }
    uint32_t size() const { return count_; }

  private:
    Record* records() const { return static_cast<Record*>(memory_.get()); }

    uint32_t capacity_;
    ZeroedMemory memory_;
    uint32_t head_ = 0;
    uint32_t count_ = 0;
};

}  // namespace dlb
