// parse(): IPv6 and its chain of extension headers (RFC 8200 §4, RFC 6946).
#include <gtest/gtest.h>

#include "net/byte_order.hpp"
#include "net/parse.hpp"
#include "support/packet_builder.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::PacketBuilder;

PacketMeta meta_of(const PacketBuilder& packet) {
    const Bytes frame = packet.build();
    return parse(frame.data(), frame.size());
}
ParseStatus status_of(const PacketBuilder& packet) {
    return meta_of(packet).status;
}
PacketBuilder v6() {
    return PacketBuilder().ipv6("2001:db8::1", "2001:db8:1::1");
}

TEST(ParseV6, Header) {
    const auto meta = meta_of(v6().tos(0xff).flow_label(0xfffff).tcp(1, 80).payload("x"));
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.l4_offset, 54);
    EXPECT_EQ(meta.l3_length, 61);
    for (const uint8_t version : {0, 4, 5, 7, 15}) {
        EXPECT_EQ(status_of(v6().udp(1, 2).with_version(version)), ParseStatus::BadHeader);
    }
}

TEST(ParseV6, LengthAgainstTheFrame) {
    EXPECT_EQ(status_of(v6().udp(1, 2).with_ip_length(9)), ParseStatus::Truncated);
    EXPECT_EQ(status_of(v6().udp(1, 2).with_ip_length(65535)), ParseStatus::Truncated);
    EXPECT_EQ(status_of(v6().udp(1, 2).with_ip_length(7)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v6().udp(1, 2).with_ip_length(0)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v6().tcp(1, 2).with_ip_length(19)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v6().icmp(128).with_ip_length(7)), ParseStatus::BadLength);
    const auto meta = meta_of(v6().udp(1, 2).padding(6));
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.l3_length, 48);
    EXPECT_EQ(status_of(v6().udp(1, 2).with_udp_length(9).padding(6)), ParseStatus::BadLength);
    // A packet whose length, header included, does not fit our 16 bits.
    EXPECT_NE(status_of(v6().protocol(59).payload(Bytes(65535, 0))), ParseStatus::Ok);
    EXPECT_EQ(status_of(v6().protocol(59).payload(Bytes(65495, 0))), ParseStatus::Ok);
}

TEST(ParseV6, Jumbogram) {  // RFC 2675: payload length 0 behind a hop-by-hop option
    EXPECT_NE(status_of(v6().hop_by_hop().tcp(1, 2).with_ip_length(0)), ParseStatus::Ok);
}

TEST(ParseV6, ChainsThatWeSeeThrough) {
    const struct {
        PacketBuilder packet;
        unsigned chain;  // bytes
    } cases[] = {
        {v6().hop_by_hop(), 8},
        {v6().hop_by_hop(3), 32},
        {v6().destination_options(), 8},
        {v6().destination_options(255), 2048},
        {v6().routing(0), 24},
        {v6().hop_by_hop().destination_options().routing(0).destination_options(), 48},
        {v6().fragment_header(0, false), 8},
        {v6().hop_by_hop().fragment_header(0, false).destination_options(), 24},
        {v6().vlan(3).destination_options(1).destination_options(2), 40},
    };
    for (const auto& test_case : cases) {
        const auto meta = meta_of(PacketBuilder(test_case.packet).tcp(7, 80, test::kSyn));
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_EQ(meta.protocol, kProtocolTcp);
        EXPECT_EQ(meta.l4_offset, meta.l3_offset + 40 + test_case.chain);
        EXPECT_TRUE(meta.has_ports);
        EXPECT_FALSE(meta.fragment);
        EXPECT_EQ(Be16::from_raw(meta.destination_port).host(), 80);
    }
}

TEST(ParseV6, HopByHopOnlyFirst) {
    EXPECT_EQ(status_of(v6().destination_options().hop_by_hop().udp(1, 2)),
              ParseStatus::BadExtension);
    EXPECT_EQ(status_of(v6().hop_by_hop().hop_by_hop().udp(1, 2)), ParseStatus::BadExtension);
    EXPECT_EQ(status_of(v6().fragment_header(0, false).hop_by_hop().udp(1, 2)),
              ParseStatus::BadExtension);
}

TEST(ParseV6, RoutingHeaderWithSegmentsLeft) {
    EXPECT_EQ(status_of(v6().routing(0).udp(1, 2)), ParseStatus::Ok);
    for (const uint8_t left : {1, 2, 255}) {
        EXPECT_EQ(status_of(v6().routing(left).udp(1, 2)), ParseStatus::BadExtension);
        EXPECT_EQ(status_of(v6().hop_by_hop().destination_options().routing(left).udp(1, 2)),
                  ParseStatus::BadExtension);
    }
}

