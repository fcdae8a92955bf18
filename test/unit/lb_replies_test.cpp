// The reply map of NAT: by hand where rules matter, and against an enumeration of all origins that
// a reply can have in random models.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "lb/model.hpp"
#include "support/model_helpers.hpp"

namespace dlb {
namespace {

using test::ip;
using test::service;
using test::wire;

std::shared_ptr<const LbSnapshot> snapshot_of(const std::vector<ServiceConfig>& services) {
    LbModel model({});
    EXPECT_TRUE(model.replace(services));
    return build(model, nullptr);
}
const ReplyEntry<V4>* reply(const LbSnapshot& snapshot, const char* address, uint16_t port,
                            uint8_t protocol = 6) {
    return snapshot.v4.find_reply(ip(address).v4_word(), wire(port), protocol);
}

TEST(Replies, OneServiceOnePort) {
    const auto s = snapshot_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:8080"}})});
    const auto* found = reply(*s, "172.16.0.1", 8080);
    ASSERT_NE(found, nullptr);
    EXPECT_FALSE(found->ambiguous);
    EXPECT_EQ(to_ip_address(found->vip), ip("10.1.1.1"));
    EXPECT_EQ(found->vip_port, wire(80));
    EXPECT_EQ(found->backend, s->backends[0].id);
    EXPECT_EQ(reply(*s, "172.16.0.1", 80), nullptr);
    EXPECT_EQ(reply(*s, "172.16.0.2", 8080), nullptr);
    EXPECT_EQ(reply(*s, "172.16.0.1", 8080, 17), nullptr);
    EXPECT_FALSE(s->services[0].stateful_replies);
}

TEST(Replies, V6) {
    const auto s = snapshot_of({service({"a", {"2001:db8:1::1"}, {80}, {"[2001:db8::1]:8080"}})});
    const auto* found = s->v6.find_reply(raw_address<V6>(ip("2001:db8::1")), wire(8080), 6);
    ASSERT_NE(found, nullptr);
    EXPECT_FALSE(found->ambiguous);
    EXPECT_EQ(to_ip_address(found->vip), ip("2001:db8:1::1"));
    EXPECT_EQ(found->vip_port, wire(80));
}

TEST(Replies, TwoVipsToOneBackend) {
    for (const auto& services : std::vector<std::vector<ServiceConfig>>{
             {service({"a", {"10.1.1.1", "10.1.1.2"}, {80}, {"172.16.0.1:80"}})},
             {service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80"}}),
              service({"b", {"10.1.1.2"}, {80}, {"172.16.0.1:80"}})},
             {service({"a", {"10.1.1.1"}, {80, 81}, {"172.16.0.1:80"}})}}) {
        const auto s = snapshot_of(services);
        const auto* found = reply(*s, "172.16.0.1", 80);
        ASSERT_NE(found, nullptr);
        EXPECT_TRUE(found->ambiguous);
        EXPECT_TRUE(found->has_default);  // the first one's flows from before the second came
        EXPECT_EQ(to_ip_address(found->vip), ip("10.1.1.1"));
        for (const ServiceEntry& entry : s->services) {
            EXPECT_TRUE(entry.stateful_replies);
        }
    }
}

TEST(Replies, EveryPort) {
    // The backend's port is the client's: told by the port.
    auto s = snapshot_of({service({"a", {"10.1.1.1"}, {}, {"172.16.0.1:0"}})});
    const auto* found = reply(*s, "172.16.0.1", 4711);
    ASSERT_NE(found, nullptr);
    EXPECT_FALSE(found->ambiguous);
    EXPECT_EQ(found->vip_port, 0);
    // Every port before one of the backend's: only the flow knows.
    s = snapshot_of({service({"a", {"10.1.1.1"}, {}, {"172.16.0.1:80"}})});
    found = reply(*s, "172.16.0.1", 80);
    ASSERT_NE(found, nullptr);
    EXPECT_TRUE(found->ambiguous);
    EXPECT_FALSE(found->has_default);
    EXPECT_EQ(reply(*s, "172.16.0.1", 81), nullptr);
    // Ports of its own that fall under another's every port.
    s = snapshot_of({service({"a", {"10.1.1.1"}, {}, {"172.16.0.1:0"}}),
                     service({"b", {"10.1.1.2"}, {80}, {"172.16.0.1:80"}})});
    EXPECT_TRUE(reply(*s, "172.16.0.1", 80)->ambiguous);
    EXPECT_TRUE(s->services[0].stateful_replies);
    EXPECT_TRUE(s->services[1].stateful_replies);
}

TEST(Replies, PrefixVip) {
    const auto s = snapshot_of({service({"a", {"10.1.1.0/24"}, {80}, {"172.16.0.1:80"}})});
    const auto* found = reply(*s, "172.16.0.1", 80);
    ASSERT_NE(found, nullptr);
    EXPECT_TRUE(found->ambiguous);
    EXPECT_FALSE(found->has_default);
    EXPECT_TRUE(s->services[0].stateful_replies);
}

TEST(Replies, OnlyNatHasThem) {
    for (const Mode mode : {Mode::Fnat, Mode::Dr, Mode::Ipip}) {
        const auto s = snapshot_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80"}}),
                                    service({"b", {"10.1.1.2"}, {80}, {"172.16.0.1:80"}, mode})});
        EXPECT_FALSE(reply(*s, "172.16.0.1", 80)->ambiguous) << to_string(mode);
        EXPECT_FALSE(s->services[1].stateful_replies);
    }
}

