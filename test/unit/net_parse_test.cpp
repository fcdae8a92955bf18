// parse(): each status, each header kind, and lies about lengths.
#include <gtest/gtest.h>

#include "net/byte_order.hpp"
#include "net/parse.hpp"
#include "support/packet_builder.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::PacketBuilder;

PacketMeta parse_frame(const Bytes& frame, ParseOptions options = {}) {
    return parse(frame.data(), frame.size(), options);
}
ParseStatus status_of(const PacketBuilder& packet) {
    return parse_frame(packet.build()).status;
}

PacketBuilder v4() {
    return PacketBuilder().ipv4("192.0.2.1", "10.1.1.1");
}
PacketBuilder v6() {
    return PacketBuilder().ipv6("2001:db8::1", "2001:db8:1::1");
}

void expect_ports(const PacketMeta& meta, uint16_t source, uint16_t destination) {
    EXPECT_TRUE(meta.has_ports);
    EXPECT_EQ(Be16::from_raw(meta.source_port).host(), source);
    EXPECT_EQ(Be16::from_raw(meta.destination_port).host(), destination);
}

TEST(Parse, TcpOverIpv4) {
    const auto meta =
        parse_frame(v4().tcp(4660, 80, test::kSyn | test::kAck).payload("hello").build());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.family, Family::V4);
    EXPECT_EQ(meta.protocol, kProtocolTcp);
    EXPECT_EQ(meta.tcp_flags, kTcpSyn | kTcpAck);
    EXPECT_FALSE(meta.fragment);
    EXPECT_FALSE(meta.tagged);
    EXPECT_EQ(meta.vlan, 0);
    EXPECT_EQ(meta.l3_offset, 14);
    EXPECT_EQ(meta.l4_offset, 34);
    EXPECT_EQ(meta.l3_length, 45);
    expect_ports(meta, 4660, 80);
}

TEST(Parse, UdpOverIpv6BehindVlan) {
    const auto meta = parse_frame(v6().vlan(0x123, 5).udp(53, 5353).payload("abc").build());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.family, Family::V6);
    EXPECT_EQ(meta.protocol, kProtocolUdp);
    EXPECT_TRUE(meta.tagged);
    EXPECT_EQ(meta.vlan, 0x123);  // without its priority
    EXPECT_EQ(meta.l3_offset, 18);
    EXPECT_EQ(meta.l4_offset, 58);
    EXPECT_EQ(meta.l3_length, 51);
    expect_ports(meta, 53, 5353);
}

TEST(Parse, PriorityTagIsVlanZero) {
    const auto meta = parse_frame(v4().vlan(0, 7).udp(1, 2).build());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_TRUE(meta.tagged);
    EXPECT_EQ(meta.vlan, 0);
}

TEST(Parse, Icmp) {
    auto meta = parse_frame(v4().icmp(8, 0, 0x10001).build());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.icmp_type, 8);
    EXPECT_FALSE(meta.has_ports);
    EXPECT_EQ(meta.source_port, 0);
    meta = parse_frame(v6().icmp(128, 0, 0x10001).payload("x").build());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.icmp_type, 128);
    EXPECT_EQ(meta.protocol, kProtocolIcmpv6);
}

TEST(Parse, OtherProtocolsHaveNoPorts) {
    for (const uint8_t protocol : {2, 47, 50, 51, 59, 89, 132, 255}) {
        for (const PacketBuilder& base : {v4(), v6()}) {
            const auto meta = parse_frame(PacketBuilder(base).protocol(protocol).build());
            EXPECT_EQ(meta.status, ParseStatus::Ok) << unsigned{protocol};
            EXPECT_EQ(meta.protocol, protocol);
            EXPECT_FALSE(meta.has_ports);
        }
    }
}

