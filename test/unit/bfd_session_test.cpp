// The BFD session's state machine (RFC 5880 §6.2, §6.8.6), both sides of it.
#include "bgp/bfd_session.hpp"

#include <gtest/gtest.h>

#include "bfd_support.hpp"

namespace dlb {
namespace {

using namespace bfd_test;

constexpr auto kAdminDown = BfdState::AdminDown;
constexpr auto kDown = BfdState::Down;
constexpr auto kInit = BfdState::Init;
constexpr auto kUp = BfdState::Up;

// Our state, the state received, our next one.
TEST(BfdSession, EveryCellOfTheStateTable) {
    const BfdState table[][3] = {
        {kAdminDown, kAdminDown, kAdminDown},
        {kAdminDown, kDown, kAdminDown},
        {kAdminDown, kInit, kAdminDown},
        {kAdminDown, kUp, kAdminDown},
        {kDown, kAdminDown, kDown},
        {kDown, kDown, kInit},
        {kDown, kInit, kUp},
        {kDown, kUp, kDown},
        {kInit, kAdminDown, kDown},
        {kInit, kDown, kInit},
        {kInit, kInit, kUp},
        {kInit, kUp, kUp},
        {kUp, kAdminDown, kDown},
        {kUp, kDown, kDown},
        {kUp, kInit, kUp},
        {kUp, kUp, kUp},
    };
    for (const auto& [before, received, after] : table) {
        SCOPED_TRACE(std::string(to_string(before)) + " gets " + std::string(to_string(received)));
        Rig rig;
        rig.go_to(before);
        ASSERT_EQ(rig.session.state(), before);
        const BfdActions actions = rig.receive(received);
        EXPECT_EQ(rig.session.state(), after);
        EXPECT_EQ(actions.verdict,
                  before == kAdminDown ? BfdVerdict::AdminDown : BfdVerdict::Accepted);
        ASSERT_EQ(actions.change.has_value(), before != after);
        ASSERT_EQ(actions.send.has_value(), before != after) << "a change is told at once";
        if (actions.change) {
            EXPECT_EQ(actions.change->before, before);
            EXPECT_EQ(actions.change->after, after);
            EXPECT_EQ(actions.change->remote, received);
            EXPECT_EQ(actions.send->state, after);
            EXPECT_EQ(actions.send->your_discriminator, kTheirs);
            const bool fell = after == kDown;
            EXPECT_EQ(actions.change->diagnostic,
                      fell ? BfdDiagnostic::NeighborSignaledDown : BfdDiagnostic::None);
            EXPECT_EQ(actions.send->diagnostic, actions.change->diagnostic);
        }
    }
}

// Two sessions wired to each other, with nothing lost: what each sends the other gets.
class Pair {
  public:
    void run(microseconds duration) {
        const BfdTime end = now + duration;
        while (true) {
            const BfdTime next = std::min(a.deadline(), b.deadline());
            if (next > end) {
                break;
            }
            now = std::max(now, next);
            if (a.deadline() <= now) {
                deliver(a.on_timer(now), true);
            }
            if (b.deadline() <= now) {
                deliver(b.on_timer(now), false);
            }
        }
        now = end;
    }
    void deliver(BfdActions actions, bool from_a) {
        while (actions.send) {
            ++packets;
            if ((from_a && cut_a_to_b) || (!from_a && cut_b_to_a)) {
                return;
            }
            actions = (from_a ? b : a).on_packet(*actions.send, now);
            from_a = !from_a;
        }
    }

