// The state machine on a clock of the test's own: the way up, timers, errors, retries, the ways
// down.
#include <gtest/gtest.h>

#include "support/bgp_bytes.hpp"
#include "support/bgp_session_lab.hpp"

namespace dlb::bgp {
namespace {

using namespace test;

TEST(BgpSession, UpByAConnectionOfOurs) {
    SessionLab lab;
    EXPECT_EQ(lab.session.state(), State::Idle);
    lab.session.start(lab.now);
    EXPECT_EQ(lab.did(), "connect 1");
    EXPECT_EQ(lab.session.state(), State::Connect);
    lab.session.connected(lab.now, 1);
    EXPECT_EQ(lab.did(), "send 1 OPEN");
    EXPECT_EQ(lab.session.state(), State::OpenSent);
    lab.hear(1, encode_open(usual_open()));
    EXPECT_EQ(lab.did(), "send 1 KEEPALIVE");
    EXPECT_EQ(lab.session.state(), State::OpenConfirm);
    lab.hear(1, encode_keepalive());
    EXPECT_EQ(lab.did(), "up 1");
    EXPECT_EQ(lab.session.state(), State::Established);
    EXPECT_EQ(lab.session.negotiated().hold_time, 9s);
}

TEST(BgpSession, PassiveWaitsForTheNeighbour) {
    SessionConfig config = usual_session();
    config.passive = true;
    SessionLab lab(config);
    lab.session.start(lab.now);
    EXPECT_EQ(lab.session.state(), State::Active);
    EXPECT_EQ(lab.session.deadline(),
              TimePoint::max());  // one in the past would keep the loop busy
    lab.pass(1h);
    EXPECT_EQ(lab.did(), "");
    const auto link = lab.session.accepted(lab.now);
    ASSERT_TRUE(link);
    EXPECT_EQ(lab.did(), "send 1 OPEN");
    lab.hear(*link, encode_open(usual_open()));
    lab.hear(*link, encode_keepalive());
    EXPECT_EQ(lab.did(), "send 1 KEEPALIVE, up 1");
}

TEST(BgpSession, RefusesBeforeStartAndAfterStop) {
    SessionLab lab;
    EXPECT_FALSE(lab.session.accepted(lab.now));
    lab.session.start(lab.now);
    lab.session.stop(lab.now, Cease::AdministrativeShutdown);
    EXPECT_EQ(lab.session.state(), State::Idle);
    EXPECT_FALSE(lab.session.accepted(lab.now));
}

TEST(BgpSession, OpenInSegmentsOfOneByte) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.connected(lab.now, 1);
    lab.did();
    for (const uint8_t byte : encode_open(usual_open())) {
        EXPECT_EQ(lab.session.state(), State::OpenSent);
        lab.hear(1, {byte});
    }
    EXPECT_EQ(lab.did(), "send 1 KEEPALIVE");
}

TEST(BgpSession, EverythingInOneSegment) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.connected(lab.now, 1);
    Bytes all = encode_open(usual_open());
    for (const Bytes& message : {encode_keepalive(), encode_end_of_rib(Family::V4)}) {
        all.insert(all.end(), message.begin(), message.end());
    }
    lab.hear(1, all);
    EXPECT_EQ(lab.did(), "connect 1, send 1 OPEN, send 1 KEEPALIVE, up 1, routes");
}

TEST(BgpTimers, KeepaliveIsAThirdOfTheNegotiatedHoldTime) {
    for (const auto theirs : {3s, 6s, 9s, 90s}) {
        SessionLab lab;
        Open open = usual_open();
        open.hold_time = theirs;
        lab.establish(open);
        const auto third =
            std::chrono::milliseconds(std::min<std::chrono::seconds>(theirs, 9s)) / 3;
        lab.pass(third - 1ms);
        EXPECT_EQ(lab.did(), "");
        lab.pass(1ms);
        EXPECT_EQ(lab.did(), "send 1 KEEPALIVE");
        lab.session.wrote(lab.now, 1, 0);
    }
}

