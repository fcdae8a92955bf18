// KernelMonitor: routes as iproute2 makes them.
#include "kernel_monitor_fixture.hpp"

namespace dlb {
namespace {

using namespace lab;

TEST_F(MonitorTest, FollowsSingleRoutes) {
    start();
    const KernelRoute v4{prefix("192.0.2.0/24"), ip("10.1.0.254"), port0_, 10, 1};
    const KernelRoute v4_next{prefix("192.0.2.0/24"), ip("10.2.0.254"), port1_, 10, 1};
    expect_after("ip route add 192.0.2.0/24 via 10.1.0.254 metric 10", v4);
    expect_after("ip route replace 192.0.2.0/24 via 10.2.0.254 metric 10", v4_next);
    EXPECT_FALSE(has_route(v4));
    expect_after("ip route replace blackhole 192.0.2.0/24 metric 10", v4_next, false);
    expect_after("ip route replace 192.0.2.0/24 via 10.1.0.254 metric 10", v4);
    expect_after("ip route replace 192.0.2.0/24 via 10.3.0.254 metric 10", v4, false);
    expect_after("ip route replace 192.0.2.0/24 via 10.1.0.254 metric 10", v4);
    expect_after("ip route del 192.0.2.0/24 metric 10", v4, false);

    const KernelRoute v6{prefix("2001:db8:99::/48"), ip("fe80::1"), port0_, 10, 1};
    const KernelRoute v6_next{prefix("2001:db8:99::/48"), ip("2001:db8:2::fe"), port1_, 10, 1};
    const std::string dst = "2001:db8:99::/48 metric 10 ";
    expect_after("ip -6 route add " + dst + "via fe80::1 dev port0", v6);
    expect_after("ip -6 route replace " + dst + "via 2001:db8:2::fe", v6_next);
    EXPECT_FALSE(has_route(v6));
    expect_after("ip -6 route replace " + dst + "via 2001:db8:3::fe", v6_next, false);
    expect_after("ip -6 route replace " + dst + "via fe80::1 dev port0", v6);
    expect_after("ip -6 route del " + dst, v6, false);
    expect_after("ip -6 route add default via fe80::1 dev port0 metric 7",
                 {prefix("::/0"), ip("fe80::1"), port0_, 7, 1});
}

// Where a replacement may take the place of a route of the other kind, a new dump tells which.
TEST_F(MonitorTest, Ipv6ReplacementsAcrossKinds) {
    start();
    const std::string dst = "2001:db8:99::1 metric 10 ";
    const Prefix to = prefix("2001:db8:99::1");
    const KernelRoute on_link{to, std::nullopt, port0_, 10, 1};
    const KernelRoute by_gateway{to, ip("2001:db8:2::fe"), port1_, 10, 1};
    run("ip -6 nexthop add id 9 via 2001:db8:1::fd dev port0");
    const KernelRoute by_object{to, ip("2001:db8:1::fd"), port0_, 10, 1};
    expect_after("ip -6 route add " + dst + "dev port0", on_link);
    expect_after("ip -6 route replace " + dst + "via 2001:db8:2::fe", by_gateway);
    EXPECT_FALSE(has_route(on_link));
    expect_after("ip -6 route replace " + dst + "nhid 9", by_object);
    EXPECT_FALSE(has_route(by_gateway));
    expect_after("ip -6 route append " + dst + "dev port0", on_link);
    EXPECT_TRUE(has_route(by_object));
    expect_after("ip -6 route replace " + dst + "via 2001:db8:2::fe", by_gateway);
    EXPECT_EQ(routes_to("2001:db8:99::1").size(), 2U);
    expect_after("ip -6 route replace blackhole " + dst, on_link, false);
    EXPECT_TRUE(has_route(by_gateway));
}

TEST_F(MonitorTest, Ipv4RoutesMayHaveIpv6Gateways) {
    start();
    expect_after("ip route add 192.0.2.0/24 via inet6 fe80::1 dev port0",
                 {prefix("192.0.2.0/24"), ip("fe80::1"), port0_, 0, 1});
    expect_after(
        "ip route add 198.51.100.0/24 nexthop via inet6 fe80::1 dev port0 nexthop via "
        "10.2.0.254",
        {prefix("198.51.100.0/24"), ip("fe80::1"), port0_, 0, 1});
    EXPECT_EQ(routes_to("198.51.100.0/24").size(), 2U);
}

TEST_F(MonitorTest, FollowsMultipathRoutes) {
    start();
    const Prefix v4 = prefix("192.0.2.0/24");
    expect_after(
        "ip route add 192.0.2.0/24 nexthop via 10.1.0.254 weight 3 nexthop via 10.2.0.254 "
        "nexthop via 10.3.0.254",
        {v4, ip("10.1.0.254"), port0_, 0, 3});
    EXPECT_TRUE(has_route({v4, ip("10.2.0.254"), port1_, 0, 1}));
    EXPECT_EQ(routes_to("192.0.2.0/24").size(), 2U);  // without the one over eth0
    expect_after("ip route replace 192.0.2.0/24 nexthop via 10.1.0.253 nexthop via 10.3.0.254",
                 {v4, ip("10.1.0.253"), port0_, 0, 1});
    EXPECT_EQ(routes_to("192.0.2.0/24").size(), 1U);
    expect_after("ip route del 192.0.2.0/24", {v4, ip("10.1.0.253"), port0_, 0, 1}, false);

    const Prefix v6 = prefix("2001:db8:99::/48");
    const KernelRoute second{v6, ip("2001:db8:2::fe"), port1_, 1024, 1};
    expect_after(
        "ip -6 route add 2001:db8:99::/48 nexthop via 2001:db8:1::fe nexthop via "
        "2001:db8:2::fe nexthop via 2001:db8:3::fe",
        {v6, ip("2001:db8:1::fe"), port0_, 1024, 1});
    EXPECT_TRUE(has_route(second));
    expect_after("ip -6 route append 2001:db8:99::/48 via 2001:db8:1::fd",
                 {v6, ip("2001:db8:1::fd"), port0_, 1024, 1});
    EXPECT_EQ(routes_to("2001:db8:99::/48").size(), 3U);
    expect_after("ip -6 route del 2001:db8:99::/48 via 2001:db8:2::fe", second, false);
    EXPECT_EQ(routes_to("2001:db8:99::/48").size(), 2U);
    expect_after("ip -6 route del 2001:db8:99::/48", {v6, ip("2001:db8:1::fe"), port0_, 1024, 1},
                 false);
    EXPECT_TRUE(routes_to("2001:db8:99::/48").empty());
}

TEST_F(MonitorTest, Ipv4UsesTheFirstOfSeveralAlike) {
    start();
    const Prefix dst = prefix("192.0.2.0/24");
    const KernelRoute first{dst, ip("10.1.0.10"), port0_, 0, 1};
    const KernelRoute second{dst, ip("10.1.0.20"), port0_, 0, 1};
    const KernelRoute before{dst, ip("10.1.0.30"), port0_, 0, 1};
    expect_after("ip route add 192.0.2.0/24 via 10.1.0.10", first);
    const uint64_t version = monitor_->version();
    run("ip route append 192.0.2.0/24 via 10.1.0.20");
    catch_up(*monitor_);
    EXPECT_EQ(routes_to("192.0.2.0/24"), std::vector<KernelRoute>{first});
    EXPECT_EQ(monitor_->version(), version);  // the second changes nothing
    expect_after("ip route prepend 192.0.2.0/24 via 10.1.0.30", before);
    EXPECT_EQ(routes_to("192.0.2.0/24").size(), 1U);
    expect_after("ip route del 192.0.2.0/24 via 10.1.0.30", first);
    expect_after("ip route del 192.0.2.0/24 via 10.1.0.10", second);
    expect_after("ip route del 192.0.2.0/24 via 10.1.0.20", second, false);
}

// Routes alike but for hops over other interfaces are two, and one over such an interface alone may
// be the first, which `replace` takes the place of.
TEST_F(MonitorTest, Ipv4RoutesOverOtherInterfacesCountToo) {
    start();
    const std::string dst = "192.0.2.0/24 ";
    const KernelRoute ours{prefix("192.0.2.0/24"), ip("10.1.0.10"), port0_, 0, 1};
    const KernelRoute other{prefix("192.0.2.0/24"), ip("10.1.0.20"), port0_, 0, 1};
    expect_after("ip route add " + dst + "nexthop via 10.1.0.10 nexthop via 10.3.0.10", ours);
    expect_after("ip route prepend " + dst + "via 10.1.0.20", other);
    run("ip route prepend " + dst + "nexthop via 10.1.0.10 nexthop via 10.3.0.20");
    EXPECT_TRUE(eventually(*monitor_, [&] { return has_route(ours); }));
    expect_routes_as_ip_says();
    expect_after("ip route del " + dst + "nexthop via 10.1.0.10 nexthop via 10.3.0.20", other);

    const std::string next = "198.51.100.0/24 ";
    const KernelRoute second{prefix("198.51.100.0/24"), ip("10.1.0.10"), port0_, 0, 1};
    run("ip route add " + next + "via 10.3.0.10");
    expect_after("ip route append " + next + "via 10.1.0.10", second);
    run("ip route replace " + next + "via 10.3.0.20");
    run("ip route replace blackhole " + next);
    catch_up(*monitor_);
    EXPECT_TRUE(has_route(second));
    expect_routes_as_ip_says();
}

TEST_F(MonitorTest, FollowsNextHopObjects) {
    start();
    run("ip nexthop add id 1 via 10.1.0.254 dev port0");
    run("ip nexthop add id 2 via 10.2.0.254 dev port1");
    run("ip nexthop add id 3 group 1/2,5");
    run("ip nexthop add id 6 via 2001:db8:1::fe dev port0");
    const Prefix dst = prefix("192.0.2.0/24");
    const KernelRoute hop1{dst, ip("10.1.0.254"), port0_, 0, 1};
    expect_after("ip route add 192.0.2.0/24 nhid 3", hop1);
    EXPECT_TRUE(has_route({dst, ip("10.2.0.254"), port1_, 0, 5}));
    const KernelRoute v6{prefix("2001:db8:99::/48"), ip("2001:db8:1::fe"), port0_, 1024, 1};
    expect_after("ip -6 route add 2001:db8:99::/48 nhid 6", v6);
    // The object changes below the route, then goes, and its routes with it.
    expect_after("ip nexthop replace id 1 via 10.1.0.253 dev port0", hop1, false);
    EXPECT_TRUE(has_route({dst, ip("10.1.0.253"), port0_, 0, 1}));
    run("ip nexthop del id 1");
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_to("192.0.2.0/24").size() == 1; }));
    expect_routes_as_ip_says();
    run("ip nexthop del id 3");
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_to("192.0.2.0/24").empty(); }));
    expect_after("ip nexthop del id 6", v6, false);
}

