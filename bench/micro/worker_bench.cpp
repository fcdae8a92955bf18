// Worker::poll_once() on bursts of 32 prepared packets over net_ring: nanoseconds and TSC cycles a
// packet.
//
// Only poll_once() is timed, with the rings' own cost in it; the packets are written just before,
// so they lie in the cache as a NIC with DDIO would leave them. Which flow comes next is drawn at
// random: with more flows than the caches hold, each packet misses. Tables lie in transparent huge
// pages. Arguments: mode (0 nat, 1 fnat, 2 dr, 3 ipip, 4 gre, 5 gue, 7 vxlan), family, flows,
// services, backends of each.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "eal/worker_lab.hpp"
#include "net/checksum.hpp"
#include "support/model_helpers.hpp"

namespace dlb::test {
namespace {

constexpr unsigned kPerBurst = 32;

struct Size {
    uint32_t flows = 0;
    uint32_t services = 1;
    uint32_t backends = 10;  // of each
};

std::string vip_of(bool v4, uint32_t number) {
    const std::string high = std::to_string(number / 250);
    const std::string low = std::to_string(number % 250 + 1);
    return v4 ? "10.1." + high + "." + low : "2001:db8:1:" + high + "::" + low;
}

// Beyond the gateway, but where the mode needs them on the link.
std::string backend_of(bool v4, Mode mode, uint32_t number) {
    if (mode == Mode::Dr) {
        return (v4 ? "10.0.0." : "2001:db8::") + std::to_string(11 + number % 10);
    }
    const std::string high = std::to_string(number / 250);
    const std::string low = std::to_string(number % 250 + 1);
    return v4 ? "172.16." + high + "." + low : "2001:db8:16:" + high + "::" + low;
}

std::vector<ServiceConfig> bench_services(Mode mode, bool v4, const Size& size) {
    constexpr uint32_t kPortsOfAddress = 64000;
    std::vector<ServiceConfig> services;
    for (uint32_t number = 0; number < size.services; ++number) {
        ServiceText text{.name = "web" + std::to_string(number),
                         .vip = {vip_of(v4, number)},
                         .ports = {80},
                         .backends = {},
                         .mode = mode};
        for (uint32_t n = 0; n < size.backends; ++n) {
            const std::string address = backend_of(v4, mode, number * size.backends + n);
            text.backends.push_back(v4 ? address + ":80" : "[" + address + "]:80");
        }
        for (uint32_t n = 0; mode == Mode::Fnat && n < size.flows / kPortsOfAddress + 1; ++n) {
            text.snat.push_back((v4 ? "10.0.1." : "2001:db8::1:") + std::to_string(1 + n));
        }
        services.push_back(service(text));
        for (BackendConfig& backend : services.back().backends) {
            backend.mac = *MacAddress::parse("02:00:00:00:99:01");  // vxlan's
        }
    }
    return services;
}

// Packets of any of many flows, from one packet: its client's address and port are set.
class Frames {
  public:
    Frames(bool v4, uint32_t services, uint8_t flags) : v4_(v4) {
        for (uint32_t number = 0; number < services; ++number) {
            PacketBuilder builder;
            builder.ipv4(v4 ? "192.0.2.0" : "2001:db8:9::", vip_of(v4, number)).tcp(0, 80, flags);
            frames_.push_back(builder.build());
        }
    }
    // What backends answer.
    Frames(bool v4, Mode mode, uint32_t backends) : v4_(v4), replies_(true) {
        for (uint32_t number = 0; number < backends; ++number) {
            PacketBuilder builder;
            builder.ipv4(backend_of(v4, mode, number), v4 ? "192.0.2.0" : "2001:db8:9::");
            frames_.push_back(builder.tcp(80, 0, kAck).build());
        }
    }
    const Bytes& of(uint32_t flow) {
        Bytes& frame = frames_[flow % frames_.size()];
        const auto port = static_cast<uint16_t>(1024 + flow % kPorts);
        const size_t last = v4_ ? 29 : 37;  // byte of the source address
        frame[last + (!replies_ ? 0 : v4_ ? 4 : 16)] = static_cast<uint8_t>(flow / kPorts + 1);
        const size_t at = (v4_ ? 34 : 54) + (replies_ ? 2 : 0);
        frame[at] = static_cast<uint8_t>(port >> 8);
        frame[at + 1] = static_cast<uint8_t>(port);
        if (v4_) {  // TCP's checksum is not looked at
            const uint16_t none = 0;
            std::memcpy(&frame[24], &none, sizeof none);
            const uint16_t sum = checksum(&frame[14], 20);
            std::memcpy(&frame[24], &sum, sizeof sum);
        }
        return frame;
    }

