// lb.toml read from text and files, and completed.
#include "config/config.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_example.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;

TEST(Config, ReadsEveryKey) {
    EXPECT_EQ(parse_good(kComplete), complete_config());
}

TEST(Config, FillsInDefaults) {
    const Config config = parse_good("[[port]]\nname = \"up\"\ndevice = \"net_null0\"\n");
    LbConfig lb;
    lb.socket = "/run/dpdk-lb/lb1.sock";
    EXPECT_EQ(config.lb, lb);
    PortConfig port;
    port.name = "up";
    port.device = "net_null0";
    port.tap = "up0";
    EXPECT_EQ(config.ports, std::vector<PortConfig>{port});
    EXPECT_TRUE(config.services.empty());
    EXPECT_EQ(
        parse_good("lb.name = \"b\"\nport = [{name = \"up\", device = \"net_null0\"}]").lb.socket,
        "/run/dpdk-lb/b.sock");
}

TEST(Config, ReadsCores) {
    const std::vector<std::pair<std::string, std::vector<unsigned>>> cases = {
        {"\"1-3\"", {1, 2, 3}},   {"\"1,3,5\"", {1, 3, 5}},
        {"\"0-1,4\"", {0, 1, 4}}, {"\"5,3,1\"", {1, 3, 5}},
        {"\"7\"", {7}},           {"7", {7}},
        {"\"2-2\"", {2}},         {"0", {0}},
        {"\"1023\"", {1023}},
    };
    for (const auto& [text, cores] : cases) {
        const std::string file =
            "[lb]\ncores = " + text + "\n[[port]]\nname = \"up\"\ndevice = \"net_null0\"\n";
        EXPECT_EQ(parse_good(file).lb.cores, cores) << text;
    }
}

TEST(Config, ReadsDurationsAndDevices) {
    for (const auto& [text, time] : std::vector<std::pair<std::string, std::chrono::milliseconds>>{
             {"500ms", 500ms}, {"5s", 5s}, {"2m", 2min}, {"1h", 1h}, {"0ms", 0ms}, {"24h", 24h}}) {
        EXPECT_EQ(parse_good("[lb]\ndrain_time = \"" + text +
                             "\"\n[[port]]\nname = \"up\"\ndevice = \"net_null0\"\n")
                      .lb.drain_time,
                  time);
    }
    for (const std::string device :
         {"0000:3b:00.0", "3b:00.0", "10000:01:00.7", "net_tap0,iface=x",
          "net_memif0,role=server,id=0", "0000:3B:00.1,a=b", "net_virtio_user7,path=/dev/vhost-net",
          "net_pcap", "net_vhost0"}) {
        const Config config = parse_good("[[port]]\nname = \"up\"\ndevice = \"" + device + "\"\n");
        EXPECT_EQ(config.ports.at(0).device, device);
    }
}

TEST(Config, TakesOtherWaysOfWriting) {
    std::string crlf = kComplete;
    for (size_t at = 0; (at = crlf.find('\n', at)) != std::string::npos; at += 2) {
        crlf.insert(at, "\r");
    }
    EXPECT_EQ(parse_good(crlf), complete_config());
    EXPECT_EQ(parse_good("\xEF\xBB\xBF" + kComplete), complete_config());
    EXPECT_EQ(parse_good(kComplete.substr(0, kComplete.size() - 1)), complete_config());
}

TEST(Config, NamesTheEnums) {
    EXPECT_EQ(to_string(IdleMode::Busy), "busy");
    EXPECT_EQ(to_string(IdleMode::Adaptive), "adaptive");
    for (const LogLevel level :
         {LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug}) {
        EXPECT_EQ(parse_log_level(to_string(level)), level);
    }
    EXPECT_EQ(to_string(LogLevel::Warn), "warn");
    EXPECT_FALSE(parse_log_level("trace").has_value());
}

TEST(Config, ReportsAllErrorsInLineOrder) {
    const ConfigResult result = parse_config(
        "[[service]]\n"           // 1: no vip
        "name = \"web\"\n"        //
        "scheduler = \"rrr\"\n"   // 3: unknown
        "wieght = 1\n"            // 4: unknown
        "[[service.backend]]\n"   //
        "address = \"10.0.0\"\n"  // 6: no address
        "port = \"http\"\n"       // 7: no number
        "[[port]]\n"              // 8: no device
        "name = \"up\"\n"         //
        "address = \"10.0.0.1/24\"\n"
        "gateway = \"10.0.1.1\"\n"  // 11: outside
        "[lb]\n"
        "mbufs = 1\n",  // 13: too few
        "lb.toml");
    EXPECT_FALSE(result.config.has_value());
    std::vector<unsigned> lines(result.errors.size());
    std::transform(result.errors.begin(), result.errors.end(), lines.begin(),
                   [](const ConfigError& error) { return error.line; });
    EXPECT_EQ(lines, (std::vector<unsigned>{1, 3, 4, 6, 7, 8, 11, 13})) << listing(result);
}

