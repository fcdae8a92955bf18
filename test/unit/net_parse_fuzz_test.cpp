// parse() on broken frames: every prefix of good ones and 100,000 mutations. Each frame lies alone
// in a heap block of its very size, so that AddressSanitizer sees a read behind it. What is taken
// as good is checked against a second, slower reading of the RFCs.
#include <algorithm>
#include <cstring>
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

PacketMeta parse_exact(const Bytes& frame, size_t size) {
    const auto block = std::make_unique<uint8_t[]>(size);
    std::copy_n(frame.begin(), size, block.get());
    return parse(block.get(), size);
}

std::vector<PacketBuilder> good_packets() {
    std::vector<PacketBuilder> packets;
    const auto v4 = PacketBuilder().ipv4("192.0.2.1", "10.1.1.1");
    const auto v6 = PacketBuilder().ipv6("2001:db8::1", "2001:db8:1::1");
    for (const PacketBuilder& base :
         {v4, PacketBuilder(v4).vlan(5), PacketBuilder(v4).options(Bytes(11, 1)), v6,
          PacketBuilder(v6).vlan(5).hop_by_hop().destination_options(2).routing(0),
          PacketBuilder(v6).fragment_header(0, false).destination_options()}) {
        packets.push_back(
            PacketBuilder(base).tcp(1000, 80).tcp_options(Bytes(12, 1)).payload("ab"));
        packets.push_back(PacketBuilder(base).udp(1000, 53).payload("abc"));
        packets.push_back(PacketBuilder(base).icmp(base.is_v4() ? 8 : 128).payload("abcd"));
    }
    packets.push_back(PacketBuilder(v4).fragment(3, true).protocol(17).payload("abcdefgh"));
    packets.push_back(PacketBuilder(v6).fragment_header(3, true).protocol(6).payload("abcdefgh"));
    packets.push_back(PacketBuilder(v4).fragment(0, true).udp(1, 2).with_udp_length(99));
    packets.push_back(
        PacketBuilder(v6).fragment_header(0, true).destination_options().tcp(1, 2).payload("abcd"));
    packets.push_back(PacketBuilder(v4).udp(1, 2).with_ether_type(0x0806));
    return packets;
}

// The transport header's place and number as at() and a plain walk find them.
struct Walk {
    size_t offset = 0;
    unsigned protocol = 0;
    bool fragment = false;
    bool later = false;  // not the first
    bool more = false;
    size_t at = 0;      // in the datagram
    size_t begin = 0;   // its part of the datagram, in the frame
    size_t before = 0;  // bytes of headers that count in the datagram's length
    bool ends = false;  // before the chain does
};

Walk walk_v6(const Bytes& frame, size_t l3, size_t end) {
    Walk walk{.offset = l3 + 40, .protocol = frame.at(l3 + 6)};
    while (walk.protocol == 0 || walk.protocol == 43 || walk.protocol == 44 ||
           walk.protocol == 60) {
        const unsigned here = walk.protocol;
        if (walk.fragment &&
            (walk.offset + 8 > end || walk.offset + 8U * (frame.at(walk.offset + 1) + 1U) > end)) {
            walk.ends = true;
            return walk;
        }
        walk.protocol = frame.at(walk.offset);
        if (here == 44) {
            const unsigned field = get16(frame, walk.offset + 2);
            walk.fragment = field >> 3 != 0 || field % 2 != 0;
            walk.more = field % 2 != 0;
            walk.at = field / 8 * 8;
            walk.before = walk.offset - l3 - 40;
            walk.offset += 8;
            walk.begin = walk.offset;
            walk.later = walk.at != 0;
            if (walk.later) {
                return walk;
            }
        } else {
            walk.offset += 8U * (frame.at(walk.offset + 1) + 1U);
        }
    }
    return walk;
}

