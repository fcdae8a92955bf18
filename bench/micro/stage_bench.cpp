// The packet path's stages one by one: parse, service lookup, rewrites. Warm caches, a packet at a
// time, 1024 packets by turns.
#include <memory>
#include <string>

#include "bench_support.hpp"
#include "datapath/classify.hpp"
#include "datapath/endpoint_cache.hpp"
#include "eal/worker_lab.hpp"
#include "rewrite/l3.hpp"
#include "rewrite/tunnel.hpp"
#include "support/model_helpers.hpp"
#include "support/packet_builder.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb::bench {
namespace {

using test::Bytes;
using test::PacketBuilder;

constexpr unsigned kPackets = 1024;

std::string vip_of(bool v4, unsigned number) {
    const std::string high = std::to_string(number / 250);
    const std::string low = std::to_string(number % 250 + 1);
    return v4 ? "10.1." + high + "." + low : "2001:db8:1:" + high + "::" + low;
}

Bytes packet_to(bool v4, const std::string& destination, unsigned number) {
    PacketBuilder builder;
    builder.ipv4(v4 ? "192.0.2.1" : "2001:db8:9::1", destination);
    return builder.tcp(static_cast<uint16_t>(1024 + number), 80, kTcpAck).build();
}

void parse_packet(benchmark::State& state) {
    const bool v4 = state.range(0) == 4;
    std::vector<Bytes> packets;
    for (unsigned n = 0; n < kPackets; ++n) {
        packets.push_back(packet_to(v4, vip_of(v4, 0), n));
    }
    unsigned whole = 0;
    Cycles cycles(state);
    for (auto _ : state) {
        whole = 0;
        cycles.start();
        for (const Bytes& packet : packets) {
            whole += parse(packet.data(), packet.size()).has_ports ? 1 : 0;
        }
        cycles.stop(kPackets);
    }
    if (whole != kPackets) {
        state.SkipWithError("a packet was not understood");
    }
}
BENCHMARK(parse_packet)->ArgName("ip")->Arg(4)->Arg(6)->UseManualTime();

std::shared_ptr<const LbSnapshot> snapshot_of(bool v4, unsigned services, unsigned backends = 1) {
    std::vector<ServiceConfig> configs;
    for (unsigned n = 0; n < services; ++n) {
        test::ServiceText text{.name = "web" + std::to_string(n),
                               .vip = {vip_of(v4, n)},
                               .ports = {80},
                               .backends = {}};
        for (unsigned b = 0; b < backends; ++b) {
            const std::string low = std::to_string(b % 250 + 1);
            text.backends.push_back(v4 ? "10.0." + std::to_string(b / 250) + "." + low + ":80"
                                       : "[2001:db8::" + std::to_string(b / 250) + ":" + low +
                                             "]:80");
        }
        configs.push_back(test::service(text));
    }
    LbModel model(test::addresses({"10.0.0.106", "2001:db8::106"}));
    if (!model.replace(configs)) {
        return nullptr;
    }
    return build(model, nullptr);
}

// How the general way finds a service, and how the fast path does. `hit`: packets to services, by
// turns; else to addresses that no service has.
template <typename F, bool kCached>
void service_lookup(benchmark::State& state) {
    constexpr bool kV4 = F::kFamily == Family::V4;
    const auto services = static_cast<unsigned>(state.range(0));
    const bool hit = state.range(1) != 0;
    const auto snapshot = snapshot_of(kV4, services);
    if (snapshot == nullptr) {
        return state.SkipWithError("the model does not take the services");
    }
    std::vector<typename F::Address> addresses;
    for (const uint32_t number : draw(services, false, kPackets)) {
        addresses.push_back(raw_address<F>(test::ip(hit   ? vip_of(kV4, number)
                                                    : kV4 ? "203.0.113.1"
                                                          : "2001:db8:ff::1")));
    }
    const auto cache = std::make_unique<EndpointCache<F, ServiceEntry>>();
    const uint16_t port = Be16(80).raw();
    unsigned found = 0;
    Cycles cycles(state);
    for (auto _ : state) {
        found = 0;
        cycles.start();
        for (const auto& address : addresses) {
            if constexpr (kCached) {
                const ServiceEntry* service =
                    cache->find(snapshot->version, address, port, kProtocolTcp);
                if (service == nullptr && snapshot->tables<F>().may_be_ours(address)) {
                    const auto match =
                        snapshot->tables<F>().find_service(address, port, kProtocolTcp);
                    if (match.service != nullptr) {
                        service = &snapshot->services[match.service->service];
                        cache->put(snapshot->version, address, port, kProtocolTcp, service);
                    }
                }
                found += service != nullptr;
            } else {
                const auto match = snapshot->tables<F>().find_service(address, port, kProtocolTcp);
                found += match.service != nullptr;
            }
        }
        cycles.stop(kPackets);
    }
    if (found != (hit ? kPackets : 0)) {
        state.SkipWithError("the wrong services were found");
    }
}
#define DLB_SERVICE_BENCH(F, cached)              \
    BENCHMARK_TEMPLATE(service_lookup, F, cached) \
        ->ArgNames({"services", "hit"})           \
        ->ArgsProduct({{1, 1000, 10000}, {1, 0}}) \
        ->UseManualTime()
DLB_SERVICE_BENCH(V4, false);
DLB_SERVICE_BENCH(V4, true);
DLB_SERVICE_BENCH(V6, false);
DLB_SERVICE_BENCH(V6, true);

// A packet's way from its IP header to a frame: hop limit, the mode's rewrite, Ethernet. The mbuf
// is made anew untimed.
template <typename F>
void rewrite(benchmark::State& state) {
    constexpr bool kV4 = F::kFamily == Family::V4;
    const auto mode = static_cast<Mode>(state.range(0));
    const Bytes frame = packet_to(kV4, vip_of(kV4, 0), 1);
    const PacketMeta meta = parse(frame.data(), frame.size());
    const Bytes packet(frame.begin() + meta.l3_offset, frame.end());
    const bool tunnel = mode != Mode::Nat && mode != Mode::Fnat && mode != Mode::Dr;
    OuterHeader outer;
    if (tunnel) {
        outer = make_outer_header(test::ip(kV4 ? "10.0.0.106" : "2001:db8::106"),
                                  test::ip(kV4 ? "172.16.0.1" : "2001:db8:16::1"),
                                  {mode, default_tunnel_port(mode), 1});
    }
    FlowKey<F> to;
    to.source = raw_address<F>(test::ip(kV4 ? "10.0.0.107" : "2001:db8::107"));
    to.destination = raw_address<F>(test::ip(kV4 ? "172.16.0.1" : "2001:db8:16::1"));
    to.source_port = Be16(40000).raw();
    to.destination_port = Be16(8080).raw();
    const std::array<uint8_t, 18> l2{};
    bool all = true;
    Cycles cycles(state);
    for (auto _ : state) {
        std::vector<std::unique_ptr<test::StackMbuf>> mbufs;
        for (unsigned i = 0; i < kBurst; ++i) {
            mbufs.push_back(std::make_unique<test::StackMbuf>(packet));
        }
        cycles.start();
        for (auto& held : mbufs) {
            rte_mbuf* mbuf = held->get();
            auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
            if (tunnel) {
                decrement_hop_limit_of<F>(ip);
                all &= encapsulate(mbuf, meta, outer, {1, 0x123456789abcdef});
            } else if (mode == Mode::Dr) {
                decrement_hop_limit_of<F>(ip);
            } else {
                translate_at<F>(ip, ip + meta.l4_offset - meta.l3_offset, kProtocolTcp, to,
                                one_hop_less<F>(ip));
            }
            all &= push_ethernet(mbuf, l2, 14, F::kFamily);
        }
        cycles.stop(kBurst);
        all &= mbufs[0]->bytes().size() == packet.size() + outer.length + 14;
    }
    if (!all) {
        state.SkipWithError("a packet was not rewritten");
    }
}
// fou is gue without its header.
BENCHMARK(rewrite<V4>)->ArgName("mode")->DenseRange(0, kModes - 1)->UseManualTime();
BENCHMARK(rewrite<V6>)->ArgName("mode")->DenseRange(0, kModes - 1)->UseManualTime();

std::vector<MaglevMember> members_of(unsigned count) {
    std::vector<MaglevMember> members;
    for (unsigned n = 0; n < count; ++n) {
        const std::string address =
            "10.0." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1) + ":80";
        members.push_back({BackendId(n, 1), Endpoint::parse(address).value(), 1});
    }
    return members;
}

