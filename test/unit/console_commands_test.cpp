// Every command: what it asks of ControlApi, its JSON keys (interface.md) and its text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/command.hpp"
#include "support/fake_control.hpp"

namespace dlb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> keys_of(const Json& object) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items()) {
        keys.push_back(key);
    }
    return keys;
}

class ConsoleCommandsTest : public testing::Test {
  protected:
    CommandResult run(std::string_view line) {
        CommandResult result;
        execute(control_, line, [&](CommandResult given) { result = std::move(given); });
        return result;
    }
    CommandResult done(std::string_view line) {
        CommandResult result = run(line);
        EXPECT_EQ(result.status, 0) << line << ": " << result.error;
        EXPECT_EQ(result.error, "");
        EXPECT_FALSE(result.data.is_null()) << line;
        if (!result.text.empty()) {
            EXPECT_EQ(result.text.back(), '\n') << line;
        }
        return result;
    }

    FakeControl control_;
};

TEST_F(ConsoleCommandsTest, ShowVersionUptimeConfig) {
    const CommandResult version = done("show version");
    EXPECT_EQ(version.data["version"], "0.1.0");
    EXPECT_EQ(version.data["name"], "lb1");
    EXPECT_EQ(version.text, "dpdk-lb 0.1.0 with DPDK 22.11.7, name lb1, up 1d 2h\n");
    EXPECT_EQ(done("show uptime").data["uptime_s"], 93784.5);
    EXPECT_EQ(done("show config").text, control_.toml);
    EXPECT_EQ(done("show config").data["toml"], control_.toml);
}

TEST_F(ConsoleCommandsTest, ShowPorts) {
    const CommandResult ports = done("show ports");
    EXPECT_THAT(keys_of(ports.data[0]),
                IsSupersetOf({"name", "device", "driver", "mac", "link", "speed_mbps", "mtu",
                              "rx_queues", "tx_queues", "tap", "address"}));
    EXPECT_EQ(ports.data[0]["link"], "up");
    EXPECT_THAT(ports.data[0]["address"], ElementsAre("10.0.0.106/24", "2001:db8::106/64"));
    EXPECT_TRUE(ports.data[1]["tap"].is_null());
    EXPECT_THAT(ports.text, HasSubstr("uplink    up    25 Gbps  1500  3/3     net_af_packet"));
    control_.port_list.clear();
    EXPECT_EQ(done("show ports").data, Json::array());
    EXPECT_EQ(done("show ports").text, "no ports\n");
}

TEST_F(ConsoleCommandsTest, ShowPortStats) {
    const CommandResult stats = done("show port uplink stats");
    EXPECT_THAT(keys_of(stats.data),
                IsSupersetOf({"name", "rx_packets", "tx_packets", "rx_bytes", "tx_bytes",
                              "rx_missed", "tx_dropped", "rx_pps", "tx_pps"}));
    EXPECT_EQ(stats.data["rx_packets"], 123456789012U);
    EXPECT_THAT(stats.text, HasSubstr("  packets      123456789012  123456780001\n"));
    EXPECT_EQ(done("show port stats all").data.size(), 2U);
    EXPECT_EQ(done("show port stats").text, done("show port stats all").text);
    EXPECT_EQ(run("show port uplnk stats").status, 1);
    EXPECT_EQ(run("show port uplnk stats").error, "no port \"uplnk\": did you mean \"uplink\"?");
}

TEST_F(ConsoleCommandsTest, ShowPortXstats) {
    const CommandResult xstats = done("show port uplink xstats");
    EXPECT_EQ(xstats.data["xstats"]["rx_good_packets"], 123456789012U);
    EXPECT_THAT(xstats.text, HasSubstr("rx_q0_errors                0\n"));
    EXPECT_EQ(run("show port nope xstats").status, 1);
}

TEST_F(ConsoleCommandsTest, ShowWorkers) {
    const CommandResult workers = done("show workers");
    EXPECT_THAT(keys_of(workers.data[0]),
                IsSupersetOf({"core", "packets", "cycles_per_packet", "busy", "queues", "flows",
                              "rcu_lag", "flows_evicted", "flows_stateless", "verdicts"}));
    EXPECT_EQ(workers.data[1]["busy"], 0.0421);
    EXPECT_THAT(workers.text, HasSubstr("87.3%"));
    EXPECT_THAT(workers.text, HasSubstr("stopped"));
}

