// HealthMonitor on a real LbModel: what it checks, and how the model follows.
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "control/health.hpp"
#include "support/health_servers.hpp"

namespace dlb {
namespace {

using std::chrono::milliseconds;

class ControlHealth : public testing::Test {
  protected:
    ControlHealth() {
        spdlog::set_level(spdlog::level::off);
        for (unsigned i = 0; i < 3; ++i) {
            good.push_back({IpAddress::v4(127, 2, 0, static_cast<uint8_t>(i + 1)), server.port()});
            dead.push_back({IpAddress::v4(127, 3, 0, static_cast<uint8_t>(i + 1)),
                            closed_port(io, "0.0.0.0")});
        }
    }

    ServiceConfig service(const std::string& name, const std::vector<Endpoint>& backends) {
        ServiceConfig config;
        config.name = name;
        config.vip = {Prefix::parse("10.1.1.1").value()};
        config.ports = {80};
        config.health.type = HealthType::Tcp;
        config.health.interval = config.health.timeout = milliseconds(50);
        config.health.fall = 2;
        for (const Endpoint& endpoint : backends) {
            BackendConfig backend;
            backend.address = endpoint.address;
            backend.port = endpoint.port;
            config.backends.push_back(backend);
        }
        return config;
    }
    // As Control does it.
    void apply() {
        ++applied;
        monitor.sync(model);
    }
    void load(const std::vector<ServiceConfig>& services) {
        ASSERT_TRUE(model.replace(services).ok());
        apply();
    }
    bool is_down(const std::string& name, size_t backend) {
        return model.find(name)->backends.at(backend).down;
    }
    std::string word(const std::string& name, size_t backend) {
        const ModelService& service = *model.find(name);
        return monitor.word(service.config, service.backends.at(backend).config);
    }

    asio::io_context io;
    TcpServer server{io, "0.0.0.0", [](const TcpServer::Connection&) {}};
    std::vector<Endpoint> good, dead;
    LbModel model{{}};
    unsigned applied = 0;
    HealthMonitor monitor{io, {[this] { apply(); }}};
};

TEST_F(ControlHealth, TheModelFollowsTheChecks) {
    load({service("web", {good[0], dead[0]})});
    EXPECT_EQ(word("web", 0), "unknown");
    EXPECT_FALSE(is_down("web", 1)) << "believed in until it has failed";
    ASSERT_TRUE(run_until(io, [&] { return is_down("web", 1) && word("web", 0) == "up"; }));
    EXPECT_FALSE(is_down("web", 0));
    EXPECT_EQ(word("web", 1), "down");
    const std::vector<HealthStatus> status = monitor.status(model);
    ASSERT_EQ(status.size(), 2U);
    EXPECT_EQ(status[0].state, "up");
    EXPECT_EQ(status[0].reason, "connected");
    EXPECT_TRUE(status[0].last_ok);
    EXPECT_EQ(status[1].state, "down");
    EXPECT_EQ(status[1].reason, "connection refused");
    EXPECT_FALSE(status[1].last_ok);
    EXPECT_GE(status[1].failures, 2U);
    EXPECT_GE(status[1].checked_s, 0);
}

TEST_F(ControlHealth, AReloadDoesNotForgetWhoIsDown) {
    const std::vector<ServiceConfig> services = {service("web", {good[0], dead[0]})};
    load(services);
    ASSERT_TRUE(run_until(io, [&] { return is_down("web", 1); }));
    load(services);
    EXPECT_TRUE(is_down("web", 1));
    ASSERT_TRUE(model.set_weight("web", good[0].address, std::nullopt, 5).ok());
    apply();
    EXPECT_TRUE(is_down("web", 1));
}

TEST_F(ControlHealth, WithoutACheckNothingIsDown) {
    std::vector<ServiceConfig> services = {service("web", {dead[0]})};
    load(services);
    ASSERT_TRUE(run_until(io, [&] { return is_down("web", 0); }));
    services[0].health.type = HealthType::None;
    load(services);
    EXPECT_FALSE(is_down("web", 0));
    EXPECT_EQ(word("web", 0), "none");
    EXPECT_TRUE(monitor.status(model).empty());
}

TEST_F(ControlHealth, PanicKeepsAll) {
    ServiceConfig web = service("web", {good[0], dead[0], dead[1]});
    web.health.panic_threshold = 0.5;
    load({web});
    ASSERT_TRUE(
        run_until(io, [&] { return word("web", 1) == "panic" && word("web", 2) == "panic"; }));
    ASSERT_TRUE(run_until(io, [&] { return !is_down("web", 1) && !is_down("web", 2); }));
    EXPECT_EQ(word("web", 0), "up");
    EXPECT_TRUE(monitor.status(model)[1].in_panic);
    EXPECT_FALSE(monitor.status(model)[0].in_panic);
}

TEST_F(ControlHealth, TheSameBackendOfTwoServicesIsTwoChecks) {
    ServiceConfig elsewhere = service("elsewhere", {good[0]});
    elsewhere.vip = {Prefix::parse("10.1.1.2").value()};
    elsewhere.health.port = dead[0].port;
    load({service("web", {good[0]}), elsewhere});
    ASSERT_TRUE(run_until(io, [&] { return is_down("elsewhere", 0) && word("web", 0) == "up"; }));
    EXPECT_FALSE(is_down("web", 0));
}

TEST_F(ControlHealth, ABackendWithoutAPortIsCheckedAtTheServices) {
    ServiceConfig web = service("web", {good[0]});
    web.backends[0].port = 0;
    web.ports = {server.port()};
    load({web});
    ASSERT_TRUE(run_until(io, [&] { return word("web", 0) == "up"; }));
}

// 500 backends that fail in one turn of the loop are not 500 snapshots.
TEST_F(ControlHealth, VerdictsOfOneTurnAreOneChange) {
    ServiceConfig web = service("web", {});
    web.health.interval = milliseconds(100);
    web.health.fall = 1;
    for (unsigned i = 0; i < 500; ++i) {
        BackendConfig backend;
        backend.address =
            IpAddress::v4(127, 4, static_cast<uint8_t>(i / 250), static_cast<uint8_t>(i % 250 + 1));
        backend.port = dead[0].port;
        web.backends.push_back(backend);
    }
    load({web});
    // Nobody runs the loop while all become due.
    const auto due = std::chrono::steady_clock::now() + web.health.interval;
    std::this_thread::sleep_until(due);
    ASSERT_TRUE(run_until(io, [&] {
        for (size_t i = 0; i < 500; ++i) {
            if (!is_down("web", i)) {
                return false;
            }
        }
        return true;
    }));
    EXPECT_LE(applied, 50U);
}

}  // namespace
}  // namespace dlb