  private:
    static constexpr uint32_t kPorts = 50000;
    bool v4_;
    bool replies_ = false;
    std::vector<Bytes> frames_;
};

// As the daemon's hugepages: there before the first packet.
ZeroedMemory allocate_touched(size_t size) {
    ZeroedMemory memory = allocate_pages(size);
    std::memset(memory.get(), 0, size);
    return memory;
}

class Bench {
  public:
    Bench(Mode mode, bool v4, const Size& size, uint32_t capacity)
        : lab_(bench_services(mode, v4, size),
               {.flow_capacity = capacity, .allocate = allocate_touched, .twin = false}) {
        for (uint32_t n = 0; mode == Mode::Dr && n < 10; ++n) {
            lab_.know(backend_of(v4, mode, n));
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

void report(benchmark::State& state, WorkerLab& lab, uint64_t cycles,
            Verdict expected = Verdict::Forwarded) {
    const double packets = static_cast<double>(state.iterations()) * kPerBurst;
    state.counters["ns_per_packet"] =
        static_cast<double>(cycles) * 1e9 / static_cast<double>(rte_get_tsc_hz()) / packets;
    state.counters["cycles_per_packet"] = static_cast<double>(cycles) / packets;
    state.SetItemsProcessed(static_cast<int64_t>(packets));
    if (lab.count(expected) != lab.count_all()) {
        state.SkipWithError("not every packet was forwarded");
    }
}

void known_flows(benchmark::State& state) {
    const auto mode = static_cast<Mode>(state.range(0));
    const bool v4 = state.range(1) == 4;
    const Size size{static_cast<uint32_t>(state.range(2)), static_cast<uint32_t>(state.range(3)),
                    static_cast<uint32_t>(state.range(4))};
    Frames frames(v4, size.services, kAck);
    Bench bench(mode, v4, size, size.flows * 2);
    for (uint32_t n = 0; n < 2 * size.flows; ++n) {  // twice each: once makes a half-open flow
        bench.lab().put(frames.of(n / 2));
        if (n % kPerBurst == kPerBurst - 1 || n + 1 == 2 * size.flows) {
            bench.poll();
        }
    }
    std::mt19937 random(1);
    uint64_t cycles = 0;
    for (auto _ : state) {
        for (unsigned i = 0; i < kPerBurst; ++i) {
            bench.lab().put(frames.of(random() % size.flows));
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
    const bool v4 = state.range(1) == 4;
    Frames frames(v4, 1, kSyn);
    Bench bench(static_cast<Mode>(state.range(0)), v4, {kFlows},
                kFlows * FlowStore::kHalfOpenShare);
    uint32_t next = 0;
    uint64_t cycles = 0;
    for (auto _ : state) {
        for (unsigned i = 0; i < kPerBurst; ++i) {
            bench.lab().put(frames.of(next++ % kFlows));
        }
        const uint64_t spent = bench.poll();
        cycles += spent;
        state.SetIterationTime(static_cast<double>(spent) / static_cast<double>(rte_get_tsc_hz()));
    }
    report(state, bench.lab(), cycles);
}

// Publishes the lab's tables anew, on another core, while it is told to; frees the old ones.
class Republisher {
  public:
    explicit Republisher(WorkerLab& lab) : lab_(lab), thread_([this] { run(); }) {}
    ~Republisher() {
        wanted_ = Wanted::End;
        wanted_.notify_one();
        thread_.join();
    }
    void set(bool active) {
        wanted_ = active ? Wanted::Publish : Wanted::Rest;
        wanted_.notify_one();
    }
    uint64_t published() const { return published_; }

  private:
    enum class Wanted : uint8_t { Rest, Publish, End };
    void run() {
        cpu_set_t others;  // EAL has pinned whoever made us
        CPU_ZERO(&others);
        for (unsigned core = 0; core < std::thread::hardware_concurrency(); ++core) {
            if (core != rte_get_main_lcore()) {
                CPU_SET(core, &others);
            }
        }
        pthread_setaffinity_np(pthread_self(), sizeof others, &others);
        while (wanted_ != Wanted::End) {
            wanted_.wait(Wanted::Rest);
            if (wanted_ == Wanted::Publish) {
                lab_.publish();
                ++published_;
            }
            lab_.tables_waiting();
        }
    }
    WorkerLab& lab_;
    std::atomic<Wanted> wanted_{Wanted::Rest};
    std::atomic<uint64_t> published_{0};
    std::thread thread_;
};

// The time that a burst of known flows takes, quiet and while one reload of 1,000 services follows
// the other, by turns.
void reloads(benchmark::State& state) {
    constexpr unsigned kTurn = 5000;
    constexpr uint32_t kFlows = 1 << 16;
    if (std::thread::hardware_concurrency() < 2) {
        return state.SkipWithError("needs a second core");
    }
    const Size size{kFlows, 1000, 10};
    Frames frames(true, size.services, kAck);
    Bench bench(Mode::Nat, true, size, kFlows * 2);
    std::mt19937 random(1);
    const auto poll = [&](uint32_t first, uint32_t step) {
        for (unsigned i = 0; i < kPerBurst; ++i) {
            bench.lab().put(frames.of(step != 0 ? first + i * step : random() % kFlows));
        }
        return bench.poll();
    };
    for (uint32_t flow = 0; flow < 2 * kFlows; flow += kPerBurst) {
        poll(flow % kFlows, 1);
    }
    std::array<std::vector<uint64_t>, 2> cycles;
    uint64_t all = 0;
    {
        Republisher republisher(bench.lab());
        unsigned bursts = 0;
        for (auto _ : state) {
            const bool active = bursts / kTurn % 2 == 1;
            if (bursts++ % kTurn == 0) {
                republisher.set(active);
            }
            const uint64_t spent = poll(0, 0);
            cycles[active].push_back(spent);
            all += spent;
            state.SetIterationTime(static_cast<double>(spent) /
                                   static_cast<double>(rte_get_tsc_hz()));
        }
        state.counters["reloads"] = static_cast<double>(republisher.published());
    }
    const auto quantile = [&](unsigned active, double share) {
        std::vector<uint64_t>& times = cycles[active];
        std::sort(times.begin(), times.end());
        const auto at = static_cast<size_t>(static_cast<double>(times.size()) * share);
        return times.empty()
                   ? 0
                   : static_cast<double>(times[at]) * 1e6 / static_cast<double>(rte_get_tsc_hz());
    };
    for (const auto& [name, share] : {std::pair{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}}) {
        state.counters[std::string("quiet_us_") + name] = quantile(0, share);
        state.counters[std::string("reload_us_") + name] = quantile(1, share);
    }
    report(state, bench.lab(), all);
}
BENCHMARK(reloads)->Iterations(200'000)->UseManualTime();

// Replies of nat's backends, which need no flow.
void nat_replies(benchmark::State& state) {
    const bool v4 = state.range(0) == 4;
    constexpr uint32_t kClients = 1 << 16;
    Frames frames(v4, Mode::Nat, 10);
    Bench bench(Mode::Nat, v4, {}, kClients);
    std::mt19937 random(1);
    uint64_t cycles = 0;
    for (auto _ : state) {
        for (unsigned i = 0; i < kPerBurst; ++i) {
            bench.lab().put(frames.of(random() % kClients));
        }
        const uint64_t spent = bench.poll();
        cycles += spent;
        state.SetIterationTime(static_cast<double>(spent) / static_cast<double>(rte_get_tsc_hz()));
    }
    report(state, bench.lab(), cycles, Verdict::Replied);
}
BENCHMARK(nat_replies)->ArgName("ip")->Arg(4)->Arg(6)->UseManualTime();

constexpr int64_t number_of(Mode mode) {
    return static_cast<int64_t>(mode);
}
const std::vector<int64_t> kMeasured = {
    number_of(Mode::Nat), number_of(Mode::Fnat), number_of(Mode::Dr),   number_of(Mode::Ipip),
    number_of(Mode::Gre), number_of(Mode::Gue),  number_of(Mode::Vxlan)};
const std::vector<std::string> kNames = {"mode", "ip", "flows", "services", "backends"};

BENCHMARK(known_flows)
    ->ArgNames(kNames)
    ->ArgsProduct({kMeasured, {4, 6}, {1 << 10, 1 << 16, 1 << 20}, {1}, {10}})
    ->UseManualTime();
BENCHMARK(known_flows)
    ->ArgNames(kNames)
    ->ArgsProduct({{number_of(Mode::Nat), number_of(Mode::Fnat), number_of(Mode::Ipip)},
                   {4},
                   {10'000'000},
                   {1},
                   {10}})
    ->UseManualTime();
// Beside 65,536 flows with one service and ten backends.
BENCHMARK(known_flows)
    ->ArgNames(kNames)
    ->Args({number_of(Mode::Nat), 4, 1 << 16, 1000, 10})
    ->Args({number_of(Mode::Nat), 6, 1 << 16, 1000, 10})
    ->Args({number_of(Mode::Nat), 4, 1 << 16, 1, 10000})
    ->Args({number_of(Mode::Nat), 6, 1 << 16, 1, 10000})
    ->Args({number_of(Mode::Ipip), 4, 1 << 16, 1, 10000})
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
