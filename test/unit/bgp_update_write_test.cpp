// UPDATEs as they are written, against bytes written by hand; packing; communities as text.
#include <gtest/gtest.h>

#include "bgp/message.hpp"
#include "bgp/update.hpp"
#include "support/bgp_bytes.hpp"

namespace dlb::bgp {
namespace {

using test::bgp_message;
using test::bgp_update;
using test::hex;

Nlri nlri(const char* text, uint32_t path_id = 0) {
    return {*Prefix::parse(text), path_id};
}

Attributes external_route(const char* next_hop) {
    Attributes attributes;
    attributes.as_path = {{AsSegment::Sequence, {65021, 65021}}};
    attributes.next_hop = *IpAddress::parse(next_hop);
    return attributes;
}

std::vector<Bytes> announce(Family family, const std::vector<Nlri>& prefixes,
                            const Attributes& attributes, const UpdateFormat& format = {}) {
    auto messages = encode_announcements(family, prefixes, attributes, format);
    EXPECT_TRUE(messages.ok()) << messages.error();
    return messages.ok() ? messages.value() : std::vector<Bytes>();
}

TEST(BgpUpdateWrite, Ipv4External) {
    Attributes attributes = external_route("10.0.0.106");
    attributes.med = 5;
    attributes.communities = {65021U << 16 | 100};
    attributes.large_communities = {{65021, 1, 2}};
    attributes.extended_communities = {link_bandwidth(65021, 1e6F)};
    const Bytes expected = bgp_update(
        {},
        hex("40 01 01 00 |40 02 0a 02 02 0000fdfd 0000fdfd |40 03 04 0a00006a |80 04 04 00000005 |"
            "c0 08 04 fdfd0064 |c0 10 08 4004fdfd49742400 |c0 20 0c 0000fdfd 00000001 00000002"),
        hex("20 0a010105 18 0a0102"));
    EXPECT_EQ(announce(Family::V4, {nlri("10.1.1.5"), nlri("10.1.2.0/24")}, attributes),
              std::vector<Bytes>{bgp_message(2, expected)});
}

TEST(BgpUpdateWrite, Ipv4Internal) {
    Attributes attributes;
    attributes.next_hop = IpAddress::v4(10, 0, 0, 106);
    attributes.local_preference = 100;
    UpdateFormat format;
    format.internal = true;
    format.add_path.v4 = true;
    EXPECT_EQ(
        announce(Family::V4, {nlri("10.1.1.5", 1)}, attributes, format),
        std::vector<Bytes>{bgp_message(
            2, bgp_update({}, hex("40 01 01 00 |40 02 00 |40 03 04 0a00006a |40 05 04 00000064"),
                          hex("00000001 20 0a010105")))});
}

TEST(BgpUpdateWrite, Ipv6HasMpReachFirst) {  // RFC 7606 §5.1
    EXPECT_EQ(announce(Family::V6, {nlri("2001:db8:1::5")}, external_route("2001:db8::106")),
              std::vector<Bytes>{bgp_message(
                  2, bgp_update({},
                                hex("90 0e 0026 0002 01 10 20010db8000000000000000000000106 00 "
                                    "80 20010db8000100000000000000000005"
                                    "40 01 01 00 |40 02 0a 02 02 0000fdfd 0000fdfd"),
                                {}))});
}

TEST(BgpUpdateWrite, Ipv4OverIpv6NextHop) {  // RFC 8950 §3
    UpdateFormat format;
    const auto refused = encode_announcements(Family::V4, {nlri("10.1.1.5")},
                                              external_route("2001:db8::106"), format);
    EXPECT_NE(refused.error().find("RFC 8950"), std::string::npos);
    format.extended_next_hop = true;
    EXPECT_EQ(announce(Family::V4, {nlri("10.1.1.5")}, external_route("2001:db8::106"), format),
              std::vector<Bytes>{bgp_message(
                  2, bgp_update({},
                                hex("90 0e 001a 0001 01 10 20010db8000000000000000000000106 00 "
                                    "20 0a010105 40 01 01 00 |40 02 0a 02 02 0000fdfd 0000fdfd"),
                                {}))});
}

TEST(BgpUpdateWrite, OldSpeakersGetAsTrans) {  // RFC 6793 §4.2.2
    Attributes attributes = external_route("10.0.0.106");
    attributes.as_path = {{AsSegment::Sequence, {4200000000, 65021}}};
    UpdateFormat format;
    format.as4 = false;
    EXPECT_EQ(announce(Family::V4, {nlri("10.1.1.5")}, attributes, format),
              std::vector<Bytes>{bgp_message(
                  2, bgp_update({},
                                hex("40 01 01 00 |40 02 06 02 02 5ba0 fdfd |40 03 04 0a00006a |"
                                    "c0 11 0a 02 02 fa56ea00 0000fdfd"),
                                hex("20 0a010105")))});
}

TEST(BgpUpdateWrite, WithdrawalsAndEndOfRib) {
    const UpdateFormat format;
    EXPECT_EQ(encode_withdrawals(Family::V4, {nlri("10.1.1.5")}, format),
              std::vector<Bytes>{bgp_message(2, bgp_update(hex("20 0a010105"), {}, {}))});
    EXPECT_EQ(encode_withdrawals(Family::V6, {nlri("2001:db8::/32")}, format),
              std::vector<Bytes>{
                  bgp_message(2, bgp_update({}, hex("90 0f 0008 0002 01 20 20010db8"), {}))});
    EXPECT_EQ(encode_end_of_rib(Family::V4), bgp_message(2, hex("0000 0000")));
    EXPECT_EQ(encode_end_of_rib(Family::V6),
              bgp_message(2, bgp_update({}, hex("90 0f 0003 0002 01"), {})));
}

std::vector<Nlri> hosts(size_t count) {
    std::vector<Nlri> prefixes;
    for (size_t i = 0; i < count; ++i) {
        prefixes.push_back(
            {Prefix::host(IpAddress::v4(10, static_cast<uint8_t>(i >> 16),
                                        static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i))),
             0});
    }
    return prefixes;
}

TEST(BgpUpdateWrite, ManyPrefixesFillMessages) {
    // 19 + 4 bytes around the fields, 24 of attributes, 5 a prefix: 809 fit 4096 bytes.
    const Attributes attributes = external_route("10.0.0.106");
    EXPECT_EQ(announce(Family::V4, hosts(809), attributes).size(), 1U);
    const auto messages = announce(Family::V4, hosts(2000), attributes);
    ASSERT_EQ(messages.size(), 3U);
    std::vector<Nlri> seen;
    for (const Bytes& message : messages) {
        EXPECT_LE(message.size(), 4096U);
        const auto update = decode_update(View(message).subspan(19), {});
        ASSERT_TRUE(update.ok());
        EXPECT_EQ(update.value().attributes, attributes);
        seen.insert(seen.end(), update.value().announced.begin(), update.value().announced.end());
    }
    EXPECT_EQ(seen, hosts(2000));
    EXPECT_GT(messages[0].size(), 4096U - 5U);
    UpdateFormat extended;
    extended.limit = kExtendedMessageLimit;
    EXPECT_EQ(announce(Family::V4, hosts(2000), attributes, extended).size(), 1U);
    EXPECT_EQ(encode_withdrawals(Family::V4, hosts(2000), {}).size(), 3U);
}

TEST(BgpUpdateWrite, AttributesWithoutRoomForAPrefixAreRefused) {
    Attributes attributes = external_route("10.0.0.106");
    attributes.communities.assign(1100, 1);
    const auto refused = encode_announcements(Family::V4, {nlri("10.1.1.5")}, attributes, {});
    EXPECT_NE(refused.error().find("fewer communities"), std::string::npos);
}

TEST(BgpUpdateWrite, LongPathsAreSeveralSegments) {
    Attributes attributes = external_route("10.0.0.106");
    attributes.as_path = {{AsSegment::Sequence, std::vector<uint32_t>(300, 65021)}};
    const auto messages = announce(Family::V4, {nlri("10.1.1.5")}, attributes);
    ASSERT_EQ(messages.size(), 1U);
    const auto update = decode_update(View(messages[0]).subspan(19), {});
    ASSERT_TRUE(update.ok() && update.value().faults.empty());
    ASSERT_EQ(update.value().attributes.as_path.size(), 2U);
    EXPECT_EQ(update.value().attributes.as_path[0].numbers.size(), 255U);
    EXPECT_EQ(update.value().attributes.as_path[1].numbers.size(), 45U);
}

TEST(BgpCommunities, AsText) {
    EXPECT_EQ(parse_community("65021:100"), 65021U << 16 | 100);
    EXPECT_EQ(parse_community("graceful-shutdown"), kGracefulShutdown);
    for (const char* bad : {"", ":", "65536:1", "1:65536", "1:2:3", "1", "a:1", "1:", "-1:1"}) {
        EXPECT_FALSE(parse_community(bad)) << bad;
    }
    EXPECT_EQ(describe_community(65021U << 16 | 100), "65021:100");
    EXPECT_EQ(describe_community(kNoExport), "no-export");
    EXPECT_EQ(parse_large_community("4200000000:1:2"), (LargeCommunity{4200000000, 1, 2}));
    for (const char* bad : {"", "1:2", "1:2:3:4", "4294967296:1:2", "1::2"}) {
        EXPECT_FALSE(parse_large_community(bad)) << bad;
    }
    EXPECT_EQ(describe(LargeCommunity{1, 2, 3}), "1:2:3");
}

}  // namespace
}  // namespace dlb::bgp