TEST_F(MonitorTest, OnlyUnicastRoutesOfTableMainCount) {
    start();
    const uint64_t version = monitor_->version();
    run("ip route add 192.0.2.0/24 via 10.1.0.254 table 100");
    run("ip route add 192.0.2.0/24 via 10.1.0.254 table 1000");
    run("ip route add 192.0.2.0/24 via 10.1.0.254 tos 0x10");
    run("ip route add unreachable 198.51.100.0/24");
    run("ip -6 route add 2001:db8:99::/48 via 2001:db8:1::fe table 100");
    run("ip -6 route add blackhole 2001:db8:98::/48");
    run("ip route add 203.0.113.0/24 via 10.3.0.254");  // over eth0
    run("ip neigh add 10.3.0.77 lladdr " + kMacA + " dev eth0");
    run("ip addr add 10.3.0.2/24 dev eth0");
    catch_up(*monitor_);
    EXPECT_EQ(monitor_->version(), version);
    expect_routes_as_ip_says();
}

// The kernel flushes IPv4 routes that prefer a source address when that goes, and says nothing.
TEST_F(MonitorTest, RoutesGoWithTheirSourceAddress) {
    run("ip addr add 10.50.0.1/32 dev lo");
    run("ip route add 192.0.2.0/24 via 10.1.0.254 src 10.50.0.1");
    start();
    const KernelRoute route{prefix("192.0.2.0/24"), ip("10.1.0.254"), port0_, 0, 1};
    EXPECT_TRUE(has_route(route));
    expect_after("ip addr del 10.50.0.1/32 dev lo", route, false);
}

