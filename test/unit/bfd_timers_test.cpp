// BFD's timers (RFC 5880 §6.8.2 to §6.8.7, §6.5) under a clock that the test turns.
#include <algorithm>

#include <gtest/gtest.h>

#include "bfd_support.hpp"
#include "bgp/bfd_session.hpp"

namespace dlb {
namespace {

using namespace bfd_test;

// The gaps between the periodic packets that were sent while the peer's came.
std::vector<microseconds> gaps(const Rig& rig) {
    std::vector<microseconds> result;
    for (size_t i = 1; i < rig.sent.size(); ++i) {
        result.push_back(
            std::chrono::duration_cast<microseconds>(rig.sent[i].at - rig.sent[i - 1].at));
    }
    return result;
}

BfdPacket final_of_peer(const BfdSettings& settings = kFast) {
    BfdPacket packet = from_peer(BfdState::Up, settings);
    packet.final = true;
    return packet;
}

TEST(BfdTimers, SlowUntilUp) {
    Rig rig(kFast, random_draw());
    rig.run(60s);
    ASSERT_GE(rig.sent.size(), 59U);
    EXPECT_LT(rig.sent.front().at, BfdTime(1h) + 1s) << "the first at any time of the first second";
    for (const Sent& sent : rig.sent) {
        EXPECT_EQ(sent.packet.state, BfdState::Down);
        EXPECT_EQ(sent.packet.desired_min_tx, 1s);
        EXPECT_EQ(sent.packet.required_min_rx, 50ms);
        EXPECT_EQ(sent.packet.required_min_echo_rx, 0s);
        EXPECT_EQ(sent.packet.multiplier, 3);
        EXPECT_EQ(sent.packet.my_discriminator, kOurs);
        EXPECT_EQ(sent.packet.your_discriminator, 0U);
        EXPECT_FALSE(sent.packet.poll || sent.packet.final || sent.packet.demand ||
                     sent.packet.authentication || sent.packet.control_plane_independent);
    }
    for (const microseconds gap : gaps(rig)) {
        EXPECT_GE(gap, 750ms);
        EXPECT_LE(gap, 1s);
    }
    Rig slower({3s, 50ms, 3});
    slower.run(10s);
    EXPECT_EQ(slower.sent.front().packet.desired_min_tx, 3s);
}

void expect_jitter(uint8_t multiplier, microseconds longest_allowed) {
    const BfdSettings settings{50ms, 50ms, multiplier};
    Rig rig(settings, random_draw());
    rig.come_up();
    rig.run(0s);
    rig.sent.clear();
    rig.run_fed(600s, 10ms, from_peer(BfdState::Up));
    const auto seen = gaps(rig);
    ASSERT_GE(seen.size(), 10'000U);
    const auto [least, most] = std::minmax_element(seen.begin(), seen.end());
    EXPECT_GE(*least, 37'500us);
    EXPECT_LE(*most, longest_allowed);
    EXPECT_LE(*least, 37'600us) << "the whole range is used";
    EXPECT_GE(*most, longest_allowed - 100us);
}

TEST(BfdTimers, JitterOver10000Packets) {
    expect_jitter(3, 50ms);
}
TEST(BfdTimers, JitterWithMultiplierOne) {
    expect_jitter(1, 45ms);
}

TEST(BfdTimers, ComingUpPollsAndSpeedsUp) {
    Rig rig;
    rig.receive(BfdState::Down);
    rig.receive(BfdState::Init);
    ASSERT_EQ(rig.session.state(), BfdState::Up);
    EXPECT_EQ(rig.sent.back().packet.desired_min_tx, 50ms);
    EXPECT_TRUE(rig.session.status().polling);
    EXPECT_EQ(rig.session.status().tx_interval, 50ms) << "a shorter interval waits for nobody";
    rig.sent.clear();
    rig.run_fed(500ms, 50ms, from_peer(BfdState::Up));
    ASSERT_EQ(rig.sent.size(), 10U) << "no packet is sent for the poll alone";
    for (const Sent& sent : rig.sent) {
        EXPECT_TRUE(sent.packet.poll) << "until a Final answers";
        EXPECT_FALSE(sent.packet.final);
    }
    rig.receive(final_of_peer());
    rig.run(50ms);
    EXPECT_FALSE(rig.sent.back().packet.poll);
}

TEST(BfdTimers, TheSlowerOfTheTwoCounts) {
    Rig rig;
    rig.come_up();
    const BfdSettings slow{200ms, 400ms, 5};
    rig.receive(from_peer(BfdState::Up, slow));
    EXPECT_EQ(rig.session.status().tx_interval, 400ms);
    EXPECT_EQ(rig.session.status().detection_time, 5 * 200ms) << "the remote's multiplier";
    rig.receive(from_peer(BfdState::Up, {10ms, 10ms, 2}));
    EXPECT_EQ(rig.session.status().tx_interval, 50ms);
    EXPECT_EQ(rig.session.status().detection_time, 2 * 50ms);
}

// §6.8.3: "the local system MUST honor the new interval immediately", the time since the last
// packet included.
TEST(BfdTimers, AShorterRemoteIntervalCountsAtOnce) {
    Rig rig;
    rig.come_up();
    const BfdSettings slow{50ms, 2s, 255};
    rig.receive(from_peer(BfdState::Up, slow));
    rig.run(2s);
    rig.sent.clear();
    rig.run(500ms);
    EXPECT_TRUE(rig.sent.empty());
    rig.receive(from_peer(BfdState::Up, {50ms, 100ms, 255}));
    rig.run(0ms);
    EXPECT_EQ(rig.sent.size(), 1U) << "due long since";
    rig.run(100ms);
    EXPECT_EQ(rig.sent.size(), 2U);
}

TEST(BfdTimers, DetectionTime) {
    for (const auto& [settings, peer, wanted] :
         {std::tuple(BfdSettings{50ms, 50ms, 3}, BfdSettings{50ms, 50ms, 3}, 150'000us),
          std::tuple(BfdSettings{50ms, 300ms, 7}, BfdSettings{50ms, 50ms, 2}, 600'000us),
          std::tuple(BfdSettings{50ms, 50ms, 7}, BfdSettings{100ms, 50ms, 10}, 1'000'000us)}) {
        Rig rig(settings);
        rig.come_up();
        rig.finish_poll(peer);
        rig.receive(from_peer(BfdState::Up, peer));
        rig.changes.clear();
        rig.run(wanted - 1us);
        EXPECT_EQ(rig.session.state(), BfdState::Up);
        rig.run(1us);
        ASSERT_EQ(rig.session.state(), BfdState::Down);
        ASSERT_EQ(rig.changes.size(), 1U);
        EXPECT_EQ(rig.changes[0].diagnostic, BfdDiagnostic::DetectionTimeExpired);
        const Sent& told = rig.sent.back();
        EXPECT_EQ(told.at, rig.now);
        EXPECT_EQ(told.packet.state, BfdState::Down);
        EXPECT_EQ(told.packet.desired_min_tx, 1s) << "slow again";
        rig.sent.clear();
        rig.run(10s);
        EXPECT_EQ(rig.sent.size(), 10U);
    }
}

TEST(BfdTimers, ASlowerTransmitIntervalWaitsForTheFinal) {
    Rig rig;
    rig.come_up();
    rig.session.change({500ms, 50ms, 3}, rig.now);
    EXPECT_EQ(rig.session.status().tx_interval, 50ms);
    rig.sent.clear();
    rig.run_fed(200ms, 50ms, from_peer(BfdState::Up));
    ASSERT_EQ(rig.sent.size(), 4U);
    EXPECT_TRUE(rig.sent.back().packet.poll);
    EXPECT_EQ(rig.sent.back().packet.desired_min_tx, 500ms) << "announced";
    rig.receive(final_of_peer());
    EXPECT_EQ(rig.session.status().tx_interval, 500ms) << "and in force";
    EXPECT_FALSE(rig.session.status().polling);
}

TEST(BfdTimers, AFasterReceiveIntervalWaitsForTheFinal) {
    const BfdSettings peer{50ms, 50ms, 3};
    Rig rig({50ms, 500ms, 3});
    rig.come_up();
    EXPECT_EQ(rig.session.status().detection_time, 1500ms);
    rig.session.change(kFast, rig.now);
    EXPECT_EQ(rig.session.status().detection_time, 1500ms) << "the peer still sends slowly";
    rig.run(60ms);
    EXPECT_EQ(rig.sent.back().packet.required_min_rx, 50ms);
    rig.receive(final_of_peer(peer));
    EXPECT_EQ(rig.session.status().detection_time, 150ms);

    rig.session.change({50ms, 400ms, 3}, rig.now);
    EXPECT_EQ(rig.session.status().detection_time, 1200ms) << "a slower one waits for nobody";
}

TEST(BfdTimers, AChangeDuringAPollStartsAnother) {
    Rig rig;
    rig.come_up();
    rig.session.change({100ms, 50ms, 3}, rig.now);
    rig.run(60ms);  // a Poll went out
    rig.session.change({200ms, 50ms, 3}, rig.now);
    rig.receive(final_of_peer());  // to the first
    EXPECT_TRUE(rig.session.status().polling);
    EXPECT_EQ(rig.session.status().tx_interval, 50ms) << "the peer may not know of 200 ms";
    rig.receive(final_of_peer());  // a second one to the first: no Poll was sent since
    EXPECT_TRUE(rig.session.status().polling);
    rig.run(60ms);
    rig.receive(final_of_peer());
    EXPECT_FALSE(rig.session.status().polling);
    EXPECT_EQ(rig.session.status().tx_interval, 200ms);
}

TEST(BfdTimers, AFinalWithoutAPollIsNothing) {
    Rig rig;
    rig.come_up();
    rig.session.change({500ms, 50ms, 3}, rig.now);
    rig.receive(final_of_peer());  // before any packet said P
    EXPECT_EQ(rig.session.status().tx_interval, 50ms);
    EXPECT_TRUE(rig.session.status().polling);
}

TEST(BfdTimers, TheMultiplierNeedsNoPoll) {
    Rig rig;
    rig.come_up();
    rig.session.change({50ms, 50ms, 9}, rig.now);
    EXPECT_FALSE(rig.session.status().polling);
    rig.run(50ms);
    EXPECT_EQ(rig.sent.back().packet.multiplier, 9);
}

TEST(BfdTimers, EachPollIsAnsweredAtOnce) {
    for (const BfdState state : {BfdState::Down, BfdState::Init, BfdState::Up}) {
        Rig rig;
        rig.go_to(state);
        BfdPacket poll = from_peer(BfdState::Up);
        poll.poll = true;
        for (int i = 0; i < 3; ++i) {
            const BfdActions actions = rig.receive(poll);
            ASSERT_TRUE(actions.send);
            EXPECT_TRUE(actions.send->final);
            EXPECT_FALSE(actions.send->poll) << "never both";
            EXPECT_EQ(actions.send->state, rig.session.state());
        }
    }
    Rig held;
    held.go_to(BfdState::AdminDown);
    BfdPacket poll = from_peer(BfdState::Down);
    poll.poll = true;
    EXPECT_FALSE(held.receive(poll).send);
}

TEST(BfdTimers, AnAnswerDoesNotDelayThePeriodicOnes) {
    Rig rig;
    rig.come_up();
    rig.run(0s);
    rig.sent.clear();
    BfdPacket poll = from_peer(BfdState::Up);
    poll.poll = true;
    rig.run_fed(1s, 10ms, poll);
    EXPECT_EQ(std::count_if(rig.sent.begin(), rig.sent.end(),
                            [](const Sent& sent) { return !sent.packet.final; }),
              20);
}

// §6.8.7: "MUST NOT periodically transmit BFD Control packets if bfd.RemoteMinRxInterval is zero".
TEST(BfdTimers, APeerThatWantsNoneGetsNone) {
    Rig rig;
    rig.come_up();
    BfdPacket quiet = from_peer(BfdState::Up);
    quiet.required_min_rx = 0s;
    rig.receive(quiet);
    rig.sent.clear();
    rig.run_fed(5s, 50ms, quiet);
    EXPECT_TRUE(rig.sent.empty());
    EXPECT_EQ(rig.session.status().tx_interval, 0s);
    quiet.poll = true;
    EXPECT_TRUE(rig.receive(quiet).send->final);
    rig.receive(BfdState::Up);
    rig.run(50ms);
    EXPECT_FALSE(rig.sent.empty()) << "wanted again";
}

TEST(BfdTimers, APeersDemandModeIsObeyed) {
    Rig rig;
    rig.come_up();
    BfdPacket demand = from_peer(BfdState::Up);
    demand.demand = true;
    rig.receive(demand);
    rig.sent.clear();
    rig.run_fed(5s, 50ms, demand);
    EXPECT_TRUE(rig.sent.empty());
    rig.session.change({100ms, 50ms, 3}, rig.now);
    rig.run_fed(200ms, 50ms, demand);
    EXPECT_FALSE(rig.sent.empty()) << "a poll is sent";
    EXPECT_TRUE(rig.sent.back().packet.poll);
    demand.final = true;
    rig.receive(demand);
    rig.sent.clear();
    rig.run_fed(1s, 50ms, demand);
    EXPECT_TRUE(rig.sent.empty());
}

// A peer that wanted no packets and fell silent may be another one when it comes back.
TEST(BfdTimers, SilenceUndoesWhatThePeerWanted) {
    Rig rig;
    rig.come_up();
    BfdPacket quiet = from_peer(BfdState::Up);
    quiet.required_min_rx = 0s;
    rig.receive(quiet);
    rig.run(150ms);
    ASSERT_EQ(rig.session.state(), BfdState::Down);
    rig.sent.clear();
    rig.run(5s);
    EXPECT_EQ(rig.sent.size(), 5U);
}

// What the peer may say at most fits the arithmetic.
TEST(BfdTimers, TheLongestIntervals) {
    Rig rig(kFast, random_draw());
    rig.come_up();
    const microseconds most(0xffffffff);
    rig.receive(from_peer(BfdState::Up, {most, most, 255}));
    EXPECT_EQ(rig.session.status().tx_interval, most);
    EXPECT_EQ(rig.session.status().detection_time, 255 * most);
    rig.run(300h);
    EXPECT_EQ(rig.session.state(), BfdState::Up);
    rig.run(10h);
    EXPECT_EQ(rig.session.state(), BfdState::Down);
}

TEST(BfdTimers, ALateTimerSendsOneNotMany) {
    Rig rig;
    rig.come_up();
    rig.receive(from_peer(BfdState::Up, {50ms, 50ms, 255}));
    rig.now += 5s;
    rig.take(rig.session.on_timer(rig.now));
    rig.sent.clear();
    rig.run(0s);
    EXPECT_TRUE(rig.sent.empty());
    rig.run(50ms);
    EXPECT_EQ(rig.sent.size(), 1U);
}

}  // namespace
}  // namespace dlb