    BfdTime now{1h};
    BfdSession a{1, kFast, random_draw(1), now};
    BfdSession b{2, kFast, random_draw(2), now};
    bool cut_a_to_b = false, cut_b_to_a = false;
    unsigned packets = 0;
};

TEST(BfdSession, TwoOfThemComeUpAndStay) {
    Pair pair;
    pair.run(2s);
    for (const BfdSession* side : {&pair.a, &pair.b}) {
        EXPECT_EQ(side->state(), kUp);
        EXPECT_EQ(side->status().tx_interval, 50ms);
        EXPECT_EQ(side->status().detection_time, 150ms);
        EXPECT_FALSE(side->status().polling);
    }
    pair.packets = 0;
    pair.run(60s);
    EXPECT_EQ(pair.a.status().downs + pair.b.status().downs, 0U);
    // 20 a second and side at most 75 % of the interval apart: 1200 to 1600 each.
    EXPECT_GE(pair.packets, 2400U);
    EXPECT_LE(pair.packets, 3200U);
}

TEST(BfdSession, SilenceOneWayBringsBothDown) {
    Pair pair;
    pair.run(2s);
    pair.cut_a_to_b = true;
    pair.run(150ms);
    EXPECT_EQ(pair.b.state(), kDown);
    EXPECT_EQ(pair.b.status().diagnostic, BfdDiagnostic::DetectionTimeExpired);
    EXPECT_NE(pair.a.state(), kUp);
    EXPECT_EQ(pair.a.status().last_down, BfdDiagnostic::NeighborSignaledDown);
    EXPECT_EQ(pair.a.status().remote_diagnostic, BfdDiagnostic::DetectionTimeExpired);
    pair.run(10s);
    EXPECT_NE(pair.a.state(), kUp) << "b does not hear a";
    pair.cut_a_to_b = false;
    pair.run(4s);
    EXPECT_EQ(pair.a.state(), kUp);
    EXPECT_EQ(pair.b.state(), kUp);
    EXPECT_EQ(pair.a.status().diagnostic, BfdDiagnostic::None);
    EXPECT_EQ(pair.b.status().last_down, BfdDiagnostic::DetectionTimeExpired);
}

TEST(BfdSession, AdminDownIsToldAndHeld) {
    Pair pair;
    pair.run(2s);
    BfdActions down = pair.a.set_admin_down(true, pair.now);
    ASSERT_TRUE(down.change && down.send);
    EXPECT_EQ(down.send->state, kAdminDown);
    EXPECT_EQ(down.send->diagnostic, BfdDiagnostic::AdministrativelyDown);
    EXPECT_FALSE(down.send->poll);
    EXPECT_EQ(down.send->desired_min_tx, 1s);
    const BfdActions peer = pair.b.on_packet(*down.send, pair.now);
    ASSERT_TRUE(peer.change);
    EXPECT_EQ(peer.change->remote, kAdminDown) << "no failure: the consumer can tell";
    pair.run(20s);
    EXPECT_EQ(pair.a.state(), kAdminDown);
    EXPECT_EQ(pair.b.state(), kDown);
    EXPECT_EQ(pair.b.status().remote_state, kAdminDown) << "it is still told";
    EXPECT_FALSE(pair.a.set_admin_down(true, pair.now).send) << "no change, nothing to say";

    pair.deliver(pair.a.set_admin_down(false, pair.now), true);
    pair.run(3s);
    EXPECT_EQ(pair.a.state(), kUp);
    EXPECT_EQ(pair.b.state(), kUp);
    EXPECT_EQ(pair.a.status().ups, 2U);
    EXPECT_EQ(pair.a.status().downs, 1U);
}

TEST(BfdSession, AdminDownForgetsThePoll) {
    Rig rig;
    rig.come_up();
    rig.session.change({100ms, 100ms, 3}, rig.now);
    rig.run(60ms);
    ASSERT_TRUE(rig.sent.back().packet.poll);
    rig.go_to(kAdminDown);
    EXPECT_FALSE(rig.session.status().polling);
    rig.run(60s);
    EXPECT_EQ(rig.session.state(), kAdminDown) << "the silence before and after is nothing";
    EXPECT_TRUE(rig.changes.empty());
    ASSERT_EQ(rig.sent.size(), 60U);
    for (const Sent& sent : rig.sent) {
        EXPECT_EQ(sent.packet.state, kAdminDown);
        EXPECT_FALSE(sent.packet.poll);
        EXPECT_EQ(sent.packet.your_discriminator, kTheirs);
    }
    rig.receive(kDown);  // heard, and let be
    rig.take(rig.session.set_admin_down(false, rig.now));
    EXPECT_EQ(rig.session.state(), kDown);
    EXPECT_EQ(rig.sent.back().packet.your_discriminator, 0U) << "as a new session";
    EXPECT_EQ(rig.sent.back().packet.diagnostic, BfdDiagnostic::None);
    EXPECT_EQ(rig.session.status().received, 3U) << "Down, Init, Final: not what came in between";
}

TEST(BfdSession, ARestartedPeerIsMetAgain) {
    Pair pair;
    pair.run(2s);
    // It knows no discriminators and says Down.
    BfdPacket packet = from_peer(kDown);
    packet.my_discriminator = 77;
    packet.your_discriminator = 0;
    const BfdActions actions = pair.a.on_packet(packet, pair.now);
    ASSERT_TRUE(actions.change);
    EXPECT_EQ(actions.change->after, kDown);
    EXPECT_EQ(actions.send->your_discriminator, 77U);
}

TEST(BfdSession, TheRemoteDiscriminatorIsForgottenAfterSilence) {
    for (const BfdState state : {kDown, kInit, kUp}) {
        Rig rig;
        rig.go_to(state);
        if (state == kDown) {
            rig.receive(kUp);  // heard, and still Down
            ASSERT_EQ(rig.session.state(), kDown);
        }
        ASSERT_EQ(rig.session.status().remote_discriminator, kTheirs);
        rig.run(149ms);
        EXPECT_EQ(rig.session.status().remote_discriminator, kTheirs);
        rig.run(1ms);
        EXPECT_EQ(rig.session.status().remote_discriminator, 0U);
        EXPECT_EQ(rig.session.state(), kDown);
        EXPECT_EQ(rig.changes.size(), state == kDown ? 0U : 1U);
    }
}

TEST(BfdSession, SettingsOutOfRangeAreNamed) {
    EXPECT_TRUE(kFast.check().ok());
    EXPECT_TRUE((BfdSettings{10ms, 1h, 255}).check().ok());
    EXPECT_EQ((BfdSettings{9ms, 50ms, 3}).check().error(),
              "BFD: a transmit interval of 9000 us: give 10 ms to 1 h");
    EXPECT_EQ((BfdSettings{50ms, 61min, 3}).check().error(),
              "BFD: a receive interval of 3660000000 us: give 10 ms to 1 h");
    EXPECT_EQ((BfdSettings{50ms, 50ms, 0}).check().error(),
              "BFD: a multiplier of 0: give 1 to 255");
}

}  // namespace
}  // namespace dlb
