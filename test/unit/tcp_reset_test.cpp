// make_tcp_reset(): RFC 9293 §3.10.7.1, by hand.
#include "datapath/tcp_reset.hpp"

#include <gtest/gtest.h>

#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::kAck;
using test::kFin;
using test::kPsh;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::put16;
using test::put32;
using test::StackMbuf;

// What PacketBuilder's TCP packets carry.
constexpr uint32_t kSequence = 0x01020304, kAcknowledgment = 0x05060708;

struct Ends {
    const char *client, *vip;
};
constexpr Ends kEnds[] = {{"192.0.2.1", "10.1.1.1"}, {"2001:db8:99::1", "2001:db8:1::1"}};

// The whole answer, with a checksum of PacketBuilder's own arithmetic.
Bytes reset(const Ends& ends, uint32_t sequence, uint32_t acknowledgment, uint8_t flags) {
    auto ip = PacketBuilder().ipv4(ends.vip, ends.client).dont_fragment().identification(0);
    Bytes tcp(20, 0);
    put16(tcp, 0, 80);
    put16(tcp, 2, 1000);
    put32(tcp, 4, sequence);
    put32(tcp, 8, acknowledgment);
    put16(tcp, 12, 0x5000U | flags);
    const unsigned pseudo =
        test::pseudo_sum(test::address_bytes(ends.vip), test::address_bytes(ends.client), 6, 20);
    put16(tcp, 16, test::plain_checksum(tcp, 0, 20, pseudo));
    return ip.protocol(6).payload(tcp).build_ip();
}

bool make(StackMbuf& mbuf, const PacketBuilder& packet) {
    const Bytes frame = packet.build();
    const PacketMeta meta = parse(frame.data(), frame.size());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    return make_tcp_reset(mbuf.get(), meta);
}

Bytes answer(const PacketBuilder& packet) {
    StackMbuf mbuf(packet.build_ip(), 0);  // it needs no room
    EXPECT_TRUE(make(mbuf, packet));
    EXPECT_EQ(rte_pktmbuf_pkt_len(mbuf.get()), mbuf.bytes().size());
    return mbuf.bytes();
}

TEST(TcpReset, OfASegmentWithAck) {
    for (const Ends& ends : kEnds) {
        for (const uint8_t more : {uint8_t{0}, kSyn, kFin, kPsh}) {
            const auto packet = PacketBuilder()
                                    .ipv4(ends.client, ends.vip)
                                    .ttl(3)
                                    .tos(0xb8)
                                    .flow_label(5)
                                    .tcp(1000, 80, kAck | more)
                                    .payload("data");
            EXPECT_EQ(answer(packet), reset(ends, kAcknowledgment, 0, kRst));
        }
    }
}

TEST(TcpReset, OfASegmentWithoutAckCoversItAll) {
    for (const Ends& ends : kEnds) {
        const auto base = PacketBuilder().ipv4(ends.client, ends.vip);
        const auto covers = [&](PacketBuilder packet, uint32_t length) {
            EXPECT_EQ(answer(packet), reset(ends, 0, kSequence + length, kRst | kAck));
        };
        covers(PacketBuilder(base).tcp(1000, 80, kSyn), 1);
        covers(PacketBuilder(base).tcp(1000, 80, 0), 0);
        covers(PacketBuilder(base).tcp(1000, 80, kFin).payload("data"), 5);
        covers(PacketBuilder(base).tcp(1000, 80, kSyn | kFin).payload("data"), 6);
        covers(PacketBuilder(base).tcp(1000, 80, kPsh).payload("12345"), 5);
        const Bytes options = {2, 4, 5, 0xb4, 1, 1, 1, 0};
        covers(PacketBuilder(base).tcp(1000, 80, kSyn).tcp_options(options).payload("123"), 4);
        covers(PacketBuilder(base).options(Bytes(7, 1)).hop_by_hop().tcp(1000, 80, kSyn), 1);
        covers(PacketBuilder(base).tcp(1000, 80, kSyn).padding(9), 1);
    }
}

TEST(TcpReset, NeverOfThese) {
    for (const Ends& ends : kEnds) {
        const auto base = PacketBuilder().ipv4(ends.client, ends.vip).payload("xyzw");
        const bool v4 = base.is_v4();
        const PacketBuilder packets[] = {
            PacketBuilder(base).tcp(1000, 80, kRst),
            PacketBuilder(base).tcp(1000, 80, kRst | kAck),
            PacketBuilder(base).udp(1000, 80),
            PacketBuilder(base).icmp(v4 ? 8 : 128),
            PacketBuilder(base).fragment(0, true).fragment_header(0, true).tcp(1000, 80, kSyn),
            PacketBuilder(base).ipv4(v4 ? "224.0.0.1" : "ff02::1", ends.vip).tcp(1000, 80, kSyn),
            PacketBuilder(base)
                .ipv4(ends.client, v4 ? "255.255.255.255" : "ff02::1")
                .tcp(1000, 80, kSyn),
        };
        for (const PacketBuilder& packet : packets) {
            StackMbuf mbuf(packet.build_ip());
            EXPECT_FALSE(make(mbuf, packet));
            EXPECT_EQ(mbuf.bytes(), packet.build_ip());
        }
        const auto packet = PacketBuilder(base).tcp(1000, 80, kSyn);
        StackMbuf chained(packet.build_ip());
        chained->nb_segs = 2;
        EXPECT_FALSE(make(chained, packet));
    }
}

}  // namespace
}  // namespace dlb
