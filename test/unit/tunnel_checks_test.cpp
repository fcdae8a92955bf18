// TunnelChecks: what the kernel sends for a check, and what leaves. What should leave is what a
// worker's Forwarder makes of a client's packet that is the same but for one hop more.
#include "control/tunnel_checks.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "datapath/forwarder.hpp"
#include "rewrite/l3.hpp"
#include "support/datapath_bench.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::DatapathBench;
using test::ip;
using test::PacketBuilder;
using test::service;
using test::StackMbuf;
using Taken = TunnelChecks::Taken;

constexpr uint8_t kTtl = 64;
constexpr uint16_t kPort = 40000;
const MacAddress kMac = test::mac("02:00:00:00:01:06");

// Two services of one VIP each, with one backend, whose family need not be the VIP's.
class TunnelChecksTest : public testing::TestWithParam<std::tuple<Mode, bool, bool>> {
  protected:
    Mode mode() const { return std::get<0>(GetParam()); }
    bool v4() const { return std::get<1>(GetParam()); }
    bool outer_v4() const { return mode() == Mode::Dr ? v4() : std::get<2>(GetParam()); }
    std::string own() const { return v4() ? "10.0.0.106" : "2001:db8::106"; }
    std::string vip() const { return v4() ? "10.1.1.1" : "2001:db8:1::1"; }
    std::string backend() const { return outer_v4() ? "172.16.0.1:0" : "[2001:db8:16::1]:0"; }
    ServiceConfig tunnelled(Protocol protocol = Protocol::Tcp) const {
        ServiceConfig config = service({"web", {vip()}, {80}, {backend()}, mode(), protocol});
        config.backends[0].mac = test::mac("02:00:00:00:04:11");
        config.vni = 7;
        return config;
    }
    PacketBuilder packet(uint8_t ttl = kTtl) const {
        return PacketBuilder().ipv4(own(), vip()).dont_fragment().tos(0x2a).ttl(ttl).payload("GET");
    }
    ProbePort port(uint8_t protocol = kProtocolTcp, uint16_t number = kPort) const {
        return {v4() ? Family::V4 : Family::V6, protocol, number};
    }

    struct Left {
        Taken taken;
        Bytes bytes;  // as it leaves by the next hop's port
        int port = -1;
    };
    Left take(TunnelChecks& checks, const Bytes& frame) {
        StackMbuf mbuf(frame);
        const TunnelChecks::Outcome outcome = checks.take(mbuf.get(), kMac);
        Left left{outcome.taken, {}, -1};
        if (outcome.taken == Taken::Packet) {
            EXPECT_EQ(outcome.hop->state, NextHop::State::Ready);
            EXPECT_TRUE(
                push_ethernet(mbuf.get(), outcome.hop->l2, outcome.hop->l2_length, outcome.family));
            left.port = outcome.hop->port;
        }
        left.bytes = mbuf.bytes();
        return left;
    }
    static Left forwarded(DatapathBench& bench, const PacketBuilder& builder) {
        StackMbuf mbuf(builder.build());
        Packet classified = bench.classified(builder);
        classified.mbuf = mbuf.get();
        Forwarder forwarder(bench.engine, bench.by_table);
        const Outcome outcome = forwarder.handle(bench.tables, classified, bench.now_ms + 1);
        EXPECT_EQ(to_string(outcome.verdict), "forwarded");
        return {Taken::Packet, mbuf.bytes(), outcome.port};
    }

    std::vector<ControlPort> ports{2};
};
INSTANTIATE_TEST_SUITE_P(Modes, TunnelChecksTest,
                         testing::Combine(testing::Values(Mode::Dr, Mode::Ipip, Mode::Gre,
                                                          Mode::Gue, Mode::Fou, Mode::Vxlan),
                                          testing::Bool(), testing::Bool()),
                         [](const auto& info) {
                             return std::string(to_string(std::get<0>(info.param))) +
                                    (std::get<1>(info.param) ? "4" : "6") + "in" +
                                    (std::get<2>(info.param) ? "4" : "6");
                         });

