// FlowEngine, the way back: SNAT ports, replies by flow and by rule, and who has to go when room is
// needed for a flow that cannot do without.
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/datapath_bench.hpp"

namespace dlb {
namespace {

using test::DatapathBench;
using test::kAck;
using test::kFin;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::service;
using testing::HasSubstr;
using testing::StartsWith;

class ReplyPaths : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string vip(int n = 1) const {
        return (v4() ? "10.1.1." : "2001:db8:1::") + std::to_string(n);
    }
    std::string client() const { return v4() ? "192.0.2.1" : "2001:db8:99::1"; }
    std::string host(int n = 1) const {
        return (v4() ? "172.16.0." : "2001:db8:16::") + std::to_string(n);
    }
    std::string snat(int n = 7) const {
        return (v4() ? "10.0.0." : "2001:db8::") + std::to_string(n);
    }
    std::string at(const std::string& address, uint16_t port) const {
        return (v4() ? address : "[" + address + "]") + ":" + std::to_string(port);
    }
    ServiceConfig full(std::vector<std::string> sources) const {
        return service({"full",
                        {vip()},
                        {80},
                        {at(host(), 8080)},
                        Mode::Fnat,
                        Protocol::Tcp,
                        std::move(sources)});
    }
    // Two VIPs before one backend: replies need their flow.
    ServiceConfig two_vips() const {
        return service({"two", {vip(1), vip(2)}, {80}, {at(host(), 8080)}});
    }
    PacketBuilder request(uint16_t port, uint8_t flags = kSyn, int to = 1) const {
        return PacketBuilder().ipv4(client(), vip(to)).tcp(port, 80, flags);
    }
    PacketBuilder from_backend(const std::string& to, uint16_t port, uint8_t flags = kAck) const {
        return PacketBuilder().ipv4(host(), to).tcp(8080, port, flags);
    }
    // The SNAT port in send()'s answer.
    uint16_t snat_port(const std::string& sent) const {
        const auto source = Endpoint::parse(sent.substr(0, sent.find(" > ")));
        EXPECT_TRUE(source) << sent;
        return source ? source->port : 0;
    }
};
INSTANTIATE_TEST_SUITE_P(Families, ReplyPaths, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(ReplyPaths, FullNatThereAndBack) {
    DatapathBench bench({full({snat()})});
    for (uint16_t port = 1000; port < 1100; ++port) {
        const std::string sent = bench.send(request(port));
        ASSERT_THAT(sent, StartsWith(v4() ? snat() : "[" + snat()));
        ASSERT_THAT(sent, HasSubstr(" > " + at(host(), 8080)));
        EXPECT_EQ(bench.send(request(port, kAck)), sent);  // the same source again
        EXPECT_TRUE(bench.known);
        EXPECT_EQ(bench.reply(from_backend(snat(), snat_port(sent))),
                  at(vip(), 80) + " > " + at(client(), port));
    }
}

TEST_P(ReplyPaths, AReplyOfNoFlowIsNone) {
    DatapathBench bench({full({snat()})});
    const uint16_t port = snat_port(bench.send(request(1000)));
    EXPECT_EQ(bench.reply(from_backend(snat(), static_cast<uint16_t>(port + 1))), "no_flow");
    // Another backend, another port of it, another protocol.
    EXPECT_EQ(bench.reply(PacketBuilder().ipv4(host(9), snat()).tcp(8080, port)), "no_flow");
    EXPECT_EQ(bench.reply(PacketBuilder().ipv4(host(), snat()).tcp(8081, port)), "no_flow");
    EXPECT_EQ(bench.reply(PacketBuilder().ipv4(host(), snat()).udp(8080, port)), "no_flow");
    // A backend that has gone.
    auto changed = full({snat()});
    changed.backends[0] = test::backend(at(host(2), 8080));
    bench.replace({changed});
    EXPECT_EQ(bench.reply(from_backend(snat(), port)), "no_flow");
}

TEST_P(ReplyPaths, SnatPortsAreTheWorkersOwn) {
    for (unsigned worker = 0; worker < 3; ++worker) {
        DatapathBench bench({full({snat()})}, 1024, {worker, 3});
        std::set<uint16_t> ports;
        for (uint16_t port = 1000; port < 1200; ++port) {
            const uint16_t taken = snat_port(bench.send(request(port)));
            EXPECT_EQ(taken % 3, worker);
            EXPECT_TRUE(ports.insert(taken).second);
        }
    }
}

TEST_P(ReplyPaths, PortsComeBackAndRunOut) {
    DatapathBench bench({full({snat()})});
    bench.pools.clear();
    bench.excluded = {1024, 65530};  // five are left
    bench.publish();
    std::set<uint16_t> ports;
    for (uint16_t port = 1; port <= 5; ++port) {
        ports.insert(snat_port(bench.send(request(port, kSyn))));
        bench.send(request(port, kAck));  // a half-open flow would give its port up
    }
    EXPECT_EQ(ports, (std::set<uint16_t>{65531, 65532, 65533, 65534, 65535}));
    EXPECT_EQ(bench.send(request(6)), "no_snat_port");
    EXPECT_EQ(bench.engine.count(), 5U);  // nothing is left behind
    EXPECT_EQ(bench.active(at(host(), 8080)), 5U);
    bench.send(request(3, kAck | kFin));
    for (uint16_t port = 1; port <= 5; ++port) {
        bench.send(request(port, kAck | kFin));
    }
    bench.engine.sweep(bench.tables, 40'000, 100);
    EXPECT_EQ(bench.engine.count(), 0U);
    EXPECT_NE(bench.send(request(6)), "no_snat_port");
    // A connection that is opened anew gives its port back and takes another.
    const uint16_t before = snat_port(bench.send(request(7)));
    bench.send(request(7, kRst));
    const uint16_t after = snat_port(bench.send(request(7)));
    EXPECT_NE(before, after);
    EXPECT_EQ(bench.pool_of(snat()).available(6), 3U);
}

TEST_P(ReplyPaths, SeveralSnatAddresses) {
    DatapathBench bench({full({snat(7), snat(8)})});
    std::map<std::string, unsigned> used;
    for (uint16_t port = 1000; port < 1200; ++port) {
        const std::string sent = bench.send(request(port));
        ++used[Endpoint::parse(sent.substr(0, sent.find(" > ")))->address.to_string()];
    }
    EXPECT_NEAR(used[snat(7)], 100, 40);
    EXPECT_NEAR(used[snat(8)], 100, 40);
    // One runs out: the other goes on.
    while (bench.pool_of(snat()).take(6) != 0) {
    }
    for (uint16_t port = 2000; port < 2050; ++port) {
        EXPECT_THAT(bench.send(request(port)), HasSubstr(snat(8)));
    }
}

TEST_P(ReplyPaths, PlainNatIsToldByItsEndpoint) {
    DatapathBench bench({service({"plain", {vip()}, {80}, {at(host(), 8080)}})});
    // No flow is needed: any worker, and any load balancer of the group, can do it.
    EXPECT_EQ(bench.reply(from_backend(client(), 1234)),
              at(vip(), 80) + " > " + at(client(), 1234));
    DatapathBench any({service({"any", {vip()}, {}, {at(host(), 0)}})});
    EXPECT_EQ(any.reply(from_backend(client(), 1234)),
              at(vip(), 8080) + " > " + at(client(), 1234));
}

TEST_P(ReplyPaths, TwoVipsAreToldByTheFlow) {
    DatapathBench bench({two_vips()});
    EXPECT_EQ(bench.send(request(1000, kSyn, 1)), at(host(), 8080));
    EXPECT_EQ(bench.send(request(1001, kSyn, 2)), at(host(), 8080));
    EXPECT_EQ(bench.reply(from_backend(client(), 1000)),
              at(vip(1), 80) + " > " + at(client(), 1000));
    EXPECT_EQ(bench.reply(from_backend(client(), 1001)),
              at(vip(2), 80) + " > " + at(client(), 1001));
    // Unknown: the first VIP's, as before there were two.
    EXPECT_EQ(bench.reply(from_backend(client(), 1002)),
              at(vip(1), 80) + " > " + at(client(), 1002));
}

// A reload that adds a service before this one, with the same backend: replies of the flows from
// before that, which needed no flow then, keep their VIP.
TEST_P(ReplyPaths, AReloadThatMakesRepliesAmbiguousKeepsFlowsWhole) {
    const auto a = service({"a", {vip(1)}, {80}, {at(host(), 8080)}});
    const auto b = service({"b", {vip(2)}, {80}, {at(host(), 8080)}});
    DatapathBench bench({a});
    bench.send(request(1000, kSyn, 1));
    bench.send(request(1001, kSyn, 1));
    bench.replace({b, a});
    const auto expect_of_a = [&](uint16_t port) {
        EXPECT_EQ(bench.reply(from_backend(client(), port)),
                  at(vip(1), 80) + " > " + at(client(), port));
    };
    expect_of_a(1000);  // before any further packet of the client's
    bench.send(request(1001, kAck, 1));
    bench.send(request(1002, kSyn, 2));
    bench.publish();  // a change elsewhere
    expect_of_a(1000);
    expect_of_a(1001);
    EXPECT_EQ(bench.reply(from_backend(client(), 1002)),
              at(vip(2), 80) + " > " + at(client(), 1002));
    // Once a is gone, the other one's is the only way.
    bench.replace({b});
    EXPECT_EQ(bench.reply(from_backend(client(), 1003)),
              at(vip(2), 80) + " > " + at(client(), 1003));
}

// The flow from before is found by its reply hash once the client has sent something: not only the
// default leads back to its VIP.
TEST_P(ReplyPaths, AFlowFromBeforeIsIndexedByItsNextPacket) {
    const auto a = service({"a", {vip(1)}, {80}, {at(host(), 8080)}});
    const auto b = service({"b", {vip(2)}, {80}, {at(host(), 8080)}});
    DatapathBench bench({b, a});
    bench.send(request(1000, kSyn, 1));
    bench.replace({a});
    bench.send(request(1001, kSyn, 1));
    bench.replace({service({"c", {vip(3)}, {80}, {at(host(), 8080)}}), a, b});
    bench.send(request(1001, kAck, 1));
    Packet packet = bench.classified(from_backend(client(), 1001));
    const LbSnapshot& lb = *bench.tables.lb;
    EXPECT_EQ(v4() ? bench.engine.peek_reply<V4>(lb, packet) != nullptr
                   : bench.engine.peek_reply<V6>(lb, packet) != nullptr,
              true);
}

TEST_P(ReplyPaths, PrefixVipHasNoDefault) {
    const std::string prefix = v4() ? "10.1.1.0/24" : "2001:db8:1::/64";
    DatapathBench bench({service({"net", {prefix}, {80}, {at(host(), 8080)}})});
    bench.send(request(1000, kSyn, 77));
    EXPECT_EQ(bench.reply(from_backend(client(), 1000)),
              at(vip(77), 80) + " > " + at(client(), 1000));
    EXPECT_EQ(bench.reply(from_backend(client(), 1001)), "no_flow");
}

// Only 32 bits of a reply's hash are kept: another reply with the same ones is told by its key.
TEST(ReplyHash, ACollisionIsNoMatch) {
    DatapathBench bench({service({"net", {"10.1.1.0/24"}, {80}, {"172.16.0.1:8080"}})});
    std::map<uint32_t, uint32_t> seen;  // hash → client
    uint32_t first = 0;
    uint32_t second = 0;
    for (uint32_t client = 0x0b000000; second == 0; ++client) {
        FlowKey<V4> key;
        key.source = test::ip("172.16.0.1").v4_word();
        key.source_port = test::wire(8080);
        key.destination = Be32(client).raw();
        key.destination_port = test::wire(1000);
        key.protocol = 6;
        const auto [at, fresh] = seen.emplace(static_cast<uint32_t>(key.hash()), client);
        if (!fresh) {
            first = at->second;
            second = client;
        }
    }
    const auto text = [](uint32_t client) { return to_ip_address(Be32(client).raw()).to_string(); };
    const auto reply_to = [&](uint32_t client) {
        return bench.reply(PacketBuilder().ipv4("172.16.0.1", text(client)).tcp(8080, 1000));
    };
    const auto send_from = [&](uint32_t client, const char* vip) {
        bench.send(PacketBuilder().ipv4(text(client), vip).tcp(1000, 80));
    };
    send_from(first, "10.1.1.7");
    EXPECT_EQ(reply_to(first), "10.1.1.7:80 > " + text(first) + ":1000");
    EXPECT_EQ(reply_to(second), "no_flow");
    send_from(second, "10.1.1.8");
    EXPECT_EQ(reply_to(first), "10.1.1.7:80 > " + text(first) + ":1000");
    EXPECT_EQ(reply_to(second), "10.1.1.8:80 > " + text(second) + ":1000");
}

// Replies keep a flow alive and tell of its end.
TEST_P(ReplyPaths, RepliesMoveTheState) {
    auto config = full({snat()});
    DatapathBench bench({config});
    const uint16_t port = snat_port(bench.send(request(1000, kSyn)));
    bench.reply(from_backend(snat(), port, kSyn | kAck));
    EXPECT_EQ(bench.active(at(host(), 8080)), 1U);
    bench.now_ms = 29'000;
    bench.reply(from_backend(snat(), port, kSyn | kAck));  // still in the handshake, put off
    bench.engine.sweep(bench.tables, 58'000, 100);
    EXPECT_EQ(bench.engine.count(), 1U);
    bench.send(request(1000, kAck));
    bench.engine.sweep(bench.tables, 200'000, 100);
    EXPECT_EQ(bench.engine.count(), 1U);
    bench.now_ms = 200'000;
    bench.reply(from_backend(snat(), port, kRst));
    EXPECT_EQ(bench.active(at(host(), 8080)), 0U);
    bench.engine.sweep(bench.tables, 210'000, 100);
    EXPECT_EQ(bench.engine.count(), 0U);
}

// Full: handshakes beyond their quota go first, then finished flows, then the rest; full NAT cannot
// do without.
TEST_P(ReplyPaths, EvictionOrder) {
    constexpr uint32_t kCapacity = 4;  // one bucket: all are rivals
    DatapathBench bench({full({snat()})}, kCapacity);
    const auto fill = [&](uint8_t flags, uint16_t first, unsigned count) {
        for (unsigned n = 0; n < count; ++n) {
            bench.send(request(static_cast<uint16_t>(first + n), kSyn));
            bench.send(request(static_cast<uint16_t>(first + n), flags));
        }
    };
    const auto alive = [&](uint16_t first, unsigned count) {
        unsigned known = 0;
        for (unsigned n = 0; n < count; ++n) {
            known += bench.peek(request(static_cast<uint16_t>(first + n), kAck)).known;
        }
        return known;
    };
    fill(kAck, 1000, 2);
    fill(kFin, 3000, 1);
    fill(kSyn, 2000, 1);  // the quota of half-open flows
    EXPECT_EQ(alive(1000, 2) + alive(2000, 1) + alive(3000, 1), kCapacity);
    fill(kSyn, 4000, 1);
    EXPECT_EQ(alive(2000, 1), 0U);
    EXPECT_EQ(alive(1000, 2) + alive(3000, 1) + alive(4000, 1), kCapacity);
    bench.now_ms = 500;
    fill(kAck, 5000, 2);
    EXPECT_EQ(alive(3000, 1) + alive(4000, 1), 0U);
    EXPECT_EQ(alive(1000, 2) + alive(5000, 2), kCapacity);
    bench.now_ms = 1000;
    bench.send(request(1000, kAck));  // heard of lately
    fill(kAck, 6000, 1);              // only live ones are left: the one that would end first goes
    EXPECT_EQ(alive(1001, 1), 0U);
    EXPECT_EQ(alive(1000, 1) + alive(5000, 2) + alive(6000, 1), kCapacity);
    EXPECT_EQ(bench.engine.count(), kCapacity);
    EXPECT_EQ(bench.counters.flows_stateless.get(), 0U);
    EXPECT_EQ(bench.pool_of(snat()).available(6), 65536 - 1024 - kCapacity);  // ports came back
    EXPECT_EQ(bench.active(at(host(), 8080)), kCapacity);
}

// A service whose replies are told by the flow alone is not served without one: the client would
// hear from the wrong VIP, or nothing.
TEST_P(ReplyPaths, StatefulNatIsNotServedWithoutAFlow) {
    constexpr uint32_t kCapacity = 64;
    DatapathBench bench({two_vips()}, kCapacity);
    for (uint16_t port = 1000; port < 1000 + 3 * kCapacity; ++port) {
        const std::string sent = bench.send(request(port, kAck, 2));
        if (sent == at(host(), 8080)) {
            ASSERT_EQ(bench.reply(from_backend(client(), port)),
                      at(vip(2), 80) + " > " + at(client(), port));
        } else {
            ASSERT_EQ(sent, "flow_table_full");
        }
    }
    EXPECT_EQ(bench.counters.flows_stateless.get(), 0U);
    EXPECT_GT(bench.counters.flows_evicted.get(), 0U);
}

// The bound is for both families together, and the flows that fill the table may all be the
// other's.
TEST_P(ReplyPaths, AFloodOfTheOtherFamilyLeavesRoom) {
    const std::string other_vip = v4() ? "2001:db8:1::9" : "10.1.1.9";
    const std::string other_client = v4() ? "2001:db8:99::1" : "192.0.2.1";
    constexpr uint32_t kCapacity = 256;
    DatapathBench bench(
        {full({snat()}),
         service({"other", {other_vip}, {80}, {v4() ? "[2001:db8:16::1]:80" : "172.16.0.1:80"}})},
        kCapacity);
    for (uint16_t port = 1; port <= 4 * kCapacity; ++port) {
        for (const uint8_t flags : {kSyn, kAck}) {
            bench.send(PacketBuilder().ipv4(other_client, other_vip).tcp(port, 80, flags));
        }
    }
    ASSERT_EQ(bench.engine.count(), kCapacity);
    for (uint16_t port = 1000; port < 1100; ++port) {
        EXPECT_THAT(bench.send(request(port)), HasSubstr(" > " + at(host(), 8080)));
    }
    EXPECT_EQ(bench.engine.count(), kCapacity);
}

}  // namespace
}  // namespace dlb
