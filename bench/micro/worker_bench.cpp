// Worker::poll_once() on bursts of 32 prepared packets over net_ring: nanoseconds and TSC cycles a
// packet.
//
// Only poll_once() is timed, with the rings' own cost in it; the packets are written just before,
// so they lie in the cache as a NIC with DDIO would leave them. Which flow comes next is drawn at
// random: with more flows than the caches hold, each packet misses. Tables lie in transparent huge
// pages. Arguments: mode, family, flows.
#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <rte_cycles.h>

#include "eal/worker_lab.hpp"
#include "support/model_helpers.hpp"

namespace dlb::test {
namespace {

constexpr unsigned kPerBurst = 32;

ServiceConfig bench_service(Mode mode) {
    ServiceText text{.name = "web",
                     .vip = {"10.1.1.1", "2001:db8:1::1"},
                     .ports = {80},
                     .backends = {},
                     .mode = mode};
    for (unsigned n = 1; n <= 10; ++n) {
        text.backends.push_back("10.0.0." + std::to_string(10 + n) + ":80");
        text.backends.push_back("[2001:db8::" + std::to_string(10 + n) + "]:80");
    }
    if (mode == Mode::Fnat) {
        for (unsigned n = 0; n < 32; ++n) {  // 64,000 flows each
            text.snat.push_back("10.0.0." + std::to_string(100 + n));
            text.snat.push_back("2001:db8::" + std::to_string(100 + n));
        }
    }
    return service(text);
}

// Client number `n` of a family: its packets differ in address and port.
PacketBuilder from_client(bool v4, uint32_t n, uint8_t flags) {
    const auto port = static_cast<uint16_t>(1024 + n % 50000);
    const uint32_t host = n / 50000 + 1;
    PacketBuilder builder;
    if (v4) {
        builder.ipv4("192.0.2." + std::to_string(host), "10.1.1.1");
    } else {
        builder.ipv6("2001:db8:9::" + std::to_string(host), "2001:db8:1::1");
    }
    return builder.tcp(port, 80, flags);
}

// Made once: a million of them take a while.
const std::vector<Bytes>& frames_of(bool v4, uint32_t flows) {
    static std::map<std::pair<bool, uint32_t>, std::vector<Bytes>> made;
    std::vector<Bytes>& frames = made[{v4, flows}];
    for (uint32_t n = 0; frames.size() < flows; ++n) {
        frames.push_back(from_client(v4, n, kAck).build());
    }
    return frames;
}

// As the daemon's hugepages: there before the first packet.
ZeroedMemory allocate_touched(size_t size) {
    ZeroedMemory memory = allocate_pages(size);
    std::memset(memory.get(), 0, size);
    return memory;
}

class Bench {
  public:
    explicit Bench(Mode mode, uint32_t capacity)
        : lab_({bench_service(mode)},
               {.flow_capacity = capacity, .allocate = allocate_touched, .twin = false}) {
        for (unsigned n = 1; n <= 10; ++n) {
            lab_.know("10.0.0." + std::to_string(10 + n));
            lab_.know("2001:db8::" + std::to_string(10 + n));
        }
    }
    // Cycles that the worker took for the burst that was put.
    uint64_t poll() {
        const uint64_t start = rte_rdtsc_precise();
        lab_.worker(0).poll_once();
        const uint64_t spent = rte_rdtsc_precise() - start;
        lab_.discard();
        return spent;
    }
    WorkerLab& lab() { return lab_; }

  private:
    WorkerLab lab_;
};

void report(benchmark::State& state, WorkerLab& lab, uint64_t cycles) {
    const double packets = static_cast<double>(state.iterations()) * kPerBurst;
    state.counters["ns_per_packet"] =
        static_cast<double>(cycles) * 1e9 / static_cast<double>(rte_get_tsc_hz()) / packets;
    state.counters["cycles_per_packet"] = static_cast<double>(cycles) / packets;
    state.SetItemsProcessed(static_cast<int64_t>(packets));
    if (lab.count(Verdict::Forwarded) != lab.count_all()) {
        state.SkipWithError("not every packet was forwarded");
    }
}

void known_flows(benchmark::State& state) {
    const auto mode = static_cast<Mode>(state.range(0));
    const auto flows = static_cast<uint32_t>(state.range(2));
    const std::vector<Bytes>& frames = frames_of(state.range(1) == 4, flows);
    Bench bench(mode, flows * 2);
    for (uint32_t n = 0; n < 2 * flows; ++n) {  // twice each: once makes a half-open flow
        bench.lab().put(frames[n / 2]);
        if (n % kPerBurst == kPerBurst - 1 || n + 1 == 2 * flows) {
            bench.poll();
        }
    }
    std::mt19937 random(1);
    uint64_t cycles = 0;
    for (auto _ : state) {
        for (unsigned i = 0; i < kPerBurst; ++i) {
            bench.lab().put(frames[random() % flows]);
        }
        const uint64_t spent = bench.poll();
        cycles += spent;
        state.SetIterationTime(static_cast<double>(spent) / static_cast<double>(rte_get_tsc_hz()));
    }
    report(state, bench.lab(), cycles);
}

// Each packet is the first of its flow: schedule and insert. There is room for all of them,
// half-open as they are.
void new_flows(benchmark::State& state) {
    constexpr uint32_t kFlows = 1 << 20;
    const std::vector<Bytes>& frames = frames_of(state.range(1) == 4, kFlows);
    Bench bench(static_cast<Mode>(state.range(0)), kFlows * FlowStore::kHalfOpenShare);
    uint32_t next = 0;
    uint64_t cycles = 0;
    for (auto _ : state) {
        for (unsigned i = 0; i < kPerBurst; ++i) {
            bench.lab().put(frames[next++ % kFlows]);
        }
        const uint64_t spent = bench.poll();
        cycles += spent;
        state.SetIterationTime(static_cast<double>(spent) / static_cast<double>(rte_get_tsc_hz()));
    }
    report(state, bench.lab(), cycles);
}

const std::vector<int64_t> kMeasured = {
    static_cast<int64_t>(Mode::Nat), static_cast<int64_t>(Mode::Fnat),
    static_cast<int64_t>(Mode::Dr), static_cast<int64_t>(Mode::Ipip)};

BENCHMARK(known_flows)
    ->ArgNames({"mode", "ip", "flows"})
    ->ArgsProduct({kMeasured, {4, 6}, {1 << 10, 1 << 16, 1 << 20}})
    ->UseManualTime();
BENCHMARK(new_flows)
    ->ArgNames({"mode", "ip"})
    ->ArgsProduct({kMeasured, {4, 6}})
    ->Iterations((1 << 20) / kPerBurst)
    ->UseManualTime();

}  // namespace
}  // namespace dlb::test

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    dlb::test::WorkerLab::start_eal();
    benchmark::AddCustomContext("tsc_mhz", std::to_string(rte_get_tsc_hz() / 1000000));
    benchmark::RunSpecifiedBenchmarks();
}
