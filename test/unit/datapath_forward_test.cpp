// Forwarder: frames in, frames out, in every mode; and each reason not to send.
#include <gtest/gtest.h>

#include "datapath/forwarder.hpp"
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

class Forward : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string vip() const { return v4() ? "10.1.1.1" : "2001:db8:1::1"; }
    std::string client() const { return v4() ? "192.0.2.1" : "2001:db8:99::1"; }
    std::string host(int n = 1) const {
        return (v4() ? "172.16.0." : "2001:db8:16::") + std::to_string(n);
    }
    std::string at(const std::string& address, uint16_t port) const {
        return (v4() ? address : "[" + address + "]") + ":" + std::to_string(port);
    }
    ServiceConfig web(Mode mode, uint16_t port = 8080) const {
        return service({"web", {vip()}, {80}, {at(host(), port)}, mode});
    }
    PacketBuilder packet(const std::string& from, const std::string& to) const {
        return PacketBuilder().ipv4(from, to).tos(0x2a).payload("hello");
    }
    PacketBuilder request() const { return packet(client(), vip()).tcp(1000, 80); }
    // The frames' Ethernet: to the backend's link (VLAN 7), and to the gateway's.
    static PacketBuilder on_port1(PacketBuilder expected) {
        return expected.vlan(7).ethernet({2, 0, 0, 0, 0x16, 1}, {2, 0, 0, 0, 2, 6});
    }
    static PacketBuilder on_port0(PacketBuilder expected) {
        return expected.ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 1, 6});
    }
    struct Sent {
        std::string verdict;
        int port;
        Bytes bytes;
    };
    // Puts a frame through a forwarder on the bench's flows.
    Sent pass(DatapathBench& bench, const PacketBuilder& builder) {
        return pass(bench, builder, RTE_PKTMBUF_HEADROOM);
    }
    Sent pass(DatapathBench& bench, const PacketBuilder& builder, size_t headroom) {
        StackMbuf mbuf(builder.build(), headroom);
        Packet classified = bench.classified(builder);
        classified.mbuf = mbuf.get();
        Forwarder forwarder(bench.engine, bench.by_table);
        const Outcome outcome = forwarder.handle(bench.tables, classified, bench.now_ms + 1);
        note_ = note_of(mbuf.get());
        return {std::string(to_string(outcome.verdict)), outcome.port, mbuf.bytes()};
    }
    void expect_sent(const Sent& sent, const char* verdict, int port, const PacketBuilder& frame) {
        EXPECT_EQ(sent.verdict, verdict);
        EXPECT_EQ(sent.port, port);
        EXPECT_EQ(sent.bytes, frame.build());
    }
    PacketNote note_;
};
INSTANTIATE_TEST_SUITE_P(Families, Forward, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(Forward, Nat) {
    DatapathBench bench({web(Mode::Nat)});
    expect_sent(pass(bench, request().ttl(64).padding(3)), "forwarded", 1,
                on_port1(packet(client(), host()).tcp(1000, 8080).ttl(63)));
    expect_sent(pass(bench, packet(host(), client()).tcp(8080, 1000).ttl(9)), "replied", 0,
                on_port0(packet(vip(), client()).tcp(80, 1000).ttl(8)));
    const size_t length = request().build_ip().size();
    const auto* counted = bench.by_table.find(bench.id_of(at(host(), 8080)));
    EXPECT_EQ(counted->packets.get(), 1U);
    EXPECT_EQ(counted->bytes.get(), length);
    EXPECT_EQ(bench.by_table.of_service(0).packets.get(), 1U);
    EXPECT_EQ(bench.by_table.of_service(0).bytes.get(), length);
    EXPECT_EQ(bench.by_table.of_service(0).replies.get(), 1U);
}

TEST_P(Forward, NatKeepsThePortOfABackendWithoutOne) {
    auto any = web(Mode::Nat, 0);
    any.ports.clear();
    DatapathBench bench({any});
    expect_sent(pass(bench, packet(client(), vip()).tcp(1000, 4711)), "forwarded", 1,
                on_port1(packet(client(), host()).tcp(1000, 4711).ttl(63)));
    expect_sent(pass(bench, packet(host(), client()).tcp(4711, 1000)), "replied", 0,
                on_port0(packet(vip(), client()).tcp(4711, 1000).ttl(63)));
}

TEST_P(Forward, FullNat) {
    DatapathBench bench({web(Mode::Fnat)});
    const std::string own = v4() ? "10.0.0.106" : "2001:db8::106";
    expect_sent(pass(bench, request()), "forwarded", 1,
                on_port1(packet(own, host()).tcp(1024, 8080).ttl(63)));
    expect_sent(pass(bench, packet(host(), own).tcp(8080, 1024)), "replied", 0,
                on_port0(packet(vip(), client()).tcp(80, 1000).ttl(63)));
    // The kernel's own connection from this address: the frame goes on as it came.
    const auto kernels = packet(host(), own).tcp(8080, 1025).padding(4);
    const Sent sent = pass(bench, kernels);
    EXPECT_EQ(sent.verdict, "punted");
    EXPECT_EQ(sent.port, -1);
    EXPECT_EQ(sent.bytes, kernels.build());
}

TEST_P(Forward, Direct) {
    DatapathBench bench({web(Mode::Dr)});
    expect_sent(pass(bench, request()), "forwarded", 1, on_port1(request().ttl(63)));
}

TEST_P(Forward, IpInIpOverEitherFamily) {
    for (const bool outer_v4 : {true, false}) {
        const std::string backend = outer_v4 ? "172.16.0.1" : "2001:db8:16::1";
        DatapathBench bench({service({"web",
                                      {vip()},
                                      {80},
                                      {outer_v4 ? "172.16.0.1:0" : "[2001:db8:16::1]:0"},
                                      Mode::Ipip})});
        const auto inner = request().dont_fragment();
        const auto outer = PacketBuilder()
                               .ipv4(outer_v4 ? "10.0.0.106" : "2001:db8::106", backend)
                               .protocol(v4() ? 4 : 41)
                               .tos(0x2a)
                               .dont_fragment()
                               .identification(0)
                               .payload(PacketBuilder(inner).ttl(63).build_ip());
        expect_sent(pass(bench, inner), "forwarded", 1, on_port1(outer));
    }
}

TEST_P(Forward, Echo) {
    DatapathBench bench({web(Mode::Nat)});
    expect_sent(pass(bench, packet(client(), vip()).icmp(v4() ? 8 : 128, 0, 99)), "echo_replied", 0,
                on_port0(packet(vip(), client()).icmp(v4() ? 0 : 129, 0, 99)));
}

TEST_P(Forward, TtlExpired) {
    DatapathBench bench({web(Mode::Nat)});
    const auto expired = [&](const char* from, const std::string& to, const PacketBuilder& about) {
        return PacketBuilder()
            .ipv4(from, to)
            .dont_fragment()
            .identification(0)
            .icmp(v4() ? 11 : 3)
            .payload(about.build_ip());
    };
    for (const uint8_t hops : {0, 1}) {
        const auto late = request().ttl(hops);
        expect_sent(pass(bench, late), "ttl_expired_reported", 0,
                    on_port0(expired(vip().c_str(), client(), late)));
        // Of a reply the backend is told, by the port that it is reached by.
        const auto reply = packet(host(), client()).tcp(8080, 1).ttl(hops);
        const char* own = v4() ? "172.16.0.106" : "2001:db8:16::106";
        expect_sent(pass(bench, reply), "ttl_expired_reported", 1,
                    on_port1(expired(own, host(), reply)));
    }
    EXPECT_EQ(bench.engine.count(), 0U);
    bench.ports[1].address = {};
    bench.publish();
    EXPECT_EQ(pass(bench, packet(host(), client()).tcp(8080, 1).ttl(1)).verdict, "ttl_expired");
}

// A full NAT's reply was sent to us.
TEST_P(Forward, TtlOfAFnatReplyExpired) {
    DatapathBench bench({web(Mode::Fnat)});
    EXPECT_EQ(pass(bench, request()).verdict, "forwarded");
    const std::string own = v4() ? "10.0.0.106" : "2001:db8::106";
    const auto reply = packet(host(), own).tcp(8080, 1024).ttl(1);
    expect_sent(pass(bench, reply), "ttl_expired_reported", 1,
                on_port1(PacketBuilder()
                             .ipv4(own, host())
                             .dont_fragment()
                             .identification(0)
                             .icmp(v4() ? 11 : 3)
                             .payload(reply.build_ip())));
}

TEST_P(Forward, NoBackendNoRouteNoNeighbor) {
    DatapathBench none({service({"web", {vip()}, {80}, {}})});
    EXPECT_EQ(pass(none, request()).verdict, "no_backend");
    DatapathBench bench({web(Mode::Nat)});
    bench.neighbors.clear();
    bench.publish();
    const Sent waits = pass(bench, request());
    EXPECT_EQ(waits.verdict, "awaits_neighbor");
    EXPECT_EQ(waits.port, -1);
    EXPECT_EQ(waits.bytes, packet(client(), host()).tcp(1000, 8080).ttl(63).build_ip());
    EXPECT_EQ(note_.kind, PacketNote::Kind::AwaitsNeighbor);
    EXPECT_EQ(note_.port, 1);
    EXPECT_EQ(note_.next_hop, ip(host()));
    // A client on the link that nobody has heard of.
    bench.routes.push_back(test::route(v4() ? "192.0.2.0/24" : "2001:db8:99::/64", "", 0));
    bench.publish();
    EXPECT_EQ(pass(bench, packet(host(), client()).tcp(8080, 1000)).verdict, "awaits_neighbor");
    EXPECT_EQ(note_.next_hop, ip(client()));
    EXPECT_EQ(note_.port, 0);
    bench.routes.clear();
    bench.publish();
    EXPECT_EQ(pass(bench, request()).verdict, "no_route");
    EXPECT_EQ(pass(bench, packet(host(), client()).tcp(8080, 1000)).verdict, "no_route");
}

TEST_P(Forward, NoHeadroom) {
    DatapathBench bench({web(Mode::Nat)});
    EXPECT_EQ(pass(bench, request(), 3).verdict, "no_headroom");  // the VLAN tag needs 4 more
    EXPECT_EQ(pass(bench, request(), 4).verdict, "forwarded");
    DatapathBench tunnel({web(Mode::Ipip)});
    EXPECT_EQ(pass(tunnel, request(), 5).verdict, "no_headroom");
}

TEST_P(Forward, TooBig) {
    DatapathBench bench({web(Mode::Ipip)});
    const size_t headers = request().build_ip().size() - 5;
    const size_t overhead = v4() ? 20 : 40;
    const auto sized = [&](size_t length) {
        return request().dont_fragment().payload(Bytes(length - headers, 1));
    };
    EXPECT_EQ(pass(bench, sized(1500 - overhead)).verdict, "forwarded");
    const auto large = sized(1500 - overhead + 1);
    Bytes quoted = PacketBuilder(large).ttl(63).build_ip();
    quoted.resize(std::min<size_t>(quoted.size(), v4() ? 548 : 1232));
    auto message = PacketBuilder().ipv4(vip(), client()).payload(quoted);
    const auto mtu = static_cast<uint32_t>(1500 - overhead);
    message =
        v4() ? message.dont_fragment().identification(0).icmp(3, 4, mtu) : message.icmp(2, 0, mtu);
    expect_sent(pass(bench, large), "too_big_reported", 0, on_port0(message));
}

// A reply may come in by a port with a larger MTU than the client's.
TEST_P(Forward, RepliesLongerThanTheLink) {
    DatapathBench bench({web(Mode::Nat)});
    bench.ports[1].mtu = 9000;
    bench.publish();
    const auto reply = packet(host(), client()).tcp(8080, 1000);
    const size_t headers = reply.build_ip().size() - 5;
    EXPECT_EQ(pass(bench, PacketBuilder(reply).payload(Bytes(1500 - headers, 1))).verdict,
              "replied");
    const auto large = PacketBuilder(reply).dont_fragment().payload(Bytes(1501 - headers, 1));
    Bytes quoted = PacketBuilder(large).ttl(63).build_ip();
    quoted.resize(std::min<size_t>(quoted.size(), v4() ? 548 : 1232));
    auto message =
        PacketBuilder().ipv4(v4() ? "172.16.0.106" : "2001:db8:16::106", host()).payload(quoted);
    message = v4() ? message.dont_fragment().identification(0).icmp(3, 4, 1500)
                   : message.icmp(2, 0, 1500);
    expect_sent(pass(bench, large), "too_big_reported", 1, on_port1(message));
}

// A service with backends of both families: a client's packets go to those of its own.
TEST_P(Forward, BackendsOfBothFamilies) {
    DatapathBench bench({service({"web",
                                  {"10.1.1.1", "2001:db8:1::1"},
                                  {80},
                                  {"172.16.0.1:8080", "[2001:db8:16::1]:8080"}})});
    for (uint16_t port = 1000; port < 1020; ++port) {
        expect_sent(pass(bench, packet(client(), vip()).tcp(port, 80)), "forwarded", 1,
                    on_port1(packet(client(), host()).tcp(port, 8080).ttl(63)));
    }
}

// RFC 1812 §4.3.2.8: errors are bounded.
TEST_P(Forward, TooBigHasABudget) {
    DatapathBench bench({web(Mode::Ipip)});
    Forwarder forwarder(bench.engine, bench.by_table);
    const auto large = request().dont_fragment().payload(Bytes(1441, 1));
    const auto reported = [&](unsigned count, uint32_t now_ms) {
        unsigned told = 0;
        for (unsigned n = 0; n < count; ++n) {
            StackMbuf mbuf(large.build());
            Packet classified = bench.classified(large);
            classified.mbuf = mbuf.get();
            told += forwarder.handle(bench.tables, classified, now_ms).verdict ==
                    Verdict::TooBigReported;
        }
        return told;
    };
    EXPECT_EQ(reported(100, 5), 10U);
    EXPECT_EQ(reported(100, 5), 0U);
    EXPECT_EQ(reported(3, 6), 3U);
    EXPECT_EQ(reported(100, 6), 7U);
}

}  // namespace
}  // namespace dlb
