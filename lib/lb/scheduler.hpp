// Scheduler: which backend a new flow gets. One worker's: rr and wrr have a turn of their own in
// each worker, random its own numbers.
//
//   maglev  by the flow's hash; sh by the client's address's; both over the service's Maglev table
//   random  any slot of that table, so by weight
//   rr      the members in the order of their endpoints; wrr as make_turns() says
//   lc      least connections, of all workers together; wlc: least (connections + 1) / weight. Ties
//           go to the next in turn.
//
// A backend that has its max_connections is passed over: hashing tries further hashes, so that each
// member of a group of load balancers that knows of the same full ones chooses alike; the others
// take the next in turn. Bounded: lc looks at kWindow members a time, the next ones the next time.
// Thread safety: the worker's thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lb/snapshot.hpp"
#include "net/memory.hpp"

namespace dlb {

// What is asked of a scheduler about a new flow.
struct NewFlow {
    Family client = Family::V4;
    uint64_t flow_hash = 0;    // of the 5-tuple
    uint64_t client_hash = 0;  // of the client's address, for sh
    bool by_hash = false;      // as any other load balancer would: whatever the scheduler is
};

class Scheduler {
  public:
    static constexpr uint32_t kWindow = 64;

    explicit Scheduler(unsigned worker, unsigned workers);
    bool valid() const { return memory_ != nullptr; }

    // What is chosen, and what commit() then has to know.
    struct Choice {
        const BackendEntry* backend = nullptr;  // nullptr: none takes new flows, or all are full
        uint32_t next_turn = 0;
        uint64_t next_random = 0;
    };
    // `load(BackendId)`: connections, of all workers.
    template <typename Load>
    Choice decide(const LbSnapshot& lb, const ServiceEntry& service, const NewFlow& flow,
                  const Load& load) const;
    // The choice was taken: the turn is the next one's.
    void commit(const ServiceEntry& service, Family client, const Choice& choice) {
        turn_of(service, client) = choice.next_turn;
        random_ = choice.next_random;
    }

  private:
    template <typename Load>
    static const BackendEntry* by_hash(const LbSnapshot& lb, const MaglevView& table, uint64_t hash,
                                       const Load& load);
    template <typename Load>
    static const BackendEntry* next_free(const LbSnapshot& lb, const MaglevView& table,
                                         uint32_t first, const Load& load);
    template <typename Load>
    static void by_turn(const LbSnapshot& lb, const MaglevView& table, const Load& load,
                        Choice& choice);
    template <typename Load>
    static void by_load(const LbSnapshot& lb, const MaglevView& table, bool weighted,
                        const Load& load, Choice& choice);
    template <typename Load>
    static bool is_full(const BackendEntry& backend, const Load& load) {
        return backend.max_connections != 0 && load(backend.id) >= backend.max_connections;
    }
    static uint64_t next_hash(uint64_t hash) { return XXH3_64bits(&hash, sizeof hash); }

    uint32_t& turn_of(const ServiceEntry& service, Family client) const {
        return static_cast<uint32_t*>(
            memory_.get())[service.slot * 2 + (client == Family::V4 ? 0 : 1)];
    }