TEST_F(ConsoleCommandsTest, ShowServices) {
    const CommandResult services = done("show services");
    EXPECT_THAT(keys_of(services.data[0]),
                IsSupersetOf({"name", "vip", "protocol", "ports", "mode", "scheduler", "announced",
                              "backends_up", "backends", "packets", "bytes"}));
    EXPECT_EQ(services.data[0]["announced"], true);
    EXPECT_EQ(services.data[0]["not_announced"], nullptr);
    EXPECT_EQ(services.data[1]["announced"], false);
    EXPECT_EQ(services.data[1]["not_announced"], "withdrawn by hand");
    EXPECT_THAT(services.text, HasSubstr("no: withdrawn by hand"));
    EXPECT_EQ(services.data[0]["backends"], 3);
    EXPECT_EQ(services.data[0]["ports"], Json({80, 443}));
    EXPECT_EQ(services.data[2]["ports"], Json::array());
    EXPECT_THAT(services.text, HasSubstr("1/3  yes                     14.88 Mpps  9.90 Gbps\n"));
}

TEST_F(ConsoleCommandsTest, ShowService) {
    const CommandResult service = done("show service web");
    EXPECT_EQ(service.data["name"], "web");
    EXPECT_EQ(service.data["backend"].size(), 3U);
    EXPECT_EQ(service.data["timeout_ms"]["tcp_established"], 900000);
    EXPECT_THAT(service.text, HasSubstr("ports        80, 443\n"));
    EXPECT_THAT(service.text, HasSubstr("172.16.21.3"));
    EXPECT_THAT(done("show service any").text, HasSubstr("snat         10.0.0.107"));
    EXPECT_EQ(run("show service nope").status, 1);
}

TEST_F(ConsoleCommandsTest, ShowBackends) {
    const CommandResult backends = done("show backends");
    EXPECT_EQ(backends.data.size(), 4U);
    EXPECT_THAT(keys_of(backends.data[0]),
                IsSupersetOf({"service", "address", "port", "weight", "state", "health",
                              "active_connections", "packets", "bytes"}));
    EXPECT_EQ(backends.data[0]["state"], "active");
    EXPECT_EQ(backends.data[1]["state"], "draining");
    EXPECT_EQ(backends.data[1]["port"], 0);
    EXPECT_EQ(backends.data[2]["state"], "down");
    EXPECT_EQ(backends.data[2]["address"], "2001:db8:ffff:1:aaaa:bbbb:cccc:2");
    EXPECT_EQ(done("show backends dns").data.size(), 1U);
    EXPECT_EQ(done("show backends any").text, "no backends\n");
    EXPECT_EQ(run("show backends nope").status, 1);
}

TEST_F(ConsoleCommandsTest, ShowHealth) {
    EXPECT_EQ(done("show health").text, "no checks\n");
    HealthStatus up;
    up.service = "web";
    up.backend.address = IpAddress::v4(172, 16, 21, 2);
    up.backend.port = 80;
    up.type = HealthType::Http;
    up.state = "up";
    up.reason = "status 200";
    up.last_ok = true;
    up.checks = 12;
    up.checked_s = 0.25;
    HealthStatus kept = up;
    kept.service = "dns";
    kept.backend.address = IpAddress::parse("2001:db8::2").value();
    kept.state = "down";
    kept.in_panic = true;
    kept.last_ok = false;
    kept.reason = "status 503";
    HealthStatus fresh;
    fresh.service = "dns";
    fresh.type = HealthType::Icmp;
    fresh.backend.address = IpAddress::v4(172, 16, 21, 3);
    fresh.state = "unknown";
    control_.health_list = {up, kept, fresh};

    const CommandResult all = done("show health");
    ASSERT_EQ(all.data.size(), 3U);
    EXPECT_THAT(keys_of(all.data[0]),
                IsSupersetOf({"service", "address", "port", "type", "state", "panic", "last",
                              "reason", "checks", "failures", "checked_s"}));
    EXPECT_EQ(all.data[0]["last"], "ok");
    EXPECT_EQ(all.data[1]["last"], "failed");
    EXPECT_EQ(all.data[1]["state"], "down");
    EXPECT_EQ(all.data[1]["panic"], true);
    EXPECT_TRUE(all.data[2]["last"].is_null());
    EXPECT_TRUE(all.data[2]["reason"].is_null());
    EXPECT_THAT(all.text, HasSubstr("172.16.21.2:80"));
    EXPECT_THAT(all.text, HasSubstr("250 ms ago"));
    EXPECT_THAT(all.text, HasSubstr("[2001:db8::2]:80"));
    EXPECT_THAT(all.text, HasSubstr("panic"));
    EXPECT_THAT(all.text, HasSubstr("never"));
    EXPECT_EQ(done("show health dns").data.size(), 2U);
    EXPECT_EQ(run("show health nope").status, 1);
}