TEST(Parse, NotIp) {
    for (const uint16_t type : {0x0806, 0x88cc, 0x8847, 0x05dc, 0x88a8, 0x0000, 0xffff}) {
        auto meta = parse_frame(v4().udp(1, 2).with_ether_type(type).build());
        EXPECT_EQ(meta.status, ParseStatus::NotIp) << std::hex << type;
        EXPECT_FALSE(meta.has_ports);
        meta = parse_frame(v4().vlan(7).udp(1, 2).with_ether_type(type).build());
        EXPECT_EQ(meta.status, ParseStatus::NotIp);
        EXPECT_EQ(meta.vlan, 7);
    }
    // A second tag is not looked behind.
    EXPECT_EQ(status_of(v4().vlan(7).vlan(8).udp(1, 2)), ParseStatus::NotIp);
}

TEST(Parse, Ipv4Options) {
    for (size_t size = 1; size <= 40; ++size) {
        const auto meta = parse_frame(v4().options(Bytes(size, 1)).tcp(7, 8).build());
        ASSERT_EQ(meta.status, ParseStatus::Ok) << size;
        EXPECT_EQ(meta.l4_offset, 34 + (size + 3) / 4 * 4);
        expect_ports(meta, 7, 8);
    }
}

TEST(Parse, Ipv4BadHeader) {
    for (const uint8_t version : {0, 3, 5, 6, 15}) {
        EXPECT_EQ(status_of(v4().udp(1, 2).with_version(version)), ParseStatus::BadHeader);
    }
    for (const uint8_t words : {0, 1, 4}) {
        EXPECT_EQ(status_of(v4().udp(1, 2).with_ihl(words)), ParseStatus::BadHeader);
    }
    for (const uint16_t length : {0, 1, 19}) {
        EXPECT_EQ(status_of(v4().udp(1, 2).with_ip_length(length)), ParseStatus::BadHeader);
    }
    // Options said to reach behind the packet.
    EXPECT_EQ(status_of(v4().udp(1, 2).with_ihl(15)), ParseStatus::BadHeader);
    EXPECT_EQ(status_of(v4().udp(1, 2).payload(Bytes(99, 0)).with_ip_length(56).with_ihl(15)),
              ParseStatus::BadHeader);
}

