// NextHops: longest prefix, gateways and on-link, neighbours not known yet, VLANs.
#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "support/datapath_bench.hpp"

namespace dlb {
namespace {

using test::ip;
using test::mac;
using test::route;
using test::service;
using State = NextHop::State;

const std::vector<PortLink> kPorts = {{mac("02:00:00:00:01:00"), 0, 1500},
                                      {mac("02:00:00:00:02:00"), 0x123, 9000}};

NextHops make(const std::vector<Route>& routes, const std::vector<Neighbor>& neighbors = {}) {
    return NextHops(routes, neighbors, kPorts, LbSnapshot());
}
// lookup(), with find() held against it.
NextHop look(const NextHops& hops, const std::string& text) {
    const IpAddress address = ip(text);
    const NextHop hop = hops.lookup(address);
    const NextHop* found = address.is_v4() ? hops.find<V4>(raw_address<V4>(address))
                                           : hops.find<V6>(raw_address<V6>(address));
    if (found != nullptr) {
        EXPECT_EQ(found->state, hop.state);
        EXPECT_EQ(found->l2, hop.l2);
        EXPECT_EQ(found->address, hop.address);
        EXPECT_EQ(found->port, hop.port);
    } else {
        EXPECT_EQ(hop.state, State::Unresolved);
    }
    return hop;
}

TEST(NextHops, EmptyKnowsNoWay) {
    EXPECT_EQ(look(NextHops(), "10.0.0.1").state, State::NoRoute);
    EXPECT_EQ(look(make({}), "2001:db8::1").state, State::NoRoute);
    EXPECT_TRUE(make({}).unresolved().empty());
}

TEST(NextHops, LongestPrefixThenGatewayOrLink) {
    const NextHops hops =
        make({route("0.0.0.0/0", "10.0.0.1", 0), route("172.16.0.0/16", "", 1),
              route("172.16.5.0/24", "172.16.0.254", 1), route("172.16.5.7/32", "10.0.0.2", 0),
              route("::/0", "fe80::1", 0), route("2001:db8:16::/48", "", 1),
              route("2001:db8:16:5::/64", "2001:db8:16::fe", 1)},
             {{ip("10.0.0.1"), mac("02:00:00:00:00:01"), 0}});
    const struct {
        const char *destination, *neighbor;
        unsigned port;
    } cases[] = {
        {"8.8.8.8", "10.0.0.1", 0},
        {"172.16.1.1", "172.16.1.1", 1},
        {"172.16.5.1", "172.16.0.254", 1},
        {"172.16.5.7", "10.0.0.2", 0},
        {"172.17.0.1", "10.0.0.1", 0},
        {"2001:db8:17::1", "fe80::1", 0},
        {"2001:db8:16::9", "2001:db8:16::9", 1},
        {"2001:db8:16:5::9", "2001:db8:16::fe", 1},
    };
    for (const auto& c : cases) {
        const NextHop hop = look(hops, c.destination);
        EXPECT_EQ(hop.address, ip(c.neighbor)) << c.destination;
        EXPECT_EQ(hop.port, c.port) << c.destination;
        EXPECT_EQ(hop.mtu, c.port == 0 ? 1500 : 9000);
        const bool ready = std::string_view(c.neighbor) == "10.0.0.1";
        EXPECT_EQ(hop.state, ready ? State::Ready : State::Unresolved);
    }
}

TEST(NextHops, EthernetHeaderWithAndWithoutVlan) {
    const NextHops hops = make({route("10.0.0.0/8", "", 0), route("172.16.0.0/12", "", 1)},
                               {{ip("10.0.0.9"), mac("02:11:22:33:44:55"), 0},
                                {ip("172.16.0.9"), mac("02:66:77:88:99:aa"), 1}});
    const auto header = [](const NextHop& hop) {
        return test::Bytes(hop.l2.begin(), hop.l2.begin() + hop.l2_length - 2);
    };
    EXPECT_EQ(look(hops, "10.0.0.9").l2_length, 14);
    EXPECT_EQ(header(look(hops, "10.0.0.9")), (test::Bytes{0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x02,
                                                           0x00, 0x00, 0x00, 0x01, 0x00}));
    EXPECT_EQ(look(hops, "172.16.0.9").l2_length, 18);
    EXPECT_EQ(header(look(hops, "172.16.0.9")),
              (test::Bytes{0x02, 0x66, 0x77, 0x88, 0x99, 0xaa, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00,
                           0x81, 0x00, 0x01, 0x23}));
}

TEST(NextHops, TheFirstRouteOfAPrefixCounts) {
    const NextHops hops =
        make({route("10.0.0.0/8", "10.0.0.1", 0), route("10.0.0.0/8", "10.0.0.2", 1),
              route("172.16.0.0/16", "", 1), route("172.16.0.0/16", "10.0.0.1", 0)});
    EXPECT_EQ(look(hops, "10.9.9.9").address, ip("10.0.0.1"));
    EXPECT_EQ(look(hops, "10.9.9.9").port, 0);
    EXPECT_EQ(look(hops, "172.16.1.1").address, ip("172.16.1.1"));
}

TEST(NextHops, ANeighborIsOfItsPort) {
    const NextHops hops =
        make({route("10.0.0.0/24", "", 1)}, {{ip("10.0.0.9"), mac("02:11:22:33:44:55"), 0}});
    EXPECT_EQ(look(hops, "10.0.0.9").state, State::Unresolved);
    EXPECT_EQ(look(hops, "10.0.0.9").port, 1);
    // A neighbour alone is no route.
    EXPECT_EQ(look(make({}, {{ip("10.0.0.9"), mac("02:11:22:33:44:55"), 0}}), "10.0.0.9").state,
              State::NoRoute);
}

TEST(NextHops, AGatewayOfTheOtherFamily) {  // RFC 8950
    const NextHops hops =
        make({route("10.0.0.0/8", "fe80::1", 1)}, {{ip("fe80::1"), mac("02:11:22:33:44:55"), 1}});
    EXPECT_EQ(look(hops, "10.0.0.9").state, State::Ready);
    EXPECT_EQ(look(hops, "10.0.0.9").address, ip("fe80::1"));
}

TEST(NextHops, BackendsHaveEntriesOfTheirOwn) {
    LbModel model({});
    ASSERT_TRUE(model.replace({service({"a",
                                        {"10.1.1.1"},
                                        {80},
                                        {"172.16.0.1:80", "172.16.0.2:80", "172.16.0.2:81",
                                         "10.9.9.9:80", "9.9.9.9:80", "[2001:db8:16::1]:80"}})}));
    const auto snapshot = build(model, nullptr);
    const NextHops hops({route("172.16.0.0/16", "", 1), route("10.0.0.0/8", "10.0.0.1", 0),
                         route("2001:db8:16::/48", "", 1)},
                        {{ip("172.16.0.1"), mac("02:00:00:00:16:01"), 1}}, kPorts, *snapshot);
    const auto of = [&](size_t n) -> const NextHop& {
        return hops.of_backend(model.find("a")->backends[n].id);
    };
    EXPECT_EQ(of(0).state, State::Ready);
    EXPECT_EQ(of(1).state, State::Unresolved);
    EXPECT_EQ(of(1).address, ip("172.16.0.2"));
    EXPECT_EQ(&of(1), &of(2));  // one neighbour
    EXPECT_EQ(of(3).address, ip("10.0.0.1"));
    EXPECT_EQ(of(4).state, State::NoRoute);
    EXPECT_EQ(of(5).address, ip("2001:db8:16::1"));
    std::set<std::string> waiting;
    for (const NextHop& hop : hops.unresolved()) {
        EXPECT_TRUE(waiting.insert(hop.address.to_string()).second);
    }
    EXPECT_EQ(waiting, (std::set<std::string>{"172.16.0.2", "10.0.0.1", "2001:db8:16::1"}));
}

// Longest prefix match against a plain search.
TEST(NextHops, AgreesWithAPlainSearch) {
    std::mt19937 random(41);
    for (int round = 0; round < 200; ++round) {
        std::vector<Route> routes;
        for (int n = 0; n < 30; ++n) {
            Route next;
            std::array<uint8_t, 16> bytes{};
            for (size_t i = 0; i < 16; ++i) {
                bytes[i] = static_cast<uint8_t>(random() % 3 * 0x55);
            }
            const bool v4 = random() % 2 == 0;
            const auto address =
                v4 ? IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]) : IpAddress::v6(bytes);
            next.prefix = Prefix(address, random() % (address.bits() + 1));
            next.gateway = IpAddress::v4(9, 9, 9, static_cast<uint8_t>(n));  // names the route
            routes.push_back(next);
        }
        const NextHops hops = make(routes);
        for (int asked = 0; asked < 200; ++asked) {
            const IpAddress near = routes[random() % routes.size()].prefix.address();
            auto bytes = near.bytes();
            bytes[random() % near.size()] ^= static_cast<uint8_t>(1 << random() % 8);
            const auto address = near.is_v4()
                                     ? IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3])
                                     : IpAddress::v6(bytes);
            const Route* best = nullptr;
            for (const Route& candidate : routes) {
                if (candidate.prefix.contains(address) &&
                    (best == nullptr || candidate.prefix.length() > best->prefix.length())) {
                    best = &candidate;
                }
            }
            const NextHop hop = look(hops, address.to_string());
            ASSERT_EQ(hop.state == State::NoRoute, best == nullptr) << address.to_string();
            ASSERT_TRUE(best == nullptr || hop.address == *best->gateway) << address.to_string();
        }
    }
}

}  // namespace
}  // namespace dlb