// By address alone, for fragments: those of other modes, and of the other family, are none.
TEST(Replies, NatBackends) {
    const auto s = snapshot_of(
        {service({"a", {"10.1.1.1", "2001:db8:1::1"}, {80}, {"172.16.0.1:80", "[2001:db8::1]:80"}}),
         service({"b", {"10.1.1.2"}, {80}, {"172.16.0.2:80", "[2001:db8::2]:80"}}),
         service({"c", {"10.1.1.3"}, {80}, {"172.16.0.3:80"}, Mode::Dr})});
    const auto four = [&](const char* text) { return s->v4.is_nat_backend(ip(text).v4_word()); };
    const auto six = [&](const char* text) {
        return s->v6.is_nat_backend(raw_address<V6>(ip(text)));
    };
    EXPECT_TRUE(four("172.16.0.1") && four("172.16.0.2") && six("2001:db8::1"));
    EXPECT_FALSE(four("172.16.0.3") || four("172.16.0.4") || four("10.1.1.1"));
    EXPECT_FALSE(six("2001:db8::2"));
}

TEST(Replies, StatefulOnesAreSticky) {
    auto loose = service({"a", {"10.1.1.1", "10.1.1.2"}, {80}, {"172.16.0.1:80"}});
    loose.sticky = false;
    EXPECT_TRUE(snapshot_of({loose})->services[0].sticky);
    loose.vip.pop_back();
    EXPECT_FALSE(snapshot_of({loose})->services[0].sticky);
}

// Where a reply may come from: a VIP and its port; -1 where it may be any of many.
using Origin = std::pair<std::string, int>;

std::set<Origin> origins(const std::vector<ServiceConfig>& services, const IpAddress& backend,
                         uint16_t port, Protocol protocol) {
    std::set<Origin> all;
    for (const ServiceConfig& s : services) {
        for (const BackendConfig& b : s.backends) {
            if (s.protocol != protocol || b.address != backend) {
                continue;
            }
            std::vector<int> vip_ports;
            for (const uint16_t vip_port : s.ports) {
                if (b.port == port || (b.port == 0 && vip_port == port)) {
                    vip_ports.push_back(vip_port);
                }
            }
            if (s.ports.empty() && (b.port == 0 || b.port == port)) {
                vip_ports.push_back(b.port == 0 ? port : -1);
            }
            for (const Prefix& vip : s.vip) {
                for (const int vip_port : vip_ports) {
                    all.emplace(vip.to_string(), vip.is_host() ? vip_port : -1);
                }
            }
        }
    }
    return all;
}

