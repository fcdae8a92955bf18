// ICMP and ICMPv6 as a VIP speaks them; checksums by PacketBuilder alone.
#include "datapath/icmp.hpp"

#include <gtest/gtest.h>

#include "rewrite/l3.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::PacketBuilder;
using test::StackMbuf;

constexpr const char *kClient4 = "192.0.2.1", *kVip4 = "10.1.1.1";
constexpr const char *kClient6 = "2001:db8:99::1", *kVip6 = "2001:db8:1::1";

Bytes echo_reply(const PacketBuilder& request) {
    const Bytes frame = request.build();
    const PacketMeta meta = parse(frame.data(), frame.size());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    StackMbuf mbuf(frame);
    trim_to_ip(mbuf.get(), meta);
    make_echo_reply(mbuf.get(), meta);
    return mbuf.bytes();
}

TEST(EchoReply, V4) {
    for (size_t size = 0; size < 200; ++size) {
        const auto make = [&](const char* from, const char* to, uint8_t type) {
            return PacketBuilder()
                .ipv4(from, to)
                .icmp(type, 0, 0x12340000 + static_cast<uint32_t>(size))
                .payload(Bytes(size, static_cast<uint8_t>(size * 37)));
        };
        EXPECT_EQ(echo_reply(make(kClient4, kVip4, 8).ttl(3).padding(5)),
                  make(kVip4, kClient4, 0).ttl(64).build_ip());
    }
    const auto options = PacketBuilder().options(Bytes(7, 1));
    EXPECT_EQ(echo_reply(PacketBuilder(options).ipv4(kClient4, kVip4).icmp(8, 0, 7)),
              PacketBuilder(options).ipv4(kVip4, kClient4).icmp(0, 0, 7).build_ip());
}

TEST(EchoReply, V6) {
    for (size_t size = 0; size < 200; ++size) {
        const auto make = [&](const char* from, const char* to, uint8_t type) {
            return PacketBuilder()
                .ipv6(from, to)
                .flow_label(0x12345)
                .icmp(type, 0, 0x12340000 + static_cast<uint32_t>(size))
                .payload(Bytes(size, static_cast<uint8_t>(size * 37)));
        };
        EXPECT_EQ(echo_reply(make(kClient6, kVip6, 128).ttl(3).padding(5)),
                  make(kVip6, kClient6, 129).ttl(64).build_ip());
    }
    const auto chain = PacketBuilder().hop_by_hop().destination_options();
    EXPECT_EQ(echo_reply(PacketBuilder(chain).ipv6(kClient6, kVip6).icmp(128, 0, 7)),
              PacketBuilder(chain).ipv6(kVip6, kClient6).icmp(129, 0, 7).build_ip());
}

// Every sum that a message can have.
TEST(EchoReply, EachChecksum) {
    for (uint32_t word = 0; word < 65536; ++word) {
        ASSERT_EQ(echo_reply(PacketBuilder().ipv4(kClient4, kVip4).icmp(8, 0, word)),
                  PacketBuilder().ipv4(kVip4, kClient4).icmp(0, 0, word).build_ip())
            << word;
        ASSERT_EQ(echo_reply(PacketBuilder().ipv6(kClient6, kVip6).icmp(128, 0, word)),
                  PacketBuilder().ipv6(kVip6, kClient6).icmp(129, 0, word).build_ip())
            << word;
    }
}

// Regression: a reply that is zero throughout (identifier, sequence and data are) has the checksum
// ffff. The incremental update alone gave 0000, which no receiver takes.
TEST(EchoReply, OfNothingButZeros) {
    for (const size_t size : {0, 1, 2, 56}) {
        const Bytes reply =
            echo_reply(PacketBuilder().ipv4(kClient4, kVip4).icmp(8).payload(Bytes(size, 0)));
        EXPECT_EQ(reply,
                  PacketBuilder().ipv4(kVip4, kClient4).icmp(0).payload(Bytes(size, 0)).build_ip());
        EXPECT_EQ(test::get16(reply, 22), 0xffffU);
    }
}

