// dump_config() writes what parse_config() reads back.
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/config.hpp"
#include "config_example.hpp"
#include "lb/outer_header.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;

TEST(ConfigDump, IsReadable) {
    const std::string text = dump_config(complete_config());
    for (const std::string part :
         {"[lb]\nname = \"edge\"\ncores = \"0-1,4\"\n", "drain_time = \"0s\"\n",
          "socket = \"/tmp/lb \\\"edge\\\".sock\"\n", "\n[[port]]\nname = \"uplink\"\n",
          "  [[port.neighbor]]\n  address = \"10.0.0.1\"\n  mac = \"02:00:00:00:00:01\"\n",
          "vip = [\"10.1.1.1\", \"10.1.2.0/24\", \"2001:db8:1::1\"]\n", "ports = [80, 443]\n",
          "timeout = { tcp_established = \"2h\", tcp_handshake = \"5s\", tcp_fin = \"500ms\", udp "
          "= "
          "\"90s\" }\n",
          "\n  [[service.backend]]\n  address = \"172.16.21.2\"\n  port = 80\n  weight = 0\n"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << "\nin\n" << text;
    }
}

TEST(ConfigDump, ParsesBack) {
    EXPECT_EQ(parse_good(dump_config(complete_config())), complete_config());
    const Config least =
        parse_good("[[port]]\nname = \"up\"\ndevice = \"net_null0\"\ntap = \"\"\n");
    EXPECT_EQ(parse_good(dump_config(least)), least);
}

// Valid configurations of every shape.
class RandomConfig {
  public:
    explicit RandomConfig(unsigned seed) : random_(seed) {}

    Config make() {
        Config config;
        config.lb = make_lb();
        for (unsigned i = 0; i <= below(3); ++i) {
            config.ports.push_back(make_port(i));
        }
        const unsigned services = below(6);
        for (unsigned i = 0; i < services; ++i) {
            config.services.push_back(make_service(i));
        }
        return config;
    }

  private:
    unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
    bool coin() { return below(2) == 0; }
    uint8_t byte() { return static_cast<uint8_t>(1 + below(250)); }

    std::chrono::milliseconds time() {
        const std::vector<std::chrono::milliseconds> units = {100ms, 1s, 1min, 1h, 1001ms};
        return units[below(5)] * (1 + below(24));
    }

    std::string text(size_t length) {
        static const std::string kLetters = "abcXYZ019_.-";
        std::string out;
        while (out.size() < length) {
            out += kLetters[below(static_cast<unsigned>(kLetters.size()))];
        }
        return out;
    }

    LbConfig make_lb() {
        LbConfig lb;
        lb.name = text(1 + below(32));
        lb.cores.clear();
        for (unsigned core = below(4); core < 12; core += 1 + below(3)) {
            lb.cores.push_back(core);
        }
        lb.control_core = below(1024);
        lb.idle = coin() ? IdleMode::Busy : IdleMode::Adaptive;
        lb.socket = coin() ? "/run/dpdk-lb/" + lb.name + ".sock" : "/tmp/\"\\ ü " + text(5);
        lb.hugepages = coin();
        lb.memory_mb = 64 + below(100000);
        lb.flow_table_size = 1024 + below(1U << 26);
        lb.mbufs = 1024 + below(1U << 20);
        lb.drain_time = coin() ? 0ms : time();
        lb.log_level = static_cast<LogLevel>(below(4));
        lb.user = coin() ? "" : "dpdk-lb";
        lb.log_format = coin() ? LogFormat::Text : LogFormat::Json;
        return lb;
    }

    PortConfig make_port(unsigned index) {
        PortConfig port;
        port.name = "p" + std::to_string(index) + text(below(10));
        port.device = coin() ? "0000:0" + std::to_string(index) + ":00.0"
                             : "net_null" + std::to_string(index) + ",a=\"\\" + text(3);
        const auto octet = static_cast<uint8_t>(index);
        port.address = {{IpAddress::v4(10, 0, octet, 106), 24}};
        if (coin()) {
            port.address.push_back(
                {*IpAddress::parse("2001:db8:" + std::to_string(index) + "::6a"), 64});
        }
        if (coin()) {
            port.gateway = {IpAddress::v4(10, 0, octet, 1), *IpAddress::parse("fe80::1")};
        }
        port.tap = coin() ? "" : coin() ? port.name + "0" : "t" + std::to_string(index);
        port.mtu = static_cast<uint16_t>(1280 + below(7937));
        port.vlan = static_cast<uint16_t>(below(4095));
        port.promiscuous = coin();
        for (unsigned i = below(3); i > 0; --i) {
            port.neighbors.push_back(
                {IpAddress::v4(10, 0, octet, static_cast<uint8_t>(i)), MacAddress{{2, 0, byte()}}});
        }
        return port;
    }

    ServiceConfig make_service(unsigned index) {
        ServiceConfig service;
        const auto octet = static_cast<uint8_t>(index);
        service.name = "s" + std::to_string(index) + text(below(60));
        service.vip = {Prefix::host(IpAddress::v4(10, 1, octet, byte()))};
        if (coin()) {
            service.vip.emplace_back(IpAddress::v4(10, 2, octet, 0), 24 + below(8));
        }
        service.protocol = coin() ? Protocol::Tcp : Protocol::Udp;
        for (unsigned port = 1 + below(65535), i = below(4); i > 0; --i) {
            service.ports.push_back(static_cast<uint16_t>(1 + (port + i) % 65535));
        }
        service.mode = static_cast<Mode>(below(kModes));
        service.vni = below(1 << 24);
        service.tunnel_port =
            coin() ? static_cast<uint16_t>(1 + below(65535)) : default_tunnel_port(service.mode);
        service.snat.assign(below(2), IpAddress::v4(10, 0, 0, 200));
        service.tunnel_source.assign(below(2), Prefix::host(IpAddress::v4(10, 0, 0, 201)));
        if (coin()) {
            service.tunnel_source.push_back(*Prefix::parse("2001:db8::201"));
        }
        if (coin()) {
            service.health.type = HealthType::Http;
            service.health.interval = time();
            service.health.rise = static_cast<uint16_t>(1 + below(9));
            service.health.port = static_cast<uint16_t>(1 + below(65535));
            service.health.path = "/" + text(9);
            service.health.expect.assign(1 + below(3), static_cast<uint16_t>(200 + below(300)));
            service.health.panic_threshold = below(101) / 100.0;
        }
        service.sticky = coin();
        service.timeout = {time(), time(), time(), time()};
        service.icmp_echo = coin();
        service.overflow = coin() ? Overflow::Drop : Overflow::Reset;
        if (service.sticky) {
            service.scheduler = static_cast<SchedulerKind>(below(kSchedulers));
            service.persistence = coin() ? time() : std::chrono::milliseconds(0);
            service.max_new_flows = below(100'000);
        }
        service.min_backends = below(65536);
        if ((service.mode == Mode::Nat || service.mode == Mode::Fnat) &&
            service.protocol == Protocol::Tcp) {
            service.mss_clamp = static_cast<uint16_t>(below(65536));
        }
        for (unsigned i = below(4); i > 0; --i) {
            BackendConfig backend;
            backend.address = IpAddress::v4(10, 0, 0, static_cast<uint8_t>(i));
            const bool translates = service.mode == Mode::Nat || service.mode == Mode::Fnat;
            backend.port = translates ? static_cast<uint16_t>(below(65536)) : 0;
            backend.weight = below(65536);
            backend.max_connections = service.sticky ? below(1000) : 0;
            if (service.mode == Mode::Vxlan) {
                backend.mac.bytes = {2, 0, 0, 0, 0, byte()};
            }
            service.backends.push_back(backend);
        }
        return service;
    }

    std::mt19937 random_;
};

TEST(ConfigDump, ParsesBackForManyConfigurations) {
    for (unsigned seed = 0; seed < 500; ++seed) {
        const Config config = RandomConfig(seed).make();
        const std::string text = dump_config(config);
        const ConfigResult result = parse_config(text, "dump.toml");
        ASSERT_TRUE(result.config.has_value()) << "seed " << seed << "\n"
                                               << listing(result) << text;
        ASSERT_EQ(*result.config, config) << "seed " << seed << "\n" << text;
    }
}

}  // namespace
}  // namespace dlb
