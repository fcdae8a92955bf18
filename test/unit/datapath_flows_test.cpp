// FlowEngine, the way there: which backend a packet of a known, a new, a reopened flow goes to.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "support/datapath_bench.hpp"

namespace dlb {
namespace {

using test::DatapathBench;
using test::ip;
using test::kAck;
using test::kFin;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::service;

// Every test runs for both families: parameter.
class Flows : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string vip() const { return v4() ? "10.1.1.1" : "2001:db8:1::1"; }
    std::string host(int n) const {
        return (v4() ? "172.16.0." : "2001:db8:16::") + std::to_string(n);
    }
    std::string endpoint(int n) const { return v4() ? host(n) + ":80" : "[" + host(n) + "]:80"; }
    ServiceConfig web(int first, int count, Mode mode = Mode::Nat) const {
        std::vector<std::string> backends;
        for (int n = first; n < first + count; ++n) {
            backends.push_back(endpoint(n));
        }
        return service({"web", {vip()}, {80}, backends, mode});
    }
    PacketBuilder from(uint16_t port, uint8_t flags = kAck) const {
        const char* client = v4() ? "192.0.2.1" : "2001:db8:99::1";
        return PacketBuilder().ipv4(client, vip()).tcp(port, 80, flags);
    }
    PacketBuilder udp_from(uint16_t port) const {
        return PacketBuilder().ipv4(v4() ? "192.0.2.1" : "2001:db8:99::1", vip()).udp(port, 80);
    }
    void establish(DatapathBench& bench, uint16_t port) const {
        bench.send(from(port, kSyn));
        bench.send(from(port, kAck));
    }
    uint64_t evicted(const DatapathBench& bench) const {
        return bench.counters.flows_evicted.get();
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Flows, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(Flows, NewFlowsSpreadAndKnownOnesStay) {
    DatapathBench bench({web(1, 4)}, 4096);
    std::map<std::string, unsigned> spread;
    std::map<uint16_t, std::string> chosen;
    for (uint16_t port = 1000; port < 1400; ++port) {
        chosen[port] = bench.send(from(port, kSyn));
        EXPECT_FALSE(bench.known);
        ++spread[chosen[port]];
    }
    EXPECT_EQ(spread.size(), 4U);
    for (const auto& [backend, count] : spread) {
        EXPECT_NEAR(count, 100, 40) << backend;
        EXPECT_EQ(bench.active(backend), count);
    }
    EXPECT_EQ(bench.engine.count(), 400U);
    // Other backends come: known flows do not move, new ones use all.
    bench.replace({web(1, 8)});
    for (const auto& [port, backend] : chosen) {
        EXPECT_EQ(bench.send(from(port)), backend);
        EXPECT_TRUE(bench.known);
    }
    std::set<std::string> used;
    for (uint16_t port = 2000; port < 2100; ++port) {
        used.insert(bench.send(from(port, kSyn)));
    }
    EXPECT_EQ(used.size(), 8U);
}

TEST_P(Flows, WithoutStickyThereAreNone) {
    auto config = web(1, 4);
    config.sticky = false;
    DatapathBench bench({config});
    const std::string first = bench.send(from(1000, kSyn));
    EXPECT_EQ(bench.send(from(1000)), first);
    EXPECT_FALSE(bench.known);
    EXPECT_EQ(bench.engine.count(), 0U);
}

TEST_P(Flows, EachMemberOfAGroupChoosesAlike) {
    auto shuffled = web(1, 8);
    std::reverse(shuffled.backends.begin(), shuffled.backends.end());
    DatapathBench one({web(1, 8)});
    DatapathBench other({shuffled});
    for (uint16_t port = 1000; port < 1200; ++port) {
        ASSERT_EQ(one.send(from(port, kSyn)), other.send(from(port)));
    }
}

TEST_P(Flows, CountsOpenFlowsOfABackend) {
    DatapathBench bench({web(1, 1)});
    bench.send(from(1000, kSyn));
    bench.send(from(1001, kAck));
    bench.send(from(1002, kFin | kAck));  // its end is all we see: nothing to keep
    EXPECT_EQ(bench.active(endpoint(1)), 2U);
    EXPECT_EQ(bench.engine.count(), 2U);
    bench.send(from(1000, kAck));
    bench.send(from(1000, kFin | kAck));
    EXPECT_EQ(bench.active(endpoint(1)), 1U);
    bench.send(from(1001, kRst));
    bench.send(from(1001, kRst));
    EXPECT_EQ(bench.active(endpoint(1)), 0U);
    EXPECT_EQ(bench.by_table.find(bench.id_of(endpoint(1)))->new_flows.get(), 2U);
    EXPECT_EQ(bench.by_table.of_service(0).new_flows.get(), 2U);
}

TEST_P(Flows, ExpireByTheirState) {
    auto tcp = web(1, 1);
    auto udp = web(1, 1);
    udp.name = "udp";
    udp.protocol = Protocol::Udp;
    tcp.timeout = udp.timeout = {std::chrono::seconds(100), std::chrono::seconds(20),
                                 std::chrono::seconds(30), std::chrono::seconds(40)};
    DatapathBench bench({tcp, udp});
    bench.now_ms = 0xffffffff - 25'000;  // over the clock's end
    const uint32_t start = bench.now_ms;
    bench.send(from(1, kSyn));
    bench.send(from(2, kAck));
    establish(bench, 3);
    bench.send(from(3, kFin | kAck));
    establish(bench, 4);
    bench.send(from(4, kRst));
    bench.send(udp_from(5));
    const struct {
        uint32_t second;
        unsigned left;
    } steps[] = {{9, 5},  {10, 4}, {19, 4}, {20, 3}, {29, 3},
                 {30, 2}, {39, 2}, {40, 1}, {99, 1}, {100, 0}};
    for (const auto& step : steps) {
        bench.engine.sweep(bench.tables, start + step.second * 1000, 100);
        EXPECT_EQ(bench.engine.count(), step.left) << step.second;
    }
    EXPECT_EQ(bench.counters.flows_expired.get(), 5U);
    EXPECT_EQ(bench.active(endpoint(1)), 0U);
}

TEST_P(Flows, APacketPutsTheEndOff) {
    DatapathBench bench({web(1, 1)});
    bench.send(from(1, kAck));
    for (int minute = 0; minute < 60; minute += 10) {
        bench.now_ms += 600'000;
        bench.send(from(1, kAck));
        EXPECT_TRUE(bench.known);
        bench.engine.sweep(bench.tables, bench.now_ms, 100);
    }
    EXPECT_EQ(bench.engine.count(), 1U);
}

TEST_P(Flows, SynAfterTheEndIsScheduledAnew) {
    DatapathBench bench({web(1, 1)});
    bench.send(from(1, kSyn));
    bench.send(from(1, kFin | kAck));
    bench.replace({web(1, 1), service({"x", {"10.9.9.9"}, {1}, {}})});
    ASSERT_TRUE(bench.model.add_backend("web", test::backend(endpoint(2))));
    ASSERT_TRUE(bench.model.set_draining("web", ip(host(1)), {}, true));
    bench.publish();
    EXPECT_EQ(bench.send(from(1, kAck)), endpoint(1));  // still the old connection
    EXPECT_EQ(bench.send(from(1, kSyn)), endpoint(2));
    EXPECT_FALSE(bench.known);
    EXPECT_EQ(bench.engine.count(), 1U);
    EXPECT_EQ(bench.active(endpoint(1)), 0U);
    EXPECT_EQ(bench.active(endpoint(2)), 1U);
    EXPECT_EQ(bench.send(from(1, kSyn)), endpoint(2));  // a retransmission is no new connection
    EXPECT_TRUE(bench.known);
}

TEST_P(Flows, DrainingKeepsTheOldAndTakesNoNew) {
    DatapathBench bench({web(1, 2)});
    std::map<uint16_t, std::string> chosen;
    for (uint16_t port = 1000; port < 1050; ++port) {
        chosen[port] = bench.send(from(port, kSyn));
    }
    ASSERT_TRUE(bench.model.set_draining("web", ip(host(1)), {}, true));
    bench.publish();
    for (const auto& [port, backend] : chosen) {
        EXPECT_EQ(bench.send(from(port)), backend);
    }
    for (uint16_t port = 2000; port < 2050; ++port) {
        EXPECT_EQ(bench.send(from(port, kSyn)), endpoint(2));
    }
    ASSERT_TRUE(bench.model.set_weight("web", ip(host(2)), {}, 0));
    bench.publish();
    EXPECT_EQ(bench.send(from(3000, kSyn)), "no_backend");
    EXPECT_EQ(bench.send(from(1000)), chosen[1000]);
}

// Removed or found dead: a connection cannot go on elsewhere, but a new one can begin.
TEST_P(Flows, AGoneBackendsConnectionsEndAndNewOnesMove) {
    for (const bool removed : {true, false}) {
        DatapathBench bench({web(1, 2)});
        std::map<uint16_t, std::string> chosen;
        for (uint16_t port = 1000; port < 1050; ++port) {
            chosen[port] = bench.send(from(port, kSyn));
            bench.send(from(port, kAck));
        }
        const uint32_t with_second = bench.active(endpoint(2));
        ASSERT_GT(with_second, 0U);
        if (removed) {
            bench.replace({web(1, 1)});
        } else {
            ASSERT_TRUE(bench.model.set_down("web", ip(host(2)), {}, true));
            bench.publish();
        }
        for (uint16_t port = 1000; port < 1050; ++port) {
            EXPECT_EQ(bench.send(from(port)),
                      chosen[port] == endpoint(1) ? endpoint(1) : "backend_gone");
        }
        EXPECT_EQ(bench.counters.flows_rescheduled.get(), 0U);
        for (uint16_t port = 1000; port < 1050; ++port) {
            EXPECT_EQ(bench.send(from(port, kSyn)), endpoint(1));
            EXPECT_EQ(bench.send(from(port)), endpoint(1));
        }
        EXPECT_EQ(bench.counters.flows_rescheduled.get(), with_second);
        EXPECT_EQ(bench.active(endpoint(1)), 50U);
        EXPECT_EQ(bench.active(endpoint(2)), 0U);
        bench.replace({web(1, 0)});
        EXPECT_EQ(bench.send(from(1000)), "backend_gone");
        EXPECT_EQ(bench.send(from(1001, kSyn)), "no_backend");
        EXPECT_EQ(bench.engine.count(), 49U);
    }
}

TEST_P(Flows, AGoneBackendsDatagramsMoveAtOnce) {
    auto config = web(1, 2);
    config.protocol = Protocol::Udp;
    auto fewer = web(1, 1);
    fewer.protocol = Protocol::Udp;
    DatapathBench bench({config});
    for (uint16_t port = 1000; port < 1050; ++port) {
        bench.send(udp_from(port));
        bench.send(udp_from(port));
    }
    const uint32_t with_second = bench.active(endpoint(2));
    ASSERT_GT(with_second, 0U);
    bench.replace({fewer});
    for (uint16_t port = 1000; port < 1050; ++port) {
        EXPECT_EQ(bench.send(udp_from(port)), endpoint(1));
    }
    EXPECT_EQ(bench.counters.flows_rescheduled.get(), with_second);
    EXPECT_EQ(bench.active(endpoint(1)), 50U);
}

// overflow = "reset": the client is told once, and what it still sends is of a closed flow.
TEST_P(Flows, AConnectionThatIsResetIsOver) {
    auto config = web(1, 1);
    config.overflow = Overflow::Reset;
    DatapathBench bench({config});
    bench.send(from(1000, kSyn));
    bench.send(from(1000, kAck));
    auto none = web(1, 0);
    none.overflow = Overflow::Reset;
    bench.replace({none});
    EXPECT_EQ(bench.send(from(1000)), "backend_gone");
    bench.engine.sweep(bench.tables, 9'000, 100);
    EXPECT_EQ(bench.engine.count(), 1U);
    bench.engine.sweep(bench.tables, 11'000, 100);
    EXPECT_EQ(bench.engine.count(), 0U);
}

// The slot's next tenant does not inherit what the old one's flows count.
TEST_P(Flows, AReusedSlotCountsAnew) {
    DatapathBench bench({web(1, 1)});
    for (uint16_t port = 1000; port < 1010; ++port) {
        bench.send(from(port, kSyn));
    }
    const BackendId old = bench.id_of(endpoint(1));
    for (int n = 0; n < 100 && bench.id_of(endpoint(1)).slot() != old.slot(); ++n) {
        bench.replace({web(2, 1)});
        bench.replace({web(1, 1)});
    }
    for (int n = 0; n < 200 && (bench.id_of(endpoint(1)).slot() != old.slot() ||
                                bench.id_of(endpoint(1)) == old);
         ++n) {
        ASSERT_TRUE(bench.model.del_backend("web", ip(host(1)), {}));
        ASSERT_TRUE(bench.model.add_backend("web", test::backend(endpoint(1))));
    }
    bench.publish();
    ASSERT_EQ(bench.id_of(endpoint(1)).slot(), old.slot());
    ASSERT_NE(bench.id_of(endpoint(1)), old);
    EXPECT_EQ(bench.active(endpoint(1)), 0U);
    bench.send(from(2000, kSyn));
    EXPECT_EQ(bench.active(endpoint(1)), 1U);
    bench.engine.sweep(bench.tables, bench.now_ms + 1'000'000, 100);  // the old flows end
    EXPECT_EQ(bench.engine.count(), 0U);
    EXPECT_EQ(bench.active(endpoint(1)), 0U);
}

// The VIP is another service's now: its flows begin anew there.
TEST_P(Flows, AnotherServiceTakesOver) {
    DatapathBench bench({web(1, 1)});
    bench.send(from(1000, kSyn));
    auto other = web(2, 1);
    other.name = "other";
    auto moved = web(1, 1);
    moved.vip = {*Prefix::parse(v4() ? "10.1.1.77" : "2001:db8:1::77")};
    bench.replace({moved, other});
    EXPECT_EQ(bench.send(from(1000)), "backend_gone");
    EXPECT_EQ(bench.send(from(1000, kSyn)), endpoint(2));
    EXPECT_FALSE(bench.known);
    // The same with both services' backends alive all the time.
    DatapathBench both({web(1, 1)});
    both.send(from(1000, kSyn));
    auto port81 = web(1, 1);
    port81.ports = {81};
    both.replace({port81, other});
    EXPECT_EQ(both.send(from(1000, kSyn)), endpoint(2));
}

TEST_P(Flows, PeekChangesNothing) {
    DatapathBench bench({web(1, 4)});
    const auto peek = [&](const PacketBuilder& builder, bool& known) {
        const auto found = bench.peek(builder);
        known = found.known;
        return found.backend == nullptr ? BackendId() : found.backend->id;
    };
    bool known = true;
    const BackendId before = peek(from(1, kSyn), known);
    EXPECT_FALSE(known);
    EXPECT_EQ(bench.engine.count(), 0U);
    EXPECT_EQ(before, bench.id_of(bench.send(from(1, kSyn))));
    EXPECT_EQ(peek(from(1), known), before);
    EXPECT_TRUE(known);
    bench.replace({web(1, 0)});
    EXPECT_FALSE(peek(from(1), known).valid());
    EXPECT_TRUE(known);
    EXPECT_EQ(bench.peek(from(1)).failure, Verdict::BackendGone);
    EXPECT_EQ(bench.peek(from(1, kSyn)).failure, Verdict::NoBackend);
}

TEST_P(Flows, StatelessWhenFullOfLiveFlows) {
    constexpr uint32_t kCapacity = 64;
    DatapathBench bench({web(1, 4)}, kCapacity);
    for (uint16_t port = 0; port < kCapacity; ++port) {
        establish(bench, static_cast<uint16_t>(1000 + port));
    }
    EXPECT_EQ(bench.engine.count(), kCapacity);
    DatapathBench roomy({web(1, 4)});
    for (uint16_t port = 5000; port < 5050; ++port) {
        EXPECT_EQ(bench.send(from(port, kSyn)), roomy.send(from(port, kSyn)));  // as all would
        EXPECT_FALSE(bench.known);
    }
    EXPECT_EQ(bench.engine.count(), kCapacity);
    EXPECT_EQ(bench.counters.flows_stateless.get(), 50U);
    EXPECT_EQ(evicted(bench), 0U);
    // Live flows are as they were.
    for (uint16_t port = 0; port < kCapacity; ++port) {
        bench.send(from(static_cast<uint16_t>(1000 + port), kAck));
        EXPECT_TRUE(bench.known);
    }
}

TEST_P(Flows, FinishedFlowsMakeRoom) {
    constexpr uint32_t kCapacity = 64;
    DatapathBench bench({web(1, 4)}, kCapacity);
    for (uint16_t port = 1000; port < 1000 + kCapacity; ++port) {
        establish(bench, port);
        bench.send(from(port, port % 2 == 0 ? kAck : kFin));
    }
    for (uint16_t port = 5000; port < 5020; ++port) {
        bench.send(from(port, kSyn));
    }
    EXPECT_GT(evicted(bench), 10U);
    EXPECT_EQ(bench.engine.count(), kCapacity);
    for (uint16_t port = 1000; port < 1000 + kCapacity; port += 2) {
        bench.send(from(port, kAck));
        EXPECT_TRUE(bench.known) << port;  // no live one had to go
    }
}

// One bound for both families: the other's flows count.
TEST_P(Flows, TheBoundIsForBothFamiliesTogether) {
    const std::string other_vip = v4() ? "2001:db8:1::1" : "10.1.1.1";
    const std::string other_client = v4() ? "2001:db8:99::1" : "192.0.2.1";
    auto other =
        service({"other", {other_vip}, {80}, {v4() ? "[2001:db8:16::1]:80" : "172.16.0.1:80"}});
    DatapathBench bench({web(1, 1), other}, 10);
    for (uint16_t port = 1; port <= 6; ++port) {
        establish(bench, port);
        for (const uint8_t flags : {kSyn, kAck}) {
            bench.send(PacketBuilder().ipv4(other_client, other_vip).tcp(port, 80, flags));
        }
    }
    EXPECT_EQ(bench.engine.count(), 10U);
    EXPECT_EQ(bench.counters.flows_stateless.get(), 4U);  // a SYN and an ACK of two flows
}

}  // namespace
}  // namespace dlb
