// UPDATEs off the wire: good ones, and each row of RFC 7606.
#include <gtest/gtest.h>

#include "bgp/update.hpp"
#include "support/bgp_bytes.hpp"

namespace dlb::bgp {
namespace {

using test::bgp_update;
using test::hex;

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

const std::string kOrigin = "40 01 01 00 ";
const std::string kPath = "40 02 06 02 01 0000fde9 ";
const std::string kNextHop = "40 03 04 0a0a0102 ";
const std::string kGood = kOrigin + kPath + kNextHop;
const std::string kNlri = "20 0a010105 18 0a0102";
const std::string kV6Route =
    "80 0e 26 0002 01 10 20010db8000000000000000000000106 00 "
    "80 20010db8000100000000000000000005 ";

UpdateFormat external() {
    return {};
}
UpdateFormat internal() {
    UpdateFormat format;
    format.internal = true;
    return format;
}

Decoded<Update> read(const std::string& attributes, const std::string& nlri = kNlri,
                     const UpdateFormat& format = external(), const std::string& withdrawn = "") {
    return decode_update(bgp_update(hex(withdrawn), hex(attributes), hex(nlri)), format);
}

TEST(BgpUpdateRead, AllAttributes) {
    const auto outcome =
        read(kGood +
                 "80 04 04 0000000a 40 05 04 00000064 40 06 00 c0 07 08 0000fde9 01020304 "
                 "c0 08 08 fde90064 ffff0000 80 09 04 01010101 80 0a 08 02020202 03030303 "
                 "c0 10 08 4004fde949742400 c0 20 0c 0000fde90000000100000002",
             kNlri, internal());
    ASSERT_TRUE(outcome.ok());
    const Update& update = outcome.value();
    EXPECT_TRUE(update.faults.empty());
    EXPECT_EQ(update.announced,
              (std::vector<Nlri>{{prefix("10.1.1.5"), 0}, {prefix("10.1.2.0/24"), 0}}));
    Attributes expected;
    expected.as_path = {{AsSegment::Sequence, {65001}}};
    expected.next_hop = IpAddress::v4(10, 10, 1, 2);
    expected.med = 10;
    expected.local_preference = 100;
    expected.atomic_aggregate = true;
    expected.aggregator = Aggregator{65001, 0x01020304};
    expected.communities = {65001U << 16 | 100, kGracefulShutdown};
    expected.originator_id = 0x01010101;
    expected.cluster_list = {0x02020202, 0x03030303};
    expected.extended_communities = {link_bandwidth(65001, 1e6F)};
    expected.large_communities = {{65001, 1, 2}};
    EXPECT_EQ(update.attributes, expected);
    EXPECT_EQ(link_bandwidth_of(update.attributes.extended_communities[0]), 1e6F);
}

TEST(BgpUpdateRead, Withdrawals) {
    const auto outcome = read("", "", external(), "20 0a010105 00");
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome.value().withdrawn,
              (std::vector<Nlri>{{prefix("10.1.1.5"), 0}, {prefix("0.0.0.0/0"), 0}}));
    EXPECT_FALSE(outcome.value().end_of_rib);
}

TEST(BgpUpdateRead, Ipv6BothWays) {
    const auto reached = read(kV6Route + kOrigin + kPath, "");
    ASSERT_TRUE(reached.ok());
    EXPECT_EQ(reached.value().announced, (std::vector<Nlri>{{prefix("2001:db8:1::5"), 0}}));
    EXPECT_EQ(reached.value().attributes.next_hop, IpAddress::parse("2001:db8::106"));
    // With a link-local address beside the global one.
    const auto two = read(
        "80 0e 2a 0002 01 20 20010db8000000000000000000000106"
        "fe800000000000000000000000000001 00 20 20010db8 " +
            kOrigin + kPath,
        "");
    ASSERT_TRUE(two.ok());
    EXPECT_EQ(two.value().attributes.next_hop, IpAddress::parse("2001:db8::106"));
    const auto withdrawn = read("80 0f 08 0002 01 20 20010db8", "");
    ASSERT_TRUE(withdrawn.ok());
    EXPECT_EQ(withdrawn.value().withdrawn, (std::vector<Nlri>{{prefix("2001:db8::/32"), 0}}));
    EXPECT_FALSE(withdrawn.value().end_of_rib);
}

TEST(BgpUpdateRead, FlagsOfMpReachAreJudgedToo) {  // RFC 7606 §3 c: its routes could be read
    std::string route = kV6Route;
    route[0] = 'c';
    const auto outcome = read(route + kOrigin + kPath, "");
    ASSERT_TRUE(outcome.ok());
    EXPECT_TRUE(outcome.value().treated_as_withdraw);
    EXPECT_EQ(outcome.value().withdrawn.size(), 1U);
}

TEST(BgpUpdateRead, EndOfRib) {
    EXPECT_EQ(read("", "").value().end_of_rib, Family::V4);
    EXPECT_EQ(read("80 0f 03 0002 01", "").value().end_of_rib, Family::V6);
    EXPECT_EQ(read("80 0f 03 0001 01", "").value().end_of_rib, Family::V4);
    EXPECT_EQ(read("80 0f 03 0019 41", "").value().end_of_rib, std::nullopt);  // L2VPN: not ours
    EXPECT_EQ(read("80 0f 03 0002 01 " + kOrigin, "").value().end_of_rib, std::nullopt);
}

TEST(BgpUpdateRead, AddPath) {  // RFC 7911 §3
    UpdateFormat format;
    format.add_path.v4 = true;
    const auto outcome =
        read(kGood, "00000007 20 0a010105 00000008 20 0a010105", format, "00000009 18 0a0102");
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome.value().announced,
              (std::vector<Nlri>{{prefix("10.1.1.5"), 7}, {prefix("10.1.1.5"), 8}}));
    EXPECT_EQ(outcome.value().withdrawn, (std::vector<Nlri>{{prefix("10.1.2.0/24"), 9}}));
}

