// [bgp]: its values, its defaults, and what it refuses.
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.hpp"
#include "config_mistake.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Lines of [bgp], then of one neighbour.
std::string bgp(const std::string& lines, const std::string& neighbor = "") {
    return rest("[bgp]\nasn = 65021\n" + lines + "\n[[bgp.neighbor]]\n" +
                (neighbor.empty() ? "address = \"10.0.0.1\"\nasn = 65000" : neighbor));
}

BgpConfig good(const std::string& text) {
    const ConfigResult result = parse_config(text, "lb.toml");
    for (const ConfigError& error : result.errors) {
        ADD_FAILURE() << error.to_string();
    }
    return result.config ? result.config->bgp : BgpConfig{};
}

TEST(ConfigBgp, OffWithoutATable) {
    EXPECT_EQ(good(kPort), BgpConfig());
    EXPECT_FALSE(good(rest("[bgp]\nenabled = false")).enabled);
}

TEST(ConfigBgp, Defaults) {
    const BgpConfig config = good(bgp(""));
    EXPECT_TRUE(config.enabled);
    EXPECT_EQ(config.router_id.to_string(), "10.0.0.106");  // the port's
    ASSERT_EQ(config.listen.size(), 2U);
    EXPECT_EQ(config.listen[0].to_string(), "0.0.0.0:179");
    EXPECT_EQ(config.listen[1].to_string(), "[::]:179");
    EXPECT_FALSE(config.next_hop4 || config.next_hop6);
    EXPECT_EQ(config.announce, BgpAnnounce::Healthy);
    EXPECT_EQ(config.local_preference, 100U);
    EXPECT_TRUE(config.graceful_restart.enabled);
    EXPECT_EQ(config.graceful_restart.restart_time, 120s);
    ASSERT_EQ(config.neighbors.size(), 1U);
    const BgpNeighborConfig& neighbor = config.neighbors[0];
    EXPECT_EQ(neighbor.port, 179);
    EXPECT_EQ(neighbor.hold_time, 9s);
    EXPECT_EQ(neighbor.connect_retry, 5s);
    EXPECT_TRUE(neighbor.ipv4 && neighbor.ipv6);
    EXPECT_FALSE(neighbor.passive || neighbor.ttl_security || neighbor.add_path);
    EXPECT_EQ(neighbor.bfd, (BfdConfig{false, 300ms, 3}));
}

TEST(ConfigBgp, EveryKey) {
    const std::string text =
        bgp("router_id = \"10.9.9.9\"\nlisten = \"10.0.0.106:1179\"\n"
            "next_hop = [\"10.0.0.7\", \"2001:db8::7\"]\nannounce = \"always\"\n"
            "aggregate = [\"10.1.1.0/24\"]\ncommunities = [\"65021:100\"]\n"
            "large_communities = [\"65021:1:2\"]\nmed = 7\nlocal_preference = 150\n"
            "link_bandwidth = 1000\n"
            "graceful_restart = { enabled = false, restart_time = \"60s\" }",
            "address = \"10.9.0.1\"\nasn = 65000\nport = 1790\nlocal_address = \"10.0.0.106\"\n"
            "hold_time = \"30s\"\nconnect_retry = \"1500ms\"\npassive = true\n"
            "password = \"secret\"\nttl_security = true\nmultihop = 3\n"
            "families = [\"ipv6-unicast\"]\nadd_path = true\nextended_next_hop = true\n"
            "prepend = 2\nbfd = { enabled = true, interval = \"50ms\", multiplier = 4 }\n"
            "[[bgp.neighbor]]\nprefix = \"172.16.0.0/16\"\nasn = 65021\npassive = true");
    const BgpConfig config = good(text);
    EXPECT_EQ(config.router_id.to_string(), "10.9.9.9");
    ASSERT_EQ(config.listen.size(), 1U);
    EXPECT_EQ(config.listen[0].to_string(), "10.0.0.106:1179");
    EXPECT_EQ(config.next_hop4->to_string(), "10.0.0.7");
    EXPECT_EQ(config.next_hop6->to_string(), "2001:db8::7");
    EXPECT_EQ(config.announce, BgpAnnounce::Always);
    EXPECT_THAT(config.aggregate, ElementsAre(*Prefix::parse("10.1.1.0/24")));
    EXPECT_THAT(config.communities, ElementsAre(BgpCommunity{65021, 100}));
    EXPECT_THAT(config.large_communities, ElementsAre(BgpLargeCommunity{65021, 1, 2}));
    EXPECT_EQ(config.med, 7U);
    EXPECT_EQ(config.local_preference, 150U);
    EXPECT_EQ(config.link_bandwidth_mbps, 1000U);
    EXPECT_EQ(config.graceful_restart, (BgpGracefulRestart{false, 60s}));
    ASSERT_EQ(config.neighbors.size(), 2U);
    BgpNeighborConfig expected;
    expected.address = IpAddress::parse("10.9.0.1");
    expected.asn = 65000;
    expected.port = 1790;
    expected.local_address = IpAddress::parse("10.0.0.106");
    expected.hold_time = 30s;
    expected.connect_retry = 1500ms;
    expected.passive = true;
    expected.password = "secret";
    expected.ttl_security = true;
    expected.multihop = 3;
    expected.ipv4 = false;
    expected.add_path = true;
    expected.extended_next_hop = true;
    expected.prepend = 2;
    expected.bfd = {true, 50ms, 4};
    EXPECT_EQ(config.neighbors[0], expected);
    EXPECT_EQ(config.neighbors[1].name(), "172.16.0.0/16");
}