TEST(BgpTimers, KeepaliveIsJitteredDownwards) {
    SessionLab lab;
    lab.jitter = 0.75;
    lab.establish();
    lab.pass(2250ms);
    EXPECT_EQ(lab.did(), "send 1 KEEPALIVE");
}

TEST(BgpTimers, HoldExpires) {
    SessionLab lab;
    lab.establish();
    lab.pass(5s);
    lab.hear(1, encode_keepalive());  // begins anew
    lab.did();
    lab.pass(8999ms);
    EXPECT_EQ(lab.session.state(), State::Established);
    lab.did();
    lab.pass(1ms);
    EXPECT_EQ(lab.did(), "send 1 4/0, close 1, down");
    EXPECT_EQ(lab.session.state(), State::Active);
    EXPECT_EQ(lab.session.last_error()->notification->code, ErrorCode::HoldTimerExpired);
}

TEST(BgpTimers, AnUpdateKeepsTheSessionToo) {
    SessionLab lab;
    lab.establish();
    for (int i = 0; i < 5; ++i) {
        lab.pass(8s);
        lab.session.wrote(lab.now, 1, 0);
        lab.hear(1, encode_end_of_rib(Family::V4));
    }
    EXPECT_EQ(lab.session.state(), State::Established);
}

TEST(BgpTimers, HoldTimeZeroMeansNone) {
    SessionLab lab;
    Open open = usual_open();
    open.hold_time = 0s;
    lab.establish(open);
    EXPECT_EQ(lab.session.deadline(), TimePoint::max());
    lab.pass(24h);
    EXPECT_EQ(lab.did(), "");
    EXPECT_EQ(lab.session.state(), State::Established);
}

TEST(BgpTimers, HoldRunsInOpenConfirm) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.connected(lab.now, 1);
    lab.hear(1, encode_open(usual_open()));
    lab.did();
    lab.pass(9s);
    EXPECT_EQ(lab.did(), "send 1 4/0, close 1");
}

TEST(BgpTimers, WhoSendsNoOpenIsWaitedForFourMinutes) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.connected(lab.now, 1);
    lab.did();
    lab.pass(4min - 1ms);
    EXPECT_EQ(lab.did(), "");
    lab.pass(1ms);
    EXPECT_EQ(lab.did(), "send 1 4/0, close 1");
}

TEST(BgpTimers, WhoDoesNotReadIsGivenUp) {  // RFC 9687
    SessionLab lab;
    lab.establish();
    lab.session.send(lab.now, encode_end_of_rib(Family::V4));
    EXPECT_EQ(lab.did(), "send 1 UPDATE");
    lab.session.wrote(lab.now, 1, 23);  // nothing of it left
    for (int i = 0; i < 17; ++i) {
        lab.pass(1s);
        lab.hear(1, encode_keepalive());  // it still talks
    }
    EXPECT_EQ(lab.did(), "");  // no KEEPALIVE piles up behind
    lab.pass(1s);
    EXPECT_EQ(lab.did(), "send 1 8/0, close 1, down");
}

TEST(BgpTimers, WhoReadsSlowlyIsKept) {
    SessionLab lab;
    lab.establish();
    lab.session.send(lab.now, encode_end_of_rib(Family::V4));
    for (int i = 0; i < 60; ++i) {
        lab.pass(1s);
        lab.hear(1, encode_keepalive());
        lab.session.wrote(lab.now, 1, 100);
    }
    EXPECT_EQ(lab.session.state(), State::Established);
}

std::vector<int> waits(SessionLab& lab, int tries) {
    std::vector<int> seconds;
    for (LinkId link = 1; static_cast<int>(link) <= tries; ++link) {
        lab.session.disconnected(lab.now, link, "Connection refused");
        const auto wait = lab.session.retry_at() - lab.now;
        seconds.push_back(
            static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(wait).count()));
        lab.now = lab.session.retry_at();
        lab.session.tick(lab.now);
    }
    return seconds;
}

