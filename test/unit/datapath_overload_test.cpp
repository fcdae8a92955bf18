// FlowEngine under more than it can keep: floods of forged sources, bounds on new flows.
#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/datapath_bench.hpp"

namespace dlb {
namespace {

using test::DatapathBench;
using test::kAck;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::service;
using testing::HasSubstr;

constexpr uint32_t kCapacity = 4096;
constexpr uint32_t kQuota = kCapacity / FlowStore::kHalfOpenShare;

// Every test runs for both families: parameter.
class Overload : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string vip() const { return v4() ? "10.1.1.1" : "2001:db8:1::1"; }
    std::string endpoint(unsigned n) const {
        return (v4() ? "172.16.0." + std::to_string(n)
                     : "[2001:db8:16::" + std::to_string(n) + "]") +
               ":80";
    }
    ServiceConfig web(Mode mode, Protocol protocol = Protocol::Tcp) const {
        ServiceConfig config = service(
            {"web", {vip()}, {80}, {endpoint(1), endpoint(2), endpoint(3)}, mode, protocol});
        if (mode == Mode::Fnat) {
            config.snat = {test::ip(v4() ? "10.0.0.107" : "2001:db8::107")};
        }
        return config;
    }
    // The client of number n; clients of the flood have other addresses than the good ones.
    PacketBuilder tcp(const char* net, unsigned n, uint8_t flags) const {
        return PacketBuilder().ipv4(client(net, n), vip()).tcp(source_port(n), 80, flags);
    }
    PacketBuilder udp(const char* net, unsigned n) const {
        return PacketBuilder().ipv4(client(net, n), vip()).udp(source_port(n), 80);
    }
    std::string client(const char* net, unsigned n) const {
        return v4() ? std::string(net) + "." + std::to_string(n >> 8 & 0xff) + "." +
                          std::to_string(1 + (n & 0x7f))
                    : "2001:db8:" + std::string(net).substr(0, 2) +
                          "::" + std::to_string(1 + n / 9000) + ":" + std::to_string(1 + n % 9000);
    }
    static uint16_t source_port(unsigned n) { return static_cast<uint16_t>(1024 + n % 60000); }

