// FlatMap, AddressFilter, find_service() and its precedence, and the outer headers of tunnels.
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "lb/flat_map.hpp"
#include "lb/model.hpp"
#include "support/model_helpers.hpp"
#include "support/packet_builder.hpp"

namespace dlb {
namespace {

using test::ip;
using test::service;
using test::wire;

TEST(FlatMap, AgreesWithStdMap) {
    std::mt19937_64 random(21);
    for (const size_t expected : {0U, 1U, 1000U}) {
        FlatMap<uint64_t, unsigned> map(expected);
        std::map<uint64_t, unsigned> model;
        EXPECT_EQ(map.find(1), nullptr);
        EXPECT_TRUE(map.empty());
        for (unsigned n = 0; n < 5000; ++n) {
            const uint64_t key = random() % 3000;
            if (random() % 2 == 0) {
                map[key] += n;
                model[key] += n;
            }
            const uint64_t asked = random() % 3000;
            const auto found = model.find(asked);
            const unsigned* value = map.find(asked);
            ASSERT_EQ(value != nullptr, found != model.end());
            ASSERT_TRUE(value == nullptr || *value == found->second);
            ASSERT_EQ(map.size(), model.size());
        }
        std::map<uint64_t, unsigned> visited;
        map.for_each([&](uint64_t key, unsigned value) { visited[key] = value; });
        EXPECT_EQ(visited, model);
    }
}

TEST(AddressFilter, KnowsAllThatIsOurs) {
    LbModel model(test::addresses({"10.0.0.106", "2001:db8::106"}));
    ServiceConfig web =
        service({.name = "web",
                 .vip = {"10.1.1.1", "10.2.0.0/16", "2001:db8:1::1", "2001:db8:2::/48"},
                 .ports = {80},
                 .backends = {"10.0.0.11:80", "[2001:db8::11]:80"},
                 .mode = Mode::Fnat,
                 .snat = {"10.0.0.107", "2001:db8::107"}});
    ASSERT_TRUE(model.replace({web}));
    const auto snapshot = build(model, nullptr);
    for (const char* ours : {"10.1.1.1", "10.2.0.0", "10.2.255.255", "10.0.0.106", "10.0.0.107"}) {
        EXPECT_TRUE(snapshot->v4.may_be_ours(raw_address<V4>(ip(ours)))) << ours;
    }
    for (const char* ours : {"2001:db8:1::1", "2001:db8:2::", "2001:db8:2:ffff::1", "2001:db8::106",
                             "2001:db8::107"}) {
        EXPECT_TRUE(snapshot->v6.may_be_ours(raw_address<V6>(ip(ours)))) << ours;
    }
    unsigned taken4 = 0;
    unsigned taken6 = 0;
    for (unsigned n = 0; n < 10000; ++n) {
        const std::string low = std::to_string(n / 250) + "." + std::to_string(n % 250);
        taken4 += snapshot->v4.may_be_ours(raw_address<V4>(ip("198.18." + low))) ? 1 : 0;
        const std::string words = std::to_string(n / 100) + "::" + std::to_string(n % 100);
        taken6 += snapshot->v6.may_be_ours(raw_address<V6>(ip("2001:db8:99:" + words))) ? 1 : 0;
    }
    EXPECT_LT(taken4, 20U);  // two in 65,536 each time, and four bits are set
    EXPECT_LT(taken6, 20U);
}

// One of the VIP tables of a snapshot, asked in text.
struct Asked {
    std::shared_ptr<const LbSnapshot> snapshot;
    const LbModel& model;

