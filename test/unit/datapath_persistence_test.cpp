// Persistence: all flows of a client go to one backend for a time.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "support/datapath_bench.hpp"

namespace dlb {
namespace {

using test::DatapathBench;
using test::ip;
using test::kAck;
using test::kFin;
using test::kSyn;
using test::PacketBuilder;
using test::service;

// Every test runs for both families: parameter.
class Persistence : public testing::TestWithParam<bool> {
  protected:
    bool v4() const { return GetParam(); }
    std::string vip(int n = 1) const {
        return (v4() ? "10.1.1." : "2001:db8:1::") + std::to_string(n);
    }
    std::string host(unsigned n) const {
        return (v4() ? "172.16.0." : "2001:db8:16::") + std::to_string(n);
    }
    std::string endpoint(unsigned n) const {
        return v4() ? host(n) + ":80" : "[" + host(n) + "]:80";
    }
    ServiceConfig web(unsigned backends, SchedulerKind kind = SchedulerKind::Rr,
                      Mode mode = Mode::Nat) const {
        std::vector<std::string> endpoints;
        for (unsigned n = 1; n <= backends; ++n) {
            endpoints.push_back(endpoint(n));
        }
        ServiceConfig config = service({"web", {vip(1), vip(2)}, {80, 443}, endpoints, mode});
        config.scheduler = kind;
        config.persistence = std::chrono::seconds(60);
        if (mode == Mode::Fnat) {
            config.snat = {ip(v4() ? "10.0.0.107" : "2001:db8::107")};
        }
        return config;
    }
    PacketBuilder from(unsigned client, uint16_t port, uint8_t flags = kSyn, int to = 1,
                       uint16_t service_port = 80) const {
        return PacketBuilder()
            .ipv4((v4() ? "192.0.2." : "2001:db8:99::") + std::to_string(client), vip(to))
            .tcp(port, service_port, flags);
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Persistence, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(Persistence, AClientKeepsItsBackendOverFlowsPortsAndVips) {
    for (const SchedulerKind kind :
         {SchedulerKind::Maglev, SchedulerKind::Rr, SchedulerKind::Lc, SchedulerKind::Random}) {
        DatapathBench bench({web(4, kind)});
        std::set<std::string> all;
        for (unsigned client = 1; client <= 20; ++client) {
            std::set<std::string> used;
            for (uint16_t port = 1; port <= 5; ++port) {
                used.insert(bench.send(from(client, port)));
                used.insert(bench.send(from(client, port, kSyn, 2, 443)));
                used.insert(bench.send(from(client, port, kAck)));
            }
            EXPECT_EQ(used.size(), 1U) << to_string(kind) << ' ' << client;
            all.insert(*used.begin());
        }
        EXPECT_GE(all.size(), 3U) << to_string(kind);
        EXPECT_EQ(bench.engine.count(), 20U * 10);  // notes of clients are no flows
    }
}

TEST_P(Persistence, LastsFromTheLastPacketOn) {
    DatapathBench bench({web(2)});
    const std::string first = bench.send(from(1, 1));
    bench.send(from(1, 1, kAck));
    for (unsigned round = 0; round < 5; ++round) {
        bench.now_ms += 50'000;
        bench.send(from(1, 1, kAck));
        bench.engine.sweep(bench.tables, bench.now_ms, 100);
    }
    EXPECT_EQ(bench.send(from(1, 2)), first);
    bench.send(from(1, 1, kFin | kAck));
    bench.send(from(1, 2, kFin | kAck));
    bench.now_ms += 59'000;
    bench.engine.sweep(bench.tables, bench.now_ms, 100);
    EXPECT_EQ(bench.engine.count(), 0U);
    EXPECT_TRUE(bench.peek(from(1, 3)).persistent);
    bench.now_ms += 2'000;
    bench.engine.sweep(bench.tables, bench.now_ms, 100);
    EXPECT_FALSE(bench.peek(from(1, 3)).persistent);
    EXPECT_NE(bench.send(from(1, 3)), first);  // the other one's turn
}

// More backends come: known clients stay; theirs goes: they move, all together.
TEST_P(Persistence, MovesOnlyWhenTheBackendTakesNoMore) {
    DatapathBench bench({web(2)});
    const std::string first = bench.send(from(1, 1));
    bench.send(from(1, 1, kAck));
    bench.replace({web(8)});
    for (uint16_t port = 2; port < 10; ++port) {
        EXPECT_EQ(bench.send(from(1, port)), first);
    }
    const unsigned its = first == endpoint(1) ? 1 : 2;
    ASSERT_TRUE(bench.model.set_draining("web", ip(host(its)), {}, true));
    bench.publish();
    const std::string second = bench.send(from(1, 20));
    EXPECT_NE(second, first);
    EXPECT_EQ(bench.send(from(1, 21)), second);
    EXPECT_EQ(bench.send(from(1, 1, kAck)), first);  // the old flow drains
    EXPECT_EQ(bench.send(from(1, 22)), second);      // and does not move the client back
    ASSERT_TRUE(bench.model.set_draining("web", ip(host(its)), {}, false));
    bench.publish();
    EXPECT_EQ(bench.send(from(1, 23)), second);
}

TEST_P(Persistence, AFullBackendPassesTheClientOn) {
    auto config = web(2);
    config.backends[0].max_connections = 3;
    config.backends[1].max_connections = 3;
    DatapathBench bench({config});
    std::map<std::string, unsigned> counts;
    for (uint16_t port = 1; port <= 8; ++port) {
        ++counts[bench.send(from(1, port))];
    }
    EXPECT_EQ(counts, (std::map<std::string, unsigned>{
                          {endpoint(1), 3}, {endpoint(2), 3}, {"backends_full", 2}}));
}

TEST_P(Persistence, WorksInFullNat) {
    DatapathBench bench({web(4, SchedulerKind::Rr, Mode::Fnat)});
    std::set<std::string> used;
    for (uint16_t port = 1; port <= 10; ++port) {
        const std::string sent = bench.send(from(1, port));
        used.insert(sent.substr(sent.find(" > ") + 3));
    }
    EXPECT_EQ(used.size(), 1U);
}

// A flood of forged clients: notes are half-open as their flows are, and past the quota a client
// is told by its address's hash.
TEST_P(Persistence, AFloodLeavesRoomAndClientsWhole) {
    constexpr uint32_t kCapacity = 4096;
    DatapathBench bench({web(4, SchedulerKind::Rr)}, kCapacity);
    const std::string first = bench.send(from(1, 1));
    bench.send(from(1, 1, kAck));
    for (unsigned n = 0; n < 4 * kCapacity; ++n) {
        const std::string address = v4() ? "30." + std::to_string(n >> 14 & 0xff) + "." +
                                               std::to_string(n >> 7 & 0x7f) + "." +
                                               std::to_string(1 + (n & 0x7f))
                                         : "2001:db8:30::" + std::to_string(1 + n % 9000) + ":" +
                                               std::to_string(1 + n / 9000);
        bench.send(PacketBuilder().ipv4(address, vip()).tcp(1000, 80, kSyn));
    }
    EXPECT_LE(bench.engine.count(), kCapacity / 2);
    EXPECT_EQ(bench.send(from(1, 1, kAck)), first);
    EXPECT_EQ(bench.send(from(1, 2)), first);
    std::set<std::string> used;
    for (uint16_t port = 1; port <= 5; ++port) {
        used.insert(bench.send(from(2, port)));
        used.insert(bench.send(from(2, port, kAck)));
    }
    EXPECT_EQ(used.size(), 1U);
}

// Where flows of a client come to several workers, one keeps them all.
TEST_P(Persistence, OneWorkerKeepsAllFlowsOfAClient) {
    DatapathBench bench({web(4)}, 1024, {0, 4});
    unsigned handed_over = 0;
    for (unsigned client = 1; client <= 100; ++client) {
        std::set<unsigned> owners;
        for (uint16_t port = 1; port <= 10; ++port) {
            const Packet packet = bench.classified(from(client, port));
            owners.insert(packet.cls == PacketClass::HandOver ? packet.owner : 0);
        }
        EXPECT_EQ(owners.size(), 1U);
        handed_over += *owners.begin() != 0;
    }
    EXPECT_NEAR(handed_over, 75, 25);
}

// Replies that only their flow tells meet it at the client's worker too.
TEST_P(Persistence, StatefulRepliesGoToTheClientsWorker) {
    auto config = web(1);
    config.ports = {80};  // two VIPs before one endpoint: ambiguous replies
    DatapathBench bench({config}, 1024, {0, 4});
    for (unsigned client = 1; client <= 50; ++client) {
        const Packet request = bench.classified(from(client, 77));
        const Packet reply = bench.classified(
            PacketBuilder()
                .ipv4(host(1), (v4() ? "192.0.2." : "2001:db8:99::") + std::to_string(client))
                .tcp(80, 77, kAck));
        EXPECT_EQ(request.cls == PacketClass::HandOver, reply.cls == PacketClass::HandOver);
        EXPECT_EQ(request.cls == PacketClass::HandOver ? request.owner : 0,
                  reply.cls == PacketClass::HandOver ? reply.owner : 0);
    }
}

}  // namespace
}  // namespace dlb
