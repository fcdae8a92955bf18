// ICMP errors about flows: how they are classed, and what becomes of them in every mode.
#include <gtest/gtest.h>

#include "datapath/forwarder.hpp"
#include "support/datapath_bench.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::DatapathBench;
using test::PacketBuilder;
using test::service;
using test::StackMbuf;

class Errors : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string vip() const { return v4() ? "10.1.1.1" : "2001:db8:1::1"; }
    std::string client() const { return v4() ? "192.0.2.1" : "2001:db8:99::1"; }
    std::string router() const { return v4() ? "198.51.100.9" : "2001:db8:55::9"; }
    std::string own() const { return v4() ? "10.0.0.106" : "2001:db8::106"; }
    std::string host() const { return v4() ? "172.16.0.1" : "2001:db8:16::1"; }
    std::string at(const std::string& address, uint16_t port) const {
        return (v4() ? address : "[" + address + "]") + ":" + std::to_string(port);
    }
    ServiceConfig web(Mode mode, uint16_t port = 8080) const {
        return service({"web", {vip()}, {80}, {at(host(), port)}, mode});
    }
    PacketBuilder packet(const std::string& from, const std::string& to) const {
        return PacketBuilder().ipv4(from, to).payload("hello");
    }
    PacketBuilder request() const { return packet(client(), vip()).tcp(1000, 80); }
    PacketBuilder error(const std::string& from, const std::string& to, const PacketBuilder& about,
                        size_t size = 1000) const {
        Bytes quoted = about.build_ip();
        quoted.resize(std::min(quoted.size(), size));
        return error_of(from, to, quoted);
    }
    PacketBuilder error_of(const std::string& from, const std::string& to,
                           const Bytes& quoted) const {
        return PacketBuilder()
            .ipv4(from, to)
            .icmp(v4() ? 3 : 2, v4() ? 4 : 0, 1400)
            .payload(quoted);
    }
    static PacketBuilder on_port1(PacketBuilder expected) {
        return expected.ttl(63).vlan(7).ethernet({2, 0, 0, 0, 0x16, 1}, {2, 0, 0, 0, 2, 6});
    }
    static PacketBuilder on_port0(PacketBuilder expected) {
        return expected.ttl(63).ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 1, 6});
    }
    struct Sent {
        std::string verdict;
        int port;
        Bytes bytes;
    };
    Sent pass(DatapathBench& bench, const PacketBuilder& builder) {
        StackMbuf mbuf(builder.build());
        Packet classified = bench.classified(builder);
        if (classified.cls == PacketClass::Punt || classified.cls == PacketClass::Done) {
            return {classified.cls == PacketClass::Punt
                        ? "punt"
                        : std::string(to_string(classified.verdict)),
                    -1, mbuf.bytes()};
        }
        classified.mbuf = mbuf.get();
        Forwarder forwarder(bench.engine, bench.by_table);
        const Outcome outcome = forwarder.handle(bench.tables, classified, bench.now_ms + 1);
        return {std::string(to_string(outcome.verdict)), outcome.port, mbuf.bytes()};
    }
    void expect_sent(const Sent& sent, int port, const PacketBuilder& frame) {
        EXPECT_EQ(sent.verdict, "icmp_forwarded");
        EXPECT_EQ(sent.port, port);
        EXPECT_EQ(sent.bytes, frame.build());
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Errors, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(Errors, NatBothWays) {
    DatapathBench bench({web(Mode::Nat)});
    const auto answer = packet(vip(), client()).tcp(80, 1000);
    const auto sent = packet(host(), client()).tcp(8080, 1000);
    const auto asked = packet(client(), host()).tcp(1000, 8080);
    const size_t least = (v4() ? 20 : 40) + 8;
    for (const uint32_t flows : {0, 1}) {  // by the hash, by the flow
        EXPECT_EQ(bench.engine.count(), flows);
        for (const size_t size : {least, least + 10, size_t{1000}}) {
            expect_sent(pass(bench, error(router(), vip(), answer, size)), 1,
                        on_port1(error(router(), host(), sent, size)));
            expect_sent(pass(bench, error(router(), client(), asked, size)), 0,
                        on_port0(error(vip(), client(), request(), size)));
        }
        EXPECT_EQ(pass(bench, request()).verdict, "forwarded");
        EXPECT_EQ(bench.engine.count(), 1U);
    }
    const auto short_of = [&](size_t size) { return error(router(), vip(), answer, size); };
    EXPECT_EQ(pass(bench, short_of(least - 1)).verdict, "icmp_malformed");
    EXPECT_EQ(pass(bench, short_of(0)).verdict, "icmp_malformed");
}

TEST_P(Errors, FnatBothWays) {
    DatapathBench bench({web(Mode::Fnat)});
    const auto answer = error(router(), vip(), packet(vip(), client()).tcp(80, 1000));
    const auto asked = error(router(), own(), packet(own(), host()).tcp(1024, 8080));
    EXPECT_EQ(pass(bench, answer).verdict, "icmp_no_flow");
    const Sent kernels = pass(bench, asked);
    EXPECT_EQ(kernels.verdict, "punted");
    EXPECT_EQ(kernels.bytes, asked.build());
    EXPECT_EQ(pass(bench, request()).verdict, "forwarded");
    expect_sent(pass(bench, answer), 1,
                on_port1(error(own(), host(), packet(host(), own()).tcp(8080, 1024))));
    expect_sent(pass(bench, asked), 0, on_port0(error(vip(), client(), request())));
    // Of another flow, or of none.
    EXPECT_EQ(pass(bench, error(router(), own(), packet(own(), host()).tcp(1025, 8080))).verdict,
              "punted");
    EXPECT_EQ(
        pass(bench, error(router(), own(), packet(own(), host()).icmp(v4() ? 8 : 128))).verdict,
        "punt");
}

TEST_P(Errors, DirectAndTunnels) {
    const auto answer = error(router(), vip(), packet(vip(), client()).tcp(80, 1000));
    DatapathBench direct({web(Mode::Dr, 0)});
    expect_sent(pass(direct, answer), 1, on_port1(answer));
    DatapathBench tunnel({web(Mode::Ipip, 0)});
    const Sent sent = pass(tunnel, answer);
    EXPECT_EQ(sent.verdict, "icmp_forwarded");
    const Bytes inner = PacketBuilder(answer).ttl(63).build_ip();
    ASSERT_GT(sent.bytes.size(), inner.size());
    EXPECT_EQ(Bytes(sent.bytes.end() - static_cast<long>(inner.size()), sent.bytes.end()), inner);
    EXPECT_EQ(sent.bytes.size(), 18 + (v4() ? 20 : 40) + inner.size());
}

// Whichever backend new flows get.
TEST_P(Errors, FollowTheFlow) {
    auto config = web(Mode::Nat);
    DatapathBench bench({config});
    EXPECT_EQ(pass(bench, request()).verdict, "forwarded");
    config.backends[0].weight = 0;
    config.backends.push_back(test::backend(at(v4() ? "172.16.0.2" : "2001:db8:16::2", 8080)));
    bench.replace({config});
    const auto answer = error(router(), vip(), packet(vip(), client()).tcp(80, 1000));
    expect_sent(pass(bench, answer), 1,
                on_port1(error(router(), host(), packet(host(), client()).tcp(8080, 1000))));
    EXPECT_EQ(bench.engine.count(), 1U);
}

template <typename F>
std::pair<FlowState, uint32_t> flow_of(const DatapathBench& bench, const PacketBuilder& request) {
    const Packet packet = bench.classified(request);
    const FlowTable<F>& table = bench.engine.table<F>();
    const uint32_t index = table.find(packet.key<F>(), packet.hash);
    EXPECT_NE(index, FlowTable<F>::kNone);
    return {table.entry(index).state, table.entry(index).expires};
}

// It lives no longer for an error, and no less: "too big" is for the sender's TCP.
TEST_P(Errors, LeaveTheFlowAsItIs) {
    DatapathBench bench({web(Mode::Fnat)});
    EXPECT_EQ(pass(bench, request()).verdict, "forwarded");
    const auto flow = [&] {
        return v4() ? flow_of<V4>(bench, request()) : flow_of<V6>(bench, request());
    };
    const auto before = flow();
    bench.now_ms += 5000;
    EXPECT_EQ(pass(bench, error(router(), vip(), packet(vip(), client()).tcp(80, 1000))).verdict,
              "icmp_forwarded");
    EXPECT_EQ(pass(bench, error(router(), own(), packet(own(), host()).tcp(1024, 8080))).verdict,
              "icmp_forwarded");
    EXPECT_EQ(flow(), before);
}

// Several VIPs before one backend: only the flow tells which.
TEST_P(Errors, OfAnAmbiguousBackend) {
    const std::string other = v4() ? "10.1.1.2" : "2001:db8:1::2";
    auto first = web(Mode::Nat);
    auto second = web(Mode::Nat);
    second.name = "second";
    second.vip = {Prefix::parse(other).value()};
    DatapathBench bench({first, second});
    const auto asked = error(router(), client(), packet(client(), host()).tcp(1000, 8080));
    EXPECT_EQ(pass(bench, packet(client(), other).tcp(1000, 80)).verdict, "forwarded");
    expect_sent(pass(bench, asked), 0,
                on_port0(error(other, client(), packet(client(), other).tcp(1000, 80))));
}

TEST_P(Errors, TypesThatAreForwarded) {
    DatapathBench bench({web(Mode::Nat)});
    const auto of_type = [&](unsigned type) {
        return PacketBuilder()
            .ipv4(router(), vip())
            .icmp(static_cast<uint8_t>(type), 0, 0)
            .payload(packet(vip(), client()).tcp(80, 1000).build_ip());
    };
    for (unsigned type = 0; type < 256; ++type) {
        const bool forwarded =
            v4() ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
        const bool other = type == (v4() ? 8 : 128) || (!v4() && type >= 133 && type <= 137);
        if (!other) {
            EXPECT_EQ(pass(bench, of_type(type)).verdict,
                      forwarded ? "icmp_forwarded" : "icmp_unhandled")
                << type;
        }
    }
}

TEST_P(Errors, ThatAreDropped) {
    DatapathBench bench({web(Mode::Nat)});
    const auto verdict = [&](const PacketBuilder& about) {
        return pass(bench, error(router(), vip(), about)).verdict;
    };
    const auto answer = packet(vip(), client()).tcp(80, 1000);
    EXPECT_EQ(verdict(answer), "icmp_forwarded");
    EXPECT_EQ(verdict(packet(vip(), client()).tcp(81, 1000)), "icmp_no_flow");
    EXPECT_EQ(verdict(packet(vip(), client()).udp(80, 1000)), "icmp_no_flow");
    EXPECT_EQ(verdict(packet(vip(), client()).icmp(0)), "icmp_no_flow");
    EXPECT_EQ(verdict(packet(client(), vip()).tcp(80, 1000)), "icmp_no_flow");  // not from the VIP
    EXPECT_EQ(verdict(PacketBuilder(answer).fragment(2, true).fragment_header(2, true)),
              "icmp_no_flow");
    EXPECT_EQ(verdict(PacketBuilder(answer).with_version(7)), "icmp_malformed");
    EXPECT_EQ(pass(bench, error(router(), vip(), answer).with_l4_checksum(0x1234)).verdict,
              "bad_checksum");
    EXPECT_EQ(pass(bench, error(router(), client(), packet(client(), host()).tcp(1000, 8080))
                              .with_l4_checksum(0x1234))
                  .verdict,
              "bad_checksum");
    EXPECT_EQ(pass(bench, error(router(), vip(), answer).ttl(1)).verdict, "ttl_expired");
    EXPECT_EQ(
        pass(bench, error(router(), vip(), answer).fragment(1, false).fragment_header(1, false))
            .verdict,
        "fragment");
    EXPECT_EQ(pass(bench, error(v4() ? "0.0.0.0" : "::", vip(), answer)).verdict, "bad_header");
    DatapathBench empty({service({"web", {vip()}, {80}, {}})});
    EXPECT_EQ(pass(empty, error(router(), vip(), answer)).verdict, "icmp_no_flow");
    // About nobody's flow: the kernel's.
    EXPECT_EQ(pass(bench, error(router(), client(), packet(client(), host()).tcp(1, 22))).verdict,
              "punt");
    EXPECT_EQ(pass(bench, error(router(), client(), packet(vip(), host()).tcp(1, 8080))).verdict,
              "punt");
    EXPECT_EQ(pass(bench, error(router(), own(), packet(own(), host()).tcp(1, 8080))).verdict,
              "punt");
    EXPECT_EQ(pass(bench, error_of(router(), own(), Bytes(9, 0))).verdict, "punt");
}

// The worker that keeps a flow gets the errors about it, from both sides.
TEST_P(Errors, GoToTheFlowsOwner) {
    constexpr unsigned kWorkers = 4;
    unsigned owned[kWorkers] = {};
    for (uint16_t port = 1000; port < 1060; ++port) {
        const auto asked = packet(client(), vip()).tcp(port, 80);
        const auto answer = error(router(), vip(), packet(vip(), client()).tcp(80, port));
        const auto to_snat = error(router(), own(), packet(own(), host()).tcp(port, 8080));
        for (unsigned worker = 0; worker < kWorkers; ++worker) {
            DatapathBench bench({web(Mode::Fnat)}, 16, {worker, kWorkers});
            bench.queues.any_queue = true;
            const Packet request = bench.classified(asked);
            const Packet about = bench.classified(answer);
            ASSERT_EQ(request.cls == PacketClass::Request,
                      about.cls == PacketClass::ErrorToBackend);
            ASSERT_EQ(request.owner, about.owner);
            owned[worker] += about.cls == PacketClass::ErrorToBackend;
            EXPECT_EQ(bench.classified(answer, true).cls, PacketClass::ErrorToBackend);
            const Packet back = bench.classified(to_snat);
            EXPECT_EQ(back.cls == PacketClass::ErrorToClient, port % kWorkers == worker);
            if (back.cls != PacketClass::ErrorToClient) {
                EXPECT_EQ(back.owner, port % kWorkers);
            }
            EXPECT_EQ(bench.classified(to_snat, true).cls, PacketClass::ErrorToClient);
        }
    }
    for (const unsigned count : owned) {
        EXPECT_GT(count, 3U);  // of 60
    }
}

}  // namespace
}  // namespace dlb