TEST_P(TunnelChecksTest, LeavesAsAWorkerSendsAClientsPacket) {
    DatapathBench tcp({tunnelled()});
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return tcp.tables; });
    ASSERT_TRUE(checks.claim(port(), ip(vip()), tcp.id_of(backend())));
    const Left left = take(checks, packet().tcp(kPort, 80).padding(4).build());
    const Left expected = forwarded(tcp, packet(kTtl + 1).tcp(kPort, 80));
    EXPECT_EQ(left.taken, Taken::Packet);
    EXPECT_EQ(left.bytes, expected.bytes);
    EXPECT_EQ(left.port, expected.port);

    DatapathBench udp({tunnelled(Protocol::Udp)});
    TunnelChecks datagrams(ports, [&]() -> const DataplaneTables& { return udp.tables; });
    ASSERT_TRUE(datagrams.claim(port(kProtocolUdp), ip(vip()), udp.id_of(backend())));
    EXPECT_EQ(take(datagrams, packet().udp(kPort, 80).build()).bytes,
              forwarded(udp, packet(kTtl + 1).udp(kPort, 80)).bytes);
}

TEST_P(TunnelChecksTest, OtherPacketsOfTheKernelStayAsTheyAre) {
    DatapathBench bench({tunnelled()});
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return bench.tables; });
    const uint8_t icmp = v4() ? kProtocolIcmp : kProtocolIcmpv6;
    ASSERT_TRUE(checks.claim(port(), ip(vip()), bench.id_of(backend())));
    ASSERT_TRUE(checks.claim(port(icmp), ip(vip()), bench.id_of(backend())));
    const std::string elsewhere = v4() ? "10.1.1.2" : "2001:db8:1::2";
    for (const Bytes& frame : {
             packet().tcp(kPort + 1, 80).build(),
             packet().udp(kPort, 80).build(),
             PacketBuilder().ipv4(own(), elsewhere).tcp(kPort, 80).build(),
             packet().icmp(v4() ? 8 : 128, 0, uint32_t{kPort + 1} << 16).build(),
             packet().icmp(v4() ? 0 : 129, 0, uint32_t{kPort} << 16).build(),  // a reply
             packet().protocol(112).build(),
             Bytes(60, 0xff),
             Bytes(14, 0),
         }) {
        const Left left = take(checks, frame);
        EXPECT_EQ(left.taken, Taken::No);
        EXPECT_EQ(left.bytes, frame);
    }
}

TEST_P(TunnelChecksTest, AnEchoRequestIsKnownByItsIdentifier) {
    DatapathBench bench({tunnelled()});
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return bench.tables; });
    const uint8_t icmp = v4() ? kProtocolIcmp : kProtocolIcmpv6;
    ASSERT_TRUE(checks.claim(port(icmp), ip(vip()), bench.id_of(backend())));
    const auto request = packet().icmp(v4() ? 8 : 128, 0, uint32_t{kPort} << 16);
    const Left left = take(checks, request.build());
    EXPECT_EQ(left.taken, Taken::Packet);
    const Bytes inner = request.build_ip();
    ASSERT_GT(left.bytes.size(), inner.size());
    EXPECT_EQ(Bytes(left.bytes.end() - static_cast<long>(inner.size()), left.bytes.end()), inner);
}

TEST_P(TunnelChecksTest, AReleasedPortStaysWithItsBackendForAWhile) {
    ServiceConfig both = tunnelled();
    both.backends.push_back(both.backends[0]);
    both.backends[1].address = ip(outer_v4() ? "172.16.0.2" : "2001:db8:16::2");
    DatapathBench bench({both});
    const BackendId first = bench.id_of(backend());
    const BackendId second = bench.id_of(outer_v4() ? "172.16.0.2:0" : "[2001:db8:16::2]:0");
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return bench.tables; });
    ASSERT_TRUE(checks.claim(port(), ip(vip()), first));
    EXPECT_FALSE(checks.claim(port(), ip(vip()), first)) << "claimed twice at once";
    checks.release(port());
    const auto reset = packet().tcp(kPort, 80, test::kRst);
    EXPECT_EQ(take(checks, reset.build()).taken, Taken::Packet);
    EXPECT_FALSE(checks.claim(port(), ip(vip()), second));
    EXPECT_TRUE(checks.claim(port(kProtocolUdp), ip(vip()), second)) << "another protocol's";
    EXPECT_TRUE(checks.claim(port(), ip(vip()), first));
    EXPECT_EQ(take(checks, reset.build()).taken, Taken::Packet);
}

