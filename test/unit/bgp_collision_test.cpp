// Two connections at once: RFC 4271 §6.8, RFC 6286 §2.3, and RFC 4724 §5 for an established one.
#include <gtest/gtest.h>

#include "support/bgp_session_lab.hpp"

namespace dlb::bgp {
namespace {

using namespace test;

constexpr uint32_t kLower = 0x0a0a0101;
constexpr uint32_t kHigher = 0x0a0a0103;  // than usual_session()'s

Open open_of(uint32_t identifier, uint32_t as = 65000) {
    Open open = usual_open();
    open.identifier = identifier;
    open.as = as;
    open.capabilities.as4 = as;
    return open;
}

struct Case {
    const char* name;
    uint32_t identifier;
    bool ours_first;  // whose OPEN arrives first
    bool ours_survives;
};

class BgpCollision : public testing::TestWithParam<Case> {};

TEST_P(BgpCollision, TheHigherIdentifiersConnectionSurvives) {
    const Case& c = GetParam();
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.connected(lab.now, 1);
    const auto accepted = lab.session.accepted(lab.now);
    ASSERT_TRUE(accepted);
    EXPECT_EQ(lab.did(), "connect 1, send 1 OPEN, send 2 OPEN");
    const LinkId first = c.ours_first ? 1 : 2;
    const LinkId second = c.ours_first ? 2 : 1;
    const LinkId winner = c.ours_survives ? 1 : 2;
    const LinkId loser = c.ours_survives ? 2 : 1;
    lab.hear(first, encode_open(open_of(c.identifier)));
    EXPECT_EQ(lab.did(), "send " + std::to_string(first) + " KEEPALIVE");
    lab.hear(second, encode_open(open_of(c.identifier)));
    const std::string lost =
        "send " + std::to_string(loser) + " 6/7, close " + std::to_string(loser);
    const std::string goes_on = ", send " + std::to_string(winner) + " KEEPALIVE";
    EXPECT_EQ(lab.did(), winner == first ? lost : lost + goes_on);
    EXPECT_EQ(lab.session.state(), State::OpenConfirm);
    EXPECT_FALSE(lab.session.last_error());
    lab.hear(winner, encode_keepalive());
    EXPECT_EQ(lab.did(), "up " + std::to_string(winner));
    // Nothing is left to be tried.
    lab.session.wrote(lab.now, winner, 0);
    lab.pass(2s);
    EXPECT_EQ(lab.did(), "");
}

INSTANTIATE_TEST_SUITE_P(Rfc4271, BgpCollision,
                         testing::Values(Case{"OursIsHigherOurOpenFirst", kLower, true, true},
                                         Case{"OursIsHigherTheirOpenFirst", kLower, false, true},
                                         Case{"TheirsIsHigherOurOpenFirst", kHigher, true, false},
                                         Case{"TheirsIsHigherTheirOpenFirst", kHigher, false,
                                              false}),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(BgpCollisions, EqualIdentifiersAreDecidedByTheAs) {  // RFC 6286 §2.3
    for (const auto& [as, survivor] :
         {std::pair(64999U, LinkId{1}), std::pair(65099U, LinkId{2})}) {
        SessionConfig config = usual_session();
        config.remote_as = as;
        SessionLab lab(config);
        lab.session.start(lab.now);
        lab.session.connected(lab.now, 1);
        lab.session.accepted(lab.now);
        lab.hear(1, encode_open(open_of(config.router_id, as)));
        lab.hear(2, encode_open(open_of(config.router_id, as)));
        lab.did();
        lab.hear(survivor, encode_keepalive());
        EXPECT_EQ(lab.did(), "up " + std::to_string(survivor));
    }
}

TEST(BgpCollisions, AnEstablishedSessionIsNotTouched) {
    SessionLab lab;
    lab.establish();
    lab.now += 5s;
    const auto late = lab.session.accepted(lab.now);
    ASSERT_TRUE(late);
    lab.hear(*late, encode_open(open_of(kHigher)));
    EXPECT_EQ(lab.did(), "send 2 OPEN, send 2 6/7, close 2");
    EXPECT_EQ(lab.session.state(), State::Established);
}

Open restarting_open() {
    Open open = usual_open();
    open.capabilities.graceful_restart =
        GracefulRestart{true, false, 120s, {{unicast(Family::V4), true}}};
    return open;
}

TEST(BgpCollisions, ARestartedNeighbourReplacesItsSession) {  // RFC 4724 §5
    SessionLab lab;
    lab.establish(restarting_open());
    lab.now += 5s;
    lab.session.accepted(lab.now);
    lab.hear(2, encode_open(restarting_open()));
    EXPECT_EQ(lab.did(), "send 2 OPEN, close 1, down, send 2 KEEPALIVE");
    lab.hear(2, encode_keepalive());
    EXPECT_EQ(lab.did(), "up 2");
}

TEST(BgpCollisions, WithinASecondItIsACollisionAndNoRestart) {
    SessionLab lab;
    lab.establish(restarting_open());
    lab.now += 999ms;
    lab.session.accepted(lab.now);
    lab.hear(2, encode_open(restarting_open()));
    EXPECT_EQ(lab.did(), "send 2 OPEN, send 2 6/7, close 2");
}

TEST(BgpCollisions, AConnectionOfOursInProgressIsGivenUp) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.accepted(lab.now);
    lab.hear(2, encode_open(usual_open()));
    lab.did();
    lab.hear(2, encode_keepalive());
    EXPECT_EQ(lab.did(), "close 1, up 2");
}

TEST(BgpCollisions, ANewConnectionReplacesASilentOne) {
    SessionConfig config = usual_session();
    config.passive = true;
    SessionLab lab(config);
    lab.session.start(lab.now);
    lab.session.accepted(lab.now);
    lab.did();
    lab.session.accepted(lab.now);
    EXPECT_EQ(lab.did(), "close 1, send 2 OPEN");
    lab.hear(2, encode_open(usual_open()));
    EXPECT_FALSE(lab.session.accepted(lab.now));  // in OpenConfirm it is not silent
}

}  // namespace
}  // namespace dlb::bgp