TEST(BgpUpdateRead, Ipv4OverAnIpv6NextHopOnlyWhereNegotiated) {  // RFC 8950
    const std::string route =
        "80 0e 1a 0001 01 10 20010db8000000000000000000000106 00 20 0a010105 " + kOrigin + kPath;
    EXPECT_EQ(read(route, "").error().code, ErrorCode::UpdateMessage);
    UpdateFormat format;
    format.extended_next_hop = true;
    const auto outcome = read(route, "", format);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome.value().announced, (std::vector<Nlri>{{prefix("10.1.1.5"), 0}}));
}

TEST(BgpUpdateRead, FamiliesThatWereNotNegotiatedAreIgnored) {
    UpdateFormat format;
    format.families.v6 = false;
    const auto outcome = read(kV6Route + kOrigin + kPath, "", format);
    ASSERT_TRUE(outcome.ok());
    EXPECT_TRUE(outcome.value().announced.empty());
}

TEST(BgpUpdateRead, OldSpeakersPathsAreMerged) {  // RFC 6793 §4.2.3
    UpdateFormat old;
    old.as4 = false;
    const auto outcome = read(kOrigin + kNextHop +
                                  "40 02 08 02 03 fde9 5ba0 5ba0 "
                                  "c0 11 0a 02 02 fa56ea00 fa56ea01 "
                                  "c0 07 06 5ba0 01020304 c0 12 08 fa56ea00 01020304",
                              kNlri, old);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(describe(outcome.value().attributes.as_path), "65001 4200000000 4200000001");
    EXPECT_EQ(outcome.value().attributes.aggregator, (Aggregator{4200000000, 0x01020304}));
    // A malformed AS4_PATH is discarded (RFC 6793 §6), and a longer one ignored.
    const auto broken =
        read(kOrigin + kNextHop + "40 02 04 02 01 fde9 c0 11 03 02 02 fa", kNlri, old);
    ASSERT_TRUE(broken.ok());
    EXPECT_EQ(describe(broken.value().attributes.as_path), "65001");
    EXPECT_EQ(broken.value().faults.size(), 1U);
    EXPECT_EQ(broken.value().faults[0].remedy, Remedy::Discard);
    // New speakers' AS4_PATH is discarded.
    const auto modern = read(kGood + "c0 11 06 02 01 fa56ea00", kNlri);
    ASSERT_TRUE(modern.ok());
    EXPECT_EQ(describe(modern.value().attributes.as_path), "65001");
}