// Nor for IPv4 routes over an interface that goes down, or hops that come back with it.
TEST_F(MonitorTest, RoutesGoDownWithTheirInterface) {
    run("ip route add 192.0.2.0/24 nexthop via 10.1.0.254 nexthop via 10.2.0.254");
    run("ip route add 198.51.100.0/24 via 10.1.0.254");
    run("ip -6 route add 2001:db8:99::/48 nexthop via 2001:db8:1::fe nexthop via 2001:db8:2::fe");
    start();
    const KernelRoute lost{prefix("198.51.100.0/24"), ip("10.1.0.254"), port0_, 0, 1};
    const KernelRoute hop{prefix("192.0.2.0/24"), ip("10.1.0.254"), port0_, 0, 1};
    for (int round = 0; round < 5; ++round) {
        run("ip link set port0 down");
        EXPECT_TRUE(eventually(*monitor_, [&] { return !has_route(lost) && !has_route(hop); }));
        expect_routes_as_ip_says();
        EXPECT_FALSE(monitor_->links().at(0).up);
        expect_after("ip link set port0 up", hop);
        EXPECT_FALSE(has_route(lost));
        expect_after("ip route add 198.51.100.0/24 via 10.1.0.254", lost);
    }
}

}  // namespace
}  // namespace dlb
