// The flow table by itself, beside rte_hash with the same keys: hits of known flows, misses with
// the insert that follows, and the hash functions.
//
// A burst of 32 goes through the table's stages as in Worker: prefetch(), prefetch_entry(), find().
// Arguments: family, flows, zipf (0: each flow is as likely), cold (1: the caches are emptied
// before each burst, which is timed alone).
#include <memory>

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_jhash.h>
#include <rte_thash.h>

#include "bench_support.hpp"
#include "flow/flow_table.hpp"
#include "net/byte_order.hpp"

namespace dlb::bench {
namespace {

template <typename F>
FlowKey<F> key_of(uint32_t number) {
    FlowKey<F> key;
    auto* source = reinterpret_cast<uint8_t*>(&key.source);
    const uint32_t client = Be32(0xc6120000U + number / 50000).raw();
    std::memcpy(source + F::kAddressSize - sizeof client, &client, sizeof client);
    std::memset(&key.destination, 0x0a, F::kAddressSize);
    key.source_port = Be16(static_cast<uint16_t>(1024 + number % 50000)).raw();
    key.destination_port = Be16(80).raw();
    key.protocol = 6;
    return key;
}

template <typename F>
std::vector<FlowKey<F>> keys_of(uint32_t count) {
    std::vector<FlowKey<F>> keys(count);
    for (uint32_t n = 0; n < count; ++n) {
        keys[n] = key_of<F>(n);
    }
    return keys;
}

template <typename F>
std::unique_ptr<FlowTable<F>> filled_table(uint32_t flows) {
    auto table = std::make_unique<FlowTable<F>>(flows * 2, [](size_t size) {
        ZeroedMemory memory = allocate_pages(size);
        std::memset(memory.get(), 0, size);
        return memory;
    });
    for (uint32_t n = 0; n < flows; ++n) {
        const FlowKey<F> key = key_of<F>(n);
        const uint32_t index = table->insert(key, key.hash());
        if (index == FlowTable<F>::kNone) {
            return nullptr;
        }
        table->entry(index).state = FlowState::Established;
    }
    return table;
}

template <typename F>
unsigned find_burst(FlowTable<F>& table, const FlowKey<F>* keys, uint32_t* found) {
    uint64_t hashes[kBurst];
    uint32_t likely[kBurst];
    for (unsigned i = 0; i < kBurst; ++i) {
        hashes[i] = keys[i].hash();
        table.prefetch(hashes[i]);
    }
    for (unsigned i = 0; i < kBurst; ++i) {
        likely[i] = table.prefetch_entry(hashes[i]);
    }
    for (unsigned i = 0; i < kBurst; ++i) {
        likely[i] = likely[i] == FlowTable<F>::kNone ? table.prefetch_entry_elsewhere(hashes[i])
                                                     : likely[i];
    }
    unsigned hits = 0;
    for (unsigned i = 0; i < kBurst; ++i) {
        found[i] = likely[i] != FlowTable<F>::kNone && table.holds(likely[i], keys[i])
                       ? likely[i]
                       : table.find(keys[i], hashes[i]);
        hits += found[i] != FlowTable<F>::kNone;
    }
    return hits;
}

template <typename F>
void flow_hit(benchmark::State& state) {
    const auto flows = static_cast<uint32_t>(state.range(0));
    const auto table = filled_table<F>(flows);
    if (table == nullptr) {
        return state.SkipWithError("the table is full too early");
    }
    const std::vector<uint32_t> order = draw(flows, state.range(1) != 0);
    FlowKey<F> keys[kBurst];
    uint32_t found[kBurst];
    size_t next = 0;
    uint64_t hits = 0;
    uint64_t asked = 0;
    Cycles cycles(state);
    for (auto _ : state) {
        for (FlowKey<F>& key : keys) {
            key = key_of<F>(order[next++ % order.size()]);
        }
        if (state.range(2) != 0) {
            forget();
        }
        cycles.start();
        hits += find_burst(*table, keys, found);
        benchmark::DoNotOptimize(found);
        cycles.stop(kBurst);
        asked += kBurst;
    }
    if (hits != asked) {
        state.SkipWithError("a flow was not found");
    }
}

// Each key is new, among `flows` that are there; it goes again untimed.
template <typename F>
void flow_insert(benchmark::State& state) {
    const auto flows = static_cast<uint32_t>(state.range(0));
    const auto table = filled_table<F>(flows);
    if (table == nullptr) {
        return state.SkipWithError("the table is full too early");
    }
    FlowKey<F> keys[kBurst];
    uint32_t found[kBurst];
    uint32_t next = flows;
    bool all = true;
    Cycles cycles(state);
    for (auto _ : state) {
        for (FlowKey<F>& key : keys) {
            key = key_of<F>(next++);
            next = next == flows + (1U << 24) ? flows : next;
        }
        cycles.start();
        all &= find_burst(*table, keys, found) == 0;
        for (unsigned i = 0; i < kBurst; ++i) {
            found[i] = table->insert(keys[i], keys[i].hash());
        }
        cycles.stop(kBurst);
        for (const uint32_t index : found) {
            all &= index != FlowTable<F>::kNone;
            table->erase(index);
        }
    }
    if (!all) {
        state.SkipWithError("a key was there already, or had no room");
    }
}

struct FreeHash {
    void operator()(rte_hash* hash) const { rte_hash_free(hash); }
};

template <typename F>
void rte_hash_hit(benchmark::State& state) {
    const auto flows = static_cast<uint32_t>(state.range(0));
    rte_hash_parameters parameters{};
    parameters.name = F::kFamily == Family::V4 ? "bench4" : "bench6";
    parameters.entries = flows * 2;
    parameters.key_len = sizeof(FlowKey<F>);
    parameters.hash_func = rte_hash_crc;
    const std::unique_ptr<rte_hash, FreeHash> table(rte_hash_create(&parameters));
    if (table == nullptr) {
        return state.SkipWithError("no memory for rte_hash");
    }
    for (uint32_t n = 0; n < flows; ++n) {
        const FlowKey<F> key = key_of<F>(n);
        if (rte_hash_add_key(table.get(), &key) < 0) {
            return state.SkipWithError("rte_hash is full too early");
        }
    }
    const std::vector<uint32_t> order = draw(flows, state.range(1) != 0);
    FlowKey<F> keys[kBurst];
    const void* pointers[kBurst];
    int32_t found[kBurst];
    for (unsigned i = 0; i < kBurst; ++i) {
        pointers[i] = &keys[i];
    }
    size_t next = 0;
    bool all = true;
    Cycles cycles(state);
    for (auto _ : state) {
        for (FlowKey<F>& key : keys) {
            key = key_of<F>(order[next++ % order.size()]);
        }
        cycles.start();
        rte_hash_lookup_bulk(table.get(), pointers, kBurst, found);
        cycles.stop(kBurst);
        all &= std::all_of(std::begin(found), std::end(found), [](int32_t at) { return at >= 0; });
    }
    if (!all) {
        state.SkipWithError("a flow was not found");
    }
}

const std::vector<int64_t> kFlows = {1 << 10, 1 << 16, 1 << 20, 10'000'000};
#define DLB_TABLE_BENCH(F)                                   \
    BENCHMARK(flow_hit<F>)                                   \
        ->ArgNames({"flows", "zipf", "cold"})                \
        ->ArgsProduct({kFlows, {0, 1}, {0}})                 \
        ->Args({1 << 10, 0, 1})                              \
        ->Args({1 << 20, 0, 1})                              \
        ->UseManualTime();                                   \
    BENCHMARK(rte_hash_hit<F>)                               \
        ->ArgNames({"flows", "zipf"})                        \
        ->ArgsProduct({{1 << 10, 1 << 16, 1 << 20}, {0, 1}}) \
        ->UseManualTime();                                   \
    BENCHMARK(flow_insert<F>)->ArgName("flows")->ArgsProduct({kFlows})->UseManualTime()
DLB_TABLE_BENCH(V4);
DLB_TABLE_BENCH(V6);

constexpr uint8_t kToeplitz[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                   0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                   0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                   0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

struct Xxh3 {
    template <typename F>
    static uint64_t of(const FlowKey<F>& key) {
        return key.hash();
    }
};
struct Jhash {
    template <typename F>
    static uint64_t of(const FlowKey<F>& key) {
        return rte_jhash(&key, sizeof key, 0);
    }
};
struct Crc {
    template <typename F>
    static uint64_t of(const FlowKey<F>& key) {
        return rte_hash_crc(&key, sizeof key, 0);
    }
};
struct SoftRss {
    template <typename F>
    static uint64_t of(const FlowKey<F>& key) {
        constexpr uint32_t kWords = 2 * F::kAddressSize / 4 + 1;
        uint32_t words[kWords];
        std::memcpy(words, static_cast<const void*>(&key), sizeof words);
        return rte_softrss_be(words, kWords, kToeplitz);
    }
};

template <typename F, typename Hash>
void hash_of(benchmark::State& state) {
    const std::vector<FlowKey<F>> keys = keys_of<F>(1024);
    Cycles cycles(state);
    for (auto _ : state) {
        cycles.start();
        for (const FlowKey<F>& key : keys) {
            benchmark::DoNotOptimize(Hash::of(key));
        }
        cycles.stop(keys.size());
    }
}
BENCHMARK_TEMPLATE(hash_of, V4, Xxh3)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V4, Jhash)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V4, Crc)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V4, SoftRss)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V6, Xxh3)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V6, Jhash)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V6, Crc)->UseManualTime();
BENCHMARK_TEMPLATE(hash_of, V6, SoftRss)->UseManualTime();

}  // namespace
}  // namespace dlb::bench