TEST_F(ConsoleCommandsTest, ShowFlows) {
    const CommandResult flows = done("show flows");
    EXPECT_EQ(control_.flow_query.limit, 100U);
    EXPECT_EQ(flows.data.size(), 2U);
    EXPECT_EQ(flows.data[0]["client"], "198.51.100.7:40000");
    EXPECT_EQ(flows.data[1]["snat"], "[2001:db8::107]:61234");
    EXPECT_EQ(done("show flows count").data, Json({{"flows", 2}}));
    EXPECT_EQ(done("show flows count service web").data, Json({{"flows", 1}}));
    const CommandResult one = done("show flows service web limit 1");
    EXPECT_EQ(control_.flow_query.service, "web");
    EXPECT_EQ(control_.flow_query.limit, 1U);
    EXPECT_THAT(one.text, HasSubstr("the first 1"));
    EXPECT_EQ(run("show flows service nope").status, 1);
}

TEST_F(ConsoleCommandsTest, FlowsAnswerLater) {
    control_.hold = true;
    int answers = 0;
    execute(control_, "show flows", [&](const CommandResult&) { ++answers; });
    EXPECT_EQ(answers, 0);
    control_.held.at(0)();
    EXPECT_EQ(answers, 1);
}

TEST_F(ConsoleCommandsTest, ShowDrops) {
    const CommandResult drops = done("show drops");
    EXPECT_THAT(keys_of(drops.data),
                ElementsAre("no_service", "no_backend", "no_neighbor", "bad_checksum", "too_big"));
    EXPECT_EQ(drops.data["no_backend"], 1234);
    EXPECT_EQ(drops.data["no_service"], 0);
    EXPECT_THAT(drops.text, StartsWith("REASON             PACKETS\n"
                                       "too_big       987654321098\n"
                                       "no_backend            1234\n"));
    EXPECT_THAT(drops.text, HasSubstr("bad_checksum             0\n"));
}

TEST_F(ConsoleCommandsTest, ShowNeighborsRoutesMemoryLog) {
    const Json neighbors = done("show neighbors").data;
    EXPECT_EQ(neighbors[0]["mac"], "02:00:00:00:00:01");
    EXPECT_TRUE(neighbors[2]["mac"].is_null());
    const CommandResult routes = done("show routes");
    EXPECT_EQ(routes.data[0]["gateway"], "10.0.0.1");
    EXPECT_TRUE(routes.data[1]["gateway"].is_null());
    EXPECT_THAT(routes.text, HasSubstr("2001:db8::/64  on the link"));
    EXPECT_EQ(done("show memory").data[0]["used"], 12345);
    EXPECT_THAT(done("show memory").text, HasSubstr("700.0 MiB"));
    EXPECT_EQ(done("show log").data.size(), 3U);
    EXPECT_EQ(done("show log 1").data.size(), 1U);
    EXPECT_THAT(done("show log").text, Not(HasSubstr("\x1b")));
}

TEST_F(ConsoleCommandsTest, AddServiceWithDefaults) {
    EXPECT_EQ(done("add service web vip 10.1.1.1").data, Json({{"ok", true}}));
    const ServiceConfig& service = control_.added_service;
    EXPECT_EQ(service.name, "web");
    EXPECT_EQ(service.vip, std::vector{Prefix::parse("10.1.1.1").value()});
    EXPECT_EQ(service.protocol, Protocol::Tcp);
    EXPECT_THAT(service.ports, IsEmpty());
    EXPECT_EQ(service.mode, Mode::Nat);
    EXPECT_EQ(service.scheduler, SchedulerKind::Maglev);
}

TEST_F(ConsoleCommandsTest, AddServiceInFull) {
    done(
        "add service web vip 10.1.1.1,10.1.2.0/24 vip 2001:db8:1::1 protocol udp port 80 port "
        "443,8080 mode ipip scheduler maglev");
    const ServiceConfig& service = control_.added_service;
    EXPECT_EQ(service.vip.size(), 3U);
    EXPECT_EQ(service.protocol, Protocol::Udp);
    EXPECT_THAT(service.ports, ElementsAre(80, 443, 8080));
    EXPECT_EQ(service.mode, Mode::Ipip);
    // As interface.md writes it.
    done("add service NAME vip 10.1.1.1 protocol tcp port 80 mode ipip scheduler maglev");
}

