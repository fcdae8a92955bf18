// One worker over net_ring: every mode there and back, every drop by its name, no mbuf lost.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

class WorkerTest : public ::testing::Test {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }
};

ServiceConfig web(Mode mode) {
    return service({.name = "web",
                    .vip = {"10.1.1.1", "2001:db8:1::1"},
                    .ports = {80},
                    .backends = {"10.0.0.11:80", "[2001:db8::11]:80"},
                    .mode = mode});
}

PacketBuilder from_client(uint16_t port = 40000, uint8_t flags = kSyn) {
    return PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").tcp(port, 80, flags);
}

// A frame to the neighbour with this last byte, as the lab's own port sends it.
PacketBuilder to_neighbor(uint8_t last) {
    return PacketBuilder().ethernet({0x02, 0, 0, 0, 0, last}, {0x02, 0, 0, 0, 0, 0xaa}).ttl(63);
}

TEST_F(WorkerTest, NatTranslatesThereAndBack) {
    WorkerLab lab({web(Mode::Nat)});
    lab.know("10.0.0.11");
    const auto out = lab.pass(from_client().payload("hello").build());
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0], to_neighbor(0x11)
                          .ethernet({0x02, 0, 0, 0, 0, 11}, {0x02, 0, 0, 0, 0, 0xaa})
                          .ipv4("192.0.2.7", "10.0.0.11")
                          .tcp(40000, 80, kSyn)
                          .payload("hello")
                          .build());
    const auto back = lab.pass(
        PacketBuilder().ipv4("10.0.0.11", "192.0.2.7").tcp(80, 40000, kSyn | kAck).build());
    ASSERT_EQ(back.size(), 1U);
    EXPECT_EQ(back[0],
              to_neighbor(1).ipv4("10.1.1.1", "192.0.2.7").tcp(80, 40000, kSyn | kAck).build());
    EXPECT_EQ(lab.count(Verdict::Forwarded), 1U);
    EXPECT_EQ(lab.count(Verdict::Replied), 1U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

TEST_F(WorkerTest, FnatTranslatesBothEndsThereAndBackInIpv6) {
    WorkerLab lab({web(Mode::Fnat)});
    lab.know("2001:db8::11");
    const auto out = lab.pass(
        PacketBuilder().ipv6("2001:db8:9::7", "2001:db8:1::1").tcp(40000, 80, kSyn).build());
    ASSERT_EQ(out.size(), 1U);
    const auto snat_port = static_cast<uint16_t>(get16(out[0], 14 + 40));
    EXPECT_GE(snat_port, SnatPool::kFirstPort);
    EXPECT_EQ(
        out[0],
        to_neighbor(0x11).ipv6("2001:db8::106", "2001:db8::11").tcp(snat_port, 80, kSyn).build());
    const auto back = lab.pass(PacketBuilder()
                                   .ipv6("2001:db8::11", "2001:db8::106")
                                   .tcp(80, snat_port, kSyn | kAck)
                                   .build());
    ASSERT_EQ(back.size(), 1U);
    EXPECT_EQ(
        back[0],
        to_neighbor(1).ipv6("2001:db8:1::1", "2001:db8:9::7").tcp(80, 40000, kSyn | kAck).build());
}

TEST_F(WorkerTest, IpipWrapsAndDrLeavesThePacketAsItIs) {
    WorkerLab ipip({web(Mode::Ipip)});
    ipip.know("10.0.0.11");
    ipip.know("2001:db8::11");
    const auto wrapped = ipip.pass(from_client().build());
    ASSERT_EQ(wrapped.size(), 1U);
    const Bytes inner = from_client().ttl(63).build_ip();
    const bool outer_v4 = wrapped[0][12] == 0x08;
    const size_t outer = outer_v4 ? 20 : 40;
    EXPECT_EQ(Bytes(wrapped[0].begin() + 14 + static_cast<long>(outer), wrapped[0].end()), inner);
    EXPECT_EQ(wrapped[0][14 + (outer_v4 ? 9 : 6)], 4);  // RFC 2003, RFC 2473: IPv4 inside

    WorkerLab dr({web(Mode::Dr)});
    dr.know("10.0.0.11");
    dr.know("2001:db8::11");
    const auto direct = dr.pass(from_client().build());
    ASSERT_EQ(direct.size(), 1U);
    EXPECT_EQ(Bytes(direct[0].begin() + 14, direct[0].end()), inner);
}

TEST_F(WorkerTest, AFlowKeepsItsBackendWhileOthersComeAndGo) {
    ServiceConfig config = web(Mode::Nat);
    config.backends = {backend("10.0.0.11:80")};
    WorkerLab lab({config});
    for (const char* address : {"10.0.0.11", "10.0.0.12", "10.0.0.13"}) {
        lab.know(address);
    }
    for (uint16_t port = 1000; port < 1100; ++port) {
        ASSERT_EQ(lab.pass(from_client(port).build()).size(), 1U);
    }
    ASSERT_TRUE(lab.model().add_backend("web", backend("10.0.0.12:80")).ok());
    ASSERT_TRUE(lab.model().add_backend("web", backend("10.0.0.13:80")).ok());
    ASSERT_TRUE(lab.model().set_draining("web", ip("10.0.0.11"), std::nullopt, true).ok());
    lab.publish();
    for (uint16_t port = 1000; port < 1100; ++port) {
        const auto out = lab.pass(from_client(port, kAck).build());
        ASSERT_EQ(out.size(), 1U);
        EXPECT_EQ(out[0][5], 11) << "flow " << port << " left its draining backend";
    }
    for (uint16_t port = 2000; port < 2100; ++port) {
        EXPECT_NE(lab.pass(from_client(port).build()).at(0)[5], 11) << "a draining backend got one";
    }
    ASSERT_TRUE(lab.model().del_backend("web", ip("10.0.0.11"), std::nullopt).ok());
    lab.publish();
    EXPECT_TRUE(lab.pass(from_client(1000, kAck).build()).empty());  // it cannot go on elsewhere
    EXPECT_EQ(lab.count(Verdict::BackendGone), 1U);
    EXPECT_NE(lab.pass(from_client(1000).build()).at(0)[5], 11);
}

// The packet that must end in this verdict, in a lab with service `web` (nat, port 80).
struct DropCase {
    const char* name;
    Bytes frame;
    Verdict verdict;
};

std::vector<DropCase> drop_cases() {
    Bytes cut = from_client().build();
    cut.resize(40);
    return {
        {"truncated", cut, Verdict::Truncated},
        {"runt", Bytes(9, 0), Verdict::Truncated},
        {"bad IPv4 version", from_client().with_version(5).build(), Verdict::BadHeader},
        {"bad IPv4 checksum", from_client().with_ip_checksum(1).build(), Verdict::BadChecksum},
        {"bad TCP offset", from_client().with_data_offset(15).build(), Verdict::BadLength},
        {"bad UDP length",
         PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").udp(1, 2).with_udp_length(7).build(),
         Verdict::BadLength},
        {"routing header",
         PacketBuilder().ipv6("2001:db8:9::7", "2001:db8:1::1").routing(1).tcp(1, 80).build(),
         Verdict::BadExtension},
        {"fragment of ICMP",
         PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").fragment(0, true).icmp(8).build(),
         Verdict::Fragment},
        {"tiny fragment",
         PacketBuilder()
             .ipv4("192.0.2.7", "10.1.1.1")
             .fragment(0, true)
             .protocol(6)
             .payload("12345678")
             .build(),
         Verdict::FragmentTiny},
        {"other VLAN", from_client().vlan(9).build(), Verdict::OtherVlan},
        {"no such port", PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").tcp(1, 81).build(),
         Verdict::NoService},
        {"ICMP to a VIP", PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").icmp(13).build(),
         Verdict::IcmpUnhandled},
        {"ICMP error without a quote",
         PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").icmp(3).build(), Verdict::IcmpMalformed},
        {"ICMP error about no flow",
         PacketBuilder()
             .ipv4("192.0.2.7", "10.1.1.1")
             .icmp(3)
             .payload(PacketBuilder().ipv4("10.1.1.1", "192.0.2.7").tcp(81, 1).build_ip())
             .build(),
         Verdict::IcmpNoFlow},
    };
}

TEST_F(WorkerTest, EachDropHasItsNameAndFreesItsPacket) {
    for (const DropCase& drop : drop_cases()) {
        WorkerLab lab({web(Mode::Nat)});
        lab.know("10.0.0.11");
        EXPECT_TRUE(lab.pass(drop.frame).empty()) << drop.name;
        EXPECT_EQ(lab.count(drop.verdict), 1U) << drop.name;
        EXPECT_EQ(lab.count_all(), 1U) << drop.name;
        EXPECT_EQ(lab.mbufs_in_use(), 0U) << drop.name;
    }
}

TEST_F(WorkerTest, NoBackendNoTwinAndForeignMacAreNamedToo) {
    ServiceConfig empty = web(Mode::Nat);
    empty.backends.clear();
    WorkerLab lab({empty}, {.twin = false, .any_mac = false});
    lab.pass(from_client().build());
    EXPECT_EQ(lab.count(Verdict::NoBackend), 1U);
    lab.pass(PacketBuilder().ipv4("192.0.2.7", "10.0.0.106").tcp(1, 22).build());
    EXPECT_EQ(lab.count(Verdict::NoTwin), 1U);
    lab.pass(from_client().ethernet({0x02, 9, 9, 9, 9, 9}, {0x02, 0, 0, 0, 0, 1}).build());
    EXPECT_EQ(lab.count(Verdict::OtherHost), 1U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

TEST_F(WorkerTest, WhatIsNoServicesGoesToTheTwinUntouched) {
    WorkerLab lab({web(Mode::Nat)});
    const Bytes ssh = PacketBuilder().ipv4("192.0.2.7", "10.0.0.106").tcp(1, 22).build();
    const Bytes arp = PacketBuilder().with_ether_type(0x0806).ipv4("1.1.1.1", "2.2.2.2").build();
    lab.pass(ssh);
    lab.pass(arp);
    const auto given = lab.for_control();
    ASSERT_EQ(given.size(), 2U);
    EXPECT_EQ(given[0].frame, ssh);
    EXPECT_EQ(given[1].frame, arp);
    EXPECT_EQ(given[0].note.kind, PacketNote::Kind::ToTwin);
    EXPECT_EQ(lab.count(Verdict::Punted), 2U);
}

TEST_F(WorkerTest, APacketWaitsWhileItsNeighborIsUnknown) {
    WorkerLab lab({web(Mode::Nat)});
    EXPECT_TRUE(lab.pass(from_client().build()).empty());
    const auto given = lab.for_control();
    ASSERT_EQ(given.size(), 1U);
    EXPECT_EQ(given[0].note.kind, PacketNote::Kind::AwaitsNeighbor);
    EXPECT_EQ(given[0].note.next_hop.to_string(), "10.0.0.11");
    // The packet is ready but for its Ethernet header.
    EXPECT_EQ(
        given[0].frame,
        PacketBuilder().ipv4("192.0.2.7", "10.0.0.11").ttl(63).tcp(40000, 80, kSyn).build_ip());
}

TEST_F(WorkerTest, AVipAnswersEcho) {
    WorkerLab lab({web(Mode::Nat)});
    const auto out = lab.pass(
        PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").icmp(8, 0, 0x00070001).payload("x").build());
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0], to_neighbor(1)
                          .ttl(64)
                          .ipv4("10.1.1.1", "192.0.2.7")
                          .icmp(0, 0, 0x00070001)
                          .payload("x")
                          .build());
    const auto out6 = lab.pass(PacketBuilder()
                                   .ipv6("2001:db8:9::7", "2001:db8:1::1")
                                   .icmp(128, 0, 0x00070001)
                                   .payload("x")
                                   .build());
    ASSERT_EQ(out6.size(), 1U);
    EXPECT_EQ(out6[0], to_neighbor(1)
                           .ttl(64)
                           .ipv6("2001:db8:1::1", "2001:db8:9::7")
                           .icmp(129, 0, 0x00070001)
                           .payload("x")
                           .build());
}

// AF_PACKET's fanout does that when a socket is full: a second SNAT source would have the backend
// reset the connection.
TEST_F(WorkerTest, AFlowStaysWholeWhenItsPacketsComeByAnyQueue) {
    WorkerLab lab({web(Mode::Fnat)}, {.workers = 2, .queues = {.any_queue = true}});
    lab.know("10.0.0.11");
    for (uint16_t client = 1000; client < 1064; ++client) {
        std::set<unsigned> sources;
        for (unsigned packet = 0; packet < 4; ++packet) {
            const auto out =
                lab.pass(from_client(client, packet == 0 ? kSyn : kAck).build(), packet % 2);
            ASSERT_EQ(out.size(), 1U);
            sources.insert(get16(out[0], 14 + 20));
        }
        EXPECT_EQ(sources.size(), 1U) << client;
    }
    EXPECT_EQ(lab.worker(0).flows().count() + lab.worker(1).flows().count(), 64U);
}

TEST_F(WorkerTest, AFullPortFreesAndCountsWhatItDoesNotTake) {
    WorkerLab lab({web(Mode::Nat)});
    lab.know("10.0.0.11");
    const unsigned sent = 1500;  // the TX ring holds 1023
    for (unsigned i = 0; i < sent; ++i) {
        ASSERT_TRUE(lab.put(from_client(static_cast<uint16_t>(1000 + i)).build()));
        lab.step();
    }
    EXPECT_GT(lab.count(Verdict::TxFull), 0U);
    EXPECT_EQ(lab.count(Verdict::TxFull) + lab.count(Verdict::Forwarded), sent);
    EXPECT_EQ(lab.taken().size(), lab.count(Verdict::Forwarded));
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

TEST_F(WorkerTest, AFullFlowTableServesByHashAlone) {
    WorkerLab lab({web(Mode::Nat)}, {.flow_capacity = 64});
    lab.know("10.0.0.11");
    for (uint16_t port = 1; port <= 1000; ++port) {
        ASSERT_EQ(lab.pass(from_client(port, kAck).build()).size(), 1U) << port;
    }
    EXPECT_LE(lab.worker(0).flows().count(), 64U);
    EXPECT_EQ(lab.count(Verdict::Forwarded), 1000U);
}

TEST_F(WorkerTest, AVlanPortTakesAndSendsItsTag) {
    WorkerLab lab({web(Mode::Nat)}, {.vlan = 7});
    lab.know("10.0.0.11");
    const auto out = lab.pass(from_client().vlan(7).build());
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0], PacketBuilder()
                          .ethernet({0x02, 0, 0, 0, 0, 11}, {0x02, 0, 0, 0, 0, 0xaa})
                          .vlan(7)
                          .ttl(63)
                          .ipv4("192.0.2.7", "10.0.0.11")
                          .tcp(40000, 80, kSyn)
                          .build());
    EXPECT_TRUE(lab.pass(from_client().build()).empty());
    EXPECT_EQ(lab.count(Verdict::OtherVlan), 1U);
}

TEST_F(WorkerTest, TooBigForTheTunnelIsReportedToTheClient) {
    ServiceConfig config = web(Mode::Ipip);
    config.backends = {backend("10.0.0.11:80")};
    WorkerLab lab({config});
    lab.know("10.0.0.11");
    const auto out =
        lab.pass(from_client(40000, kAck).dont_fragment().payload(std::string(1460, 'x')).build());
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0][14 + 9], 1);                    // ICMP
    EXPECT_EQ(get16(out[0], 14 + 20), 3U << 8 | 4);  // RFC 1191: fragmentation needed
    EXPECT_EQ(get16(out[0], 14 + 20 + 6), 1480U);
    EXPECT_EQ(plain_checksum(out[0], 14 + 20, out[0].size()), 0U);
    EXPECT_EQ(lab.count(Verdict::TooBigReported), 1U);
}

