// classify_punt(), KnownSessions and PuntPolicer: what of the kernel's packets has a way of its
// own, and how much of it.
#include <gtest/gtest.h>

#include "datapath/punt_class.hpp"
#include "datapath/punt_policer.hpp"
#include "support/packet_builder.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::kAck;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;

constexpr const char* kOwn = "10.0.0.106";
constexpr const char* kPeer = "10.0.0.109";
constexpr const char* kOwn6 = "2001:db8::106";
constexpr const char* kPeer6 = "2001:db8::109";

RoutingPeer peer(const char* addresses, uint8_t least_hop_limit = 0, uint16_t port = kBgpPort) {
    return {*Prefix::parse(addresses), port, least_hop_limit};
}

const RoutingPeers& peers() {
    static const RoutingPeers all({peer(kPeer), peer(kPeer6), peer("172.16.0.0/16"),
                                   peer("172.16.9.0/24", 254), peer("10.0.0.7", 255),
                                   peer("10.0.0.8", 0, 1179)});
    return all;
}

PuntKind kind_of(const Bytes& frame, const KnownSessions* known = nullptr) {
    return classify_punt(frame.data(), frame.size(), parse(frame.data(), frame.size()), &peers(),
                         known);
}
PuntClass class_of(const Bytes& frame, const KnownSessions* known = nullptr) {
    return kind_of(frame, known).cls;
}
KernelFrame sent(const Bytes& frame) {
    return classify_kernel_frame(frame.data(), frame.size(), parse(frame.data(), frame.size()),
                                 &peers());
}

Bytes tcp(const char* from, const char* to, uint16_t source, uint16_t destination,
          uint8_t flags = kAck, uint8_t hops = 64) {
    return PacketBuilder().ipv4(from, to).ttl(hops).tcp(source, destination, flags).build();
}

// RFC 5880 §4.1
Bytes bfd(const char* from, const char* to, uint32_t mine, uint32_t yours, uint8_t hops = 255,
          uint16_t port = kBfdSingleHopPort, size_t length = 24) {
    Bytes packet(24, 0);
    packet[0] = 0x20;
    packet[3] = 24;
    test::put32(packet, 4, mine);
    test::put32(packet, 8, yours);
    packet.resize(length);
    return PacketBuilder()
        .ipv4(from, to)
        .ttl(hops)
        .udp(49152, port)
        .payload({reinterpret_cast<const char*>(packet.data()), packet.size()})
        .build();
}

Bytes arp() {
    Bytes frame(42, 0);
    std::fill_n(frame.begin(), 6, uint8_t{0xff});
    frame[12] = 0x08;
    frame[13] = 0x06;
    return frame;
}

TEST(PuntClass, OnlyANeighboursBgpIsRouting) {
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 179, kSyn)), PuntClass::TcpOpening);
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 179)), PuntClass::TcpUnknown);
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 179, 40000)), PuntClass::TcpUnknown);
    EXPECT_EQ(class_of(tcp(kPeer6, kOwn6, 179, 40000)), PuntClass::TcpUnknown);
    EXPECT_EQ(class_of(tcp("172.16.3.4", kOwn, 40000, 179, kSyn)), PuntClass::TcpOpening);
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 22)), PuntClass::Ordinary);
    EXPECT_EQ(class_of(tcp("10.0.0.110", kOwn, 40000, 179)), PuntClass::Ordinary);
    EXPECT_EQ(class_of(PacketBuilder().ipv4(kPeer, kOwn).udp(40000, 179).build()),
              PuntClass::Ordinary);
    EXPECT_EQ(class_of(PacketBuilder().ipv4(kPeer, kOwn).icmp(8).build()), PuntClass::Ordinary);
    EXPECT_EQ(class_of(PacketBuilder().ipv4(kPeer, kOwn).fragment(0, true).tcp(40000, 179).build()),
              PuntClass::Ordinary);
}

TEST(PuntClass, ANeighboursOwnPort) {
    EXPECT_EQ(class_of(tcp("10.0.0.8", kOwn, 1179, 40000)), PuntClass::TcpUnknown);
    EXPECT_EQ(class_of(tcp("10.0.0.8", kOwn, 179, 40000)), PuntClass::Ordinary);
    EXPECT_EQ(class_of(tcp("10.0.0.8", kOwn, 40000, 179)), PuntClass::TcpUnknown);
}