TEST(ParseV6, ChainLength) {
    PacketBuilder packet = v6();
    for (unsigned count = 1; count <= 8; ++count) {
        packet.destination_options();
        ASSERT_EQ(status_of(PacketBuilder(packet).udp(1, 2)), ParseStatus::Ok) << count;
    }
    packet.destination_options();
    EXPECT_EQ(status_of(PacketBuilder(packet).udp(1, 2)), ParseStatus::BadExtension);
    for (unsigned count = 0; count < 100; ++count) {
        packet.fragment_header(0, false);
    }
    EXPECT_EQ(status_of(PacketBuilder(packet).udp(1, 2)), ParseStatus::BadExtension);
}

TEST(ParseV6, ChainOutOfThePacket) {
    // Each kind, cut to each length shorter than itself.
    for (const PacketBuilder& chain :
         {v6().hop_by_hop(1), v6().destination_options(1), v6().routing(0, 1),
          v6().destination_options().routing(0, 0)}) {
        for (uint16_t length = 0; length < 16; ++length) {
            const auto status = status_of(
                PacketBuilder(chain).udp(1, 2).payload(Bytes(64, 0)).with_ip_length(length));
            EXPECT_EQ(status, ParseStatus::Truncated) << length;
        }
    }
    for (uint16_t length = 0; length < 8; ++length) {
        EXPECT_EQ(status_of(v6().fragment_header(0, false).udp(1, 2).with_ip_length(length)),
                  ParseStatus::Truncated);
    }
    // The header says more than is there.
    EXPECT_EQ(status_of(v6().destination_options(9).udp(1, 2).with_ip_length(79)),
              ParseStatus::Truncated);
    EXPECT_EQ(status_of(v6().destination_options(9).udp(1, 2).with_ip_length(80)),
              ParseStatus::BadLength);
}

TEST(ParseV6, LaterFragments) {
    const struct {
        uint16_t offset;
        bool more;
    } cases[] = {{1, true}, {1, false}, {0x1ff0, false}};
    for (const auto& fragment : cases) {
        for (const PacketBuilder& before : {v6(), v6().hop_by_hop().routing(0)}) {
            const auto meta =
                meta_of(PacketBuilder(before)
                            .fragment_header(fragment.offset, fragment.more, 0x9abcdef0)
                            .protocol(17)
                            .payload("abcdefgh"));
            EXPECT_EQ(meta.status, ParseStatus::Ok);
            EXPECT_TRUE(meta.fragment);
            EXPECT_FALSE(meta.has_ports);
            EXPECT_EQ(meta.source_port, 0);
            EXPECT_EQ(meta.protocol, kProtocolUdp);
            EXPECT_EQ(meta.fragment_offset, fragment.offset * 8);
            EXPECT_EQ(meta.fragment_length, 8);
            EXPECT_EQ(meta.more_fragments, fragment.more);
            EXPECT_EQ(meta.identification, Be32(0x9abcdef0).raw());
        }
    }
}

// RFC 7112 §5: the first fragment has the whole chain. What follows a later one's is no header.
TEST(ParseV6, FragmentsAndChains) {
    for (const uint16_t claimed : {8 + 8, 8 + 16, 8 + 32}) {  // with the fragment header
        const auto meta = meta_of(v6().fragment_header(0, true)
                                      .destination_options(1)
                                      .routing(0, 1)
                                      .tcp(7, 80)
                                      .payload("abcd")
                                      .with_ip_length(claimed));
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_TRUE(meta.tiny_fragment);
        EXPECT_EQ(meta.source_port, 0);
    }
    const auto later =
        meta_of(v6().fragment_header(3, true).destination_options().payload("12345678"));
    EXPECT_EQ(later.status, ParseStatus::Ok);
    EXPECT_EQ(later.protocol, 60);
    EXPECT_EQ(later.l4_offset, 14 + 40 + 8);
    EXPECT_EQ(status_of(v6().fragment_header(0, true).fragment_header(0, true).udp(1, 2)),
              ParseStatus::BadExtension);
    EXPECT_EQ(status_of(v6().fragment_header(0, true).fragment_header(0, false).udp(1, 2)),
              ParseStatus::BadExtension);
}

TEST(ParseV6, AtomicFragmentIsAWholePacket) {  // RFC 6946; the reserved bits say nothing
    Bytes frame = v6().fragment_header(0, false).udp(1, 2).build();
    frame[14 + 40 + 1] = 0xff;
    frame[14 + 40 + 3] = 0x06;
    const auto meta = parse(frame.data(), frame.size());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_FALSE(meta.fragment);
    EXPECT_TRUE(meta.has_ports);
}

TEST(ParseV6, WhatItCannotSeeThroughHasNoPorts) {
    for (const uint8_t type : {50, 51, 59, 135, 139, 140, 253}) {
        const auto meta = meta_of(v6().extension(type).udp(1, 2));
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_EQ(meta.protocol, type);
        EXPECT_FALSE(meta.has_ports);
    }
}

}  // namespace
}  // namespace dlb