TEST(EchoReply, KeepsAWrongChecksumWrong) {
    const auto request = PacketBuilder().ipv4(kClient4, kVip4).icmp(8, 0, 7).payload("abc");
    const unsigned right = test::get16(request.build_ip(), 22);
    const Bytes bad =
        echo_reply(PacketBuilder(request).with_l4_checksum(static_cast<uint16_t>(right ^ 0x4000)));
    EXPECT_NE(test::plain_checksum(bad, 20, bad.size()), 0U);
}

PacketMeta meta_of(const PacketBuilder& packet) {
    const Bytes frame = packet.build();
    return parse(frame.data(), frame.size());
}

TEST(TooBig, V4QuotesUpTo576Bytes) {
    for (const size_t size : {0U, 1U, 500U, 519U, 520U, 521U, 1460U, 8900U}) {
        const auto packet = PacketBuilder()
                                .ipv4(kClient4, kVip4)
                                .dont_fragment()
                                .tcp(1000, 80)
                                .payload(Bytes(size, 0x33));
        StackMbuf mbuf(packet.build_ip());
        ASSERT_TRUE(make_icmp_error(mbuf.get(), meta_of(packet), too_big(Family::V4, 1480)));
        Bytes quoted = packet.build_ip();
        quoted.resize(std::min<size_t>(quoted.size(), 548));
        const auto expected = PacketBuilder()
                                  .ipv4(kVip4, kClient4)
                                  .dont_fragment()
                                  .identification(0)
                                  .icmp(3, 4, 1480)
                                  .payload(quoted);
        EXPECT_EQ(mbuf.bytes(), expected.build_ip()) << size;
        EXPECT_LE(mbuf.bytes().size(), 576U);
        EXPECT_EQ(rte_pktmbuf_pkt_len(mbuf.get()), mbuf.bytes().size());
    }
}

TEST(TooBig, V6QuotesUpTo1280Bytes) {
    for (const size_t size : {0U, 1U, 1100U, 1171U, 1172U, 1173U, 1460U, 8900U}) {
        const auto packet =
            PacketBuilder().ipv6(kClient6, kVip6).tcp(1000, 80).payload(Bytes(size, 0x33));
        StackMbuf mbuf(packet.build_ip());
        ASSERT_TRUE(make_icmp_error(mbuf.get(), meta_of(packet), too_big(Family::V6, 1460)));
        Bytes quoted = packet.build_ip();
        quoted.resize(std::min<size_t>(quoted.size(), 1232));
        EXPECT_EQ(mbuf.bytes(),
                  PacketBuilder().ipv6(kVip6, kClient6).icmp(2, 0, 1460).payload(quoted).build_ip())
            << size;
        EXPECT_LE(mbuf.bytes().size(), 1280U);
    }
}

TEST(IcmpError, NeedsRoomAndOneSegment) {
    for (const bool v4 : {true, false}) {
        const auto packet = PacketBuilder()
                                .ipv4(v4 ? kClient4 : kClient6, v4 ? kVip4 : kVip6)
                                .dont_fragment()
                                .udp(1, 2)
                                .payload(Bytes(1472, 1));
        const size_t needed = v4 ? 28 : 48;
        const Family family = v4 ? Family::V4 : Family::V6;
        for (size_t headroom = 0; headroom < needed; ++headroom) {
            StackMbuf tight(packet.build_ip(), headroom);
            EXPECT_FALSE(make_icmp_error(tight.get(), meta_of(packet), time_exceeded(family)))
                << headroom;
        }
        StackMbuf just(packet.build_ip(), needed);
        EXPECT_TRUE(make_icmp_error(just.get(), meta_of(packet), time_exceeded(family)));
        StackMbuf chained(packet.build_ip());
        chained->nb_segs = 2;
        EXPECT_FALSE(make_icmp_error(chained.get(), meta_of(packet), time_exceeded(family)));
    }
}

