// Which VIPs are to be announced, and why the others are not.
#include "control/route_plan.hpp"

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "control/bgp_peers.hpp"
#include "control/handover_file.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;

Prefix vip(const char* text) {
    return *Prefix::parse(text);
}

ModelService service(const std::string& name, std::vector<Prefix> vips, unsigned backends = 1,
                     unsigned min_backends = 1) {
    ModelService service;
    service.config.name = name;
    service.config.vip = std::move(vips);
    service.config.min_backends = min_backends;
    service.backends.resize(backends);
    return service;
}

class Plan : public testing::Test {
  protected:
    RoutePlan plan() {
        return plan_routes(
            services, intent, bgp,
            [this](const ModelService& one, bool announced) {
                const auto count = static_cast<unsigned>(one.backends.size());
                return unchecked.contains(one.config.name) && !announced ? 0 : count;
            },
            [this](const Prefix& prefix) { return announced.contains(prefix); });
    }
    std::string why_not(const char* prefix) { return plan().at(vip(prefix)).reason; }

    std::vector<ModelService> services;
    RouteIntent intent;
    BgpConfig bgp;
    std::set<std::string> unchecked;
    std::set<Prefix> announced;
};

TEST_F(Plan, WantsWhatHasEnoughBackends) {
    services = {service("a", {vip("10.1.1.1"), vip("2001:db8:1::1")}, 2, 2),
                service("b", {vip("10.1.1.2")}, 1, 2)};
    EXPECT_EQ(plan().size(), 3U);
    EXPECT_EQ(why_not("10.1.1.1"), "");
    EXPECT_EQ(why_not("2001:db8:1::1"), "");
    EXPECT_EQ(why_not("10.1.1.2"), "fewer than min_backends usable: 1 of 2");
    bgp.announce = BgpAnnounce::Always;
    EXPECT_EQ(why_not("10.1.1.2"), "");
    intent.withdrawn.insert(vip("10.1.1.2"));
    EXPECT_EQ(why_not("10.1.1.2"), "withdrawn by hand");
    intent.drained = true;
    EXPECT_EQ(why_not("10.1.1.1"), "the load balancer is drained");
}

TEST_F(Plan, ASharedVipStaysWhileOneServiceWantsIt) {
    services = {service("http", {vip("10.1.1.1")}, 0), service("https", {vip("10.1.1.1")}, 1)};
    EXPECT_EQ(why_not("10.1.1.1"), "");
    std::swap(services[0], services[1]);
    EXPECT_EQ(why_not("10.1.1.1"), "");
    services[0].backends.clear();
    EXPECT_EQ(why_not("10.1.1.1"), "fewer than min_backends usable: 0 of 1");
}

TEST_F(Plan, AnAggregateStandsForTheVipsInIt) {
    bgp.aggregate = {vip("10.1.1.0/24"), vip("10.1.0.0/16"), vip("10.7.0.0/16")};
    services = {service("a", {vip("10.1.1.1")}), service("b", {vip("10.1.2.1")}, 0),
                service("c", {vip("10.2.0.1")})};
    const RoutePlan all = plan();
    EXPECT_EQ(all.size(), 4U);
    EXPECT_EQ(why_not("10.1.0.0/16"), "");  // the widest, and one VIP in it is enough
    EXPECT_EQ(why_not("10.2.0.1"), "");
    EXPECT_EQ(why_not("10.7.0.0/16"), "no service has a VIP in it");
    EXPECT_EQ(why_not("10.1.1.0/24"), "no service has a VIP in it");  // 10.1.0.0/16 took it
    EXPECT_TRUE(all.at(vip("10.1.0.0/16")).aggregate);
    services[0].backends.clear();
    EXPECT_EQ(why_not("10.1.0.0/16"), "fewer than min_backends usable: 0 of 1");
}

TEST_F(Plan, WhatWasNeverCheckedBringsNoRouteOutButKeepsIt) {
    services = {service("a", {vip("10.1.1.1")})};
    unchecked = {"a"};
    EXPECT_EQ(why_not("10.1.1.1"), "its backends have not been checked yet");
    announced = {vip("10.1.1.1")};
    EXPECT_EQ(why_not("10.1.1.1"), "");
}

TEST(BgpPeers, SpeakerTakesWhatTheFileSays) {
    BgpConfig config;
    config.asn = 65021;
    config.router_id = *IpAddress::parse("10.0.0.106");
    config.next_hop4 = IpAddress::parse("10.0.0.7");
    config.communities = {{65021, 100}};
    config.large_communities = {{65021, 1, 2}};
    config.link_bandwidth_mbps = 1000;
    BgpNeighborConfig router;
    router.address = IpAddress::parse("10.0.0.1");
    router.asn = 65000;
    router.multihop = 3;
    router.ipv6 = false;
    router.bfd = {true, 50ms, 5};
    BgpNeighborConfig pods;
    pods.prefix = Prefix::parse("172.16.0.0/16");
    pods.asn = 65021;
    pods.passive = true;
    config.neighbors = {router, pods};
    const bgp::SpeakerConfig speaker = speaker_of(config);
    EXPECT_EQ(speaker.router_id, 0x0a00006aU);
    ASSERT_EQ(speaker.peers.size(), 1U);
    EXPECT_TRUE(speaker.peers[0].families.v4);
    EXPECT_FALSE(speaker.peers[0].families.v6);
    EXPECT_EQ(speaker.peers[0].next_hop.v4, config.next_hop4);
    ASSERT_EQ(speaker.dynamic.size(), 1U);
    EXPECT_TRUE(speaker.dynamic[0].peer.passive);
    const bgp::RouteOptions options = route_options_of(config);
    EXPECT_EQ(options.communities, std::vector<bgp::Community>{65021U << 16 | 100});
    EXPECT_EQ(options.link_bandwidth, 125e6F);  // bytes a second
    EXPECT_FALSE(options.med);
    const BfdPeer watched = bfd_peer_of(router, *router.address);
    EXPECT_TRUE(watched.multihop);
    EXPECT_EQ(watched.minimum_hop_limit, 0);
    router.ttl_security = true;  // 255 less the two routers between
    EXPECT_EQ(bfd_peer_of(router, *router.address).minimum_hop_limit, 253);
    EXPECT_EQ(bfd_settings_of(router.bfd).min_rx, 50ms);
    EXPECT_EQ(neighbor_of(config, *IpAddress::parse("172.16.9.9"))->asn, 65021U);
    EXPECT_EQ(neighbor_of(config, *IpAddress::parse("10.0.0.1"))->asn, 65000U);
    EXPECT_EQ(neighbor_of(config, *IpAddress::parse("10.0.0.2")), nullptr);
}

TEST(HandoverFile, IsGoodOnceAndForItsTime) {
    std::string folder = "/tmp/dpdk-lb-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string file = handover_file_of(folder + "/lb.sock");
    EXPECT_FALSE(take_handover(file));
    ASSERT_TRUE(write_handover(file, 60s).ok());
    EXPECT_TRUE(take_handover(file));
    EXPECT_FALSE(take_handover(file));
    ASSERT_TRUE(write_handover(file, -1s).ok());
    EXPECT_FALSE(take_handover(file));
    std::ofstream(file) << "soon";
    EXPECT_FALSE(take_handover(file));
    std::filesystem::remove_all(folder);
    EXPECT_FALSE(write_handover(file, 60s).ok());
}

}  // namespace
}  // namespace dlb
