// What a worker gives to the kernel: routing control and neighbour discovery come through whatever
// floods the rest, within bounds of their own.
#include <gtest/gtest.h>

#include "worker_lab.hpp"

namespace dlb::test {
namespace {

constexpr const char* kOwn4 = "10.0.0.106";
constexpr const char* kOwn6 = "2001:db8::106";
constexpr const char* kRouter4 = "10.0.0.1";
constexpr const char* kRouter6 = "2001:db8::1";
constexpr unsigned kFlood = 20'000;  // above the budget and its burst, and the ring

LabOptions with_router() {
    LabOptions options;
    options.routing_peers = std::make_shared<const RoutingPeers>(
        std::vector<RoutingPeer>{{.addresses = Prefix::host(*IpAddress::parse(kRouter4))},
                                 {.addresses = Prefix::host(*IpAddress::parse(kRouter6))}});
    return options;
}

Bytes ping(unsigned number) {
    return PacketBuilder()
        .ipv4("10.0.0." + std::to_string(2 + number % 100), kOwn4)
        .icmp(8)
        .build();
}
Bytes bgp4(uint8_t flags = kAck) {
    return PacketBuilder().ipv4(kRouter4, kOwn4).tcp(179, 40000, flags).build();
}
Bytes bgp6(uint8_t flags = kAck) {
    return PacketBuilder().ipv6(kRouter6, kOwn6).tcp(179, 40000, flags).build();
}
Bytes solicitation() {  // RFC 4861 §4.3
    return PacketBuilder()
        .ipv6(kRouter6, kOwn6)
        .ttl(255)
        .icmp(135)
        .payload(std::string(20, 0))
        .build();
}

class WorkerPunt : public ::testing::Test {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }

    // Nobody empties the rings meanwhile.
    static void flood(WorkerLab& lab, unsigned count,
                      const std::function<Bytes(unsigned number)>& frame) {
        for (unsigned number = 0; number < count; ++number) {
            ASSERT_TRUE(lab.put(frame(number)));
            lab.step();
        }
    }
};

TEST_F(WorkerPunt, AFullRingOfTheRestLosesNoneOfTheRouters) {
    WorkerLab lab({}, with_router());
    flood(lab, 3000, ping);
    ASSERT_GT(lab.count(Verdict::PuntFull), 0U);
    for (const Bytes& frame : {bgp4(), bgp6(), solicitation()}) {
        EXPECT_TRUE(lab.pass(frame).empty());
    }
    const auto routing = lab.routing();
    ASSERT_EQ(routing.size(), 2U);
    EXPECT_EQ(routing[0].frame, bgp4());
    EXPECT_EQ(routing[1].frame, bgp6());
    EXPECT_EQ(routing[0].note.kind, PacketNote::Kind::ToTwin);
    const auto discovery = lab.discovery();
    ASSERT_EQ(discovery.size(), 1U);
    EXPECT_EQ(discovery[0].frame, solicitation());
    EXPECT_EQ(lab.count(Verdict::PuntedRouting), 2U);
    EXPECT_EQ(lab.count(Verdict::PuntedNeighbor), 1U);
    lab.for_control();
    EXPECT_EQ(lab.count_all(), 3003U);  // each packet has one verdict
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

TEST_F(WorkerPunt, WithoutNeighboursThereIsOneWay) {
    WorkerLab lab({});
    lab.pass(bgp4());
    lab.pass(solicitation());
    EXPECT_EQ(lab.for_control().size(), 2U);
    EXPECT_EQ(lab.count(Verdict::Punted), 2U);
}

TEST_F(WorkerPunt, WhoWritesTheRoutersAddressGetsASmallBudget) {
    for (const auto& frame : {bgp4, bgp6}) {
        WorkerLab lab({}, with_router());
        flood(lab, kFlood, [&](unsigned) { return frame(kSyn); });
        EXPECT_GT(lab.count(Verdict::RoutingLimit), kFlood / 2);
        EXPECT_EQ(lab.count(Verdict::PuntedRouting) + lab.count(Verdict::RoutingLimit) +
                      lab.count(Verdict::RoutingFull),
                  kFlood);
        lab.routing();
        EXPECT_EQ(lab.mbufs_in_use(), 0U);
    }
}

TEST_F(WorkerPunt, AConversationOfOurKernelsHasItsOwnBudget) {
    WorkerLab lab({}, with_router());
    // Our side's packet of the connection, as Twins sees it.
    const Bytes ours = PacketBuilder().ipv4(kOwn4, kRouter4).tcp(40000, 179, kAck).build();
    const KernelFrame told =
        classify_kernel_frame(ours.data(), ours.size(), parse(ours.data(), ours.size()),
                              with_router().routing_peers.get());
    ASSERT_TRUE(told.session);
    lab.known_sessions().learn(*told.session, 1);
    flood(lab, kFlood, [](unsigned number) {  // in the router's name, of no connection of ours
        return PacketBuilder()
            .ipv4(kRouter4, kOwn4)
            .tcp(static_cast<uint16_t>(1024 + number % 1000), 179, kAck)
            .build();
    });
    ASSERT_GT(lab.count(Verdict::RoutingLimit), 0U);
    lab.routing();
    const uint64_t limited = lab.count(Verdict::RoutingLimit);
    for (unsigned i = 0; i < 100; ++i) {
        lab.pass(bgp4());
    }
    EXPECT_EQ(lab.routing().size(), 100U);
    EXPECT_EQ(lab.count(Verdict::RoutingLimit), limited);
}

TEST_F(WorkerPunt, TheRestIsBoundedByTimeToo) {
    WorkerLab lab({}, with_router());
    for (unsigned number = 0; number < kFlood; ++number) {
        ASSERT_TRUE(lab.put(ping(number)));
        lab.step();
        lab.for_control();  // the ring is never full
    }
    EXPECT_EQ(lab.count(Verdict::PuntFull), 0U);
    EXPECT_EQ(lab.count(Verdict::Punted) + lab.count(Verdict::PuntLimit), kFlood);
    EXPECT_GE(lab.count(Verdict::Punted), PuntPolicer::kOrdinary.burst);
}

}  // namespace
}  // namespace dlb::test
