// What a scrape holds, read back by Prometheus' own parser (test/support/metrics_oracle.py), and
// how it is gathered.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "metrics/collection.hpp"
#include "support/fake_control.hpp"
#include "support/loop_thread.hpp"

namespace dlb {
namespace {

using Json = nlohmann::json;

std::string text_of(const Pieces& pieces) {
    std::string text;
    for (const std::string& piece : pieces) {
        text += piece;
    }
    return text;
}

std::string collect(const ControlApi& control) {
    Collection collection(control);
    while (collection.step()) {
    }
    return text_of(collection.take());
}

// The text as the oracle understands it; a failure where it does not.
Json parsed(const std::string& text) {
    const std::string file = testing::TempDir() + "dlb-metrics-" + std::to_string(::getpid());
    std::ofstream(file) << text;
    FILE* oracle = ::popen(("/usr/bin/python3 " METRICS_ORACLE " " + file + " 2>&1").c_str(), "r");
    std::string output;
    char buffer[4096];
    for (size_t size; (size = std::fread(buffer, 1, sizeof buffer, oracle)) > 0;) {
        output.append(buffer, size);
    }
    const int status = ::pclose(oracle);
    std::filesystem::remove(file);
    EXPECT_EQ(status, 0) << output << text.substr(0, 2000);
    return Json::parse(output, nullptr, false);
}

// The sample of `name` with exactly these labels; NaN where there is none.
double value_of(const Json& families, const std::string& name, const Json& labels) {
    if (!families.contains(name)) {
        return std::nan("");
    }
    for (const Json& sample : families[name]["samples"]) {
        if (sample[0] == labels) {
            return sample[1].get<double>();
        }
    }
    return std::nan("");
}

HealthStatus checked(const BackendStatus& backend, const char* state, bool ok, uint64_t checks) {
    HealthStatus health;
    health.service = backend.service;
    health.backend = backend.config;
    health.state = state;
    health.last_ok = ok;
    health.checks = checks;
    health.failures = ok ? 0 : checks;
    health.duration_s = 0.25;
    return health;
}

TEST(Metrics, TellWhatTheControlTells) {
    FakeControl control;
    control.reloads = {3, 1, false, 1.7e9};
    control.memory_list.push_back({"tables waiting for workers", 2, 0, "tables"});
    control.worker_list[0].busy_cycles = 77;
    const Json told = parsed(collect(control));
    ASSERT_TRUE(told.is_object());
    const auto value = [&](const char* name, const Json& labels) {
        return value_of(told, std::string("dpdk_lb_") + name, labels);
    };
    const Json none = Json::object();
    EXPECT_EQ(value("info", {{"name", "lb1"}, {"version", "0.1.0"}, {"dpdk", "22.11.7"}}), 1);
    EXPECT_EQ(value("uptime_seconds", none), 93784.5);
    EXPECT_EQ(value("reloads_total", none), 3);
    EXPECT_EQ(value("reload_failures_total", none), 1);
    EXPECT_EQ(value("last_reload_successful", none), 0);
    EXPECT_EQ(value("last_reload_success_timestamp_seconds", none), 1.7e9);
    EXPECT_EQ(value("flows", none), 2);
    EXPECT_EQ(value("drops_total", {{"reason", "too_big"}}), 987654321098);
    EXPECT_EQ(value("drops_total", {{"reason", "no_service"}}), 0);
    EXPECT_EQ(value("port_receive_packets_total", {{"port", "uplink"}}), 123456789012);
    EXPECT_EQ(value("port_receive_bytes_total", {{"port", "uplink"}}), 98765432109876);
    EXPECT_EQ(value("port_transmit_dropped_packets_total", {{"port", "uplink"}}), 56);
    EXPECT_EQ(value("port_speed_bytes_per_second", {{"port", "uplink"}}), 3.125e9);
    EXPECT_EQ(value("port_up", {{"port", "downlink"}}), 0);
    const Json worker = {{"worker", "0"}, {"core", "1"}};
    EXPECT_EQ(value("worker_packets_total", worker), 61728394506);
    EXPECT_EQ(value("worker_cycles_per_packet", worker), 212.34);
    EXPECT_EQ(value("worker_busy_cycles_total", worker), 77);
    EXPECT_EQ(value("worker_busy_ratio", worker), 0.873);
    EXPECT_EQ(value("worker_rcu_lag", {{"worker", "1"}, {"core", "2"}}), 1);
    EXPECT_EQ(value("worker_running", {{"worker", "2"}, {"core", "3"}}), 0);
    EXPECT_EQ(
        value("worker_verdicts_total", {{"worker", "0"}, {"core", "1"}, {"verdict", "no_service"}}),
        6);
    EXPECT_EQ(value("mempool_used_mbufs", {{"pool", "mbufs"}}), 12345);
    EXPECT_EQ(value("mempool_size_mbufs", {{"pool", "mbufs"}}), 32768);
    EXPECT_EQ(value("memory_used_bytes", {{"memory", "heap"}}), 734003200);
    EXPECT_EQ(value("rcu_waiting_tables", none), 2);
}

TEST(Metrics, TellServicesAndBackends) {
    FakeControl control;
    const Json told = parsed(collect(control));
    ASSERT_TRUE(told.is_object());
    const auto value = [&](const char* name, const Json& labels) {
        return value_of(told, std::string("dpdk_lb_") + name, labels);
    };
    EXPECT_EQ(value("service_info", {{"service", "web"},
                                     {"vip", "10.1.1.1,2001:db8:1::1"},
                                     {"protocol", "tcp"},
                                     {"ports", "80,443"},
                                     {"mode", "nat"},
                                     {"scheduler", "maglev"}}),
              1);
    EXPECT_EQ(value("service_announced", {{"service", "web"}}), 1);
    EXPECT_EQ(value("service_new_flows_total", {{"service", "web"}}), 123456789);
    EXPECT_EQ(value("service_active_connections", {{"service", "web"}}), 123456);
    for (const auto& [state, count] :
         std::map<std::string, int>{{"active", 1}, {"draining", 1}, {"down", 1}}) {
        EXPECT_EQ(value("service_backends", {{"service", "web"}, {"state", state}}), count);
    }
    EXPECT_EQ(value("service_backends_up", {{"service", "web"}}), 1);
    EXPECT_EQ(value("service_backends_up", {{"service", "any"}}), 0) << "no backends: 0, not none";
    const Json backend = {{"service", "web"}, {"backend", "172.16.21.2:80"}};
    EXPECT_EQ(value("backend_packets_total", backend), 123456789012);
    EXPECT_EQ(value("backend_bytes_total", backend), 98765431209600);
    EXPECT_EQ(value("backend_active_connections", backend), 123456);
    EXPECT_EQ(value("backend_state", {{"service", "web"},
                                      {"backend", "[2001:db8:ffff:1:aaaa:bbbb:cccc:2]:8080"},
                                      {"state", "down"}}),
              1);
    EXPECT_EQ(told["dpdk_lb_backend_state"]["samples"].size(), 4);
}

TEST(Metrics, TellBgpAndBfd) {
    FakeControl control;
    EXPECT_EQ(collect(control).find("dpdk_lb_bgp"), std::string::npos) << "off: no families";
    control.bgp_status.enabled = true;
    control.bgp_status.refused_connections = 3;
    BgpNeighborStatus neighbor;
    neighbor.address = *IpAddress::parse("2001:db8::1");
    neighbor.asn = 4200000000;
    neighbor.state = "Established";
    neighbor.uptime_s = 12.5;
    neighbor.flaps = 2;
    neighbor.routes_announced = 7;
    neighbor.routes_refused = 1;
    neighbor.routes_received = 4;
    neighbor.messages_sent.updates = 9;
    neighbor.messages_received.keepalives = 30;
    neighbor.bfd.emplace();
    neighbor.bfd->state = "down";
    neighbor.bfd->flaps = 5;
    neighbor.bfd->received = 600;
    control.bgp_status.neighbors = {neighbor};
    const Json told = parsed(collect(control));
    const Json who = {{"neighbor", "2001:db8::1"}, {"asn", "4200000000"}};
    const auto with = [&](std::initializer_list<std::pair<const char*, const char*>> more) {
        Json labels = who;
        for (const auto& [key, value] : more) {
            labels[key] = value;
        }
        return labels;
    };
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_session_up", who), 1);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_session_state", with({{"state", "Established"}})), 1);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_session_state", with({{"state", "Idle"}})), 0);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_session_uptime_seconds", who), 12.5);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_session_flaps_total", who), 2);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_announced_prefixes", who), 7);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_refused_prefixes", who), 1);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_received_prefixes", who), 4);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_messages_total",
                       with({{"direction", "sent"}, {"type", "update"}})),
              9);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_messages_total",
                       with({{"direction", "received"}, {"type", "keepalive"}})),
              30);
    EXPECT_EQ(value_of(told, "dpdk_lb_bgp_refused_connections_total", Json::object()), 3);
    EXPECT_EQ(value_of(told, "dpdk_lb_bfd_session_up", who), 0);
    EXPECT_EQ(value_of(told, "dpdk_lb_bfd_session_flaps_total", who), 5);
    EXPECT_EQ(value_of(told, "dpdk_lb_bfd_packets_total", with({{"direction", "received"}})), 600);
}