TEST(ConfigBgp, IsDumpedAsItWasRead) {
    const std::string text =
        bgp("next_hop = [\"10.0.0.7\"]\ncommunities = [\"65021:100\"]\n"
            "large_communities = [\"1:2:3\"]\nlisten = \"\"",
            "address = \"10.0.0.1\"\nasn = 65000\nbfd = { enabled = true }");
    const Config config = *parse_config(text, "lb.toml").config;
    const ConfigResult again = parse_config(dump_config(config), "dump");
    ASSERT_TRUE(again.config) << again.errors[0].to_string();
    EXPECT_EQ(again.config->bgp, config.bgp);
    EXPECT_TRUE(config.bgp.listen.empty());
}

TEST(ConfigBgp, PasswordsAreInNoDump) {
    const Config config =
        *parse_config(bgp("", "address = \"10.0.0.1\"\nasn = 1\npassword = \"hunter2\""), "x")
             .config;
    EXPECT_THAT(dump_config(config), Not(HasSubstr("hunter2")));
    EXPECT_THAT(dump_config(config), HasSubstr("password = \"***\""));
}

// A folder of its own with a file "key".
class PasswordFile : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = "/tmp/dpdk-lb-test-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    ConfigResult parse(const std::string& neighbor_lines = "") {
        return parse_config(
            bgp("",
                "address = \"10.0.0.1\"\nasn = 65000\npassword_file = \"key\"\n" + neighbor_lines),
            folder_ / "lb.toml");
    }
    void write(const std::string& key) { std::ofstream(folder_ / "key") << key; }
    std::string error(const std::string& neighbor_lines = "") {
        const ConfigResult result = parse(neighbor_lines);
        return result.errors.size() == 1 ? result.errors[0].to_string() : "";
    }
    std::filesystem::path folder_;
};

TEST_F(PasswordFile, LiesBesideTheConfiguration) {
    write("hunter2\n");
    const ConfigResult result = parse();
    ASSERT_TRUE(result.config) << result.errors[0].to_string();
    EXPECT_EQ(result.config->bgp.neighbors[0].password, "hunter2");
    EXPECT_THAT(dump_config(*result.config), HasSubstr("password_file = \"key\""));
    EXPECT_THAT(dump_config(*result.config), Not(HasSubstr("hunter2")));
}