TEST(PuntClass, WithoutNeighboursNothingIsRouting) {
    const Bytes frame = tcp(kPeer, kOwn, 40000, 179);
    const PacketMeta meta = parse(frame.data(), frame.size());
    EXPECT_EQ(classify_punt(frame.data(), frame.size(), meta, nullptr, nullptr).cls,
              PuntClass::Ordinary);
    const RoutingPeers none({});
    EXPECT_EQ(classify_punt(frame.data(), frame.size(), meta, &none, nullptr).cls,
              PuntClass::Ordinary);
}

// RFC 5082 §3; the longest prefix's rule counts.
TEST(PuntClass, FurtherOffThanGtsmAllowsIsOrdinary) {
    EXPECT_EQ(RoutingPeer::least_hop_limit_for(1), 255);
    EXPECT_EQ(RoutingPeer::least_hop_limit_for(2), 254);
    EXPECT_EQ(RoutingPeer::least_hop_limit_for(255), 1);
    EXPECT_EQ(class_of(tcp("10.0.0.7", kOwn, 40000, 179, kAck, 255)), PuntClass::TcpUnknown);
    EXPECT_EQ(class_of(tcp("10.0.0.7", kOwn, 40000, 179, kAck, 254)), PuntClass::Ordinary);
    EXPECT_EQ(class_of(tcp("172.16.9.1", kOwn, 40000, 179, kAck, 254)), PuntClass::TcpUnknown);
    EXPECT_EQ(class_of(tcp("172.16.9.1", kOwn, 40000, 179, kAck, 253)), PuntClass::Ordinary);
    EXPECT_EQ(class_of(tcp("172.16.8.1", kOwn, 40000, 179, kAck, 253)), PuntClass::TcpUnknown);
}

TEST(PuntClass, AConnectionIsKnownByWhatTheKernelSends) {
    KnownSessions known;
    const auto learn = [&](const Bytes& frame) {
        const KernelFrame kind = sent(frame);
        EXPECT_TRUE(kind.routing);
        if (kind.session) {
            known.learn(*kind.session, 1);
        }
    };
    // To a stranger who has the neighbour's address: an answer to his SYN, a RST for the rest.
    learn(tcp(kOwn, kPeer, 179, 40000, kSyn | kAck));
    learn(tcp(kOwn, kPeer, 179, 40000, kRst | kAck));
    learn(tcp(kOwn, kPeer, 179, 40000, kRst));
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 179), &known), PuntClass::TcpUnknown);

    learn(tcp(kOwn, kPeer, 179, 40000));
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 179), &known), PuntClass::Session);
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 179, kRst), &known), PuntClass::Session);
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40000, 179, kSyn), &known), PuntClass::TcpOpening);
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 40001, 179), &known), PuntClass::TcpUnknown);

    learn(tcp(kOwn, kPeer, 50000, 179, kSyn));  // we connect: the answer is awaited
    EXPECT_EQ(class_of(tcp(kPeer, kOwn, 179, 50000, kSyn | kAck), &known), PuntClass::Session);
    learn(tcp(kOwn6, kPeer6, 50000, 179));
    EXPECT_EQ(class_of(tcp(kPeer6, kOwn6, 179, 50000), &known), PuntClass::Session);
}

TEST(PuntClass, BfdIsKnownByOurDiscriminator) {
    KnownSessions known;
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0), &known), PuntClass::BfdOpening);
    const KernelFrame ours = sent(bfd(kOwn, kPeer, 0x11223344, 0));
    ASSERT_TRUE(ours.routing && ours.session);
    known.learn(*ours.session, 1);
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0x11223344), &known), PuntClass::Session);
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0x11223344, 64, kBfdMultihopPort), &known),
              PuntClass::Session);
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0x11223345), &known), PuntClass::BfdOpening);
    EXPECT_EQ(class_of(bfd("172.16.1.1", kOwn, 7, 0x11223344), &known), PuntClass::BfdOpening);
}

TEST(PuntClass, BfdThatItsSessionWouldDropIsOrdinary) {
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0, 254)), PuntClass::Ordinary);  // RFC 5881 §5
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0, 255, kBfdSingleHopPort, 23)), PuntClass::Ordinary);
    EXPECT_EQ(class_of(bfd(kPeer, kOwn, 7, 0, 255, 3785)), PuntClass::Ordinary);  // echo is off
    EXPECT_EQ(class_of(bfd("10.0.0.110", kOwn, 7, 0)), PuntClass::Ordinary);
}