TEST(Metrics, TellHealth) {
    FakeControl control;
    EXPECT_EQ(collect(control).find("health"), std::string::npos) << "no checks: no families";
    control.health_list = {checked(control.backend_list[0], "up", true, 12),
                           checked(control.backend_list[2], "down", false, 5),
                           checked(control.backend_list[3], "unknown", false, 0)};
    const Json told = parsed(collect(control));
    ASSERT_TRUE(told.is_object());
    const Json up = {{"service", "web"}, {"backend", "172.16.21.2:80"}};
    const Json down = {{"service", "web"}, {"backend", "[2001:db8:ffff:1:aaaa:bbbb:cccc:2]:8080"}};
    const Json unknown = {{"service", "dns"}, {"backend", "172.16.21.9:53"}};
    EXPECT_EQ(value_of(told, "dpdk_lb_health_up", up), 1);
    EXPECT_EQ(value_of(told, "dpdk_lb_health_up", down), 0);
    EXPECT_TRUE(std::isnan(value_of(told, "dpdk_lb_health_up", unknown)));
    EXPECT_EQ(value_of(told, "dpdk_lb_health_checks_total", up), 12);
    EXPECT_EQ(value_of(told, "dpdk_lb_health_check_failures_total", down), 5);
    EXPECT_EQ(value_of(told, "dpdk_lb_health_check_success", down), 0);
    EXPECT_EQ(value_of(told, "dpdk_lb_health_check_duration_seconds", up), 0.25);
}