TEST_P(TunnelChecksTest, WhatCannotGoIsDropped) {
    DatapathBench bench({tunnelled()});
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return bench.tables; });
    const BackendId id = bench.id_of(backend());
    ASSERT_TRUE(checks.claim(port(), ip(vip()), id));
    const unsigned headers = v4() ? 40 : 60;
    if (mode() != Mode::Dr) {
        const auto full = packet().tcp(kPort, 80).payload(Bytes(1500 - headers, 'x'));
        EXPECT_EQ(take(checks, full.build()).taken, Taken::Drop);
    }
    bench.routes.clear();
    bench.publish();
    EXPECT_EQ(take(checks, packet().tcp(kPort, 80).build()).taken, Taken::Drop);
    TunnelWay::Start start = checks.start(id, port().family);
    EXPECT_EQ(start.refusal.outcome, ProbeOutcome::Failed);
    EXPECT_EQ(start.refusal.reason,
              std::string("no route to ") + (outer_v4() ? "172.16.0.1" : "2001:db8:16::1"));
    bench.replace({});
    EXPECT_EQ(take(checks, packet().tcp(kPort, 80).build()).taken, Taken::Drop);
    EXPECT_EQ(checks.start(id, port().family).refusal.outcome, ProbeOutcome::NotRun);
}

TEST_P(TunnelChecksTest, WithoutATwinThereIsNoWay) {
    DatapathBench bench({tunnelled()});
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return bench.tables; });
    const TunnelWay::Start start = checks.start(bench.id_of(backend()), port().family);
    EXPECT_EQ(start.refusal.outcome, ProbeOutcome::NotRun);
    EXPECT_EQ(start.refusal.reason, std::string("no port with a tap has an ") +
                                        (v4() ? "IPv4" : "IPv6") + " address to ask from");
}

// The kernel asks who has a VIP that is a neighbour to it: the twin itself has, where it is
// checked.
TEST(TunnelChecksVips, AreTheTwinsToTheKernel) {
    DatapathBench bench({});
    std::vector<ControlPort> ports;
    TunnelChecks checks(ports, [&]() -> const DataplaneTables& { return bench.tables; });
    Bytes query(42, 0);
    for (size_t i = 0; i < 6; ++i) {
        query[i] = 0xff;
        query[6 + i] = query[22 + i] = kMac.bytes.at(i);
    }
    const Bytes head = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
    std::copy(head.begin(), head.end(), query.begin() + 12);
    const Bytes asker = test::address_bytes("10.0.0.106");
    const Bytes target = test::address_bytes("10.1.1.1");
    std::copy(asker.begin(), asker.end(), query.begin() + 28);
    std::copy(target.begin(), target.end(), query.begin() + 38);
    const auto asked = [&] {
        StackMbuf mbuf(query);
        const Taken taken = checks.take(mbuf.get(), kMac).taken;
        return std::make_pair(taken, mbuf.bytes());
    };
    EXPECT_EQ(asked().first, Taken::No);
    checks.set_vips({ip("10.1.1.2")});
    EXPECT_EQ(asked(), std::make_pair(Taken::No, query));
    checks.set_vips({ip("10.1.1.1")});
    const auto [taken, answer] = asked();
    EXPECT_EQ(taken, Taken::Answer);
    EXPECT_EQ(answer[21], 2) << "RFC 826: a reply";
    EXPECT_TRUE(std::equal(kMac.bytes.begin(), kMac.bytes.end(), answer.begin() + 22));
    EXPECT_TRUE(std::equal(target.begin(), target.end(), answer.begin() + 28));
    EXPECT_TRUE(std::equal(asker.begin(), asker.end(), answer.begin() + 38));
}

}  // namespace
}  // namespace dlb