TEST(PuntClass, NeighbourDiscoveryHasItsOwn) {
    EXPECT_EQ(class_of(arp()), PuntClass::Neighbor);
    for (const uint8_t type : {133, 134, 135, 136}) {
        EXPECT_EQ(class_of(PacketBuilder().ipv6(kPeer6, kOwn6).ttl(255).icmp(type).build()),
                  PuntClass::Neighbor);
    }
    EXPECT_EQ(class_of(PacketBuilder().ipv6(kPeer6, kOwn6).ttl(254).icmp(135).build()),
              PuntClass::Ordinary);
    EXPECT_EQ(class_of(PacketBuilder().ipv6(kPeer6, kOwn6).ttl(255).icmp(128).build()),
              PuntClass::Ordinary);
    Bytes other = arp();
    other[11] = 9;  // another sender
    EXPECT_NE(kind_of(arp()).share, kind_of(other).share);
}

TEST(KnownSessions, TheQuietestOfASetGivesWay) {
    KnownSessions known;
    constexpr uint64_t kSets = KnownSessions::kSlots / KnownSessions::kWays;
    const auto key = [](uint64_t i) { return 5 + i * kSets; };
    for (uint64_t i = 0; i < KnownSessions::kWays; ++i) {
        known.learn(key(i), 10 + i);
    }
    known.learn(key(0), 20);  // heard again
    known.learn(key(9), 21);
    EXPECT_EQ(known.find(key(1)), -1);
    for (const uint64_t i : {0, 2, 3, 9}) {
        EXPECT_GE(known.find(key(i)), 0) << i;
    }
    EXPECT_EQ(known.find(0), -1);  // a free slot is nobody's
}

TEST(TokenBucket, GivesTheBurstThenTheRate) {
    constexpr PuntRate kRate{100, 5};
    for (const uint32_t start : {0U, 4'000'000U, UINT32_MAX - 15}) {  // the clock wraps around
        TokenBucket bucket;
        const auto given = [&](uint32_t ms, unsigned tries) {
            unsigned count = 0;
            for (unsigned i = 0; i < tries; ++i) {
                count += bucket.take(kRate, start + ms) ? 1 : 0;
            }
            return count;
        };
        EXPECT_EQ(given(0, 50), 5U);
        EXPECT_EQ(given(9, 50), 0U);
        EXPECT_EQ(given(10, 50), 1U);
        EXPECT_EQ(given(30, 50), 2U);
        EXPECT_EQ(given(10'000, 50), 5U);
        unsigned count = 0;
        for (uint32_t ms = 10'001; ms <= 12'000; ++ms) {
            count += given(ms, 3);
        }
        EXPECT_EQ(count, 200U);
    }
}

// A million packets a second in a neighbour's name, for two seconds, beside a session's 1,000.
TEST(PuntPolicer, AFloodInANeighboursNameTakesNothingFromASession) {
    PuntPolicer policer;
    unsigned flood = 0, session = 0;
    for (uint32_t ms = 0; ms < 2000; ++ms) {
        for (uint32_t i = 0; i < 1000; ++i) {
            constexpr PuntClass kFlood[] = {PuntClass::TcpOpening, PuntClass::TcpUnknown,
                                            PuntClass::BfdOpening, PuntClass::Ordinary};
            flood += i % 4 != 3 && policer.admit({kFlood[i % 4], 77}, ms) ? 1 : 0;
        }
        session += policer.admit({PuntClass::Session, 5}, ms) ? 1 : 0;
    }
    EXPECT_EQ(session, 2000U);
    const unsigned rates = PuntPolicer::kTcpOpening.per_second +
                           PuntPolicer::kTcpUnknown.per_second +
                           PuntPolicer::kBfdOpening.per_second;
    EXPECT_GE(flood, rates * 2);
    EXPECT_LE(flood, rates * 2 + 300);  // and the bursts
}

// A flood that knows one session's ports and numbers is bounded, and is that session's alone.
TEST(PuntPolicer, ASessionsFloodIsItsOwn) {
    PuntPolicer policer;
    unsigned flood = 0, other = 0;
    for (uint32_t ms = 0; ms < 1000; ++ms) {
        for (unsigned i = 0; i < 1000; ++i) {
            flood += policer.admit({PuntClass::Session, 5}, ms) ? 1 : 0;
        }
        other += policer.admit({PuntClass::Session, 6}, ms) ? 1 : 0;
    }
    EXPECT_EQ(other, 1000U);
    EXPECT_NEAR(flood, 11'000, 100);
}

}  // namespace
}  // namespace dlb