TEST(BgpTimers, AfterATickEveryDeadlineLiesAhead) {
    for (const bool passive : {false, true}) {
        SessionConfig config = usual_session();
        config.passive = passive;
        SessionLab lab(config);
        lab.session.start(lab.now);
        for (int i = 0; i < 2000; ++i) {
            lab.pass(100ms);
            ASSERT_GT(lab.session.deadline(), lab.now) << i;
            if (i % 400 == 50) {
                if (const auto link = lab.session.accepted(lab.now)) {
                    lab.hear(*link, encode_open(usual_open()));
                    lab.hear(*link, encode_keepalive());
                }
            }
        }
    }
}

TEST(BgpRetry, DoublesUpToTheLimit) {
    SessionLab lab;
    lab.session.start(lab.now);
    EXPECT_EQ(waits(lab, 7), (std::vector<int>{1, 2, 4, 8, 16, 30, 30}));
    EXPECT_EQ(lab.session.last_error()->transport, "Connection refused");
}

TEST(BgpRetry, IsJittered) {
    SessionLab lab;
    lab.jitter = 0.75;
    lab.session.start(lab.now);
    lab.session.disconnected(lab.now, 1, "Connection refused");
    EXPECT_EQ(lab.session.retry_at() - lab.now, 750ms);
    EXPECT_EQ(lab.session.state(), State::Active);
}

TEST(BgpRetry, BeginsAnewOnlyOnceASessionStayedUp) {
    for (const auto& [up_for, wait] : {std::pair(29s, 2s), std::pair(30s, 1s)}) {
        SessionLab lab;
        lab.session.start(lab.now);
        lab.session.disconnected(lab.now, 1, "Connection refused");
        lab.now = lab.session.retry_at();
        lab.session.tick(lab.now);
        lab.session.connected(lab.now, 2);
        lab.hear(2, encode_open(usual_open()));
        lab.hear(2, encode_keepalive());
        ASSERT_EQ(lab.session.state(), State::Established);
        lab.now += up_for;  // no tick: its KEEPALIVEs do not matter here
        lab.session.disconnected(lab.now, 2, "closed by the neighbour");
        EXPECT_EQ(lab.session.retry_at() - lab.now, wait);
    }
}

TEST(BgpRetry, AConnectionThatIsNotAnsweredTimesOut) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.did();
    lab.pass(10s);
    EXPECT_EQ(lab.did(), "close 1");
    EXPECT_EQ(lab.session.last_error()->transport, "no answer");
    lab.pass(1s);
    EXPECT_EQ(lab.did(), "connect 2");
}

TEST(BgpRetry, ConnectsAgainAfterAConnectionOfTheNeighbourFailed) {
    SessionLab lab;
    lab.session.start(lab.now);
    lab.session.disconnected(lab.now, 1, "Connection refused");
    const auto link = lab.session.accepted(lab.now);
    lab.hear(*link, encode_open(usual_open()));  // OpenConfirm: no connection of ours beside it
    lab.did();
    lab.pass(1s);
    EXPECT_EQ(lab.did(), "");
    lab.session.disconnected(lab.now, *link, "closed by the neighbour");
    lab.did();
    lab.pass(2s);
    EXPECT_EQ(lab.did(), "connect 3");
}

struct Wrong {
    State state;
    Bytes message;
    Notification expected;
};

void bring_to(SessionLab& lab, State state) {
    lab.session.start(lab.now);
    lab.session.connected(lab.now, 1);
    if (state >= State::OpenConfirm) {
        lab.hear(1, encode_open(usual_open()));
    }
    if (state == State::Established) {
        lab.hear(1, encode_keepalive());
    }
    ASSERT_EQ(lab.session.state(), state);
    lab.did();
}