TEST(Parse, Ipv4Checksum) {
    const auto bad = v4().udp(1, 2).with_ip_checksum(0xdead).build();
    EXPECT_EQ(parse_frame(bad).status, ParseStatus::BadChecksum);
    EXPECT_EQ(parse_frame(bad, {.verify_ipv4_checksum = false}).status, ParseStatus::Ok);
    // The options are covered too.
    Bytes flipped = v4().options(Bytes(8, 1)).udp(1, 2).build();
    flipped[34] ^= 1;
    EXPECT_EQ(parse_frame(flipped).status, ParseStatus::BadChecksum);
    // Each single bit of the header is seen, or makes the header bad in another way.
    const Bytes good = v4().tcp(1, 2).payload(Bytes(64, 0)).build();
    for (size_t bit = 14 * 8; bit < 34 * 8; ++bit) {
        Bytes frame = good;
        frame[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_NE(parse_frame(frame).status, ParseStatus::Ok) << bit;
    }
}

TEST(Parse, Ipv4LengthAgainstTheFrame) {
    EXPECT_EQ(status_of(v4().udp(1, 2).with_ip_length(29)), ParseStatus::Truncated);
    EXPECT_EQ(status_of(v4().udp(1, 2).with_ip_length(65535)), ParseStatus::Truncated);
    const auto meta = parse_frame(v4().udp(1, 2).padding(18).build());  // an Ethernet minimum
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    EXPECT_EQ(meta.l3_length, 28);
    // What lies in the padding is not the packet's.
    EXPECT_EQ(status_of(v4().udp(1, 2).with_udp_length(9).padding(18)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v4().tcp(1, 2).with_data_offset(6).padding(18)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v4().tcp(1, 2).with_ip_length(39)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v4().udp(1, 2).with_ip_length(27)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v4().icmp(8).with_ip_length(27)), ParseStatus::BadLength);
    EXPECT_EQ(status_of(v4().tcp(1, 2).with_ip_length(20)), ParseStatus::BadLength);
}

TEST(Parse, Ipv4LaterFragments) {
    struct Case {
        uint16_t offset;
        bool more;
    };
    for (const Case fragment : {Case{1, true}, Case{1, false}, Case{0x1ffb, false}}) {
        // It may be as short as it likes, and its bytes are no ports.
        const auto meta = parse_frame(v4().fragment(fragment.offset, fragment.more)
                                          .identification(0xabcd)
                                          .protocol(17)
                                          .payload("abcdefgh")
                                          .padding(9)
                                          .build());
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_TRUE(meta.fragment);
        EXPECT_FALSE(meta.tiny_fragment);
        EXPECT_FALSE(meta.has_ports);
        EXPECT_EQ(meta.source_port, 0);
        EXPECT_EQ(meta.protocol, kProtocolUdp);
        EXPECT_EQ(meta.fragment_offset, fragment.offset * 8);
        EXPECT_EQ(meta.fragment_length, 8);
        EXPECT_EQ(meta.more_fragments, fragment.more);
        EXPECT_EQ(meta.identification, Be16(0xabcd).raw());
        EXPECT_EQ(meta.l4_offset, 34);
    }
    EXPECT_FALSE(parse_frame(v4().dont_fragment().udp(1, 2).build()).fragment);
    EXPECT_FALSE(parse_frame(v4().fragment(0x8000, false).udp(1, 2).build()).fragment);  // "evil"
}

TEST(Parse, FirstFragmentsHavePorts) {
    for (const PacketBuilder& base :
         {v4().options(Bytes(5, 1)).fragment(0, true),
          v6().hop_by_hop().fragment_header(0, true, 0xabcd).destination_options()}) {
        auto meta = parse_frame(PacketBuilder(base).tcp(7, 80, test::kSyn).payload("abcd").build());
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_TRUE(meta.fragment && meta.more_fragments && !meta.tiny_fragment);
        EXPECT_FALSE(meta.has_ports);  // which says that the packet is whole
        EXPECT_EQ(Be16::from_raw(meta.source_port).host(), 7);
        EXPECT_EQ(Be16::from_raw(meta.destination_port).host(), 80);
        EXPECT_EQ(meta.tcp_flags, test::kSyn);
        EXPECT_EQ(meta.fragment_offset, 0);
        EXPECT_EQ(meta.fragment_length, base.is_v4() ? 24 : 32);  // the options header is in it
        EXPECT_EQ(meta.identification, base.is_v4() ? Be16(0x1234).raw() : Be32(0xabcd).raw());
        EXPECT_EQ(meta.l4_offset, base.is_v4() ? 14 + 28 : 14 + 40 + 24);
        // UDP's length is the whole datagram's.
        meta = parse_frame(PacketBuilder(base).udp(9, 53).with_udp_length(4000).build());
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_EQ(Be16::from_raw(meta.destination_port).host(), 53);
        EXPECT_EQ(status_of(PacketBuilder(base).udp(9, 53).with_udp_length(7)),
                  ParseStatus::BadLength);
        EXPECT_EQ(status_of(PacketBuilder(base).tcp(9, 53).payload("abcd").with_data_offset(4)),
                  ParseStatus::BadLength);
    }
}

// RFC 1858 §3, RFC 7112 §5: the first has the whole transport header. RFC 3128: none lies over
// TCP's.
TEST(Parse, TinyFragments) {
    for (const PacketBuilder& base : {v4().fragment(0, true), v6().fragment_header(0, true)}) {
        for (size_t size = 8; size <= 32; size += 8) {
            Bytes header(size, 0);
            header[12 % size] = 0x60;  // 24 bytes of TCP
            const auto meta = parse_frame(PacketBuilder(base).protocol(6).payload(header).build());
            EXPECT_EQ(meta.status, ParseStatus::Ok);
            EXPECT_EQ(meta.tiny_fragment, size < 24) << size;
        }
        const auto udp = PacketBuilder(base).udp(1, 2).with_udp_length(100);
        EXPECT_FALSE(parse_frame(udp.build()).tiny_fragment);
    }
    for (uint16_t offset = 1; offset < 4; ++offset) {
        const auto v4_later = v4().fragment(offset, true).payload("12345678");
        EXPECT_EQ(parse_frame(PacketBuilder(v4_later).protocol(6).payload("12345678").build())
                      .tiny_fragment,
                  offset == 1);
        EXPECT_FALSE(parse_frame(PacketBuilder(v4_later).protocol(17).payload("12345678").build())
                         .tiny_fragment);
    }
}

TEST(Parse, FragmentLengths) {
    const auto status = [](const PacketBuilder& base, bool v4_family, unsigned offset, bool more,
                           size_t size) {
        PacketBuilder packet = base;
        v4_family ? packet.fragment(static_cast<uint16_t>(offset), more)
                  : packet.fragment_header(static_cast<uint16_t>(offset), more);
        return status_of(packet.protocol(17).payload(Bytes(size, 0)));
    };
    for (const bool four : {true, false}) {
        const PacketBuilder base = four ? v4() : v6();
        for (size_t size = 0; size <= 24; ++size) {
            EXPECT_EQ(status(base, four, 2, true, size),
                      size % 8 == 0 && size != 0 ? ParseStatus::Ok : ParseStatus::BadLength);
            EXPECT_EQ(status(base, four, 2, false, size),
                      size != 0 ? ParseStatus::Ok : ParseStatus::BadLength);
        }
    }
    // 65,535 bytes: IPv4's with its header, IPv6's without its own but with those before the
    // fragment header.
    EXPECT_EQ(status(v4(), true, 8189, false, 3), ParseStatus::Ok);
    EXPECT_EQ(status(v4(), true, 8189, false, 4), ParseStatus::BadLength);
    EXPECT_EQ(status(v4().options(Bytes(8, 1)), true, 8188, false, 3), ParseStatus::Ok);
    EXPECT_EQ(status(v4().options(Bytes(8, 1)), true, 8188, false, 4), ParseStatus::BadLength);
    EXPECT_EQ(status(v6(), false, 8191, false, 7), ParseStatus::Ok);
    EXPECT_EQ(status(v6(), false, 8191, false, 8), ParseStatus::BadLength);
    EXPECT_EQ(status(v6().hop_by_hop(), false, 8190, false, 7), ParseStatus::Ok);
    EXPECT_EQ(status(v6().hop_by_hop(), false, 8190, false, 8), ParseStatus::BadLength);
}

TEST(Parse, TcpHeaderLength) {
    for (const PacketBuilder& base : {v4(), v6()}) {
        for (uint8_t words = 0; words < 16; ++words) {
            const auto packet = PacketBuilder(base).tcp(1, 2).payload(Bytes(20, 0));
            const ParseStatus expected =
                words < 5 || words > 10 ? ParseStatus::BadLength : ParseStatus::Ok;
            EXPECT_EQ(status_of(PacketBuilder(packet).with_data_offset(words)), expected)
                << unsigned{words};
        }
        EXPECT_EQ(status_of(PacketBuilder(base).tcp(1, 2).tcp_options(Bytes(40, 1))),
                  ParseStatus::Ok);
    }
}

TEST(Parse, UdpLength) {
    for (const PacketBuilder& base : {v4(), v6()}) {
        const auto packet = PacketBuilder(base).udp(1, 2).payload(Bytes(12, 0));
        for (const uint16_t length : {0, 1, 7, 21, 65535}) {
            EXPECT_EQ(status_of(PacketBuilder(packet).with_udp_length(length)),
                      ParseStatus::BadLength)
                << length;
        }
        for (const uint16_t length : {8, 9, 19, 20}) {  // less than there is: RFC 768 allows it
            EXPECT_EQ(status_of(PacketBuilder(packet).with_udp_length(length)), ParseStatus::Ok)
                << length;
        }
    }
}

}  // namespace
}  // namespace dlb