TEST(Metrics, EscapeLabels) {
    FakeControl control;
    control.version_info.name = "a\"b\\c\nd";
    const Json told = parsed(collect(control));
    ASSERT_TRUE(told.is_object());
    EXPECT_EQ(told["dpdk_lb_info"]["samples"][0][0]["name"], "a\"b\\c\nd");
}

TEST(Metrics, EveryFamilyCanAppear) {
    FakeControl control;
    control.memory_list.push_back({"tables waiting for workers", 2, 0, "tables"});
    control.health_list = {checked(control.backend_list[0], "up", true, 12)};
    control.bgp_status.enabled = true;
    control.bgp_status.neighbors.emplace_back().bfd.emplace();
    const Json told = parsed(collect(control));
    for (const MetricInfo& metric : kMetrics) {
        EXPECT_TRUE(told.contains(metric.name)) << metric.name;
    }
    EXPECT_EQ(told.size(), kMetricCount);
}

// The page about metrics has each of them, and no others.
TEST(Metrics, AreDocumented) {
    std::ifstream page(METRICS_PAGE);
    std::string line;
    std::set<std::string> documented;
    while (std::getline(page, line)) {
        if (line.starts_with("| `dpdk_lb_")) {
            documented.insert(line.substr(3, line.find('`', 3) - 3));
        }
    }
    std::set<std::string> there;
    for (const MetricInfo& metric : kMetrics) {
        there.insert(metric.name);
    }
    EXPECT_EQ(documented, there);
}

