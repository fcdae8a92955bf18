// The fixture of the tests of KernelMonitor.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/monitor.hpp"
#include "kernel_lab.hpp"

namespace dlb::lab {

inline const std::string kMacA = "02:00:00:00:cc:0a";
inline const std::string kMacB = "02:00:00:00:cc:0b";

// port0 and port1 are watched, eth0 is the machine's own.
class MonitorTest : public KernelTest {
  protected:
    void SetUp() override {
        KernelTest::SetUp();
        run("sysctl -qw net.ipv6.conf.default.accept_dad=0");
        for (const std::string name : {"port0", "port1", "eth0"}) {
            run("ip link add " + name + " type veth peer name " + name + "f");
            run("ip link set " + name + "f up");
            run("ip link set " + name + " up");
        }
        run("ip addr add 10.1.0.1/24 dev port0");
        run("ip addr add 10.2.0.1/24 dev port1");
        run("ip addr add 10.3.0.1/24 dev eth0");
        run("ip addr add 2001:db8:1::1/64 dev port0");
        run("ip addr add 2001:db8:2::1/64 dev port1");
        run("ip addr add 2001:db8:3::1/64 dev eth0");
        port0_ = index_of("port0");
        port1_ = index_of("port1");
    }

    void start(int receive_buffer = 8 << 20) {
        monitor_ = std::make_unique<KernelMonitor>(receive_buffer);
        monitor_->watch(port0_);
        monitor_->watch(port1_);
        const auto started = monitor_->start();
        ASSERT_TRUE(started.ok()) << started.error();
        settle();
    }
    // Links and IPv6 addresses take a moment to come up.
    void settle() {
        catch_up(*monitor_);
        expect_routes_as_ip_says();
        catch_up(*monitor_);
    }

    void expect_routes_as_ip_says() {
        const std::vector<std::string> devices = {"port0", "port1"};
        if (!eventually(*monitor_,
                        [&] { return sorted(monitor_->routes()) == routes_by_ip(devices); })) {
            EXPECT_EQ(sorted(monitor_->routes()), routes_by_ip(devices));
        }
    }
    // The hops of a prefix.
    std::vector<KernelRoute> routes_to(const std::string& text) const {
        std::vector<KernelRoute> out;
        for (const auto& route : monitor_->routes()) {
            if (route.prefix == prefix(text)) {
                out.push_back(route);
            }
        }
        return out;
    }
    bool has_route(const KernelRoute& route) const {
        const auto all = monitor_->routes();
        return std::find(all.begin(), all.end(), route) != all.end();
    }
    // Runs `command`, waits until its route is seen (or gone), and checks all routes.
    void expect_after(const std::string& command, const KernelRoute& route, bool there = true) {
        run(command);
        EXPECT_TRUE(eventually(*monitor_, [&] { return has_route(route) == there; })) << command;
        expect_routes_as_ip_says();
    }
    std::optional<KernelNeighbor> neighbor(const std::string& address) const {
        for (const auto& known : monitor_->neighbors()) {
            if (known.address == ip(address)) {
                return known;
            }
        }
        return std::nullopt;
    }

    std::unique_ptr<KernelMonitor> monitor_;
    int port0_ = 0, port1_ = 0;
};

}  // namespace dlb::lab