void maglev_build(benchmark::State& state) {
    const auto members = members_of(static_cast<unsigned>(state.range(0)));
    for (auto _ : state) {
        const MaglevTable table(members, MaglevTable::kSmallSize);
        benchmark::DoNotOptimize(table.slots().data());
        if (table.size() != MaglevTable::kSmallSize) {
            state.SkipWithError("no table");
        }
    }
}
BENCHMARK(maglev_build)->ArgName("backends")->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond);

// One backend's weight changes in one of `services` services of ten backends: to a new snapshot.
void snapshot_build(benchmark::State& state) {
    const auto services = static_cast<unsigned>(state.range(0));
    std::vector<ServiceConfig> configs;
    for (unsigned n = 0; n < services; ++n) {
        test::ServiceText text{.name = "web" + std::to_string(n),
                               .vip = {vip_of(true, n)},
                               .ports = {80},
                               .backends = {}};
        for (unsigned b = 1; b <= 10; ++b) {
            text.backends.push_back("10.0.0." + std::to_string(b) + ":80");
        }
        configs.push_back(test::service(text));
    }
    LbModel model(test::addresses({"10.0.0.106", "2001:db8::106"}));
    std::shared_ptr<const LbSnapshot> snapshot;
    for (auto _ : state) {
        configs[0].backends[0].weight = 3 - configs[0].backends[0].weight;  // 1, 2, 1, …
        if (!model.replace(configs)) {
            state.SkipWithError("the model does not take the services");
        }
        snapshot = build(model, snapshot.get());
    }
    state.counters["services"] = static_cast<double>(snapshot->services.size());
}
BENCHMARK(snapshot_build)->ArgName("services")->Arg(1)->Arg(1000)->Unit(benchmark::kMillisecond);