struct Row {
    const char* name;
    std::string attributes;
    bool internal = false;
};

class BgpTreatAsWithdraw : public testing::TestWithParam<Row> {};

TEST_P(BgpTreatAsWithdraw, WithdrawsWhatItAnnounces) {
    const auto outcome =
        read(GetParam().attributes, kNlri, GetParam().internal ? internal() : external());
    ASSERT_TRUE(outcome.ok()) << describe(outcome.error());
    EXPECT_TRUE(outcome.value().treated_as_withdraw);
    EXPECT_TRUE(outcome.value().announced.empty());
    EXPECT_EQ(outcome.value().withdrawn.size(), 2U);
}

TEST_P(BgpTreatAsWithdraw, ResetsWithoutARoute) {  // RFC 7606 §5.2
    const auto outcome =
        read(GetParam().attributes, "", GetParam().internal ? internal() : external());
    if (std::string(GetParam().name).starts_with("Missing")) {
        EXPECT_TRUE(outcome.ok());  // nothing was announced, so nothing is mandatory
        return;
    }
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error(), Notification(UpdateError::MalformedAttributeList));
}

const Row kWithdrawRows[] = {
    {"MissingOrigin", kPath + kNextHop},
    {"MissingAsPath", kOrigin + kNextHop},
    {"MissingNextHop", kOrigin + kPath},
    {"OriginFlags", "c0 01 01 00 " + kPath + kNextHop},
    {"CommunityFlags", kGood + "40 08 04 fde90064"},
    {"AggregatorFlags", kGood + "80 07 08 0000fde901020304"},
    {"OriginLength", "40 01 02 0000 " + kPath + kNextHop},
    {"OriginEmpty", "40 01 00 " + kPath + kNextHop},
    {"OriginValue", "40 01 01 03 " + kPath + kNextHop},
    {"PathSegmentType", kOrigin + kNextHop + "40 02 06 05 01 0000fde9"},
    {"PathConfederation", kOrigin + kNextHop + "40 02 06 03 01 0000fde9"},
    {"PathSegmentOverruns", kOrigin + kNextHop + "40 02 06 02 02 0000fde9"},
    {"PathOneByteLeft", kOrigin + kNextHop + "40 02 07 02 01 0000fde9 02"},
    {"PathEmptySegment", kOrigin + kNextHop + "40 02 02 02 00"},
    {"PathOfTwoBytesAs", kOrigin + kNextHop + "40 02 04 02 01 fde9"},
    {"NextHopLength", kOrigin + kPath + "40 03 05 0a0a010200"},
    {"MedLength", kGood + "80 04 03 000001"},
    {"LocalPreferenceLength", kGood + "40 05 03 000064", true},
    {"CommunitiesLength", kGood + "c0 08 05 fde9006400"},
    {"CommunitiesEmpty", kGood + "c0 08 00"},
    {"OriginatorLength", kGood + "80 09 05 0101010100", true},
    {"ClusterListLength", kGood + "80 0a 05 0101010100", true},
    {"ClusterListEmpty", kGood + "80 0a 00", true},
    {"ExtendedLength", kGood + "c0 10 07 4004fde9497424"},
    {"ExtendedEmpty", kGood + "c0 10 00"},
    {"Ipv6ExtendedLength", kGood + "c0 19 08 4004fde949742400"},
    {"LargeLength", kGood + "c0 20 0b 0000fde900000001000000"},
    {"LargeEmpty", kGood + "c0 20 00"},
    {"AttributeOverruns", kGood + "c0 08 08 fde90064"},
    {"AttributeHeaderCut", kGood + "c0 08"},
    {"ExtendedHeaderCut", kGood + "d0 08 00"},
};

INSTANTIATE_TEST_SUITE_P(Rfc7606, BgpTreatAsWithdraw, testing::ValuesIn(kWithdrawRows),
                         [](const auto& row) { return std::string(row.param.name); });

class BgpAttributeDiscard : public testing::TestWithParam<Row> {};

