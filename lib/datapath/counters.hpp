// Counters that one worker writes and others read.
//
// Thread safety: add() and set() by the owner alone; get() from any thread. A reader may see one
// counter's new value and another's old one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "datapath/verdict.hpp"
#include "lb/ids.hpp"
#include "net/memory.hpp"

namespace dlb {

template <typename T>
class OwnedCounter {
  public:
    void add(T n) { set(get() + n); }  // a plain add: there is one writer
    void set(T value) { value_.store(value, std::memory_order_relaxed); }
    T get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<T> value_{0};
};
using Counter = OwnedCounter<uint64_t>;

struct BackendCounters {
    Counter packets, bytes, new_flows;
    OwnedCounter<uint32_t> flows;       // in the table, in any state
    OwnedCounter<uint32_t> generation;  // of the BackendId that these belong to
};

// A backend's open flows. Apart from the counters above: schedulers of all workers read it, and
// those change with each packet.
struct BackendLoad {
    OwnedCounter<uint32_t> active;
    OwnedCounter<uint32_t> generation;
};

struct ServiceCounters {
    Counter packets, bytes, new_flows, replies;
};

inline constexpr unsigned kMaxPorts = 32;  // DPDK's own bound

struct WorkerCounters {
    std::array<Counter, kVerdicts> verdicts;
    std::array<Counter, kMaxPorts> tx_dropped;  // by port; counted as tx_full too, but for parts
    Counter rx_packets;                         // taken from the ports' queues
    Counter handed_in;                          // taken from other workers' rings
    Counter busy_cycles;                        // of loops that had packets
    Counter total_cycles;
    Counter flows_expired, flows_evicted, flows_rescheduled;
    Counter fragments_sent;   // beside the last one of each packet, which counts as its verdict
    Counter flows_stateless;  // packets forwarded by hash alone: no room, or no half-open quota

    Counter& of(Verdict verdict) { return verdicts[static_cast<unsigned>(verdict)]; }
    const Counter& of(Verdict verdict) const { return verdicts[static_cast<unsigned>(verdict)]; }
};

// One worker's counters by backend and by service slot. Their pages are touched only when used.
class TableCounters {
  public:
    TableCounters()
        : backend_memory_(allocate_pages(sizeof(BackendCounters) * BackendId::kMaxSlots)),
          service_memory_(allocate_pages(sizeof(ServiceCounters) * kMaxServices)),
          load_memory_(allocate_pages(sizeof(BackendLoad) * BackendId::kMaxSlots)) {}

    bool valid() const {
        return backend_memory_ != nullptr && service_memory_ != nullptr && load_memory_ != nullptr;
    }

    // The owner's way in: counters of an earlier backend in this slot start anew.
    BackendCounters& of(BackendId id) {
        BackendCounters& counters = backend_array()[id.slot()];
        if (counters.generation.get() != id.generation()) {
            counters.packets.set(0);
            counters.bytes.set(0);
            counters.new_flows.set(0);
            counters.flows.set(0);
            counters.generation.set(id.generation());
        }
        return counters;
    }
    void prefetch(BackendId id) const { __builtin_prefetch(&backend_array()[id.slot()], 1); }
    void prefetch_service(uint32_t slot) const { __builtin_prefetch(&of_service(slot), 1); }
    // A reader's: nullptr where this worker has counted nothing for the backend.
    const BackendCounters* find(BackendId id) const {
        const BackendCounters& counters = backend_array()[id.slot()];
        return counters.generation.get() == id.generation() ? &counters : nullptr;
    }
    uint32_t active(BackendId id) const {
        const BackendLoad& load = loads()[id.slot()];
        return load.generation.get() == id.generation() ? load.active.get() : 0;
    }
    // The owner's. What ends of a backend whose slot is another's by now is not counted.
    void change_active(BackendId id, int change) {
        BackendLoad& load = loads()[id.slot()];
        if (load.generation.get() != id.generation()) {
            if (change < 0) {
                return;
            }
            load.active.set(0);
            load.generation.set(id.generation());
        }
        load.active.add(static_cast<uint32_t>(change));
    }
    ServiceCounters& of_service(uint32_t slot) const {
        return static_cast<ServiceCounters*>(service_memory_.get())[slot];
    }

  private:
    BackendCounters* backend_array() const {
        return static_cast<BackendCounters*>(backend_memory_.get());
    }
    BackendLoad* loads() const { return static_cast<BackendLoad*>(load_memory_.get()); }
    ZeroedMemory backend_memory_;
    ZeroedMemory service_memory_;
    ZeroedMemory load_memory_;
};

}  // namespace dlb