    unsigned worker_;
    unsigned workers_;
    ZeroedMemory memory_;  // turns, by service slot and the client's family
    uint64_t random_;
};

template <typename Load>
Scheduler::Choice Scheduler::decide(const LbSnapshot& lb, const ServiceEntry& service,
                                    const NewFlow& flow, const Load& load) const {
    const MaglevView& table = service.maglev_of(flow.client);
    Choice choice{nullptr, turn_of(service, flow.client), random_};
    if (table.size == 0) {
        return choice;
    }
    // Workers begin at different members, so that together they go round as one.
    const auto start = [&](uint32_t count) {
        if (choice.next_turn == 0) {
            choice.next_turn = static_cast<uint32_t>(uint64_t{count} * worker_ / workers_);
        }
    };
    switch (flow.by_hash ? SchedulerKind::Maglev : service.scheduler) {
        case SchedulerKind::Maglev:
            choice.backend = by_hash(lb, table, flow.flow_hash, load);
            break;
        case SchedulerKind::Sh:
            choice.backend = by_hash(lb, table, flow.client_hash, load);
            break;
        case SchedulerKind::Random:
            choice.next_random = next_hash(random_);
            choice.backend = by_hash(lb, table, choice.next_random, load);
            break;
        case SchedulerKind::Rr:
            start(table.members);
            by_turn(lb, table, load, choice);
            break;
        case SchedulerKind::Wrr:
            start(table.turn_count);
            by_turn(lb, table, load, choice);
            break;
        case SchedulerKind::Lc:
        case SchedulerKind::Wlc:
            start(table.members);
            by_load(lb, table, service.scheduler == SchedulerKind::Wlc, load, choice);
            break;
    }
    return choice;
}

template <typename Load>
const BackendEntry* Scheduler::by_hash(const LbSnapshot& lb, const MaglevView& table, uint64_t hash,
                                       const Load& load) {
    constexpr unsigned kTries = 8;
    for (unsigned tried = 0; tried < kTries; ++tried) {
        const BackendEntry* backend =
            lb.find_backend(table.ids[table.slots[hash_share(hash, table.size)]]);
        if (!is_full(*backend, load)) {
            return backend;
        }
        hash = next_hash(hash);
    }
    return next_free(lb, table, hash_share(hash, table.members), load);
}

// Most are full: the next member that is not, if there is any.
template <typename Load>
const BackendEntry* Scheduler::next_free(const LbSnapshot& lb, const MaglevView& table,
                                         uint32_t first, const Load& load) {
    for (uint32_t i = 0; i < table.members; ++i) {
        const BackendEntry* backend = lb.find_backend(table.ids[(first + i) % table.members]);
        if (!is_full(*backend, load)) {
            return backend;
        }
    }
    return nullptr;
}

template <typename Load>
void Scheduler::by_turn(const LbSnapshot& lb, const MaglevView& table, const Load& load,
                        Choice& choice) {
    const uint32_t count = table.turns == nullptr ? table.members : table.turn_count;
    for (uint32_t tried = 0; tried < std::min(count, kWindow); ++tried) {
        const uint32_t turn = choice.next_turn % count;
        choice.next_turn = turn + 1;
        const BackendEntry* backend =
            lb.find_backend(table.ids[table.turns == nullptr ? turn : table.turns[turn]]);
        if (!is_full(*backend, load)) {
            choice.backend = backend;
            return;
        }
    }
    choice.backend = next_free(lb, table, choice.next_turn % table.members, load);
}

template <typename Load>
void Scheduler::by_load(const LbSnapshot& lb, const MaglevView& table, bool weighted,
                        const Load& load, Choice& choice) {
    const uint32_t window = std::min(table.members, kWindow);
    const uint32_t first = choice.next_turn % table.members;
    uint64_t least = 0;
    for (uint32_t i = 0; i < table.members && (i < window || choice.backend == nullptr); ++i) {
        const uint32_t turn = (first + i) % table.members;
        const BackendEntry* backend = lb.find_backend(table.ids[turn]);
        const uint64_t connections = load(backend->id);
        if (backend->max_connections != 0 && connections >= backend->max_connections) {
            continue;
        }
        // (connections + 1) / weight, compared without dividing.
        const uint64_t mine = weighted ? connections + 1 : connections;
        const bool less =
            choice.backend == nullptr ||
            (weighted ? mine * choice.backend->weight < least * backend->weight : mine < least);
        if (less) {
            choice.backend = backend;
            choice.next_turn = turn + 1;
            least = mine;
        }
    }
    if (table.members > window) {
        choice.next_turn = first + window;
    }
}

}  // namespace dlb