TEST_F(ConsoleCommandsTest, EditsOfBackends) {
    done("add backend web 10.0.0.1");
    EXPECT_EQ(control_.added_backend.port, 0);
    EXPECT_EQ(control_.added_backend.weight, 1U);
    done("add backend web 2001:db8::9 port 80 weight 5");
    EXPECT_EQ(control_.added_backend.address.to_string(), "2001:db8::9");
    done("del backend web 10.0.0.1");
    EXPECT_EQ(control_.given_port, std::nullopt);
    done("set backend web 10.0.0.1 port 80 weight 9");
    EXPECT_EQ(control_.given_port, 80);
    EXPECT_EQ(control_.given_weight, 9U);
    done("drain backend web 10.0.0.1 port 0");
    EXPECT_EQ(control_.given_port, 0);
    done("undrain backend web 10.0.0.1");
    done("del service web");
    EXPECT_THAT(control_.calls,
                ElementsAre("add_backend web", "add_backend web", "del_backend web 10.0.0.1",
                            "set_weight web 10.0.0.1", "drain web 10.0.0.1", "undrain web 10.0.0.1",
                            "del_service web"));
}

TEST_F(ConsoleCommandsTest, FailedEditsHaveStatusOne) {
    control_.edit_error = "no service \"web\": add it first";
    for (const char* line : {"add service web vip 10.1.1.1", "del service web",
                             "add backend web 10.0.0.1", "del backend web 10.0.0.1",
                             "set backend web 10.0.0.1 weight 1", "drain backend web 10.0.0.1",
                             "undrain backend web 10.0.0.1", "reload", "reload --dry-run"}) {
        const CommandResult result = run(line);
        EXPECT_EQ(result.status, 1) << line;
        EXPECT_EQ(result.error, control_.edit_error) << line;
    }
}

TEST_F(ConsoleCommandsTest, Explain) {
    const CommandResult result = done("explain tcp 198.51.100.7:40000 10.1.1.1:80");
    EXPECT_EQ(control_.explain_query.source.port, 40000);
    EXPECT_EQ(control_.explain_query.protocol, Protocol::Tcp);
    EXPECT_THAT(keys_of(result.data), ElementsAre("service", "backend", "source", "mode",
                                                  "next_hop", "verdict", "steps"));
    EXPECT_EQ(result.data["backend"], Json({{"address", "172.16.21.2"}, {"port", 80}}));
    EXPECT_EQ(result.data["source"], "scheduler");
    EXPECT_THAT(result.text, HasSubstr("\n  1. 10.1.1.1:80 tcp is of service web\n"));
    EXPECT_THAT(result.text, HasSubstr("\nverdict: forwarded, backend 172.16.21.2:80 of web"));

    control_.explanation = {"", std::nullopt, "", "", "", "no_service", {"no VIP matches"}};
    const CommandResult none = done("explain udp [2001:db8::7]:5353 [2001:db8:1::1]:53");
    EXPECT_EQ(control_.explain_query.protocol, Protocol::Udp);
    EXPECT_EQ(control_.explain_query.destination.to_string(), "[2001:db8:1::1]:53");
    EXPECT_TRUE(none.data["backend"].is_null());
    EXPECT_TRUE(none.data["service"].is_null());
    EXPECT_THAT(none.text, HasSubstr("verdict: no_service\n"));
}

TEST_F(ConsoleCommandsTest, WorkersAndDaemon) {
    for (const char* line :
         {"start", "stop", "clear stats", "clear port stats all", "clear port stats"}) {
        EXPECT_EQ(done(line).data, Json({{"ok", true}})) << line;
    }
    EXPECT_TRUE(done("quit").quit);
    EXPECT_TRUE(done("exit").quit);
    EXPECT_TRUE(done("shutdown").quit);
    EXPECT_THAT(control_.calls, ElementsAre("start", "stop", "clear_stats", "clear_stats",
                                            "clear_stats", "shutdown"));
}

TEST_F(ConsoleCommandsTest, ShutdownAnswersBeforeItEnds) {
    execute(control_, "shutdown",
            [&](const CommandResult&) { EXPECT_THAT(control_.calls, IsEmpty()); });
    EXPECT_THAT(control_.calls, ElementsAre("shutdown"));
}

}  // namespace
}  // namespace dlb
