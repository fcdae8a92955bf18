// find_moves() against an independent count of where flows go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/changes.hpp"
#include "lb/maglev.hpp"

namespace dlb {
namespace {

using testing::IsEmpty;

ServiceConfig service(unsigned backends, SchedulerKind scheduler = SchedulerKind::Maglev) {
    ServiceConfig config;
    config.name = "web";
    config.vip = {Prefix::parse("10.1.1.1").value()};
    config.scheduler = scheduler;
    for (unsigned n = 0; n < backends; ++n) {
        BackendConfig backend;
        backend.address =
            IpAddress::parse("10.0." + std::to_string(n / 200) + "." + std::to_string(n % 200 + 1))
                .value();
        backend.port = 80;
        config.backends.push_back(backend);
    }
    return config;
}

LbState state(const ServiceConfig& config) {
    LbState state;
    state.services.push_back({config, {}});
    return state;
}

FlowMove move(const ServiceConfig& now, const ServiceConfig& next) {
    const std::vector<FlowMove> moves = find_moves(state(now), state(next));
    EXPECT_LE(moves.size(), 1U);
    return moves.empty() ? FlowMove{} : moves[0];
}

// What a worker does with a hash: the Scheduler's own arithmetic on a table of its own.
double count_moved(const ServiceConfig& now, const ServiceConfig& next) {
    const auto table = [](const ServiceConfig& config) {
        std::vector<MaglevMember> members;
        for (const BackendConfig& backend : config.backends) {
            members.push_back({{}, backend.endpoint(), backend.weight});
        }
        return MaglevTable(members);
    };
    const auto endpoint = [](const MaglevTable& table, uint64_t hash) {
        return table.members()[table.slots()[hash_share(hash, table.size())]].endpoint;
    };
    const MaglevTable before = table(now);
    const MaglevTable after = table(next);
    constexpr int kFlows = 200'000;
    int moved = 0;
    for (uint64_t flow = 0; flow < kFlows; ++flow) {
        const uint64_t hash = XXH3_64bits(&flow, sizeof flow);
        moved += endpoint(before, hash) != endpoint(after, hash);
    }
    return static_cast<double>(moved) / kFlows;
}

TEST(Moves, MaglevAgreesWithACountOfFlows) {
    const ServiceConfig three = service(3);
    ServiceConfig two = three;
    two.backends.erase(two.backends.begin() + 1);
    ServiceConfig weighted = three;
    weighted.backends[0].weight = 5;
    for (const auto& [now, next] :
         {std::pair{three, two}, {two, three}, {three, weighted}, {service(100), service(99)}}) {
        EXPECT_NEAR(move(now, next).new_flows, count_moved(now, next), 0.005);
    }
    EXPECT_NEAR(move(three, two).new_flows, 1.0 / 3, 0.03);
}

// From 656 backends on the table is larger.
TEST(Moves, TablesOfTwoSizes) {
    const ServiceConfig fewer = service(655);
    const ServiceConfig more = service(656);
    EXPECT_NEAR(move(fewer, more).new_flows, count_moved(fewer, more), 0.005);
}

TEST(Moves, TurnsMoveWhatLosesItsShare) {
    const ServiceConfig four = service(4, SchedulerKind::Rr);
    ServiceConfig three = four;
    three.backends.pop_back();
    EXPECT_DOUBLE_EQ(move(four, three).new_flows, 0.25);
    ServiceConfig weighted = four;
    weighted.backends[0].weight = 5;  // which rr does not look at
    EXPECT_DOUBLE_EQ(move(four, weighted).new_flows, 0);
    ServiceConfig by_weight = four;
    by_weight.scheduler = SchedulerKind::Wrr;
    weighted.scheduler = SchedulerKind::Wrr;
    EXPECT_DOUBLE_EQ(move(by_weight, weighted).new_flows, 3.0 / 4 - 3.0 / 8);
}

TEST(Moves, AnotherSchedulerThanAHashKnowsNothingOfIt) {
    EXPECT_DOUBLE_EQ(move(service(4), service(4, SchedulerKind::Rr)).new_flows, 0.75);
    EXPECT_DOUBLE_EQ(move(service(4), service(4, SchedulerKind::Sh)).new_flows, 0.75);
}

TEST(Moves, DrainingAndWeightZeroTakeNoFlows) {
    const ServiceConfig two = service(2, SchedulerKind::Rr);
    LbState drained = state(two);
    drained.services[0].draining.insert(two.backends[0].endpoint());
    EXPECT_DOUBLE_EQ(find_moves(drained, state(two))[0].new_flows, 0.5);
    ServiceConfig none = two;
    none.backends[0].weight = none.backends[1].weight = 0;
    EXPECT_DOUBLE_EQ(move(two, none).new_flows, 1);
    EXPECT_THAT(find_moves(state(none), state(two)), IsEmpty());  // nobody had them
}

TEST(Moves, SaysWhatBecomesOfKnownFlows) {
    const ServiceConfig four = service(4, SchedulerKind::Rr);
    ServiceConfig three = four;
    three.backends.pop_back();
    EXPECT_EQ(move(four, three).to_string(),
              "web: 25.0 % of new flows go elsewhere; flows known to the table stay, but for those "
              "of 1 backend that goes");
    ServiceConfig stateless = three;
    stateless.sticky = false;
    EXPECT_THAT(move(four, stateless).to_string(),
                testing::HasSubstr("it keeps no flow table, so running flows move alike"));
    ServiceConfig tunnel = four;
    tunnel.mode = Mode::Ipip;
    EXPECT_TRUE(move(four, tunnel).restarts);
    EXPECT_THAT(move(four, tunnel).to_string(), testing::HasSubstr("no flow goes on"));
}

TEST(Moves, UntouchedServicesAreLeftOut) {
    ServiceConfig other = service(3);
    other.max_new_flows = 7;
    EXPECT_THAT(find_moves(state(service(3)), state(other)), IsEmpty());
}

}  // namespace
}  // namespace dlb