TEST(IcmpError, TypesAndSource) {
    const struct {
        bool v4;
        IcmpError error;
        uint8_t type, code;
    } cases[] = {{true, time_exceeded(Family::V4), 11, 0},
                 {true, port_unreachable(Family::V4), 3, 3},
                 {false, time_exceeded(Family::V6), 3, 0},
                 {false, port_unreachable(Family::V6), 1, 4}};
    for (const auto& [v4, error, type, code] : cases) {
        const char* client = v4 ? kClient4 : kClient6;
        const auto packet = PacketBuilder()
                                .ipv4(client, v4 ? kVip4 : kVip6)
                                .hop_by_hop()
                                .options(Bytes(7, 1))
                                .udp(1, 2)
                                .payload("x");
        for (const char* source : {"", v4 ? "10.0.0.106" : "2001:db8::106"}) {
            StackMbuf mbuf(packet.build_ip());
            const auto given = IpAddress::parse(source);
            ASSERT_TRUE(
                make_icmp_error(mbuf.get(), meta_of(packet), error, given ? &*given : nullptr));
            auto expected = PacketBuilder()
                                .ipv4(given ? source
                                      : v4  ? kVip4
                                            : kVip6,
                                      client)
                                .icmp(type, code, 0)
                                .payload(packet.build_ip());
            if (v4) {
                expected.dont_fragment().identification(0);
            }
            EXPECT_EQ(mbuf.bytes(), expected.build_ip());
        }
    }
}

// RFC 1122 §3.2.2, RFC 4443 §2.4 (e).
TEST(IcmpError, WhatNobodyIsToldAbout) {
    const auto told = [](const PacketBuilder& packet) {
        StackMbuf mbuf(packet.build_ip());
        const PacketMeta meta = meta_of(packet);
        const bool made = make_icmp_error(mbuf.get(), meta, time_exceeded(meta.family));
        EXPECT_EQ(made, mbuf.bytes() != packet.build_ip());
        return made;
    };
    const auto v4 = PacketBuilder().ipv4(kClient4, kVip4).payload("12345678");
    const auto v6 = PacketBuilder().ipv6(kClient6, kVip6).payload("12345678");
    for (unsigned type = 0; type < 256; ++type) {
        const auto number = static_cast<uint8_t>(type);
        const bool error4 = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        EXPECT_EQ(told(PacketBuilder(v4).icmp(number)), !error4) << type;
        EXPECT_EQ(told(PacketBuilder(v6).icmp(number)), type >= 128 && type != 137) << type;
    }
    EXPECT_TRUE(told(PacketBuilder(v4).udp(1, 2).fragment(0, true)));
    EXPECT_FALSE(told(PacketBuilder(v4).udp(1, 2).fragment(1, true)));
    EXPECT_FALSE(told(PacketBuilder(v4).udp(1, 2).fragment(0x1fff, false)));
    EXPECT_TRUE(told(PacketBuilder(v6).hop_by_hop().fragment_header(0, true).udp(1, 2)));
    EXPECT_FALSE(told(PacketBuilder(v6).hop_by_hop().fragment_header(1, true).udp(1, 2)));
    EXPECT_FALSE(told(PacketBuilder(v6).fragment_header(0x1fff, false).udp(1, 2)));
    for (const char* nobody : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
        EXPECT_FALSE(told(PacketBuilder(v4).ipv4(nobody, kVip4).udp(1, 2))) << nobody;
        EXPECT_FALSE(told(PacketBuilder(v4).ipv4(kClient4, nobody).udp(1, 2))) << nobody;
    }
    for (const char* nobody : {"::", "::1", "ff02::1"}) {
        EXPECT_FALSE(told(PacketBuilder(v6).ipv6(nobody, kVip6).udp(1, 2))) << nobody;
        EXPECT_FALSE(told(PacketBuilder(v6).ipv6(kClient6, nobody).udp(1, 2))) << nobody;
    }
}

}  // namespace
}  // namespace dlb