Walk walk_v4(const Bytes& frame, size_t l3) {
    const unsigned field = get16(frame, l3 + 6);
    const size_t header = (frame.at(l3) & 15) * 4U;
    return {.offset = l3 + header,
            .protocol = frame.at(l3 + 9),
            .fragment = (field & 0x3fff) != 0,
            .later = (field & 0x1fff) != 0,
            .more = (field & 0x2000) != 0,
            .at = (field & 0x1fff) * size_t{8},
            .begin = l3 + header,
            .before = header};
}

// True: it is small enough to hide ports or flags.
bool is_tiny(const Bytes& frame, const Walk& walk, size_t end, bool v4) {
    if (walk.later) {
        return v4 && walk.protocol == 6 && walk.at == 8;
    }
    if (walk.ends || walk.protocol == 17) {
        return walk.ends || end - walk.offset < 8;
    }
    return walk.protocol == 6 &&
           (end - walk.offset < 20 || end - walk.offset < (frame.at(walk.offset + 12) >> 4) * 4U);
}

void check_fragment(const Bytes& frame, const PacketMeta& meta, const Walk& walk, size_t end,
                    bool v4) {
    ASSERT_EQ(meta.more_fragments, walk.more);
    ASSERT_EQ(meta.fragment_offset, walk.at);
    ASSERT_EQ(meta.fragment_length, end - walk.begin);
    ASSERT_GT(end, walk.begin);
    ASSERT_LE(walk.before + walk.at + end - walk.begin, 65535U);
    ASSERT_TRUE(!walk.more || (end - walk.begin) % 8 == 0);
    ASSERT_EQ(meta.tiny_fragment, is_tiny(frame, walk, end, v4));
    const size_t id = v4 ? meta.l3_offset + 4U : walk.begin - 4;
    uint32_t raw = 0;
    std::memcpy(&raw, &frame.at(id), v4 ? 2 : 4);
    ASSERT_EQ(meta.identification, raw);
}

// A second reading of a frame that parse() called good.
void check_good(const Bytes& frame, const PacketMeta& meta) {
    const bool tagged = get16(frame, 12) == 0x8100;
    const size_t l3 = tagged ? 18 : 14;
    const bool v4 = get16(frame, l3 - 2) == 0x0800;
    ASSERT_TRUE(v4 || get16(frame, l3 - 2) == 0x86dd);
    ASSERT_EQ(meta.family, v4 ? Family::V4 : Family::V6);
    ASSERT_EQ(meta.tagged, tagged);
    ASSERT_EQ(meta.vlan, tagged ? get16(frame, 14) & 0xfff : 0);
    ASSERT_EQ(meta.l3_offset, l3);
    ASSERT_EQ(frame.at(l3) >> 4, v4 ? 4 : 6);
    ASSERT_EQ(meta.l3_length, v4 ? get16(frame, l3 + 2) : 40 + get16(frame, l3 + 4));
    ASSERT_LE(l3 + meta.l3_length, frame.size());
    const size_t end = l3 + meta.l3_length;
    const Walk walk = v4 ? walk_v4(frame, l3) : walk_v6(frame, l3, end);
    ASSERT_EQ(meta.fragment, walk.fragment);
    ASSERT_EQ(meta.protocol, walk.protocol);
    ASSERT_EQ(meta.l4_offset, walk.offset);
    if (walk.fragment) {
        check_fragment(frame, meta, walk, end, v4);
    } else {
        ASSERT_EQ(meta.fragment_offset, 0);
        ASSERT_FALSE(meta.tiny_fragment);
    }
    const bool transport = walk.protocol == 6 || walk.protocol == 17;
    ASSERT_EQ(meta.has_ports, !walk.fragment && transport);
    if (transport && !walk.later && !meta.tiny_fragment) {
        ASSERT_LE(walk.offset + (walk.protocol == 6 ? 20 : 8), l3 + meta.l3_length);
        ASSERT_EQ(ntohs(meta.source_port), get16(frame, walk.offset));
        ASSERT_EQ(ntohs(meta.destination_port), get16(frame, walk.offset + 2));
        ASSERT_EQ(meta.tcp_flags, walk.protocol == 6 ? frame.at(walk.offset + 13) : 0);
    } else {
        ASSERT_EQ(meta.source_port, 0);
        ASSERT_EQ(meta.destination_port, 0);
    }
    if (v4) {
        ASSERT_EQ(test::plain_checksum(frame, l3, l3 + (frame.at(l3) & 15) * 4U), 0U);
    }
}