std::vector<ServiceConfig> random_services(std::mt19937& random) {
    std::vector<ServiceConfig> services;
    std::set<std::string> claimed;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
        ServiceConfig s;
        s.name = std::to_string(n);
        s.protocol = random() % 4 == 0 ? Protocol::Udp : Protocol::Tcp;
        if (random() % 3 != 0) {
            s.ports.push_back(random() % 2 == 0 ? 80 : 81);
            if (random() % 4 == 0) {
                s.ports.push_back(82);
            }
        }
        const std::string vip =
            random() % 8 == 0 ? "10.1.1.0/24" : "10.1.2." + std::to_string(random() % 3);
        const std::string port = s.ports.empty() ? "any" : std::to_string(s.ports[0]);
        if (!claimed.insert(vip + port).second ||
            (s.ports.size() > 1 && !claimed.insert(vip + "82").second)) {
            continue;
        }
        s.vip.push_back(*Prefix::parse(vip));
        std::set<Endpoint> endpoints;
        for (unsigned b = 1 + random() % 2; b > 0; --b) {
            BackendConfig backend;
            backend.address = IpAddress::v4(172, 16, 0, static_cast<uint8_t>(random() % 3));
            backend.port = static_cast<uint16_t>(random() % 2 == 0 ? 0 : 80 + random() % 2);
            if (endpoints.insert(backend.endpoint()).second) {
                s.backends.push_back(backend);
            }
        }
        services.push_back(std::move(s));
    }
    return services;
}

void check_reply(const LbSnapshot& snapshot, const std::vector<ServiceConfig>& services,
                 const IpAddress& backend, uint16_t port, Protocol protocol) {
    const auto possible = origins(services, backend, port, protocol);
    const auto* found =
        snapshot.v4.find_reply(backend.v4_word(), wire(port), static_cast<uint8_t>(protocol));
    ASSERT_EQ(found != nullptr, !possible.empty());
    if (found == nullptr) {
        return;
    }
    const bool unique = possible.size() == 1 && possible.begin()->second != -1;
    ASSERT_TRUE(found->ambiguous || unique);  // it may be careful without need, never careless
    if (!found->ambiguous) {
        const int vip_port = found->vip_port == 0 ? port : Be16::from_raw(found->vip_port).host();
        ASSERT_EQ(*possible.begin(), Origin(to_ip_address(found->vip).to_string(), vip_port));
    } else {
        // Whoever sends to this endpoint keeps its flows where replies find them.
        for (const BackendEntry& entry : snapshot.backends) {
            if (entry.address == backend && (entry.port == 0 || entry.port == wire(port)) &&
                snapshot.find_backend(entry.id) != nullptr) {
                const ServiceConfig& config = services[entry.service];
                const bool reaches = config.protocol == protocol &&
                                     (entry.port != 0 || config.ports.empty() ||
                                      std::count(config.ports.begin(), config.ports.end(), port));
                ASSERT_TRUE(!reaches || snapshot.services[entry.service].stateful_replies);
            }
        }
    }
}

TEST(Replies, AgreeWithTheEnumeration) {
    std::mt19937 random(31);
    for (int round = 0; round < 1500; ++round) {
        const auto services = random_services(random);
        const auto snapshot = snapshot_of(services);
        for (uint8_t address = 0; address < 3; ++address) {
            for (const uint16_t port : {79, 80, 81, 82}) {
                for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
                    check_reply(*snapshot, services, IpAddress::v4(172, 16, 0, address), port,
                                protocol);
                    if (HasFatalFailure()) {
                        return;
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace dlb