// From one published table to the next, with the old one destroyed: two readers say that they are
// quiescent in between. The tables are empty, so this is RCU's own cost.
void publish_and_reclaim(benchmark::State& state) {
    RcuDomain domain(2);
    ReaderSlot first(domain, 0);
    ReaderSlot second(domain, 1);
    first.online();
    second.online();
    RcuPtr<DataplaneTables> current;
    RetireList<DataplaneTables> retired(domain);
    size_t left = 0;
    for (auto _ : state) {
        retired.push(current.exchange(std::make_unique<DataplaneTables>()));
        first.quiescent();
        second.quiescent();
        left = retired.reclaim();
    }
    if (left != 0) {
        state.SkipWithError("a table was not reclaimed");
    }
}
BENCHMARK(publish_and_reclaim);

void quiescent(benchmark::State& state) {
    RcuDomain domain(1);
    ReaderSlot reader(domain, 0);
    reader.online();
    for (auto _ : state) {
        reader.quiescent();
    }
}
BENCHMARK(quiescent);

}  // namespace
}  // namespace dlb::bench

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    dlb::test::WorkerLab::start_eal();
    benchmark::AddCustomContext("tsc_mhz", std::to_string(rte_get_tsc_hz() / 1000000));
    benchmark::RunSpecifiedBenchmarks();
}