    // Half the table, established; where each went.
    std::vector<std::string> establish(DatapathBench& bench, unsigned count) const {
        std::vector<std::string> chosen;
        for (unsigned n = 0; n < count; ++n) {
            chosen.push_back(bench.send(tcp("20.1", n, kSyn)));
            bench.send(tcp("20.1", n, kAck));
        }
        return chosen;
    }
    void expect_alive(DatapathBench& bench, const std::vector<std::string>& chosen) const {
        for (unsigned n = 0; n < chosen.size(); ++n) {
            if (chosen[n] == "flow_table_full") {
                continue;
            }
            ASSERT_EQ(bench.send(tcp("20.1", n, kAck)), chosen[n]);
            ASSERT_TRUE(bench.known) << n;
        }
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Overload, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(Overload, ASynFloodTakesItsQuotaAndNoMore) {
    for (const SchedulerKind kind : {SchedulerKind::Maglev, SchedulerKind::Lc}) {
        auto config = web(Mode::Nat);
        config.scheduler = kind;
        DatapathBench bench({config}, kCapacity);
        const auto chosen = establish(bench, kCapacity / 2);
        for (unsigned n = 0; n < 10 * kCapacity; ++n) {
            ASSERT_THAT(bench.send(tcp("30.2", n, kSyn)), HasSubstr(":80"));  // served all the same
        }
        EXPECT_EQ(bench.engine.count(), kCapacity / 2 + kQuota);
        EXPECT_EQ(bench.counters.flows_evicted.get(), 0U);
        EXPECT_EQ(bench.counters.flows_stateless.get(), 10 * kCapacity - kQuota);
        // A good client amid the flood: its SYN goes by hash, and so does its ACK, which opens the
        // flow.
        for (unsigned n = 0; n < 100; ++n) {
            const std::string first = bench.send(tcp("40.3", n, kSyn));
            EXPECT_FALSE(bench.known);
            EXPECT_EQ(bench.send(tcp("40.3", n, kAck)), first);
            EXPECT_EQ(bench.send(tcp("40.3", n, kAck)), first);
            EXPECT_TRUE(bench.known);
        }
        expect_alive(bench, chosen);
    }
}

// Full NAT cannot do without flows: the oldest half-open ones go, and give their ports up.
TEST_P(Overload, AFloodOfFullNatRecyclesItsOwn) {
    DatapathBench bench({web(Mode::Fnat)}, kCapacity);
    const auto chosen = establish(bench, kCapacity / 2);
    // Where all places of a flow are taken by established ones it has to be refused.
    unsigned refused = 0;
    for (unsigned n = 0; n < 4 * kCapacity; ++n) {
        const std::string sent = bench.send(tcp("30.2", n, kSyn));
        refused += sent == "flow_table_full";
        ASSERT_TRUE(sent == "flow_table_full" || sent.find(" > ") != std::string::npos) << sent;
    }
    EXPECT_LT(refused, 4 * kCapacity / 100);
    EXPECT_NEAR(bench.engine.count(), kCapacity / 2 + kQuota, 8);
    unsigned known = 0;
    for (unsigned n = 0; n < 100; ++n) {
        bench.send(tcp("40.3", n, kSyn));
        bench.send(tcp("30.2", 100'000 + n, kSyn));
        bench.send(tcp("40.3", n, kAck));
        known += bench.known;
    }
    EXPECT_GE(known, 98U);
    expect_alive(bench, chosen);
}

TEST_P(Overload, FullNatShortOfPortsTakesThoseOfHalfOpenFlows) {
    DatapathBench bench({web(Mode::Fnat)}, kCapacity);
    bench.pools.clear();
    bench.excluded = {1024, 65435};  // a hundred are left
    bench.publish();
    const auto chosen = establish(bench, 50);
    for (unsigned n = 0; n < 1000; ++n) {
        ASSERT_THAT(bench.send(tcp("30.2", n, kSyn)), HasSubstr(" > "));
    }
    expect_alive(bench, chosen);
    EXPECT_EQ(bench.engine.count(), 100U);
}

// A table full of live flows: a flood pushes none of them out.
TEST_P(Overload, AFloodEvictsNoEstablishedFlow) {
    for (const Mode mode : {Mode::Nat, Mode::Fnat}) {
        DatapathBench bench({web(mode)}, kCapacity);
        const auto chosen = establish(bench, kCapacity * 9 / 10);
        ASSERT_LT(std::count(chosen.begin(), chosen.end(), "flow_table_full"), kCapacity / 20);
        for (unsigned n = 0; n < 4 * kCapacity; ++n) {
            bench.send(tcp("30.2", n, kSyn));
        }
        expect_alive(bench, chosen);
    }
}

TEST_P(Overload, AnAckFloodIsHalfOpenToo) {
    DatapathBench bench({web(Mode::Nat)}, kCapacity);
    const auto chosen = establish(bench, kCapacity / 2);
    for (unsigned n = 0; n < 4 * kCapacity; ++n) {
        bench.send(tcp("30.2", n, kAck));
    }
    EXPECT_EQ(bench.engine.count(), kCapacity / 2 + kQuota);
    expect_alive(bench, chosen);
}

TEST_P(Overload, AUdpFloodTakesItsQuotaAndGoodFlowsStayWhole) {
    for (const SchedulerKind kind : {SchedulerKind::Maglev, SchedulerKind::Rr}) {
        auto config = web(Mode::Nat, Protocol::Udp);
        config.scheduler = kind;
        DatapathBench bench({config}, kCapacity);
        std::vector<std::string> chosen;
        for (unsigned n = 0; n < kCapacity / 2; ++n) {
            chosen.push_back(bench.send(udp("20.1", n)));
            bench.send(udp("20.1", n));
        }
        for (unsigned n = 0; n < 4 * kCapacity; ++n) {
            ASSERT_THAT(bench.send(udp("30.2", n)), HasSubstr(":80"));
        }
        EXPECT_EQ(bench.engine.count(), kCapacity / 2 + kQuota);
        for (unsigned n = 0; n < 100; ++n) {
            const std::string first = bench.send(udp("40.3", n));
            EXPECT_EQ(bench.send(udp("40.3", n)), first);
            EXPECT_EQ(bench.send(udp("40.3", n)), first);
        }
        for (unsigned n = 0; n < chosen.size(); ++n) {
            ASSERT_EQ(bench.send(udp("20.1", n)), chosen[n]);
            ASSERT_TRUE(bench.known);
        }
    }
}

// Handshakes that end make room in the quota.
TEST_P(Overload, TheQuotaIsOfFlowsThatAreHalfOpenNow) {
    DatapathBench bench({web(Mode::Nat)}, kCapacity);
    for (unsigned n = 0; n < kCapacity; ++n) {
        bench.send(tcp("20.1", n, kSyn));
        bench.send(tcp("20.1", n, n % 3 == 0 ? kRst : kAck));
    }
    EXPECT_EQ(bench.counters.flows_stateless.get(), 0U);
    DatapathBench other({web(Mode::Nat)}, kCapacity);
    for (unsigned n = 0; n < kQuota; ++n) {
        other.send(tcp("30.2", n, kSyn));
    }
    other.send(tcp("40.3", 1, kSyn));
    EXPECT_EQ(other.counters.flows_stateless.get(), 1U);
    other.engine.sweep(other.tables, 31'000, kCapacity);
    EXPECT_EQ(other.engine.count(), 0U);
    other.now_ms = 31'000;
    other.send(tcp("40.3", 2, kSyn));
    EXPECT_EQ(other.counters.flows_stateless.get(), 1U);
}

TEST_P(Overload, NewFlowsAreBoundedPerSecond) {
    auto config = web(Mode::Nat);
    config.max_new_flows = 100;
    DatapathBench bench({config}, kCapacity);
    const auto offer = [&](unsigned first, unsigned count) {
        unsigned admitted = 0;
        for (unsigned n = first; n < first + count; ++n) {
            const std::string sent = bench.send(tcp("20.1", n, kSyn));
            EXPECT_TRUE(sent == "new_flow_limit" || sent.find(":80") != std::string::npos);
            admitted += sent != "new_flow_limit";
        }
        return admitted;
    };
    EXPECT_EQ(offer(0, 500), 100U);
    EXPECT_EQ(bench.peek(tcp("20.1", 499, kSyn)).failure, Verdict::NewFlowLimit);
    bench.now_ms += 100;
    EXPECT_EQ(offer(1000, 500), 10U);  // a tenth of a second's
    bench.send(tcp("20.1", 0, kAck));
    EXPECT_TRUE(bench.known);  // flows that are there are not concerned
    bench.now_ms += 60'000;
    EXPECT_EQ(offer(2000, 500), 100U);
    // Another bound begins anew; none is none.
    config.max_new_flows = 7;
    bench.replace({config});
    EXPECT_EQ(offer(3000, 100), 7U);
    config.max_new_flows = 0;
    bench.replace({config});
    EXPECT_EQ(offer(4000, 500), 500U);
}

TEST_P(Overload, TheBoundHoldsForAllWorkersTogether) {
    auto config = web(Mode::Nat);
    config.max_new_flows = 100;
    DatapathBench one({config}, kCapacity, {0, 2});
    DatapathBench two({config}, kCapacity, {1, 2});
    one.engine.set_peers({&one.by_table, &two.by_table});
    two.engine.set_peers({&one.by_table, &two.by_table});
    unsigned admitted = 0;
    for (unsigned n = 0; n < 500; ++n) {
        admitted += (n % 2 == 0 ? one : two).send(tcp("20.1", n, kSyn)) != "new_flow_limit";
    }
    EXPECT_NEAR(admitted, 100, 1);  // a worker that begins to look has not seen what was before
}

}  // namespace
}  // namespace dlb