TEST(ParseFuzz, EveryPrefixOfGoodPacketsIsTruncated) {
    for (const PacketBuilder& packet : good_packets()) {
        const Bytes frame = packet.build();
        const bool ip = get16(frame, 12) != 0x0806;
        for (size_t size = 0; size < frame.size(); ++size) {
            const ParseStatus status = parse_exact(frame, size).status;
            ASSERT_EQ(status, ip || size < 14 ? ParseStatus::Truncated : ParseStatus::NotIp)
                << size;
        }
        const PacketMeta meta = parse_exact(frame, frame.size());
        ASSERT_EQ(meta.status, ip ? ParseStatus::Ok : ParseStatus::NotIp);
        if (ip) {
            check_good(frame, meta);
        }
    }
}

// The same with the IP length cut to fit, so that the shortness meets the inner headers.
TEST(ParseFuzz, EveryShorterPacket) {
    for (const PacketBuilder& packet : good_packets()) {
        const Bytes whole = packet.build();
        const size_t l3 = whole.size() - packet.build_ip().size();
        for (size_t length = 0; l3 + length < whole.size(); ++length) {
            const auto claimed = static_cast<uint16_t>(packet.is_v4() ? length
                                                       : length < 40  ? 0
                                                                      : length - 40);
            const Bytes frame = PacketBuilder(packet).with_ip_length(claimed).build();
            const PacketMeta meta = parse_exact(frame, l3 + length);
            if (meta.status == ParseStatus::Ok) {
                check_good({frame.begin(), frame.begin() + static_cast<ptrdiff_t>(l3 + length)},
                           meta);
            }
        }
    }
}

void mend_ipv4_checksum(Bytes& frame) {
    const size_t l3 = get16(frame, 12) == 0x8100 ? 18 : 14;
    const size_t length = (frame[l3] & 15) * 4U;
    if (get16(frame, l3 - 2) == 0x0800 && length >= 20 && l3 + length <= frame.size()) {
        test::put16(frame, l3 + 10, 0);
        test::put16(frame, l3 + 10, test::plain_checksum(frame, l3, l3 + length));
    }
}

TEST(ParseFuzz, RandomMutations) {
    std::mt19937 random(4);
    const std::vector<PacketBuilder> packets = good_packets();
    constexpr uint8_t kTypes[] = {0, 43, 44, 60, 6, 17, 1, 58, 0xff, 0x80, 8, 4};
    unsigned by_status[7] = {};
    for (int round = 0; round < 100'000; ++round) {
        Bytes frame = packets[random() % packets.size()].build();
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
            const size_t at = 12 + random() % (frame.size() - 12);
            frame[at] = random() % 2 == 0 ? static_cast<uint8_t>(random())
                                          : kTypes[random() % std::size(kTypes)];
        }
        if (random() % 4 == 0) {
            frame.resize(18 + random() % frame.size(), 0x5a);
        }
        if (frame.size() >= 40 && random() % 2 == 0) {
            mend_ipv4_checksum(frame);
        }
        const PacketMeta meta = parse_exact(frame, frame.size());
        ++by_status[static_cast<unsigned>(meta.status)];
        if (meta.status == ParseStatus::Ok) {
            check_good(frame, meta);
        }
        if (HasFatalFailure()) {
            return;
        }
    }
    for (const unsigned count : by_status) {
        EXPECT_GT(count, 100U);  // the mutations reach every end
    }
}

}  // namespace
}  // namespace dlb