    template <typename F>
    std::string name_in(const IpAddress& address, uint16_t port, Protocol protocol) const {
        const auto match = snapshot->tables<F>().find_service(raw_address<F>(address), wire(port),
                                                              static_cast<uint8_t>(protocol));
        if (match.service == nullptr) {
            return match.vip == nullptr ? "none" : "vip";
        }
        for (const ModelService& s : model.services()) {
            if (s.slot == match.service->service) {
                return s.config.name;
            }
        }
        return "?";
    }
    std::string operator()(const std::string& address, uint16_t port,
                           Protocol protocol = Protocol::Tcp) const {
        const IpAddress parsed = ip(address);
        return parsed.is_v4() ? name_in<V4>(parsed, port, protocol)
                              : name_in<V6>(parsed, port, protocol);
    }
};

TEST(FindService, LongestPrefixFirstThenTheExactPort) {
    LbModel model({});
    ASSERT_TRUE(model.replace({
        service({"all", {"10.0.0.0/8", "2001:db8::/32"}, {}, {}}),
        service({"net", {"10.1.1.0/24", "2001:db8:1::/64"}, {}, {}}),
        service({"net-80", {"10.1.1.0/24", "2001:db8:1::/64"}, {80}, {}}),
        service({"host-443", {"10.1.1.1", "2001:db8:1::1"}, {443, 8443}, {}}),
        service({"host-any", {"10.1.1.2", "2001:db8:1::2"}, {}, {}}),
        service({"udp", {"10.1.1.1", "2001:db8:1::1"}, {53}, {}, Mode::Nat, Protocol::Udp}),
    }));
    const Asked ask{build(model, nullptr), model};
    const struct {
        const char *v4, *v6;
        uint16_t port;
        Protocol protocol;
        const char* name;
    } cases[] = {
        {"10.1.1.1", "2001:db8:1::1", 443, Protocol::Tcp, "host-443"},
        {"10.1.1.1", "2001:db8:1::1", 8443, Protocol::Tcp, "host-443"},
        {"10.1.1.1", "2001:db8:1::1", 80, Protocol::Tcp, "net-80"},
        {"10.1.1.1", "2001:db8:1::1", 81, Protocol::Tcp, "net"},
        {"10.1.1.1", "2001:db8:1::1", 0, Protocol::Tcp, "net"},
        {"10.1.1.2", "2001:db8:1::2", 80, Protocol::Tcp, "host-any"},  // the prefix goes before
        {"10.1.1.3", "2001:db8:1::3", 80, Protocol::Tcp, "net-80"},
        {"10.1.1.3", "2001:db8:1::3", 443, Protocol::Tcp, "net"},
        {"10.1.2.3", "2001:db8:2::3", 443, Protocol::Tcp, "all"},
        {"10.255.255.255", "2001:db8:ffff::", 1, Protocol::Tcp, "all"},
        {"11.1.1.1", "2001:db9::1", 443, Protocol::Tcp, "none"},
        {"10.1.1.1", "2001:db8:1::1", 53, Protocol::Udp, "udp"},
        {"10.1.1.1", "2001:db8:1::1", 54, Protocol::Udp, "vip"},
        {"10.1.2.3", "2001:db8:2::3", 53, Protocol::Udp, "vip"},
        {"9.9.9.9", "::1", 53, Protocol::Udp, "none"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(ask(c.v4, c.port, c.protocol), c.name) << c.v4 << ' ' << c.port;
        EXPECT_EQ(ask(c.v6, c.port, c.protocol), c.name) << c.v6 << ' ' << c.port;
    }
}

TEST(FindService, EveryAddress) {
    LbModel model({});
    ASSERT_TRUE(model.replace({service({"all", {"0.0.0.0/0", "::/0"}, {80}, {}})}));
    const Asked ask{build(model, nullptr), model};
    EXPECT_EQ(ask("255.1.2.3", 80), "all");
    EXPECT_EQ(ask("0.0.0.0", 80), "all");
    EXPECT_EQ(ask("ffff::1", 80), "all");
    EXPECT_EQ(ask("1.2.3.4", 81), "vip");
}

TEST(FindVip, AnswersPingWhenOneOfItsServicesDoes) {
    LbModel model({});
    ServiceConfig quiet = service({"quiet", {"10.1.1.1", "2001:db8::1"}, {80}, {}});
    quiet.icmp_echo = false;
    ASSERT_TRUE(model.replace({quiet}));
    auto snapshot = build(model, nullptr);
    EXPECT_FALSE(snapshot->v4.find_vip(ip("10.1.1.1").v4_word())->icmp_echo);
    EXPECT_FALSE(snapshot->v6.find_vip(raw_address<V6>(ip("2001:db8::1")))->icmp_echo);
    const auto loud = service({"loud", {"10.1.1.1"}, {443}, {}});
    ASSERT_TRUE(model.replace({loud, quiet}));
    EXPECT_TRUE(build(model, nullptr)->v4.find_vip(ip("10.1.1.1").v4_word())->icmp_echo);
    ASSERT_TRUE(model.replace({quiet, loud}));
    snapshot = build(model, nullptr);
    EXPECT_TRUE(snapshot->v4.find_vip(ip("10.1.1.1").v4_word())->icmp_echo);
    EXPECT_FALSE(snapshot->v6.find_vip(raw_address<V6>(ip("2001:db8::1")))->icmp_echo);
    EXPECT_EQ(snapshot->v4.find_vip(ip("10.1.1.2").v4_word()), nullptr);
}

// The header of a packet without payload, as the independent builder makes it.
test::Bytes expected_outer(const std::string& source, const std::string& destination,
                           uint8_t protocol) {
    auto packet = test::PacketBuilder().ipv4(source, destination).protocol(protocol);
    if (packet.is_v4()) {
        packet.identification(0).with_ip_length(0);
    }
    return packet.build_ip();
}

TEST(OuterHeader, IsAWholeHeader) {
    const struct {
        const char *source, *destination;
        Mode mode;
        uint8_t protocol;
        size_t behind;  // bytes after the IP header
    } cases[] = {
        {"10.0.0.106", "172.16.0.1", Mode::Ipip, 0, 0},
        {"255.255.255.255", "255.255.255.255", Mode::Gre, 47, 4},
        {"0.0.0.0", "0.0.0.1", Mode::Fou, 17, 8},
        {"10.0.0.106", "172.16.0.1", Mode::Vxlan, 17, 30},
        {"2001:db8::106", "2001:db8:16::1", Mode::Ipip, 0, 0},
        {"2001:db8::106", "fe80::1", Mode::Gue, 17, 12},
    };
    for (const auto& c : cases) {
        const OuterHeader outer = make_outer_header(ip(c.source), ip(c.destination), {c.mode});
        auto expected = expected_outer(c.source, c.destination, c.protocol);
        ASSERT_EQ(outer.ip_length, expected.size());
        ASSERT_EQ(outer.length, expected.size() + c.behind);
        EXPECT_EQ(outer.family, ip(c.source).family());
        EXPECT_EQ(test::Bytes(outer.bytes.begin(), outer.bytes.begin() + outer.ip_length),
                  expected);
    }
}

TEST(HashShare, SharesEvenly) {
    EXPECT_EQ(hash_share(0, 7), 0U);
    EXPECT_EQ(hash_share(UINT64_MAX, 7), 6U);
    EXPECT_EQ(hash_share(UINT64_MAX, MaglevTable::kLargeSize), MaglevTable::kLargeSize - 1);
    std::mt19937_64 random(22);
    unsigned counts[7] = {};
    for (int i = 0; i < 70'000; ++i) {
        ++counts[hash_share(random(), 7)];
    }
    for (const unsigned count : counts) {
        EXPECT_NEAR(count, 10'000, 500);
    }
}

TEST(Names, RoundTrip) {
    for (unsigned i = 0; i < kModes; ++i) {
        EXPECT_EQ(parse_mode(to_string(static_cast<Mode>(i))), static_cast<Mode>(i));
    }
    for (unsigned i = 0; i < kSchedulers; ++i) {
        const auto kind = static_cast<SchedulerKind>(i);
        EXPECT_EQ(parse_scheduler(to_string(kind)), kind);
    }
    EXPECT_EQ(parse_protocol("tcp"), Protocol::Tcp);
    EXPECT_EQ(parse_protocol("udp"), Protocol::Udp);
    EXPECT_EQ(parse_overflow("reset"), Overflow::Reset);
    for (const char* bad : {"", "TCP", "icmp", "nat ", "maglev2"}) {
        EXPECT_FALSE(parse_protocol(bad) || parse_mode(bad) || parse_scheduler(bad) ||
                     parse_overflow(bad));
    }
    EXPECT_FALSE(is_tunnel(Mode::Nat) || is_tunnel(Mode::Fnat) || is_tunnel(Mode::Dr));
    EXPECT_TRUE(is_tunnel(Mode::Ipip) && is_tunnel(Mode::Gre) && is_tunnel(Mode::Vxlan));
}

}  // namespace
}  // namespace dlb