TEST_P(BgpAttributeDiscard, KeepsTheRoute) {
    const auto outcome =
        read(GetParam().attributes, kNlri, GetParam().internal ? internal() : external());
    ASSERT_TRUE(outcome.ok()) << describe(outcome.error());
    EXPECT_FALSE(outcome.value().treated_as_withdraw);
    EXPECT_EQ(outcome.value().announced.size(), 2U);
    ASSERT_EQ(outcome.value().faults.size(), 1U);
    EXPECT_EQ(outcome.value().faults[0].remedy, Remedy::Discard);
    Attributes plain;
    plain.as_path = {{AsSegment::Sequence, {65001}}};
    plain.next_hop = IpAddress::v4(10, 10, 1, 2);
    EXPECT_EQ(outcome.value().attributes, plain);
}

const Row kDiscardRows[] = {
    {"AtomicAggregateLength", kGood + "40 06 01 00"},
    {"AggregatorLength", kGood + "c0 07 06 fde901020304"},
    {"LocalPreferenceFromOutside", kGood + "40 05 04 00000064"},
    {"LocalPreferenceFromOutsideMalformed", kGood + "40 05 03 000064"},
    {"OriginatorFromOutside", kGood + "80 09 04 01010101"},
    {"ClusterListFromOutside", kGood + "80 0a 04 01010101"},
    {"As4PathFromANewSpeaker", kGood + "c0 11 06 02 01 fa56ea00"},
    {"OriginTwice", kGood + "40 01 01 02"},
};

INSTANTIATE_TEST_SUITE_P(Rfc7606, BgpAttributeDiscard, testing::ValuesIn(kDiscardRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(BgpUpdateReset, WhatRfc7606LeavesASessionReset) {
    const auto error = [](Decoded<Update> outcome) {
        EXPECT_FALSE(outcome.ok());
        return outcome.ok() ? Notification() : outcome.error();
    };
    // §3 b: lengths that leave the message.
    EXPECT_EQ(error(decode_update(hex("0001 0000"), external())),
              Notification(UpdateError::MalformedAttributeList));
    EXPECT_EQ(error(decode_update(hex("0000 0005 40 01 01"), external())),
              Notification(UpdateError::MalformedAttributeList));
    // §3 g: MP_REACH_NLRI or MP_UNREACH_NLRI twice.
    EXPECT_EQ(error(read(kV6Route + kV6Route + kOrigin + kPath, "")),
              Notification(UpdateError::MalformedAttributeList));
    EXPECT_EQ(error(read("80 0f 03 0002 01 80 0f 03 0002 01", "")),
              Notification(UpdateError::MalformedAttributeList));
    // §5.3: prefixes that are too long, or cut.
    EXPECT_EQ(error(read(kGood, "21 0a01010500")), Notification(UpdateError::InvalidNetwork));
    EXPECT_EQ(error(read(kGood, "20 0a0101")), Notification(UpdateError::InvalidNetwork));
    EXPECT_EQ(error(read("", "", external(), "21 0a01010500")),
              Notification(UpdateError::InvalidNetwork));
    // §7.11, §7.12: the attribute is quoted (RFC 4760 §7).
    for (const char* attribute : {"80 0e 04 0002 01 10", "80 0e 09 0002 01 04 0a0a0102 00",
                                  "80 0e 16 0002 01 10 20010db8000000000000000000000106 00 81",
                                  "80 0e 17 0002 01 10 20010db8000000000000000000000106 00 8120",
                                  "80 0f 02 0002", "80 0f 05 0002 01 20 20"}) {
        if (hex(attribute).size() != 3U + hex(attribute)[2]) {
            continue;  // those that overrun are §4's
        }
        EXPECT_EQ(error(read(attribute + (" " + kOrigin) + kPath, "")),
                  Notification(UpdateError::OptionalAttribute, hex(attribute)))
            << attribute;
    }
    // RFC 4271 §6.3, which RFC 7606 does not touch.
    EXPECT_EQ(error(read(kGood + "40 63 01 00")),
              Notification(UpdateError::UnrecognizedWellKnown, hex("40 63 01 00")));
}

TEST(BgpUpdateRead, UnknownOptionalAttributesAreNoFault) {
    const auto outcome = read(kGood + "c0 63 01 00 80 64 00 d0 65 0001 00");
    ASSERT_TRUE(outcome.ok());
    EXPECT_TRUE(outcome.value().faults.empty());
}

}  // namespace
}  // namespace dlb::bgp