TEST_F(PasswordFile, HasToBeFit) {
    EXPECT_THAT(error(), HasSubstr("No such file"));
    EXPECT_THAT(error(), HasSubstr("bgp.neighbor.password_file"));
    write("\n");
    EXPECT_THAT(error(), HasSubstr("it is empty"));
    write(std::string(80, 'x') + "\n");
    EXPECT_EQ(error(), "");
    write(std::string(81, 'x'));
    EXPECT_THAT(error(), HasSubstr("more than 80 bytes"));
    EXPECT_THAT(error(), Not(HasSubstr("xxx")));
    EXPECT_THAT(error("password = \"other\""), HasSubstr("there is a password too"));
    std::filesystem::remove(folder_ / "key");
    std::filesystem::create_directory(folder_ / "key");
    EXPECT_THAT(error(), HasSubstr("Is a directory"));
}

const std::string kRouter = "address = \"10.0.0.1\"\nasn = 65000\n";

using ConfigBgpMistake = ConfigMistake;
TEST_P(ConfigBgpMistake, IsOneErrorOnItsLine) {
    expect_one_error();
}

const std::vector<Mistake> kMistakes = {
    {"no_asn", rest("[bgp] #!\nrouter_id = \"1.1.1.1\""), "bgp.asn", "missing", "AS number"},
    {"next_hops", bgp("next_hop = [\"10.0.0.1\", \"10.0.0.2\"] #!"), "bgp.next_hop", "one family",
     "at most one"},
    {"next_hop_multicast", bgp("next_hop = \"224.0.0.1\" #!"), "bgp.next_hop", "multicast", ""},
    {"aggregate_twice", bgp("aggregate = [\"10.1.0.0/16\", \"10.1.0.0/16\"] #!"), "bgp.aggregate",
     "twice", "one of the two"},
    {"restart_time", bgp("graceful_restart = { restart_time = \"2h\" } #!"),
     "bgp.graceful_restart.restart_time", "7200s", "4095s"},
    {"nobody", rest("[bgp]\nasn = 1\n[[bgp.neighbor]] #!\nasn = 65000"), "bgp.neighbor.address",
     "missing", "prefix"},
    {"both", bgp("", kRouter + "prefix = \"10.2.0.0/16\" #!"), "bgp.neighbor.prefix", "both", ""},
    {"twice", bgp("", kRouter + "[[bgp.neighbor]]\naddress = \"10.0.0.1\" #!\nasn = 65001"),
     "bgp.neighbor.address", "10.0.0.1 is there twice", "one of the two"},
    {"no_neighbor_asn", rest("[bgp]\nasn = 1\n[[bgp.neighbor]] #!\naddress = \"10.0.0.1\""),
     "bgp.neighbor.asn", "missing", ""},
    {"hold_time", bgp("", kRouter + "hold_time = \"2s\" #!"), "bgp.neighbor.hold_time", "2s", "0s"},
    {"passive_without_listen", bgp("listen = \"\"", kRouter + "passive = true #!"),
     "bgp.neighbor.passive", "connect to nothing", "listen"},
    {"prefix_not_passive", bgp("", "prefix = \"10.2.0.0/16\" #!\nasn = 65000"),
     "bgp.neighbor.prefix", "cannot be connected to", "passive = true"},
    {"off_link", bgp("", "address = \"10.9.0.1\" #!\nasn = 65000"), "bgp.neighbor.address",
     "in no subnet", "multihop"},
    {"own_address", bgp("", "address = \"10.0.0.106\" #!\nasn = 65000"), "bgp.neighbor.address",
     "own address", ""},
    {"link_local", bgp("", "address = \"fe80::1\" #!\nasn = 65000"), "bgp.neighbor.address",
     "link-local", "global"},
    {"local_family", bgp("", kRouter + "local_address = \"2001:db8::106\" #!"),
     "bgp.neighbor.local_address", "another family", "IPv4"},
    {"prepend_inside", bgp("", "address = \"10.0.0.1\"\nasn = 65021\nprepend = 1 #!"),
     "bgp.neighbor.prepend", "our own AS", "remove"},
    {"long_password", bgp("", kRouter + "password = \"" + std::string(81, 'x') + "\" #!"),
     "bgp.neighbor.password", "81 bytes", "at most 80"},
};
INSTANTIATE_TEST_SUITE_P(Values, ConfigBgpMistake, testing::ValuesIn(kMistakes), case_name);

}  // namespace
}  // namespace dlb
