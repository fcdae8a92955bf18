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
        ASSERT_TRUE(make_too_big(mbuf.get(), meta_of(packet), 1480));
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
        ASSERT_TRUE(make_too_big(mbuf.get(), meta_of(packet), 1460));
        Bytes quoted = packet.build_ip();
        quoted.resize(std::min<size_t>(quoted.size(), 1232));
        EXPECT_EQ(mbuf.bytes(),
                  PacketBuilder().ipv6(kVip6, kClient6).icmp(2, 0, 1460).payload(quoted).build_ip())
            << size;
        EXPECT_LE(mbuf.bytes().size(), 1280U);
    }
}

TEST(TooBig, WithoutDfThereIsNothingToSay) {
    const auto packet = PacketBuilder().ipv4(kClient4, kVip4).udp(1, 2).payload(Bytes(1472, 1));
    StackMbuf mbuf(packet.build_ip());
    EXPECT_FALSE(make_too_big(mbuf.get(), meta_of(packet), 1480));
    EXPECT_EQ(mbuf.bytes(), packet.build_ip());
}

TEST(TooBig, NeedsRoomAndOneSegment) {
    for (const bool v4 : {true, false}) {
        const auto packet = PacketBuilder()
                                .ipv4(v4 ? kClient4 : kClient6, v4 ? kVip4 : kVip6)
                                .dont_fragment()
                                .udp(1, 2)
                                .payload(Bytes(1472, 1));
        const size_t needed = v4 ? 28 : 48;
        for (size_t headroom = 0; headroom < needed; ++headroom) {
            StackMbuf tight(packet.build_ip(), headroom);
            EXPECT_FALSE(make_too_big(tight.get(), meta_of(packet), 1480)) << headroom;
        }
        StackMbuf just(packet.build_ip(), needed);
        EXPECT_TRUE(make_too_big(just.get(), meta_of(packet), 1480));
        StackMbuf chained(packet.build_ip());
        chained->nb_segs = 2;
        EXPECT_FALSE(make_too_big(chained.get(), meta_of(packet), 1480));
    }
}

}  // namespace
}  // namespace dlb
