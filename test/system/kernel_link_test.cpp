// Rtnetlink: interfaces, addresses, default routes, neighbours to resolve.
#include <cerrno>

#include "kernel/link.hpp"
#include "kernel_lab.hpp"

namespace dlb {
namespace {

using namespace lab;
using testing::Test;

class LinkTest : public KernelTest {
  protected:
    void SetUp() override {
        KernelTest::SetUp();
        run("ip link add port0 address 02:00:00:00:bb:01 mtu 1400 numrxqueues 4 type veth peer "
            "name far0");
        run("ip link set port0 up");
        run("ip link set far0 up");
        auto opened = Rtnetlink::open();
        ASSERT_TRUE(opened.ok()) << opened.error();
        rtnetlink_.emplace(std::move(opened).value());
        index_ = index_of("port0");
    }

    static bool has_address(const std::string& text) {
        for (const auto& address : addresses_by_ip("port0")) {
            if (address["local"].get<std::string>() + "/" +
                    std::to_string(address["prefixlen"].get<int>()) ==
                text) {
                return true;
            }
        }
        return false;
    }

    std::optional<Rtnetlink> rtnetlink_;
    int index_ = 0;
};

TEST_F(LinkTest, ReadsAnInterface) {
    EXPECT_EQ(interface_index("port0"), index_);
    EXPECT_EQ(interface_index("nothing0"), std::nullopt);
    EXPECT_EQ(interface_name(index_), "port0");
    EXPECT_EQ(interface_name(12345), "interface 12345");
    for (const auto& info : {rtnetlink_->link("port0"), rtnetlink_->link(index_)}) {
        ASSERT_TRUE(info.ok()) << info.error();
        EXPECT_EQ(info.value().ifindex, index_);
        EXPECT_EQ(info.value().name, "port0");
        EXPECT_EQ(info.value().mac, mac("02:00:00:00:bb:01"));
        EXPECT_EQ(info.value().mtu, 1400U);
        EXPECT_TRUE(info.value().up);
        EXPECT_TRUE(info.value().running);
    }
    run("ip link set far0 down");
    EXPECT_TRUE(rtnetlink_->link("port0").value().up);
    EXPECT_FALSE(rtnetlink_->link("port0").value().running);
    run("ip link set port0 down");
    EXPECT_FALSE(rtnetlink_->link("port0").value().up);
}

TEST_F(LinkTest, CountsTheQueuesInUseNotThoseAllocated) {
    for (const int queues : {1, 3}) {
        run("ethtool -L port0 rx " + std::to_string(queues));
        const auto shown = ip_json("-d link show dev port0").at(0);
        EXPECT_EQ(shown["num_rx_queues"], 4);
        EXPECT_EQ(rtnetlink_->link("port0").value().rx_queues, static_cast<unsigned>(queues));
    }
    EXPECT_EQ(rtnetlink_->link("lo").value().rx_queues, 1U);  // has no channels to ask for
}

TEST_F(LinkTest, TellsALinkThatIsUpDownAndGone) {
    EXPECT_EQ(link_state(index_), LinkState::Up);
    run("ip link set port0 down");
    EXPECT_EQ(link_state(index_), LinkState::Down);
    run("ip link set port0 name renamed up");
    EXPECT_EQ(link_state(index_), LinkState::Up);
    run("ip link del renamed");
    EXPECT_EQ(link_state(index_), LinkState::Gone);
    EXPECT_EQ(link_state(0), LinkState::Gone);
}

TEST_F(LinkTest, SaysThatAnInterfaceIsMissing) {
    const std::string mend = ": `ip link` lists those there are";
    EXPECT_EQ(rtnetlink_->link("eth7").error(), "there is no interface 'eth7'" + mend);
    EXPECT_EQ(rtnetlink_->link(4711).error(), "there is no interface with index 4711" + mend);
    EXPECT_NE(rtnetlink_->link("a-name-beyond-fifteen").error().find("1 to 15 characters"),
              std::string::npos);
    EXPECT_FALSE(rtnetlink_->link("").ok());
}

TEST_F(LinkTest, AddsAndRemovesAddresses) {
    for (const std::string text : {"10.8.0.1/24", "10.8.0.2/32", "2001:db8:8::1/64"}) {
        const auto address = interface_address(text);
        for (int twice = 0; twice < 2; ++twice) {
            const auto added = rtnetlink_->add_address(index_, address);
            EXPECT_TRUE(added.ok()) << added.error();
            EXPECT_TRUE(has_address(text)) << text;
        }
    }
    for (const auto& address : addresses_by_ip("port0")) {
        if (address["local"] == "2001:db8:8::1") {
            EXPECT_TRUE(address.value("nodad", false));
            EXPECT_FALSE(address.value("tentative", false));
        }
    }
    for (const std::string text : {"10.8.0.1/24", "2001:db8:8::1/64"}) {
        for (int twice = 0; twice < 2; ++twice) {
            EXPECT_TRUE(rtnetlink_->remove_address(index_, interface_address(text)).ok());
            EXPECT_FALSE(has_address(text)) << text;
        }
    }
    EXPECT_TRUE(has_address("10.8.0.2/32"));
}

TEST_F(LinkTest, SaysWhyAnAddressCannotBe) {
    EXPECT_NE(rtnetlink_->add_address(4711, interface_address("10.8.0.1/24"))
                  .error()
                  .find("cannot add 10.8.0.1/24 to interface 4711: No such device"),
              std::string::npos);
    run("sysctl -qw net.ipv6.conf.port0.disable_ipv6=1");
    const auto v6 = rtnetlink_->add_address(index_, interface_address("2001:db8:8::1/64"));
    EXPECT_NE(v6.error().find("net.ipv6.conf.port0.disable_ipv6=0"), std::string::npos)
        << v6.error();
}

TEST_F(LinkTest, AddsDefaultRoutes) {
    for (const std::string text : {"10.8.0.1/24", "2001:db8:8::1/64"}) {
        ASSERT_TRUE(rtnetlink_->add_address(index_, interface_address(text)).ok());
    }
    for (const std::string gateway : {"10.8.0.254", "2001:db8:8::fe"}) {
        const auto added = rtnetlink_->add_default_route(index_, ip(gateway), 50);
        ASSERT_TRUE(added.ok()) << added.error();
        const std::string family = ip(gateway).is_v4() ? "-4" : "-6";
        const auto shown = ip_json(family + " route show default").at(0);
        EXPECT_EQ(shown["gateway"], gateway);
        EXPECT_EQ(shown["dev"], "port0");
        EXPECT_EQ(shown["protocol"], "static");
        EXPECT_EQ(shown["metric"], 50);
        const auto again = rtnetlink_->add_default_route(index_, ip(gateway), 50);
        EXPECT_NE(again.error().find("there is one with metric 50 already"), std::string::npos)
            << again.error();
        EXPECT_TRUE(rtnetlink_->add_default_route(index_, ip(gateway), 60).ok());
    }
    // An IPv6 router is most often known by its link-local address.
    EXPECT_TRUE(rtnetlink_->add_default_route(index_, ip("fe80::1"), 70).ok());
}

TEST_F(LinkTest, SaysWhyADefaultRouteCannotBe) {
    ASSERT_TRUE(rtnetlink_->add_address(index_, interface_address("10.8.0.1/24")).ok());
    ASSERT_TRUE(rtnetlink_->add_address(index_, interface_address("2001:db8:8::1/64")).ok());
    for (const std::string gateway : {"10.99.0.1", "2001:db8:99::1", "2001:db8:8::1"}) {
        const auto added = rtnetlink_->add_default_route(index_, ip(gateway), 50);
        EXPECT_NE(added.error().find("the gateway has to be another machine inside the subnet"),
                  std::string::npos)
            << added.error();
    }
    run("ip link set port0 down");
    const auto down = rtnetlink_->add_default_route(index_, ip("10.8.0.254"), 50);
    EXPECT_NE(down.error().find("ip link set port0 up"), std::string::npos) << down.error();
}

TEST_F(LinkTest, ChangesNeedPrivilegeAndReadingDoesNot) {
    const std::string said = as_nobody([this]() -> std::string {
        auto mine = Rtnetlink::open();
        const auto info = mine.value().link("port0");
        const auto added = mine.value().add_address(index_, interface_address("10.8.0.1/24"));
        const auto routed = mine.value().add_default_route(index_, ip("10.8.0.254"), 1);
        const auto resolved = mine.value().resolve(index_, ip("10.8.0.254"));
        return (info.ok() ? "read\n" : "") + added.error() + "\n" + routed.error() + "\n" +
               resolved.error();
    });
    EXPECT_EQ(said,
              "read\n"
              "cannot add 10.8.0.1/24 to port0: it needs root or CAP_NET_ADMIN\n"
              "cannot add a default route by 10.8.0.254 on port0: it needs root or CAP_NET_ADMIN\n"
              "cannot resolve 10.8.0.254 on port0: it needs root or CAP_NET_ADMIN");
}

TEST_F(LinkTest, ReadsOffloads) {
    run("ethtool -K port0 gro off tx off tso off");
    auto state = offload_state("port0");
    ASSERT_TRUE(state.ok());
    EXPECT_FALSE(state.value().gro || state.value().tx_checksum || state.value().tso);
    run("ethtool -K port0 gro on tx on tso on");
    state = offload_state("port0");
    EXPECT_TRUE(state.value().gro && state.value().tx_checksum && state.value().tso);
    EXPECT_FALSE(state.value().lro);
    EXPECT_NE(offload_state("eth7").error().find("there is no interface 'eth7'"),
              std::string::npos);
}

class ResolveTest : public KernelTest, public testing::WithParamInterface<const char*> {};

// From nothing, from failed, and from stale with a MAC that is not right any more.
TEST_P(ResolveTest, FindsTheMacOfANeighbour) {
    const Child peer = Child::namespace_of_its_own();
    run("sysctl -qw net.ipv6.conf.default.accept_dad=0");
    make_link_to(peer, "port0");
    const IpAddress neighbor = ip(GetParam());
    const bool v4 = neighbor.is_v4();
    run(v4 ? "ip addr add 10.8.0.1/24 dev port0" : "ip addr add 2001:db8:8::1/64 dev port0 nodad");
    peer.run(v4 ? "ip addr add 10.8.0.2/24 dev port0p"
                : "ip addr add 2001:db8:8::2/64 dev port0p nodad");
    const auto info = nlohmann::json::parse(peer.output_of("ip -j link show dev port0p"));
    const MacAddress real = mac(info.at(0)["address"]);
    const int index = index_of("port0");
    KernelMonitor monitor;
    monitor.watch(index);
    ASSERT_TRUE(monitor.start().ok());
    auto rtnetlink = Rtnetlink::open();
    const auto found = [&](NeighborState state, const MacAddress& address) {
        for (const auto& known : monitor.neighbors()) {
            if (known.address == neighbor && known.state == state && known.mac == address) {
                return true;
            }
        }
        return false;
    };
    // The link-local address that a solicitation comes from is there a moment after the link.
    ASSERT_TRUE(eventually(monitor, [&] {
        return v4 || output_of("ip -6 addr show dev port0 -tentative scope link") != "";
    }));

    ASSERT_TRUE(rtnetlink.value().resolve(index, neighbor).ok());
    EXPECT_TRUE(eventually(monitor, [&] { return found(NeighborState::Reachable, real); }));

    const std::string entry = neighbor.to_string() + " dev port0 ";
    run("ip neigh replace " + entry + "nud failed");
    EXPECT_TRUE(eventually(monitor, [&] { return found(NeighborState::Failed, MacAddress{}); }));
    ASSERT_TRUE(rtnetlink.value().resolve(index, neighbor).ok());
    EXPECT_TRUE(eventually(monitor, [&] { return found(NeighborState::Reachable, real); }));

    // Stale waits delay_first_probe_time, then asks the address it knows; a wrong one fails.
    run("sysctl -qw net.ipv4.neigh.port0.delay_first_probe_time=1 "
        "net.ipv6.neigh.port0.delay_first_probe_time=1");
    run("ip neigh replace " + entry + "lladdr " + real.to_string() + " nud stale");
    EXPECT_TRUE(eventually(monitor, [&] { return found(NeighborState::Stale, real); }));
    ASSERT_TRUE(rtnetlink.value().resolve(index, neighbor).ok());
    EXPECT_TRUE(eventually(monitor, [&] { return found(NeighborState::Reachable, real); }));
}

INSTANTIATE_TEST_SUITE_P(Families, ResolveTest, testing::Values("10.8.0.2", "2001:db8:8::2"),
                         [](const auto& tested) { return tested.index == 0 ? "IPv4" : "IPv6"; });

TEST_F(LinkTest, RefusesToResolveWhatIsNoNeighbour) {
    for (const std::string text : {"0.0.0.0", "224.0.0.1", "::", "ff02::1"}) {
        EXPECT_EQ(rtnetlink_->resolve(index_, ip(text)).error(),
                  text + " is no neighbour's address");
    }
}

}  // namespace
}  // namespace dlb
