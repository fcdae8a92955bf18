// What people are told: errors with their likely cause, a neighbour's state, and never a password.
#include <gtest/gtest.h>

#include "bgp/cause.hpp"
#include "bgp/speaker.hpp"
#include "support/bgp_session_lab.hpp"

namespace dlb::bgp {
namespace {

using namespace test;

PeerConfig neighbor() {
    PeerConfig peer;
    peer.address = IpAddress::v4(10, 10, 1, 1);
    peer.asn = 65000;
    return peer;
}

Ended ended(Ended::By by, Notification notification, State state = State::Established) {
    Ended end;
    end.by = by;
    end.notification = std::move(notification);
    end.state = state;
    end.their_as = 64999;
    return end;
}

Ended transport(const char* why, State state) {
    Ended end;
    end.transport = why;
    end.state = state;
    return end;
}

std::string cause(const Ended& end, const PeerConfig& peer = neighbor()) {
    return likely_cause(end, peer, 65021);
}

constexpr auto kUs = Ended::By::Us;
constexpr auto kThem = Ended::By::Neighbor;

bool has(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

TEST(BgpCause, OfOpenErrors) {
    EXPECT_EQ(cause(ended(kUs, OpenError::BadPeerAs)),
              "the neighbour is AS 64999, its asn here is 65000");
    EXPECT_TRUE(has(cause(ended(kThem, OpenError::BadPeerAs)), "does not expect AS 65021"));
    EXPECT_TRUE(has(cause(ended(kUs, OpenError::BadIdentifier)), "router_id"));
    EXPECT_TRUE(has(cause(ended(kThem, OpenError::UnacceptableHoldTime)), "than 9 s"));
    EXPECT_TRUE(has(cause(ended(kUs, OpenError::UnsupportedCapability)), "families"));
}

TEST(BgpCause, OfConnectionsThatFail) {
    PeerConfig signs = neighbor();
    signs.password = "s3cret";
    EXPECT_TRUE(has(cause(transport("no answer", State::Connect)), "may want a TCP MD5 password"));
    EXPECT_TRUE(has(cause(transport("no answer", State::Connect), signs), "may differ"));
    EXPECT_FALSE(has(cause(transport("no answer", State::Connect), signs), "s3cret"));
    EXPECT_TRUE(has(cause(transport("Connection refused", State::Connect)), "port 179"));
    EXPECT_TRUE(has(cause(transport("No route to host", State::Connect)), "10.10.1.1"));
    EXPECT_TRUE(has(cause(transport("closed by the neighbour", State::OpenSent)), "may not know"));
}

TEST(BgpCause, OfTimersAndCeases) {
    const Notification hold(ErrorCode::HoldTimerExpired, 0);
    EXPECT_TRUE(has(cause(ended(kUs, hold)), "nothing came from the neighbour"));
    EXPECT_TRUE(has(cause(ended(kThem, hold)), "heard nothing from us"));
    EXPECT_TRUE(has(cause(ended(kUs, hold, State::OpenSent)), "no OPEN followed"));
    EXPECT_TRUE(has(cause(ended(kUs, {ErrorCode::SendHoldExpired, 0})), "stopped reading"));
    EXPECT_TRUE(has(cause(ended(kThem, Cease::MaximumPrefixes)), "maximum-prefix"));
    EXPECT_TRUE(has(cause(ended(kThem, Cease::BfdDown)), "BFD"));
    EXPECT_EQ(cause(ended(kUs, Cease::AdministrativeReset)), "");
}

TEST(BgpCause, IsFoundForEveryCodeWithoutACrash) {
    for (unsigned code = 0; code < 256; ++code) {
        for (unsigned subcode = 0; subcode < 256; ++subcode) {
            const Notification any(static_cast<ErrorCode>(code), static_cast<uint8_t>(subcode));
            EXPECT_FALSE(describe(ended(kThem, any)).empty());
            cause(ended(kUs, any));
            cause(ended(kThem, any));
        }
    }
}

SpeakerConfig speaker_config() {
    SpeakerConfig config;
    config.asn = 65021;
    config.router_id = 1;
    config.peers = {neighbor()};
    config.peers[0].passive = true;
    return config;
}

std::string start(const SpeakerConfig& config) {
    boost::asio::io_context io;
    Speaker speaker(io, config, nullptr);
    return speaker.start().error();
}

TEST(BgpSpeaker, NamesWhatCannotWork) {
    EXPECT_EQ(start(speaker_config()), "");
    SpeakerConfig config = speaker_config();
    config.router_id = 0;
    EXPECT_TRUE(has(start(config), "router_id"));
    config = speaker_config();
    config.peers[0].asn = 0;
    EXPECT_TRUE(has(start(config), "10.10.1.1 needs an asn"));
    config = speaker_config();
    config.peers[0].hold_time = 2s;
    EXPECT_TRUE(has(start(config), "hold_time is 0s, or 3s to 65535s"));
    config = speaker_config();
    config.peers.push_back(config.peers[0]);
    EXPECT_TRUE(has(start(config), "is there already"));
    config = speaker_config();
    config.peers[0].families = {false, false};
    EXPECT_TRUE(has(start(config), "needs a family"));
    config = speaker_config();
    config.dynamic = {{*Prefix::parse("10.0.0.0/8"), neighbor()}};
    EXPECT_TRUE(has(start(config), "set listen"));
    config = speaker_config();
    config.listen = {*Endpoint::parse("192.0.2.1:0")};
    EXPECT_TRUE(has(start(config), "cannot listen at 192.0.2.1:0"));
    config = speaker_config();
    config.listen = {*Endpoint::parse("127.0.0.1:0")};
    config.peers[0].password = std::string(81, 's');
    EXPECT_TRUE(has(start(config), "longer than 80 bytes"));
    EXPECT_FALSE(has(start(config), "ssss"));
}

TEST(BgpSpeaker, TellsTheState) {
    boost::asio::io_context io;
    Speaker speaker(io, speaker_config(), nullptr);
    ASSERT_TRUE(speaker.start().ok());
    const auto states = speaker.state();
    ASSERT_EQ(states.size(), 1U);
    EXPECT_EQ(states[0].state, State::Active);
    EXPECT_EQ(states[0].address.to_string(), "10.10.1.1");
    EXPECT_FALSE(states[0].hold_left);
    EXPECT_EQ(states[0].last_error, "");
    EXPECT_NE(speaker.find(IpAddress::v4(10, 10, 1, 1)), nullptr);
    EXPECT_EQ(speaker.find(IpAddress::v4(10, 10, 1, 2)), nullptr);
    EXPECT_FALSE(speaker.reset(IpAddress::v4(10, 10, 1, 2), "").ok());
}

}  // namespace
}  // namespace dlb::bgp
