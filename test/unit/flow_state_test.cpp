// The life of a flow: first_state(), next_state(), reopens() and is_active() as tables.
#include "lb/flow_state.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace dlb {
namespace {

constexpr FlowState kFree = FlowState::Free, kShake = FlowState::Handshake,
                    kJoined = FlowState::Joined, kUdpNew = FlowState::UdpNew,
                    kUp = FlowState::Established, kHalf = FlowState::HalfClosed,
                    kFinished = FlowState::Fin, kReset = FlowState::Closed, kUdp = FlowState::Udp;
constexpr uint8_t kF = 0x01, kS = 0x02, kR = 0x04, kP = 0x08, kA = 0x10;

TEST(FlowState, First) {
    const struct {
        uint8_t flags;
        FlowState state;
    } cases[] = {
        {kS, kShake},      {kS | kA, kShake},    {kA, kJoined},        {kA | kP, kJoined},
        {0, kJoined},      {kF | kA, kFinished}, {kF, kFinished},      {kR, kReset},
        {kR | kA, kReset}, {kS | kR, kReset},    {kS | kF, kFinished}, {kR | kF, kReset},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(first_state(kProtocolTcp, c.flags), c.state) << unsigned{c.flags};
    }
    for (unsigned flags = 0; flags < 64; ++flags) {
        EXPECT_EQ(first_state(kProtocolUdp, static_cast<uint8_t>(flags)), kUdpNew);
    }
}

TEST(FlowState, Next) {
    const struct {
        FlowState from;
        uint8_t flags;
        FlowState by_client, by_backend;
    } cases[] = {
        {kShake, kS, kShake, kShake},
        {kShake, kS | kA, kShake, kShake},
        {kShake, kA, kUp, kShake},  // a backend's ACK proves nothing of the client
        {kShake, kA | kP, kUp, kShake},
        {kShake, 0, kShake, kShake},
        {kShake, kF | kA, kFinished, kHalf},
        {kShake, kR, kReset, kReset},
        {kJoined, kA, kUp, kUp},  // the second packet, whoever's
        {kJoined, kA | kP, kUp, kUp},
        {kJoined, kF | kA, kFinished, kHalf},
        {kJoined, kR, kReset, kReset},
        {kUp, kA, kUp, kUp},
        {kUp, kS, kUp, kUp},
        {kUp, kS | kA, kUp, kUp},
        {kUp, kF | kA, kFinished, kHalf},  // a backend that has closed still has to be heard out
        {kHalf, kA, kHalf, kHalf},
        {kHalf, kF | kA, kFinished, kHalf},
        {kHalf, kR, kReset, kReset},
        {kUp, kR, kReset, kReset},
        {kUp, kR | kA, kReset, kReset},
        {kUp, kR | kF, kReset, kReset},
        {kFinished, kA, kFinished, kFinished},
        {kFinished, kF | kA, kFinished, kFinished},
        {kFinished, kR, kReset, kReset},
        {kReset, kA, kReset, kReset},
        {kReset, kF | kA, kReset, kReset},
        {kReset, kS, kReset, kReset},
        {kReset, kR, kReset, kReset},
        {kUdpNew, 0, kUdp, kUdpNew},
        {kUdp, 0, kUdp, kUdp},
        {kUdp, kR, kUdp, kUdp},
        {kUdp, kF, kUdp, kUdp},
    };
    for (const auto& c : cases) {
        const std::string what = std::string(to_string(c.from)) + " " + std::to_string(c.flags);
        EXPECT_EQ(next_state(c.from, c.flags, true), c.by_client) << what;
        EXPECT_EQ(next_state(c.from, c.flags, false), c.by_backend) << what;
    }
}

TEST(FlowState, ReopensBySynAfterTheEnd) {
    for (unsigned flags = 0; flags < 64; ++flags) {
        const bool syn_alone = (flags & (kS | kA | kR)) == kS;
        for (const FlowState state :
             {kFree, kShake, kJoined, kUp, kHalf, kFinished, kReset, kUdpNew, kUdp}) {
            EXPECT_EQ(reopens(state, static_cast<uint8_t>(flags)),
                      syn_alone && (state == kHalf || state == kFinished || state == kReset))
                << to_string(state) << ' ' << flags;
        }
    }
}

TEST(FlowState, ActiveAndNamed) {
    std::set<std::string_view> names;
    for (unsigned state = 0; state < kFlowStates; ++state) {
        names.insert(to_string(static_cast<FlowState>(state)));
    }
    EXPECT_EQ(names.size(), kFlowStates);
    EXPECT_EQ(to_string(kUp), "established");
    EXPECT_EQ(to_string(kUdp), "udp");
    const std::set<FlowState> active = {kShake, kJoined, kUp, kHalf, kUdpNew, kUdp};
    const std::set<FlowState> half_open = {kShake, kJoined, kUdpNew, FlowState::ClientNew};
    for (unsigned number = 0; number < kFlowStates; ++number) {
        const auto state = static_cast<FlowState>(number);
        EXPECT_EQ(is_active(state), active.contains(state)) << to_string(state);
        EXPECT_EQ(is_half_open(state), half_open.contains(state)) << to_string(state);
        EXPECT_EQ(is_client(state), state == FlowState::ClientNew || state == FlowState::Client);
    }
}

TEST(FlowState, OpeningIsASynAloneOrNoTcp) {
    for (unsigned flags = 0; flags < 64; ++flags) {
        EXPECT_EQ(is_opening(kProtocolTcp, static_cast<uint8_t>(flags)),
                  (flags & (kS | kA | kR)) == kS);
        EXPECT_TRUE(is_opening(kProtocolUdp, static_cast<uint8_t>(flags)));
    }
}

}  // namespace
}  // namespace dlb