// The lines that toml11 stops at are put aside, so that one run shows what is wrong with the rest.
TEST(Config, ReportsErrorsBehindSyntaxErrors) {
    const ConfigResult result = parse_config(
        "[lb]\nname = edge\ncores = 1-3\nmbufs = 5\n[[port]]\ndevice = net_null0\nmtu = \"x\"\n",
        "lb.toml");
    EXPECT_EQ(listing(result),
              "lb.toml:2: the value is no TOML; give a number, true, false, or text in double "
              "quotes\n"
              "lb.toml:3: the value is no TOML; give a number, true, false, or text in double "
              "quotes\n"
              "lb.toml:4: lb.mbufs: mbufs is 5; give a whole number from 1024 to 134217728\n"
              "lb.toml:6: the value is no TOML; give a number, true, false, or text in double "
              "quotes\n"
              "lb.toml:7: port.mtu: mtu is \"x\"; give a whole number from 576 to 9216\n");
}

TEST(Config, ErrorsPrintOnOneLine) {
    const ConfigError error = {"lb.toml", 12, "service.web.backend.weight", "weight is -1",
                               "give a whole number from 0 to 65535"};
    EXPECT_EQ(error.to_string(),
              "lb.toml:12: service.web.backend.weight: weight is -1; give a whole number from 0 to "
              "65535");
    EXPECT_EQ((ConfigError{"", 0, "service.web.vip", "bad", "mend"}).to_string(),
              "service.web.vip: bad; mend");
    EXPECT_EQ((ConfigError{"lb.toml", 3, "", "bad", "mend"}).to_string(), "lb.toml:3: bad; mend");
}

class ConfigFile : public testing::Test {
  protected:
    // The errors of a file that cannot be read: one, of the whole file.
    static std::string unreadable(const std::string& path) {
        const ConfigResult result = load_config(path);
        EXPECT_FALSE(result.config.has_value());
        EXPECT_EQ(result.errors.size(), 1U);
        EXPECT_EQ(result.errors.at(0).line, 0U);
        EXPECT_FALSE(result.errors.at(0).mend.empty());
        return result.errors.at(0).to_string();
    }
    static std::string write(const std::string& text) {
        const std::string path =
            testing::TempDir() + "config_test." + std::to_string(getpid()) + ".toml";
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
};

TEST_F(ConfigFile, Loads) {
    const std::string path = write(kComplete);
    const ConfigResult result = load_config(path);
    ASSERT_TRUE(result.config.has_value()) << listing(result);
    EXPECT_EQ(*result.config, complete_config());
    write("[lb]\nmbufs = 5\n[[port]]\nname = \"up\"\ndevice = \"net_null0\"\n");
    EXPECT_EQ(listing(load_config(path)).find(path + ":2: lb.mbufs: "), 0U);
    unlink(path.c_str());
}

TEST_F(ConfigFile, SaysWhyItCannotBeRead) {
    const std::string missing = testing::TempDir() + "no-such-file.toml";
    EXPECT_EQ(unreadable(missing),
              missing +
                  ": cannot read the file: No such file or directory; give the "
                  "path of the lb.toml with -c");
    EXPECT_NE(unreadable(testing::TempDir()).find("Is a directory"), std::string::npos);
    EXPECT_NE(unreadable("/dev/zero").find("more than 16 MiB"), std::string::npos);
}

TEST_F(ConfigFile, SaysThatItMayNotBeRead) {
    const std::string path = write(kComplete);
    chmod(path.c_str(), 0);
    const uid_t user = geteuid();
    if (user == 0) {  // root may read everything: be nobody meanwhile
        ASSERT_EQ(seteuid(65534), 0);
    }
    EXPECT_NE(unreadable(path).find("Permission denied; make the file readable"),
              std::string::npos);
    ASSERT_EQ(seteuid(user), 0);
    unlink(path.c_str());
}

}  // namespace
}  // namespace dlb