TEST(BgpErrors, MessagesThatTheStateDoesNotExpect) {  // RFC 6608
    const Bytes open = encode_open(usual_open());
    const Bytes update = encode_end_of_rib(Family::V4);
    const Bytes refresh = encode_route_refresh({unicast(Family::V4), RefreshKind::Request});
    const Wrong table[] = {
        {State::OpenSent, update, {StateError::InOpenSent, {2}}},
        {State::OpenSent, encode_keepalive(), {StateError::InOpenSent, {4}}},
        {State::OpenSent, refresh, {StateError::InOpenSent, {5}}},
        {State::OpenConfirm, open, {StateError::InOpenConfirm, {1}}},
        {State::OpenConfirm, update, {StateError::InOpenConfirm, {2}}},
        {State::OpenConfirm, refresh, {StateError::InOpenConfirm, {5}}},
        {State::Established, open, {StateError::InEstablished, {1}}},
    };
    for (const Wrong& wrong : table) {
        SessionLab lab;
        bring_to(lab, wrong.state);
        lab.hear(1, wrong.message);
        const std::string down = wrong.state == State::Established ? ", down" : "";
        EXPECT_EQ(lab.did(), "send 1 " + SessionLab::name(encode_notification(wrong.expected)) +
                                 ", close 1" + down);
        EXPECT_EQ(lab.last_sent, encode_notification(wrong.expected));
    }
}

TEST(BgpErrors, BrokenFramesInEachState) {
    for (const State state : {State::OpenSent, State::OpenConfirm, State::Established}) {
        SessionLab marker;
        bring_to(marker, state);
        marker.hear(1, Bytes(19, 0));
        EXPECT_EQ(marker.did().substr(0, 19), "send 1 1/1, close 1");
        SessionLab length;
        bring_to(length, state);
        length.hear(1, bgp_header(4097, 2));
        EXPECT_EQ(length.did().substr(0, 19), "send 1 1/2, close 1");
        SessionLab type;
        bring_to(type, state);
        type.hear(1, bgp_header(19, 9));
        EXPECT_EQ(type.did().substr(0, 19), "send 1 1/3, close 1");
    }
}

TEST(BgpErrors, OpensThatDoNotSuit) {
    const auto answer = [](const Open& open) {
        SessionLab lab;
        bring_to(lab, State::OpenSent);
        lab.hear(1, encode_open(open));
        EXPECT_EQ(lab.session.state(), State::Active);
        lab.did();
        return lab.last_sent;
    };
    Open open = usual_open();
    open.as = 65001;
    open.capabilities.as4 = 65001;
    EXPECT_EQ(answer(open), encode_notification(OpenError::BadPeerAs));
    open = usual_open();
    open.version = 3;
    EXPECT_EQ(answer(open), encode_notification({OpenError::UnsupportedVersion, {0, 4}}));
    open = usual_open();
    open.hold_time = 2s;
    EXPECT_EQ(answer(open), encode_notification(OpenError::UnacceptableHoldTime));
    open = usual_open();
    open.identifier = 0;
    EXPECT_EQ(answer(open), encode_notification(OpenError::BadIdentifier));
    open = usual_open();
    open.capabilities.families = {{25, 65}};
    EXPECT_EQ(answer(open), encode_notification({OpenError::UnsupportedCapability,
                                                 hex("01 04 0001 00 01 01 04 0002 00 01")}));
}

TEST(BgpErrors, OwnIdentifierWithinOneAs) {  // RFC 6286 §2.2
    Open open = usual_open();
    open.identifier = usual_session().router_id;
    SessionLab other_as;
    bring_to(other_as, State::OpenSent);
    other_as.hear(1, encode_open(open));
    EXPECT_EQ(other_as.session.state(), State::OpenConfirm);
    SessionConfig config = usual_session();
    config.remote_as = config.local_as;
    SessionLab same_as(config);
    bring_to(same_as, State::OpenSent);
    open.as = config.local_as;
    open.capabilities.as4 = open.as;
    same_as.hear(1, encode_open(open));
    EXPECT_EQ(same_as.did(), "send 1 2/3, close 1");
}

TEST(BgpErrors, ANotificationIsNotAnswered) {
    SessionLab lab;
    lab.establish();
    lab.hear(1, encode_notification(cease_with_text(Cease::AdministrativeShutdown, "bye")));
    EXPECT_EQ(lab.did(), "close 1, down");
    EXPECT_EQ(lab.session.last_error()->by, Ended::By::Neighbor);
    EXPECT_EQ(shutdown_text(*lab.session.last_error()->notification), "bye");
    EXPECT_EQ(lab.session.flaps(), 1U);
}

