// The life of a flow: first_state(), next_state(), reopens() and is_active() as tables.
#include "lb/flow_state.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace dlb {
namespace {

constexpr FlowState kFree = FlowState::Free, kShake = FlowState::Handshake,
                    kUp = FlowState::Established, kHalf = FlowState::HalfClosed,
                    kFinished = FlowState::Fin, kReset = FlowState::Closed, kUdp = FlowState::Udp;
constexpr uint8_t kF = 0x01, kS = 0x02, kR = 0x04, kP = 0x08, kA = 0x10;

TEST(FlowState, First) {
    const struct {
        uint8_t flags;
        FlowState state;
    } cases[] = {
        {kS, kShake},         {kS | kA, kShake}, {kA, kUp},    {kA | kP, kUp},    {0, kUp},
        {kF | kA, kFinished}, {kF, kFinished},   {kR, kReset}, {kR | kA, kReset}, {kS | kR, kReset},
        {kS | kF, kFinished}, {kR | kF, kReset},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(first_state(kProtocolTcp, c.flags), c.state) << unsigned{c.flags};
    }
    for (unsigned flags = 0; flags < 64; ++flags) {
        EXPECT_EQ(first_state(kProtocolUdp, static_cast<uint8_t>(flags)), kUdp);
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
        for (const FlowState state : {kFree, kShake, kUp, kHalf, kFinished, kReset, kUdp}) {
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
    EXPECT_TRUE(is_active(kShake) && is_active(kUp) && is_active(kHalf) && is_active(kUdp));
    EXPECT_FALSE(is_active(kFree) || is_active(kFinished) || is_active(kReset));
}

}  // namespace
}  // namespace dlb
