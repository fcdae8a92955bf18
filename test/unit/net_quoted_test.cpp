// parse_quoted() on what ICMP errors quote: cut short, odd, and broken. Each quote lies alone in a
// heap block of its very size, so that AddressSanitizer sees a read behind it.
#include <algorithm>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "net/parse.hpp"
#include "support/packet_builder.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::get16;
using test::PacketBuilder;

PacketMeta quoted(const Bytes& packet, size_t size, Family family, size_t before = 0) {
    const auto block = std::make_unique<uint8_t[]>(before + size);
    std::copy_n(packet.begin(), size, block.get() + before);
    return parse_quoted(block.get(), before + size, before, family);
}

PacketBuilder base(bool v4) {
    return PacketBuilder().ipv4(v4 ? "10.1.1.1" : "2001:db8:1::1",
                                v4 ? "192.0.2.1" : "2001:db8::1");
}
Family family_of(bool v4) {
    return v4 ? Family::V4 : Family::V6;
}

struct Shape {
    PacketBuilder packet;
    size_t headers;  // before the transport header
};

std::vector<Shape> shapes(bool v4) {
    if (v4) {
        return {{base(true), 20},
                {base(true).options(Bytes(4, 1)), 24},
                {base(true).options(Bytes(40, 1)), 60},
                {base(true).fragment(0, true), 20},
                {base(true).dont_fragment().with_ip_checksum(0xdead), 20}};
    }
    return {{base(false), 40},
            {base(false).hop_by_hop(), 48},
            {base(false).hop_by_hop().destination_options(2).routing(0), 40 + 8 + 24 + 24},
            {base(false).fragment_header(0, false), 48},
            {base(false).fragment_header(0, true).destination_options(), 56}};
}

TEST(ParseQuoted, EightBytesOfTransportAreEnough) {
    for (const bool v4 : {true, false}) {
        for (const auto& [packet, headers] : shapes(v4)) {
            for (const uint8_t protocol : {6, 17, 1, 47}) {
                auto whole = PacketBuilder(packet).payload(Bytes(600, 7));
                protocol == 6    ? whole.tcp(1000, 80)
                : protocol == 17 ? whole.udp(1000, 80)
                                 : whole.protocol(protocol);
                const Bytes bytes = whole.build_ip();
                for (size_t size = 0; size <= bytes.size(); ++size) {
                    const PacketMeta meta = quoted(bytes, size, family_of(v4), size % 5);
                    if (size < headers + 8) {
                        ASSERT_EQ(meta.status, ParseStatus::Truncated) << size;
                        continue;
                    }
                    ASSERT_EQ(meta.status, ParseStatus::Ok) << size;
                    EXPECT_EQ(meta.l3_offset, size % 5);
                    EXPECT_EQ(meta.l4_offset, headers + size % 5);
                    EXPECT_EQ(meta.l3_length, size);
                    EXPECT_EQ(meta.protocol, protocol);
                    EXPECT_FALSE(meta.fragment);
                    const bool ports = protocol == 6 || protocol == 17;
                    ASSERT_EQ(meta.has_ports, ports);
                    EXPECT_EQ(ntohs(meta.source_port), ports ? 1000 : 0);
                    EXPECT_EQ(ntohs(meta.destination_port), ports ? 80 : 0);
                }
            }
        }
    }
}

TEST(ParseQuoted, BytesBehindThePacketAreNotIts) {
    for (const bool v4 : {true, false}) {
        Bytes bytes = base(v4).udp(1, 2).payload("abc").build_ip();
        const size_t length = bytes.size();
        bytes.resize(length + 100, 0xee);  // RFC 4884: padding and extensions
        EXPECT_EQ(quoted(bytes, bytes.size(), family_of(v4)).l3_length, length);
    }
}

TEST(ParseQuoted, LaterFragmentsHaveNoPorts) {
    const auto later = [](const PacketBuilder& packet, bool v4) {
        const Bytes bytes = packet.build_ip();
        const PacketMeta meta = quoted(bytes, bytes.size(), family_of(v4));
        EXPECT_EQ(meta.status, ParseStatus::Ok);
        EXPECT_FALSE(meta.has_ports);
        return meta.fragment;
    };
    for (const bool more : {true, false}) {
        EXPECT_TRUE(later(base(true).udp(1, 2).fragment(1, more), true));
        EXPECT_TRUE(later(base(true).udp(1, 2).fragment(0x1fff, more), true));
        EXPECT_TRUE(later(base(false).fragment_header(1, more).udp(1, 2), false));
        EXPECT_TRUE(later(base(false).hop_by_hop().fragment_header(99, more).udp(1, 2), false));
    }
}