TEST(BgpErrors, MalformedUpdates) {
    SessionLab lab;
    lab.establish();
    lab.hear(1, bgp_message(2, bgp_update({}, hex("40 01 01 07"), hex("20 0a010105"))));
    EXPECT_EQ(lab.did(), "routes");  // RFC 7606: treated as withdrawn
    EXPECT_EQ(lab.session.treated_as_withdraw(), 1U);
    lab.hear(1, bgp_message(2, bgp_update({}, {}, hex("21 0a01010500"))));
    EXPECT_EQ(lab.did(), "send 1 3/10, close 1, down");
}

TEST(BgpExtendedMessages, LimitFollowsWhatWasOffered) {  // RFC 8654
    Bytes withdrawn;
    for (int i = 0; i < 1000; ++i) {
        withdrawn.insert(withdrawn.end(),
                         {0x20, 10, 1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
    }
    const Bytes message = bgp_message(2, bgp_update(withdrawn, {}, {}));
    ASSERT_GT(message.size(), 4096U);
    SessionLab plain;
    plain.establish();
    plain.hear(1, message);
    EXPECT_EQ(plain.did(), "send 1 1/2, close 1, down");
    SessionConfig config = usual_session();
    config.capabilities.extended_message = true;
    SessionLab extended(config);
    extended.establish();
    extended.hear(1, message);
    EXPECT_EQ(extended.did(), "routes");
    EXPECT_EQ(extended.session.negotiated().send.limit, 4096U);  // the neighbour did not offer it
}

GracefulRestart restart_capability(bool notification) {
    return {false, notification, 120s, {{unicast(Family::V4), true}}};
}

TEST(BgpShutdown, StopTellsWhy) {
    SessionLab lab;
    lab.establish();
    lab.session.stop(lab.now, cease_with_text(Cease::AdministrativeShutdown, "maintenance"));
    EXPECT_EQ(lab.did(), "send 1 6/2, close 1, down");
    EXPECT_EQ(lab.session.state(), State::Idle);
    lab.pass(1h);
    EXPECT_EQ(lab.did(), "");
    lab.session.start(lab.now);
    EXPECT_EQ(lab.did(), "connect 2");
}

TEST(BgpShutdown, StopIsAHardResetWhereACeaseWouldBeSurvived) {  // RFC 8538
    for (const auto& [ours, theirs, expected] :
         {std::tuple(true, true, "6/9"), std::tuple(true, false, "6/2"),
          std::tuple(false, true, "6/2")}) {
        SessionConfig config = usual_session();
        config.capabilities.graceful_restart = restart_capability(ours);
        SessionLab lab(config);
        Open open = usual_open();
        open.capabilities.graceful_restart = restart_capability(theirs);
        lab.establish(open);
        lab.session.stop(lab.now, cease_with_text(Cease::AdministrativeShutdown, "bye"));
        EXPECT_EQ(lab.did(), std::string("send 1 ") + expected + ", close 1, down");
    }
}

TEST(BgpShutdown, StopInEachState) {
    SessionLab connecting;
    connecting.session.start(connecting.now);
    connecting.did();
    connecting.session.stop(connecting.now, Cease::AdministrativeShutdown);
    EXPECT_EQ(connecting.did(), "close 1");
    for (const State state : {State::OpenSent, State::OpenConfirm}) {
        SessionLab lab;
        bring_to(lab, state);
        lab.session.stop(lab.now, Cease::AdministrativeShutdown);
        EXPECT_EQ(lab.did(), "send 1 6/2, close 1");
    }
}

TEST(BgpShutdown, AbandonSaysNothing) {  // RFC 4724 §4
    SessionLab lab;
    lab.establish();
    lab.session.abandon(lab.now);
    EXPECT_EQ(lab.did(), "close 1, down");
    EXPECT_EQ(lab.session.state(), State::Idle);
}

}  // namespace
}  // namespace dlb::bgp
