// Schedulers as FlowEngine uses them: over one worker and over four, with weights, bounds and
// backends that come and go.
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "lb/turns.hpp"
#include "support/datapath_bench.hpp"

namespace dlb {
namespace {

using test::DatapathBench;
using test::ip;
using test::kAck;
using test::kFin;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::service;

// Every test runs for both families: parameter.
class Schedulers : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string host(unsigned n) const {
        return (v4() ? "172.16.0." : "2001:db8:16::") + std::to_string(n);
    }
    std::string endpoint(unsigned n) const {
        return v4() ? host(n) + ":80" : "[" + host(n) + "]:80";
    }
    // Backends 1, 2, … with these weights.
    ServiceConfig web(SchedulerKind scheduler, const std::vector<uint32_t>& weights) const {
        ServiceConfig config =
            service({"web", {v4() ? "10.1.1.1" : "2001:db8:1::1"}, {80}, {}, Mode::Nat});
        config.scheduler = scheduler;
        for (unsigned n = 1; n <= weights.size(); ++n) {
            config.backends.push_back(test::backend(endpoint(n), weights[n - 1]));
        }
        return config;
    }
    PacketBuilder from(uint16_t port, uint8_t flags = kSyn, unsigned client = 1) const {
        const std::string address = (v4() ? "192.0.2." : "2001:db8:99::") + std::to_string(client);
        return PacketBuilder()
            .ipv4(address, v4() ? "10.1.1.1" : "2001:db8:1::1")
            .tcp(port, 80, flags);
    }
    std::vector<std::string> serve(DatapathBench& bench, unsigned count, uint16_t first = 1) const {
        std::vector<std::string> chosen;
        for (unsigned n = 0; n < count; ++n) {
            chosen.push_back(bench.send(from(static_cast<uint16_t>(first + n))));
        }
        return chosen;
    }
    static std::map<std::string, unsigned> tally(const std::vector<std::string>& chosen) {
        std::map<std::string, unsigned> counts;
        for (const std::string& one : chosen) {
            ++counts[one];
        }
        return counts;
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Schedulers, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(Schedulers, RoundRobinTakesTurnsWhateverTheWeights) {
    DatapathBench bench({web(SchedulerKind::Rr, {1, 5, 2})});
    EXPECT_EQ(serve(bench, 7),
              (std::vector<std::string>{endpoint(1), endpoint(2), endpoint(3), endpoint(1),
                                        endpoint(2), endpoint(3), endpoint(1)}));
    EXPECT_EQ(bench.send(from(1, kAck)), endpoint(1));  // a known flow takes no turn
    EXPECT_EQ(bench.send(from(100)), endpoint(2));
    // What takes no new flows has no turn.
    bench.replace({web(SchedulerKind::Rr, {1, 0, 2})});
    EXPECT_EQ(tally(serve(bench, 10, 200)),
              (std::map<std::string, unsigned>{{endpoint(1), 5}, {endpoint(3), 5}}));
}

TEST_P(Schedulers, WeightedRoundRobinGivesEachItsShareInEveryPass) {
    DatapathBench bench({web(SchedulerKind::Wrr, {10, 30, 20})});
    for (uint16_t pass = 0; pass < 5; ++pass) {
        EXPECT_EQ(tally(serve(bench, 6, static_cast<uint16_t>(1 + pass * 6))),
                  (std::map<std::string, unsigned>{
                      {endpoint(1), 1}, {endpoint(2), 3}, {endpoint(3), 2}}));
    }
}

TEST(Turns, AreExactMixedAndBounded) {
    EXPECT_EQ(make_turns(std::vector<uint32_t>{1, 1, 1}), (std::vector<uint16_t>{0, 1, 2}));
    // Heavy and light take turns: the heavy one never three times running here.
    EXPECT_EQ(make_turns(std::vector<uint32_t>{4, 2}), (std::vector<uint16_t>{0, 0, 1}));
    const auto huge = make_turns(std::vector<uint32_t>{65535, 1, 32768});
    EXPECT_LE(huge.size(), kMostTurns + 3);
    std::vector<unsigned> counts(3);
    for (const uint16_t turn : huge) {
        ++counts.at(turn);
    }
    EXPECT_GE(counts[1], 1U);
    EXPECT_NEAR(counts[0], 2.0 * counts[2], 8);
}

TEST_P(Schedulers, SourceHashingKeepsAClientAndSpreadsClients) {
    DatapathBench bench({web(SchedulerKind::Sh, {1, 1, 1, 1})});
    std::map<std::string, unsigned> spread;
    for (unsigned client = 1; client <= 200; ++client) {
        std::set<std::string> chosen;
        for (uint16_t port = 1; port <= 5; ++port) {
            chosen.insert(bench.send(from(port, kSyn, client)));
        }
        EXPECT_EQ(chosen.size(), 1U) << client;
        ++spread[*chosen.begin()];
    }
    ASSERT_EQ(spread.size(), 4U);
    for (const auto& [backend, count] : spread) {
        EXPECT_NEAR(count, 50, 30) << backend;
    }
}

TEST_P(Schedulers, RandomGoesByWeight) {
    DatapathBench bench({web(SchedulerKind::Random, {1, 3})}, 16384);
    const auto counts = tally(serve(bench, 8000));
    EXPECT_NEAR(counts.at(endpoint(1)), 2000, 200);  // σ is 39
    EXPECT_NEAR(counts.at(endpoint(2)), 6000, 200);
}

TEST_P(Schedulers, LeastConnectionsEvensOut) {
    DatapathBench bench({web(SchedulerKind::Lc, {1, 1, 1})});
    const auto chosen = serve(bench, 30);
    EXPECT_EQ(tally(chosen), (std::map<std::string, unsigned>{
                                 {endpoint(1), 10}, {endpoint(2), 10}, {endpoint(3), 10}}));
    // All of the second's end: the next ones go there.
    for (uint16_t port = 1; port <= 30; ++port) {
        if (chosen[port - 1] == endpoint(2)) {
            bench.send(from(port, kFin | kAck));
        }
    }
    EXPECT_EQ(bench.active(endpoint(2)), 0U);
    EXPECT_EQ(tally(serve(bench, 10, 100)), (std::map<std::string, unsigned>{{endpoint(2), 10}}));
}

TEST_P(Schedulers, WeightedLeastConnectionsKeepsTheProportion) {
    DatapathBench bench({web(SchedulerKind::Wlc, {1, 2, 5})});
    EXPECT_EQ(
        tally(serve(bench, 80)),
        (std::map<std::string, unsigned>{{endpoint(1), 10}, {endpoint(2), 20}, {endpoint(3), 50}}));
}

// More members than are looked at together.
TEST_P(Schedulers, LeastConnectionsOverManyMembers) {
    constexpr unsigned kMembers = 200;
    DatapathBench bench({web(SchedulerKind::Lc, std::vector<uint32_t>(kMembers, 1))}, 8192);
    const auto counts = tally(serve(bench, 10 * kMembers));
    ASSERT_EQ(counts.size(), kMembers);
    for (const auto& [backend, count] : counts) {
        EXPECT_NEAR(count, 10, 1) << backend;
    }
}

// Workers that see each other's counters, as WorkerPool sets them up.
struct Group {
    Group(const ServiceConfig& config, unsigned workers, uint32_t capacity = 16384) {
        std::vector<const TableCounters*> peers;
        for (unsigned id = 0; id < workers; ++id) {
            members.push_back(std::make_unique<DatapathBench>(
                std::vector<ServiceConfig>{config}, capacity, WorkerIdentity{id, workers}));
            peers.push_back(&members.back()->by_table);
        }
        for (const auto& member : members) {
            member->engine.set_peers(peers);
        }
    }
    uint32_t active(const std::string& endpoint) const {
        uint32_t sum = 0;
        for (const auto& member : members) {
            sum += member->active(endpoint);
        }
        return sum;
    }
    std::vector<std::unique_ptr<DatapathBench>> members;
};

// 10,000 connections over four workers, to which they come unevenly, while others end.
TEST_P(Schedulers, LeastConnectionsOverFourWorkersWithinTwoPercent) {
    constexpr unsigned kBackends = 7;
    Group group(web(SchedulerKind::Lc, std::vector<uint32_t>(kBackends, 1)), 4);
    std::mt19937 random(4);
    std::vector<std::pair<unsigned, uint16_t>> open;
    unsigned opened = 0;
    const auto begin = [&] {
        const unsigned share = random() % 10;
        const unsigned worker = share < 6 ? 0 : share < 8 ? 1 : share < 9 ? 2 : 3;
        const auto port = static_cast<uint16_t>(1 + opened++);
        group.members[worker]->send(from(port));
        group.members[worker]->send(from(port, kAck));
        open.emplace_back(worker, port);
    };
    while (open.size() < 10'000) {
        begin();
        begin();
        const size_t which = random() % open.size();
        group.members[open[which].first]->send(from(open[which].second, kRst));
        open[which] = open.back();
        open.pop_back();
    }
    // One that ends at random leaves a hole; the next ones fill it.
    for (unsigned n = 1; n <= kBackends; ++n) {
        EXPECT_NEAR(group.active(endpoint(n)), 10'000.0 / kBackends, 0.02 * 10'000 / kBackends)
            << endpoint(n);
    }
}

TEST_P(Schedulers, WorkersTakeTurnsFromDifferentMembers) {
    Group group(web(SchedulerKind::Rr, {1, 1, 1, 1}), 4);
    std::set<std::string> first;
    for (const auto& member : group.members) {
        first.insert(member->send(from(1)));
    }
    EXPECT_EQ(first.size(), 4U);
}

TEST_P(Schedulers, AFullBackendIsPassedOverByEachScheduler) {
    for (const SchedulerKind kind :
         {SchedulerKind::Maglev, SchedulerKind::Rr, SchedulerKind::Wrr, SchedulerKind::Lc,
          SchedulerKind::Wlc, SchedulerKind::Sh, SchedulerKind::Random}) {
        auto config = web(kind, {1, 3, 1});
        config.backends[1].max_connections = 2;
        Group group(config, 2);
        for (unsigned n = 0; n < 100; ++n) {
            group.members[n % 2]->send(from(static_cast<uint16_t>(1 + n), kSyn, 1 + n));
        }
        EXPECT_EQ(group.active(endpoint(2)), 2U) << to_string(kind);
        EXPECT_EQ(group.active(endpoint(1)) + group.active(endpoint(3)), 98U) << to_string(kind);
    }
}

TEST_P(Schedulers, AllFullIsANamedFailureUntilOneEnds) {
    for (const SchedulerKind kind :
         {SchedulerKind::Maglev, SchedulerKind::Wrr, SchedulerKind::Lc}) {
        auto config = web(kind, {1, 1});
        for (BackendConfig& backend : config.backends) {
            backend.max_connections = 3;
        }
        DatapathBench bench({config});
        const auto counts = tally(serve(bench, 10));
        EXPECT_EQ(counts, (std::map<std::string, unsigned>{
                              {endpoint(1), 3}, {endpoint(2), 3}, {"backends_full", 4}}))
            << to_string(kind);
        EXPECT_EQ(bench.peek(from(500)).failure, Verdict::BackendsFull);
        bench.send(from(1, kRst));
        bench.now_ms += 1;
        EXPECT_EQ(bench.send(from(501)).find("backends_full"), std::string::npos);
        EXPECT_EQ(bench.active(endpoint(1)), 3U);
        EXPECT_EQ(bench.active(endpoint(2)), 3U);
    }
}

// What members of a group do that never met the flow: they have only its hash.
TEST_P(Schedulers, WithoutASynEveryMemberGoesByHash) {
    DatapathBench maglev({web(SchedulerKind::Maglev, {1, 1, 1, 1})});
    for (const SchedulerKind kind : {SchedulerKind::Rr, SchedulerKind::Lc, SchedulerKind::Random}) {
        DatapathBench bench({web(kind, {1, 1, 1, 1})});
        for (uint16_t port = 1; port <= 50; ++port) {
            EXPECT_EQ(bench.send(from(port, kAck)), maglev.send(from(port, kAck)));
        }
    }
}

TEST_P(Schedulers, ABackendThatReturnsGetsItsFlowsBack) {
    DatapathBench bench({web(SchedulerKind::Maglev, {1, 1, 1, 1})});
    std::vector<std::string> before;
    for (uint16_t port = 1; port <= 200; ++port) {
        before.push_back(bench.send(from(port)));
        bench.send(from(port, kRst));
    }
    ASSERT_TRUE(bench.model.set_down("web", ip(host(2)), {}, true));
    bench.publish();
    for (uint16_t port = 1; port <= 200; ++port) {
        const std::string now = bench.send(from(port));
        EXPECT_NE(now, endpoint(2));
        bench.send(from(port, kRst));
    }
    ASSERT_TRUE(bench.model.set_down("web", ip(host(2)), {}, false));
    bench.publish();
    EXPECT_EQ(serve(bench, 200), before);
}

TEST_P(Schedulers, PeekTellsTheNextAndTakesNoTurn) {
    for (const SchedulerKind kind :
         {SchedulerKind::Maglev, SchedulerKind::Rr, SchedulerKind::Wrr, SchedulerKind::Lc,
          SchedulerKind::Wlc, SchedulerKind::Sh, SchedulerKind::Random}) {
        DatapathBench bench({web(kind, {1, 2, 3})});
        for (uint16_t port = 1; port <= 20; ++port) {
            const auto told = bench.peek(from(port));
            ASSERT_NE(told.backend, nullptr);
            EXPECT_EQ(bench.peek(from(port)).backend, told.backend);
            const std::string text =
                Endpoint{told.backend->address, Be16::from_raw(told.backend->port).host()}
                    .to_string();
            EXPECT_EQ(bench.send(from(port)), text) << to_string(kind);
        }
    }
}

}  // namespace
}  // namespace dlb