TEST_F(WorkerTest, AnEndedHopLimitIsReportedToTheClient) {
    WorkerLab lab({web(Mode::Nat)});
    const auto late = from_client().ttl(1);
    const auto out = lab.pass(late.build());
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0], to_neighbor(1)
                          .ttl(64)
                          .ipv4("10.1.1.1", "192.0.2.7")
                          .dont_fragment()
                          .identification(0)
                          .icmp(11)
                          .payload(late.build_ip())
                          .build());
    EXPECT_EQ(lab.count(Verdict::TtlExpiredReported), 1U);
    EXPECT_EQ(lab.count_all(), 1U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

TEST_F(WorkerTest, HostileFramesLeakNothingAndAreAllCounted) {
    WorkerLab lab({web(Mode::Nat)});
    lab.know("10.0.0.11");
    std::mt19937 random(20260101);
    const std::vector<Bytes> seeds = {
        from_client().payload("data").build(), from_client().vlan(3).build(),
        PacketBuilder().ipv6("2001:db8:9::7", "2001:db8:1::1").hop_by_hop().tcp(1, 80).build(),
        PacketBuilder().ipv4("10.0.0.11", "192.0.2.7").udp(80, 9).payload("r").build(),
        PacketBuilder()
            .ipv4("192.0.2.9", "10.1.1.1")
            .icmp(3)
            .payload(PacketBuilder().ipv4("10.1.1.1", "192.0.2.7").tcp(80, 9).build_ip())
            .build()};
    constexpr unsigned kFrames = 20000;
    for (unsigned i = 0; i < kFrames; ++i) {
        Bytes frame = seeds[random() % seeds.size()];
        for (unsigned flips = random() % 6; flips > 0; --flips) {
            frame[random() % frame.size()] = static_cast<uint8_t>(random());
        }
        frame.resize(1 + random() % frame.size());
        ASSERT_TRUE(lab.put(frame));
        lab.step();
        if (i % 256 == 0) {
            lab.taken();
            lab.for_control();
        }
    }
    lab.taken();
    lab.for_control();
    EXPECT_EQ(lab.count_all(), kFrames);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

}  // namespace
}  // namespace dlb::test
