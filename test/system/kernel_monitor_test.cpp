// KernelMonitor: neighbours, addresses and links as iproute2 makes them; bursts and lost messages.
#include <tuple>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/kernel_tables.hpp"
#include "kernel/netlink.hpp"
#include "kernel_monitor_fixture.hpp"

namespace dlb {
namespace {

using namespace lab;

TEST_F(MonitorTest, ReadsWhatIsThereAtTheStart) {
    run("ip route add default via 10.1.0.254 dev port0 metric 50");
    run("ip route add default via 10.3.0.254 dev eth0");
    run("ip neigh add 10.1.0.9 lladdr " + kMacA + " dev port0");
    run("ip neigh add 2001:db8:2::9 lladdr " + kMacB + " dev port1");
    run("ip neigh add 10.3.0.9 lladdr " + kMacB + " dev eth0");
    start();
    EXPECT_GE(monitor_->version(), 1U);
    EXPECT_TRUE(has_route({prefix("0.0.0.0/0"), ip("10.1.0.254"), port0_, 50, 1}));
    EXPECT_EQ(routes_to("0.0.0.0/0").size(), 1U);  // not the one over eth0
    EXPECT_TRUE(has_route({prefix("10.1.0.0/24"), std::nullopt, port0_, 0, 1}));
    EXPECT_TRUE(has_route({prefix("2001:db8:2::/64"), std::nullopt, port1_, 256, 1}));
    EXPECT_EQ(neighbor("10.1.0.9"),
              (KernelNeighbor{port0_, ip("10.1.0.9"), mac(kMacA), NeighborState::Permanent}));
    EXPECT_EQ(neighbor("2001:db8:2::9"),
              (KernelNeighbor{port1_, ip("2001:db8:2::9"), mac(kMacB), NeighborState::Permanent}));
    EXPECT_EQ(neighbor("10.3.0.9"), std::nullopt);
    const auto links = monitor_->links();
    ASSERT_EQ(links.size(), 2U);
    EXPECT_EQ(links[0].name, "port0");
    EXPECT_TRUE(links[0].up);
    EXPECT_EQ(links[0].mtu, 1500U);
    EXPECT_EQ(links[0].mac, mac(ip_json("link show dev port0").at(0)["address"]));
}

TEST_F(MonitorTest, FollowsNeighbours) {
    start();
    const std::pair<std::string, NeighborState> states[] = {
        {"permanent", NeighborState::Permanent},
        {"noarp", NeighborState::Noarp},
        {"reachable", NeighborState::Reachable},
        {"stale", NeighborState::Stale},
    };
    for (const std::string address : {"10.1.0.7", "2001:db8:1::7"}) {
        const std::string entry = address + " dev port0 ";
        for (const auto& [name, state] : states) {
            run("ip neigh replace " + entry + "lladdr " + kMacA + " nud " + name);
            EXPECT_TRUE(eventually(*monitor_, [&] {
                const auto known = neighbor(address);
                return known && known->state == state && known->mac == mac(kMacA) &&
                       known->usable();
            })) << name;
            EXPECT_EQ(to_string(state), name);
        }
        run("ip neigh replace " + entry + "lladdr " + kMacB + " nud permanent");
        EXPECT_TRUE(eventually(*monitor_, [&] { return neighbor(address)->mac == mac(kMacB); }));
        run("ip neigh del " + entry);
        EXPECT_TRUE(eventually(*monitor_, [&] { return !neighbor(address); }));
    }
    // Nobody answers: the kernel tries three times, then gives up.
    run("sysctl -qw net.ipv4.neigh.port0.retrans_time_ms=10");
    run("ip neigh add 10.1.0.66 dev port0 nud none use || ip neigh add 10.1.0.66 dev port0 nud "
        "incomplete");
    EXPECT_TRUE(eventually(*monitor_, [&] {
        const auto known = neighbor("10.1.0.66");
        return known && known->state == NeighborState::Failed && !known->usable();
    }));
}

// The kernel leaves some states too soon to be seen.
TEST_F(MonitorTest, KnowsEveryStateOfANeighbour) {
    constexpr std::tuple<uint16_t, NeighborState, const char*> kStates[] = {
        {NUD_INCOMPLETE, NeighborState::Incomplete, "incomplete"},
        {NUD_REACHABLE, NeighborState::Reachable, "reachable"},
        {NUD_STALE, NeighborState::Stale, "stale"},
        {NUD_DELAY, NeighborState::Delay, "delay"},
        {NUD_PROBE, NeighborState::Probe, "probe"},
        {NUD_FAILED, NeighborState::Failed, "failed"},
        {NUD_NOARP, NeighborState::Noarp, "noarp"},
        {NUD_PERMANENT, NeighborState::Permanent, "permanent"},
    };
    KernelTables tables({port0_});
    const auto tell = [&](uint16_t state) {
        NetlinkRequest message(RTM_NEWNEIGH, 0, 0);
        auto& header = message.header<ndmsg>();
        header.ndm_family = AF_INET;
        header.ndm_ifindex = port0_;
        header.ndm_state = state;
        message.put_address(NDA_DST, ip("10.1.0.7"));
        message.put_bytes(NDA_LLADDR, mac(kMacA).bytes);
        tables.apply(reinterpret_cast<const nlmsghdr*>(message.bytes().data()), false);
    };
    for (const auto& [nud, state, name] : kStates) {
        tell(nud);
        ASSERT_EQ(tables.neighbors().size(), 1U);
        EXPECT_EQ(tables.neighbors()[0].state, state);
        EXPECT_EQ(to_string(state), name);
    }
    tell(NUD_NONE);
    EXPECT_TRUE(tables.neighbors().empty());
}

TEST_F(MonitorTest, ProxyAndGroupEntriesAreNoNeighbours) {
    start();
    run("ip neigh add proxy 10.1.0.50 dev port0");
    run("ip neigh add 10.1.0.51 lladdr " + kMacA + " dev port0");
    EXPECT_TRUE(eventually(*monitor_, [&] { return neighbor("10.1.0.51").has_value(); }));
    EXPECT_FALSE(neighbor("10.1.0.50"));
    for (const auto& known : monitor_->neighbors()) {
        EXPECT_FALSE(known.address.is_multicast()) << testing::PrintToString(known);
    }
}

TEST_F(MonitorTest, VersionGrowsWithWhatMattersOnly) {
    start();
    uint64_t version = monitor_->version();
    const auto grows = [&](const std::string& command) {
        run(command);
        catch_up(*monitor_);
        const bool grew = monitor_->version() > version;
        version = monitor_->version();
        return grew;
    };
    const std::string entry = "10.1.0.7 dev port0 ";
    EXPECT_TRUE(grows("ip neigh replace " + entry + "lladdr " + kMacA + " nud permanent"));
    EXPECT_FALSE(grows("ip neigh replace " + entry + "lladdr " + kMacA + " nud stale"));
    EXPECT_FALSE(grows("ip neigh replace " + entry + "lladdr " + kMacA + " nud reachable"));
    EXPECT_TRUE(grows("ip neigh replace " + entry + "lladdr " + kMacB + " nud reachable"));
    EXPECT_TRUE(grows("ip neigh replace " + entry + "nud failed"));
    EXPECT_FALSE(grows("ip neigh del " + entry));
    EXPECT_TRUE(grows("ip route add 192.0.2.0/24 via 10.1.0.254"));
    EXPECT_FALSE(grows("ip route replace 192.0.2.0/24 via 10.1.0.254"));
    EXPECT_TRUE(grows("ip route replace 192.0.2.0/24 via 10.1.0.253"));
    EXPECT_TRUE(grows("ip addr add 10.1.0.2/24 dev port0"));
    EXPECT_FALSE(grows("ip addr replace 10.1.0.2/24 dev port0"));
    EXPECT_TRUE(grows("ip addr del 10.1.0.2/24 dev port0"));
    EXPECT_TRUE(grows("ip link set port0 mtu 1400"));
    EXPECT_FALSE(grows("ip link set port0 alias uplink"));
    EXPECT_FALSE(grows("ip addr del 10.3.0.1/24 dev eth0"));
}

TEST_F(MonitorTest, FollowsAddresses) {
    start();
    const auto has = [&](const std::string& text) {
        const auto all = monitor_->addresses();
        return std::find(all.begin(), all.end(), KernelAddress{port0_, interface_address(text)}) !=
               all.end();
    };
    EXPECT_TRUE(has("10.1.0.1/24"));
    EXPECT_TRUE(has("2001:db8:1::1/64"));
    for (const auto& known : monitor_->addresses()) {
        EXPECT_TRUE(known.ifindex == port0_ || known.ifindex == port1_);
    }
    for (const std::string text : {"10.7.0.1/28", "2001:db8:7::1/64"}) {
        run("ip addr add " + text + " dev port0");
        EXPECT_TRUE(eventually(*monitor_, [&] { return has(text); }));
        expect_routes_as_ip_says();
        run("ip addr del " + text + " dev port0");
        EXPECT_TRUE(eventually(*monitor_, [&] { return !has(text); }));
        expect_routes_as_ip_says();
    }
    run("ip addr add 10.7.0.1 peer 10.7.0.2/32 dev port0");
    EXPECT_TRUE(eventually(*monitor_, [&] { return has("10.7.0.1/32"); }));
    expect_routes_as_ip_says();
}

TEST_F(MonitorTest, DeletedLinksTakeAllOfTheirsAlong) {
    run("ip route add 192.0.2.0/24 nexthop via 10.1.0.254 nexthop via 10.2.0.254");
    run("ip neigh add 10.1.0.9 lladdr " + kMacA + " dev port0");
    start();
    EXPECT_TRUE(neighbor("10.1.0.9"));
    run("ip link del port0");
    EXPECT_TRUE(eventually(*monitor_, [&] { return monitor_->links().size() == 1; }));
    for (const auto& known : monitor_->neighbors()) {
        EXPECT_EQ(known.ifindex, port1_);
    }
    for (const auto& known : monitor_->addresses()) {
        EXPECT_EQ(known.ifindex, port1_);
    }
    for (const auto& known : monitor_->routes()) {
        EXPECT_EQ(known.ifindex, port1_);
    }
    expect_routes_as_ip_says();
}

// A bridge announces that a port left it by RTM_DELLINK of family AF_BRIDGE.
TEST_F(MonitorTest, LeavingABridgeIsNoDeletion) {
    run("ip link add br0 type bridge");
    start();
    run("ip link set port0 master br0");
    run("ip link set port0 nomaster");
    run("ip route add 192.0.2.0/24 via 10.1.0.254");
    EXPECT_TRUE(eventually(*monitor_, [&] { return !routes_to("192.0.2.0/24").empty(); }));
    EXPECT_EQ(monitor_->links().size(), 2U);
}

TEST_F(MonitorTest, InterfacesJoinAndLeaveLater) {
    run("ip route add 203.0.113.0/24 via 10.3.0.254");
    run("ip neigh add 10.3.0.9 lladdr " + kMacA + " dev eth0");
    start();
    EXPECT_FALSE(neighbor("10.3.0.9"));
    const int eth0 = index_of("eth0");
    monitor_->watch(eth0);
    EXPECT_TRUE(eventually(*monitor_, [&] {
        return has_route({prefix("203.0.113.0/24"), ip("10.3.0.254"), eth0, 0, 1}) &&
               neighbor("10.3.0.9").has_value();
    }));
    const uint64_t version = monitor_->version();
    monitor_->unwatch(eth0);
    EXPECT_GT(monitor_->version(), version);
    EXPECT_FALSE(neighbor("10.3.0.9"));
    EXPECT_TRUE(routes_to("203.0.113.0/24").empty());
    run("ip neigh replace 10.3.0.9 lladdr " + kMacB + " dev eth0");
    catch_up(*monitor_);
    EXPECT_FALSE(neighbor("10.3.0.9"));
    expect_routes_as_ip_says();
    // Both at once, while the first's dump has not been read.
    monitor_->watch(eth0);
    monitor_->unwatch(port1_);
    monitor_->watch(port1_);
    EXPECT_TRUE(eventually(*monitor_, [&] {
        return neighbor("10.3.0.9").has_value() && monitor_->links().size() == 3;
    }));
}

TEST_F(MonitorTest, NeedsNoPrivilegeAndNoIpv6) {
    run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    const std::string said = as_nobody([this]() -> std::string {
        start();
        return monitor_->routes().empty() ? "nothing read" : "read";
    });
    EXPECT_EQ(said, "read");
}

class BurstTest : public MonitorTest {
  protected:
    static constexpr unsigned kRoutes = 5000;
    static std::string route_at(unsigned i) {
        return "100." + std::to_string(64 + i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
               std::to_string(i % 256);
    }
    static void burst(const std::string& verb, unsigned gateway) {
        std::vector<std::string> lines;
        for (unsigned i = 0; i < kRoutes; ++i) {
            lines.push_back("route " + verb + " " + route_at(i) + " via 10.1.0." +
                            std::to_string(gateway));
        }
        ip_batch(lines);
    }
    size_t routes_by(const std::string& gateway) const {
        const auto all = monitor_->routes();
        return static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const auto& route) {
            return route.gateway == ip(gateway);
        }));
    }
};