// 100 services with 100 backends each, made up as they are asked for.
class BigControl : public FakeControl {
  public:
    static constexpr size_t kServices = 100, kBackends = 100;
    BigControl() {
        ServiceStatus service = service_list[0];
        service.config.backends.clear();
        service_list.clear();
        for (size_t i = 0; i < kServices; ++i) {
            service.config.name = "service-" + std::to_string(i);
            service_list.push_back(service);
        }
    }
    bool visit_backends(BackendCursor& from, size_t count,
                        const std::function<void(const BackendView&)>& visit) const override {
        BackendConfig backend;
        for (; from.service < kServices; ++from.service, from.backend = 0) {
            for (; from.backend < kBackends; ++from.backend) {
                if (count-- == 0) {
                    return true;
                }
                backend.address = IpAddress::v4(10, 0, 0, static_cast<uint8_t>(from.backend));
                visit({service_list[from.service].config.name, backend, BackendState::Active, 1,
                       123456789012, 1});
            }
            // Edits: a backend comes again, in its own service's turn and in another's; a service
            // is new.
            const std::string added = "added meanwhile";
            for (const std::string& of :
                 {service_list[from.service].config.name, service_list[0].config.name, added}) {
                visit({of, backend, BackendState::Active, 1, 5, 1});
            }
        }
        return false;
    }
};

TEST(Metrics, OfManyBackendsLeaveTheLoopItsTurns) {
    BigControl control;
    LoopThread loop;
    std::promise<Scraper::Text> first, second;
    std::unique_ptr<Scraper> scraper;
    std::atomic<unsigned> turns = 0;
    std::atomic<bool> done = false;
    std::function<void()> turn = [&] {
        ++turns;
        if (!done) {
            boost::asio::post(loop.io(), turn);
        }
    };
    loop.call([&] {
        scraper = std::make_unique<Scraper>(loop.io(), control);
        scraper->scrape([&](const Scraper::Text& text) {
            done = true;
            first.set_value(text);
        });
        scraper->scrape([&](const Scraper::Text& text) { second.set_value(text); });
        turn();
    });
    const Scraper::Text text = first.get_future().get();
    EXPECT_EQ(text, second.get_future().get()) << "who asks meanwhile gets the same";
    EXPECT_GT(turns, 10u);
    loop.call([&] { scraper.reset(); });
    EXPECT_GT(text->size(), 10u);
    for (const std::string& piece : *text) {
        EXPECT_LE(piece.size(), kPieceSize);
    }
    // The oracle refuses a sample that comes twice.
    const Json told = parsed(text_of(*text));
    EXPECT_EQ(told["dpdk_lb_backend_packets_total"]["samples"].size(),
              BigControl::kServices * BigControl::kBackends);
    EXPECT_EQ(value_of(told, "dpdk_lb_service_active_connections", {{"service", "service-7"}}),
              BigControl::kBackends);
}

TEST(Metrics, GoneWhileTheyAreGatheredAreNotMissed) {
    BigControl control;
    LoopThread loop;
    bool answered = false;
    loop.call([&] {
        Scraper scraper(loop.io(), control);
        scraper.scrape([&](const Scraper::Text&) { answered = true; });
    });
    loop.call([] {});
    EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace dlb