TEST(ParseQuoted, WhatIsNoPacket) {
    const auto status = [](const PacketBuilder& packet, bool v4) {
        const Bytes bytes = packet.build_ip();
        return quoted(bytes, bytes.size(), family_of(v4)).status;
    };
    EXPECT_EQ(status(base(true).udp(1, 2).with_version(6), true), ParseStatus::BadHeader);
    EXPECT_EQ(status(base(true).udp(1, 2).with_ihl(4), true), ParseStatus::BadHeader);
    EXPECT_EQ(status(base(true).udp(1, 2).with_ihl(15), true), ParseStatus::BadHeader);
    EXPECT_EQ(status(base(true).udp(1, 2).with_ip_length(19), true), ParseStatus::BadHeader);
    EXPECT_EQ(status(base(true).udp(1, 2).with_ip_length(27), true), ParseStatus::Truncated);
    EXPECT_EQ(status(base(true).udp(1, 2).with_ip_length(60000), true), ParseStatus::Ok);
    EXPECT_EQ(status(base(false).udp(1, 2).with_version(4), false), ParseStatus::BadHeader);
    EXPECT_EQ(status(base(false).udp(1, 2).with_ip_length(7), false), ParseStatus::Truncated);
    EXPECT_EQ(status(base(false).udp(1, 2).with_ip_length(60000), false), ParseStatus::Ok);
    EXPECT_EQ(status(base(false).routing(1).udp(1, 2), false), ParseStatus::BadExtension);
    EXPECT_EQ(status(base(false).destination_options().hop_by_hop().udp(1, 2), false),
              ParseStatus::BadExtension);
    EXPECT_EQ(parse_quoted(nullptr, 0, 1, Family::V4).status, ParseStatus::Truncated);
}

TEST(ParseQuoted, RandomMutations) {
    std::mt19937 random(9);
    constexpr uint8_t kTypes[] = {0, 43, 44, 60, 6, 17, 0xff, 0x80, 8, 4, 0x45, 0x4f, 0x60};
    unsigned by_status[7] = {};
    for (int round = 0; round < 100'000; ++round) {
        const bool v4 = random() % 2 == 0;
        const auto all = shapes(v4);
        auto packet = all[random() % all.size()].packet;
        Bytes bytes = (random() % 2 == 0 ? packet.tcp(1000, 80) : packet.udp(1000, 80))
                          .payload(Bytes(random() % 40, 1))
                          .build_ip();
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
            bytes[random() % bytes.size()] = random() % 2 == 0
                                                 ? static_cast<uint8_t>(random())
                                                 : kTypes[random() % std::size(kTypes)];
        }
        const size_t size = random() % 4 == 0 ? random() % (bytes.size() + 1) : bytes.size();
        const PacketMeta meta = quoted(bytes, size, family_of(v4));
        ++by_status[static_cast<unsigned>(meta.status)];
        if (meta.status != ParseStatus::Ok) {
            continue;
        }
        ASSERT_EQ(bytes.at(0) >> 4, v4 ? 4 : 6);
        ASSERT_LE(meta.l3_length, size);
        ASSERT_GE(meta.l4_offset, v4 ? 20 : 40);
        if (meta.has_ports) {
            ASSERT_LE(meta.l4_offset + 8U, meta.l3_length);
            ASSERT_EQ(ntohs(meta.source_port), get16(bytes, meta.l4_offset));
            ASSERT_EQ(ntohs(meta.destination_port), get16(bytes, meta.l4_offset + 2U));
            ASSERT_FALSE(meta.fragment);
        }
        if (v4) {
            ASSERT_EQ(meta.l4_offset, (bytes.at(0) & 15) * 4U);
            ASSERT_EQ(meta.protocol, bytes.at(9));
            ASSERT_EQ(meta.fragment, (get16(bytes, 6) & 0x1fff) != 0);
        }
    }
    for (const ParseStatus reached : {ParseStatus::Ok, ParseStatus::Truncated,
                                      ParseStatus::BadHeader, ParseStatus::BadExtension}) {
        EXPECT_GT(by_status[static_cast<unsigned>(reached)], 100U);
    }
}

}  // namespace
}  // namespace dlb
