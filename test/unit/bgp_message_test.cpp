// Framing, OPEN, capabilities, NOTIFICATION and ROUTE-REFRESH against bytes written by hand.
#include <gtest/gtest.h>

#include "bgp/message.hpp"
#include "support/bgp_bytes.hpp"

namespace dlb::bgp {
namespace {

using test::bgp_header;
using test::bgp_message;
using test::hex;

Notification framing_error(const Bytes& bytes, size_t limit = kMessageLimit) {
    Framer framer;
    framer.set_limit(limit);
    framer.append(bytes);
    auto outcome = framer.next();
    EXPECT_FALSE(outcome.ok());
    return outcome.ok() ? Notification() : outcome.error();
}

bool frames(const Bytes& bytes, size_t limit = kMessageLimit) {
    Framer framer;
    framer.set_limit(limit);
    framer.append(bytes);
    auto outcome = framer.next();
    return outcome.ok() && outcome.value().has_value();
}

TEST(BgpFraming, KeepaliveIsTheHeaderAlone) {
    EXPECT_EQ(encode_keepalive(), hex("ffffffffffffffffffffffffffffffff 0013 04"));
}

TEST(BgpFraming, MessagesComeWholeFromSegmentsOfOneByte) {
    const Bytes open = bgp_message(1, hex("04 fde9 005a 0a000001 00"));
    Bytes stream = open;
    const Bytes keepalive = encode_keepalive();
    stream.insert(stream.end(), keepalive.begin(), keepalive.end());
    Framer framer;
    std::vector<std::pair<MessageType, size_t>> seen;
    for (const uint8_t byte : stream) {
        framer.append(View(&byte, 1));
        auto outcome = framer.next();
        ASSERT_TRUE(outcome.ok());
        if (outcome.value()) {
            seen.emplace_back(outcome.value()->type, outcome.value()->body.size());
        }
    }
    using Seen = std::vector<std::pair<MessageType, size_t>>;
    EXPECT_EQ(seen, (Seen{{MessageType::Open, 10}, {MessageType::Keepalive, 0}}));
}

TEST(BgpFraming, SeveralMessagesInOneSegment) {
    Bytes stream;
    for (int i = 0; i < 3; ++i) {
        const Bytes keepalive = encode_keepalive();
        stream.insert(stream.end(), keepalive.begin(), keepalive.end());
    }
    Framer framer;
    framer.append(stream);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(framer.next().value().has_value());
    }
    EXPECT_FALSE(framer.next().value().has_value());
}

TEST(BgpFraming, MarkerNotOfOnesIsOneOneAsSoonAsItIsSeen) {
    EXPECT_EQ(framing_error(hex("ff fe")), Notification(HeaderError::NotSynchronized));
    Bytes late = encode_keepalive();
    late[15] = 0;
    EXPECT_EQ(framing_error(late), Notification(HeaderError::NotSynchronized));
}

TEST(BgpFraming, LengthsOutOfBoundsQuoteTheField) {
    EXPECT_EQ(framing_error(bgp_header(18, 4)), Notification(HeaderError::BadLength, hex("0012")));
    EXPECT_EQ(framing_error(bgp_header(0, 2)), Notification(HeaderError::BadLength, hex("0000")));
    EXPECT_EQ(framing_error(bgp_header(4097, 2)),
              Notification(HeaderError::BadLength, hex("1001")));
    EXPECT_EQ(framing_error(bgp_header(28, 1)), Notification(HeaderError::BadLength, hex("001c")));
    EXPECT_EQ(framing_error(bgp_header(22, 2)), Notification(HeaderError::BadLength, hex("0016")));
    EXPECT_EQ(framing_error(bgp_header(20, 3)), Notification(HeaderError::BadLength, hex("0014")));
    EXPECT_EQ(framing_error(bgp_header(20, 4)), Notification(HeaderError::BadLength, hex("0014")));
    EXPECT_EQ(framing_error(bgp_header(22, 5)), Notification(HeaderError::BadLength, hex("0016")));
}

TEST(BgpFraming, UnknownTypesQuoteTheType) {
    for (const uint8_t type : {0, 6, 9, 255}) {
        EXPECT_EQ(framing_error(bgp_header(23, type)),
                  Notification(HeaderError::BadType, Bytes{type}));
    }
}

TEST(BgpFraming, LongestMessages) {
    EXPECT_TRUE(frames(bgp_message(2, Bytes(4096 - 19, 0))));
    EXPECT_FALSE(frames(bgp_message(2, Bytes(4097 - 19, 0))));
    EXPECT_TRUE(frames(bgp_message(2, Bytes(4097 - 19, 0)), kExtendedMessageLimit));
    EXPECT_TRUE(frames(bgp_message(2, Bytes(65535 - 19, 0)), kExtendedMessageLimit));
    // RFC 8654 §4: an OPEN never grows.
    EXPECT_EQ(framing_error(bgp_header(4097, 1), kExtendedMessageLimit),
              Notification(HeaderError::BadLength, hex("1001")));
}

// What FRR 8.4 sends: one optional parameter a capability, graceful restart without families.
TEST(BgpOpen, OneParameterACapability) {
    const auto open =
        decode_open(hex("04 fde8 0009 0a0a0101 22"
                        "02 06 01 04 0001 00 01 |02 02 02 00 |02 06 41 04 0000fde8 |02 02 06 00 |"
                        "02 04 40 02 8078 |02 02 46 00"));
    ASSERT_TRUE(open.ok()) << describe(open.error());
    const Open& value = open.value();
    EXPECT_EQ(value.as, 65000U);
    EXPECT_EQ(value.hold_time.count(), 9);
    EXPECT_EQ(value.identifier, 0x0a0a0101U);
    EXPECT_EQ(value.capabilities.families, std::vector{unicast(Family::V4)});
    EXPECT_TRUE(value.capabilities.route_refresh && value.capabilities.extended_message &&
                value.capabilities.enhanced_refresh);
    ASSERT_TRUE(value.capabilities.graceful_restart);
    EXPECT_TRUE(value.capabilities.graceful_restart->restarted);
    EXPECT_FALSE(value.capabilities.graceful_restart->notification);
    EXPECT_EQ(value.capabilities.graceful_restart->time.count(), 120);
    EXPECT_TRUE(value.capabilities.graceful_restart->families.empty());
}

// What BIRD sends: all in one. AS 4200000000 with AS_TRANS before it.
const char* const kOneParameter =
    "04 5ba0 005a 01020304 44"
    "02 42"
    "01 04 0001 00 01 |01 04 0002 00 01 |02 00 |05 06 0001 0001 0002 |06 00 |"
    "40 0a c078 0001 01 80 0002 01 00 |41 04 fa56ea00 |45 08 0001 01 01 0002 01 03 |46 00 |"
    "48 0a 0102030405060708090a";

Open the_open() {
    Open open;
    open.as = 4200000000;
    open.hold_time = std::chrono::seconds(90);
    open.identifier = 0x01020304;
    Capabilities& c = open.capabilities;
    c.families = {unicast(Family::V4), unicast(Family::V6)};
    c.route_refresh = c.enhanced_refresh = c.extended_message = true;
    c.as4 = 4200000000;
    c.graceful_restart =
        GracefulRestart{true,
                        true,
                        std::chrono::seconds(120),
                        {{unicast(Family::V4), true}, {unicast(Family::V6), false}}};
    c.add_path = {{unicast(Family::V4), kAddPathReceive},
                  {unicast(Family::V6), kAddPathReceive | kAddPathSend}};
    c.extended_next_hop = {{unicast(Family::V4), 2}};
    return open;
}

TEST(BgpOpen, AllInOneParameter) {
    const auto open = decode_open(hex(kOneParameter));
    ASSERT_TRUE(open.ok()) << describe(open.error());
    Open expected = the_open();
    expected.capabilities.others = {0x48};
    EXPECT_EQ(open.value(), expected);
}

TEST(BgpOpen, IsWrittenAsTheRfcsSay) {
    const Bytes body =
        hex("04 5ba0 005a 01020304 38"
            "02 36"
            "01 04 0001 00 01 |01 04 0002 00 01 |02 00 |05 06 0001 0001 0002 |06 00 |"
            "40 0a c078 0001 01 80 0002 01 00 |41 04 fa56ea00 |45 08 0001 01 01 0002 01 03 |46 00");
    EXPECT_EQ(encode_open(the_open()), bgp_message(1, body));
}

TEST(BgpOpen, ExtendedParameterLength) {  // RFC 9072
    const auto open = decode_open(hex("04 fde8 0009 0a0a0101 ff ff 0009 02 0006 01 04 0001 00 01"));
    ASSERT_TRUE(open.ok()) << describe(open.error());
    EXPECT_EQ(open.value().capabilities.families, std::vector{unicast(Family::V4)});
}

TEST(BgpOpen, EachErrorHasItsSubcode) {
    const auto error = [](const char* body) {
        const auto open = decode_open(hex(body));
        EXPECT_FALSE(open.ok()) << body;
        return open.ok() ? Notification() : open.error();
    };
    EXPECT_EQ(error("03 fde8 005a 0a000001 00"),
              Notification(OpenError::UnsupportedVersion, hex("0004")));
    EXPECT_EQ(error("04 0000 005a 0a000001 00"), Notification(OpenError::BadPeerAs));
    EXPECT_EQ(error("04 5ba0 005a 0a000001 08 02 06 41 04 00000000"),
              Notification(OpenError::BadPeerAs));
    EXPECT_EQ(error("04 fde8 005a 00000000 00"), Notification(OpenError::BadIdentifier));
    EXPECT_EQ(error("04 fde8 005a 0a000001 03 01 01 00"),
              Notification(OpenError::UnsupportedParameter));
    EXPECT_EQ(error("04 fde8 0001 0a000001 00"), Notification(OpenError::UnacceptableHoldTime));
    EXPECT_EQ(error("04 fde8 0002 0a000001 00"), Notification(OpenError::UnacceptableHoldTime));
    // Lengths that do not fit: of all parameters, of one, of a capability, of its value.
    EXPECT_EQ(error("04 fde8 005a 0a000001 01"), Notification(OpenError::Unspecific));
    EXPECT_EQ(error("04 fde8 005a 0a000001 00 02"), Notification(OpenError::Unspecific));
    EXPECT_EQ(error("04 fde8 005a 0a000001 03 02 02 02"), Notification(OpenError::Unspecific));
    EXPECT_EQ(error("04 fde8 005a 0a000001 05 02 03 02 05 00"),
              Notification(OpenError::Unspecific));
    for (const char* capability :
         {"01 03 000100", "02 01 00", "06 01 00", "46 01 00", "41 03 000001", "40 01 00",
          "40 03 000000", "45 03 000101", "05 05 0001000100"}) {
        Bytes bytes = hex(capability);
        Bytes body = hex("04 fde8 005a 0a000001");
        body.push_back(static_cast<uint8_t>(bytes.size() + 2));
        body.push_back(2);
        body.push_back(static_cast<uint8_t>(bytes.size()));
        body.insert(body.end(), bytes.begin(), bytes.end());
        const auto open = decode_open(body);
        ASSERT_FALSE(open.ok()) << capability;
        EXPECT_EQ(open.error(), Notification(OpenError::Unspecific)) << capability;
    }
}

TEST(BgpOpen, AnAddPathModeOfTheFutureIsAsIfNotThere) {
    const auto open = decode_open(hex("04 fde8 005a 0a000001 08 02 06 45 04 0001 01 04"));
    ASSERT_TRUE(open.ok());
    EXPECT_EQ(open.value().capabilities.add_path_mode(unicast(Family::V4)), 0);
}

TEST(BgpNotification, BothWays) {
    const Notification bad_as(OpenError::BadPeerAs, hex("fde8"));
    EXPECT_EQ(encode_notification(bad_as), bgp_message(3, hex("02 02 fde8")));
    EXPECT_EQ(decode_notification(hex("02 02 fde8")), bad_as);
    EXPECT_EQ(describe(bad_as), "OPEN message: bad peer AS (2/2)");
    EXPECT_EQ(describe(Notification(ErrorCode::HoldTimerExpired, 0)), "hold timer expired (4/0)");
    EXPECT_EQ(describe(Notification(static_cast<ErrorCode>(77), 200)), "unknown error (77/200)");
    // What is quoted never makes a NOTIFICATION too long.
    EXPECT_EQ(encode_notification(Notification(HeaderError::BadType, Bytes(9000, 1))).size(),
              4096U);
}

TEST(BgpNotification, ShutdownText) {  // RFC 9003
    const auto cease = cease_with_text(Cease::AdministrativeShutdown, "bye");
    EXPECT_EQ(encode_notification(cease), bgp_message(3, hex("06 02 03 627965")));
    EXPECT_EQ(describe(cease), "Cease: administrative shutdown (6/2), \"bye\"");
    EXPECT_EQ(shutdown_text(Notification(Cease::AdministrativeShutdown, hex("05 61 0a 1b"))), "");
    EXPECT_EQ(shutdown_text(Notification(Cease::AdministrativeReset, hex("03 61 0a 1b"))), "a  ");
    EXPECT_EQ(cease_with_text(Cease::AdministrativeShutdown, "").data, Bytes());
    // 127 times é is 254 bytes; the next would be cut in its middle.
    std::string accents;
    for (int i = 0; i < 130; ++i) {
        accents += "\xc3\xa9";
    }
    EXPECT_EQ(cease_with_text(Cease::AdministrativeShutdown, accents).data.size(), 1U + 254U);
}

TEST(BgpNotification, HardResetCarriesAnother) {  // RFC 8538 §3
    const auto hard = hard_reset(cease_with_text(Cease::AdministrativeShutdown, "bye"));
    EXPECT_EQ(encode_notification(hard), bgp_message(3, hex("06 09 06 02 03 627965")));
    EXPECT_EQ(shutdown_text(hard), "bye");
    EXPECT_EQ(describe(hard),
              "Cease: hard reset (6/9) for Cease: administrative shutdown (6/2), \"bye\"");
    // Hard resets inside hard resets end.
    Notification deep = hard;
    for (int i = 0; i < 1000; ++i) {
        deep = hard_reset(deep);
    }
    EXPECT_EQ(describe(deep), "Cease: hard reset (6/9)");
}

TEST(BgpRefresh, BothWays) {
    EXPECT_EQ(encode_route_refresh({unicast(Family::V6), RefreshKind::Request}),
              bgp_message(5, hex("0002 00 01")));
    EXPECT_EQ(encode_route_refresh({unicast(Family::V4), RefreshKind::End}),
              bgp_message(5, hex("0001 02 01")));
    const auto begin = decode_route_refresh(hex("0001 01 01"));
    ASSERT_TRUE(begin.ok() && begin.value());
    EXPECT_EQ(*begin.value(), (RouteRefresh{unicast(Family::V4), RefreshKind::Begin}));
    const auto filtered = decode_route_refresh(hex("0001 00 01 01 80 0000"));
    EXPECT_TRUE(filtered.ok() && filtered.value());
    const auto reserved = decode_route_refresh(hex("0001 03 01"));
    EXPECT_TRUE(reserved.ok() && !reserved.value());
    const auto longer = decode_route_refresh(hex("0001 01 01 00"));
    ASSERT_FALSE(longer.ok());
    EXPECT_EQ(longer.error(),
              Notification(RefreshError::InvalidLength, bgp_message(5, hex("0001 01 01 00"))));
}

}  // namespace
}  // namespace dlb::bgp
