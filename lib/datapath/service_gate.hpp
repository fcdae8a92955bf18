// ServiceGate: whether a service takes a new flow now: its bound on new flows per second, and the
// memory that all its backends were found full a moment ago. One worker's; the bound holds for all
// workers together, as far as one sees what others count.
//
// The bound is a bucket of one second's flows that drains at the bound's rate. Thread safety: the
// worker's thread. Units: milliseconds of a clock that wraps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lb/ids.hpp"
#include "lb/snapshot.hpp"
#include "net/memory.hpp"

namespace dlb {

class ServiceGate {
  public:
    ServiceGate() : memory_(allocate_pages(sizeof(Record) * kMaxServices)) {}
    bool valid() const { return memory_ != nullptr; }

    // `opened`: new flows of the service so far, of all workers.
    bool admits(const ServiceEntry& service, uint64_t opened, uint32_t now_ms) const {
        const uint64_t depth = uint64_t{service.max_new_flows} * kScale;
        return level(service, opened, now_ms) + kScale <= depth;
    }
    // After a flow was let in; `opened` does not count it yet.
    void note(const ServiceEntry& service, uint64_t opened, uint32_t now_ms) {
        Record& record = of(service);
        record.level = level(service, opened, now_ms);
        record.rate = service.max_new_flows;
        record.opened = opened;
        record.at_ms = now_ms;
    }

    // Found full within this millisecond: not worth another look.
    bool is_full(const ServiceEntry& service, Family client, uint32_t now_ms) const {
        const Record& record = of(service);
        return record.has_been_full[place(client)] && record.full_at_ms[place(client)] == now_ms;
    }
    void note_full(const ServiceEntry& service, Family client, uint32_t now_ms) {
        Record& record = of(service);
        record.has_been_full[place(client)] = true;
        record.full_at_ms[place(client)] = now_ms;
    }

  private:
    static constexpr uint64_t kScale = 1000;  // a level's units a flow: the rate drains by the ms

    struct Record {
        uint64_t opened;
        uint64_t level;
        uint32_t at_ms;
        uint32_t rate;  // that `level` is of; another one begins anew
        uint32_t full_at_ms[2];
        bool has_been_full[2];
    };

    uint64_t level(const ServiceEntry& service, uint64_t opened, uint32_t now_ms) const {
        const Record& record = of(service);
        if (record.rate != service.max_new_flows) {
            return 0;
        }
        const uint64_t drained = uint64_t{now_ms - record.at_ms} * record.rate;
        const uint64_t filled = record.level + (opened - record.opened) * kScale;
        return filled - std::min(filled, drained);
    }
    Record& of(const ServiceEntry& service) const {
        return static_cast<Record*>(memory_.get())[service.slot];
    }
    static unsigned place(Family client) { return client == Family::V4 ? 0 : 1; }

    ZeroedMemory memory_;
};

}  // namespace dlb