TEST_F(BurstTest, ABufferHoldsFiveThousandRoutes) {
    start();
    burst("add", 254);
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_by("10.1.0.254") == kRoutes; }));
    EXPECT_EQ(monitor_->overruns(), 0U);
    expect_routes_as_ip_says();
}

TEST_F(BurstTest, LostMessagesLeadToANewDump) {
    start(16384);
    const uint64_t resyncs = monitor_->resyncs();
    burst("add", 254);
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_by("10.1.0.254") == kRoutes; }));
    EXPECT_GE(monitor_->overruns(), 1U);
    EXPECT_GT(monitor_->resyncs(), resyncs);
    expect_routes_as_ip_says();
    // Lost replacements and lost deletions, of routes, addresses and neighbours alike.
    run("ip neigh add 10.2.0.9 lladdr " + kMacA + " dev port1");
    EXPECT_TRUE(eventually(*monitor_, [&] { return neighbor("10.2.0.9").has_value(); }));
    uint64_t overruns = monitor_->overruns();
    burst("replace", 253);
    run("ip neigh del 10.2.0.9 dev port1");
    run("ip addr add 10.2.0.77/24 dev port1");
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_by("10.1.0.253") == kRoutes; }));
    EXPECT_EQ(routes_by("10.1.0.254"), 0U);
    EXPECT_FALSE(neighbor("10.2.0.9"));
    EXPECT_EQ(monitor_->addresses(), [&] {
        KernelMonitor fresh;
        fresh.watch(port0_);
        fresh.watch(port1_);
        EXPECT_TRUE(fresh.start().ok());
        return fresh.addresses();
    }());
    EXPECT_GT(monitor_->overruns(), overruns);
    expect_routes_as_ip_says();
    overruns = monitor_->overruns();
    burst("del", 253);
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_by("10.1.0.253") == 0; }));
    EXPECT_GT(monitor_->overruns(), overruns);
    expect_routes_as_ip_says();
    const uint64_t version = monitor_->version();
    catch_up(*monitor_);
    EXPECT_EQ(monitor_->version(), version);
}

// A process() is a few milliseconds of work: the control thread owes BGP keepalives.
TEST_F(BurstTest, OneCallReadsABoundedShare) {
    start();
    burst("add", 254);
    monitor_->process();
    EXPECT_LT(routes_by("10.1.0.254"), kRoutes);
    EXPECT_TRUE(eventually(*monitor_, [&] { return routes_by("10.1.0.254") == kRoutes; }));
}

}  // namespace
}  // namespace dlb
