// What the benchmarks of single stages share. Thread safety: one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <rte_cycles.h>

namespace dlb::bench {

inline constexpr unsigned kBurst = 32;

// Nanoseconds and TSC cycles of each of `items`, from the TSC alone.
class Cycles {
  public:
    explicit Cycles(benchmark::State& state) : state_(state) {}
    void start() { start_ = rte_rdtsc_precise(); }
    // After one iteration of `items`, to go with UseManualTime().
    void stop(uint64_t items) {
        const uint64_t spent = rte_rdtsc_precise() - start_;
        cycles_ += spent;
        items_ += items;
        state_.SetIterationTime(static_cast<double>(spent) / static_cast<double>(rte_get_tsc_hz()));
    }
    ~Cycles() {
        const auto items = static_cast<double>(std::max<uint64_t>(items_, 1));
        state_.counters["cycles"] = static_cast<double>(cycles_) / items;
        state_.counters["ns"] =
            static_cast<double>(cycles_) * 1e9 / static_cast<double>(rte_get_tsc_hz()) / items;
    }

  private:
    benchmark::State& state_;
    uint64_t start_ = 0;
    uint64_t cycles_ = 0;
    uint64_t items_ = 0;
};

// Which of `count` comes next, drawn beforehand: all alike, or by Zipf's law with exponent 1.
inline std::vector<uint32_t> draw(uint32_t count, bool zipf, size_t draws = 1 << 20) {
    std::mt19937 random(1);
    std::vector<uint32_t> drawn(draws);
    if (!zipf) {
        std::generate(drawn.begin(), drawn.end(),
                      [&] { return static_cast<uint32_t>(random() % count); });
        return drawn;
    }
    std::vector<double> until(count);
    double sum = 0;
    for (uint32_t n = 0; n < count; ++n) {
        sum += 1.0 / (n + 1);
        until[n] = sum;
    }
    std::uniform_real_distribution<double> uniform(0, sum);
    std::vector<uint32_t> place(count);  // so that neighbours in rank are none in memory
    for (uint32_t n = 0; n < count; ++n) {
        place[n] = n;
    }
    std::shuffle(place.begin(), place.end(), random);
    std::generate(drawn.begin(), drawn.end(), [&] {
        const auto found = std::lower_bound(until.begin(), until.end(), uniform(random));
        return place[static_cast<size_t>(found - until.begin()) % count];
    });
    return drawn;
}

// Throws the caches away, by going through more memory than they hold.
inline void forget() {
    static std::vector<uint64_t> memory(size_t{64} << 17);  // 64 MiB
    for (size_t at = 0; at < memory.size(); at += 8) {
        ++memory[at];
    }
    benchmark::ClobberMemory();
}

}  // namespace dlb::bench
