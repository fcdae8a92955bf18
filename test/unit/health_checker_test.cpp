// HealthChecker on real sockets: when checks start, who delays whom, what a sync keeps.
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "health/checker.hpp"
#include "support/health_servers.hpp"

namespace dlb {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Server i of a thousand or more, all on one listener of 0.0.0.0.
IpAddress nth_loopback(unsigned number) {
    return IpAddress::v4(127, 1, static_cast<uint8_t>(number / 250),
                         static_cast<uint8_t>(number % 250 + 1));
}

class HealthCheckerTest : public testing::Test {
  protected:
    HealthConfig tcp_checks(milliseconds interval, milliseconds timeout, uint16_t fall = 3) {
        HealthConfig health;
        health.type = HealthType::Tcp;
        health.interval = interval;
        health.timeout = timeout;
        health.fall = fall;
        return health;
    }
    static CheckedBackend backend(const IpAddress& address, uint16_t port,
                                  HealthType type = HealthType::Tcp) {
        CheckedBackend checked;
        checked.backend = checked.probe.endpoint = {address, port};
        checked.probe.type = type;
        return checked;
    }
    static CheckedBackend program(unsigned number, const std::string& command) {
        CheckedBackend checked = backend(nth_loopback(number), 80, HealthType::Exec);
        checked.probe.command = command;
        return checked;
    }
    const HealthTarget& target(const CheckedBackend& checked) {
        const HealthTarget* found = checker.find("web", checked.backend);
        EXPECT_NE(found, nullptr);
        return *found;
    }
    bool down(const CheckedBackend& checked) { return checker.is_down("web", checked.backend); }

    asio::io_context io;
    std::vector<std::string> events;
    unsigned not_run = 0;
    HealthChecker checker{io,
                          {[this](const HealthTarget& target, HealthState::Change change) {
                               events.push_back(target.backend().to_string() + " " +
                                                std::to_string(static_cast<int>(change)));
                           },
                           [this](const HealthTarget&) { ++not_run; },
                           [this](const std::string& service, bool panic, unsigned, unsigned) {
                               events.push_back(service + (panic ? " in panic" : " out of panic"));
                           }}};
};

TEST_F(HealthCheckerTest, AThousandBackendsAreSpreadOverTheInterval) {
    constexpr unsigned kBackends = 1000;
    std::vector<Clock::time_point> times;
    std::vector<TcpServer::Connection> connections;
    const TcpServer server(io, "0.0.0.0", [&](const TcpServer::Connection& connection) {
        times.push_back(Clock::now());
        connection->close();
    });
    CheckedService web{"web", tcp_checks(milliseconds(2000), milliseconds(2000)), {}};
    for (unsigned i = 0; i < kBackends; ++i) {
        web.backends.push_back(backend(nth_loopback(i), server.port()));
    }
    const Clock::time_point begin = Clock::now();
    checker.sync({web});
    run_until(io, [&] { return Clock::now() - begin >= milliseconds(6000); });
    // Each tenth of an interval has about a tenth of the checks; a busy machine delays some.
    std::map<long, unsigned> tenths;
    for (const auto time : times) {
        ++tenths[(time - begin) / milliseconds(200)];
    }
    for (const auto& [tenth, checks] : tenths) {
        EXPECT_LT(checks, kBackends / 2) << "in tenth " << tenth;
    }
    for (long second = 0; second < 6; ++second) {
        unsigned checks = 0;
        for (long tenth = second * 5; tenth < second * 5 + 5; ++tenth) {
            checks += tenths[tenth];
        }
        EXPECT_GT(checks, kBackends / 10) << "in second " << second;
    }
    EXPECT_GE(times.size(), kBackends * 5 / 2);
    for (const CheckedBackend& each : web.backends) {
        EXPECT_EQ(target(each).state().level(), HealthState::Level::Up);
    }
}

TEST_F(HealthCheckerTest, ASlowBackendDelaysNoOther) {
    const FullServer full(io, "127.0.0.1");
    const TcpServer server(io, "0.0.0.0", [](const TcpServer::Connection&) {});
    CheckedService web{"web", tcp_checks(milliseconds(100), milliseconds(5000)), {}};
    const CheckedBackend good = backend(nth_loopback(0), server.port());
    web.backends.push_back(good);
    for (unsigned i = 1; i <= 300; ++i) {
        web.backends.push_back(backend(nth_loopback(i), full.port()));
        web.backends.back().probe.endpoint.address = address_of("127.0.0.1");
    }
    checker.sync({web});
    run_until(io, [&] { return target(good).checks() > 0; });
    const uint64_t before = target(good).checks();
    const Clock::time_point begin = Clock::now();
    run_until(io, [&] { return Clock::now() - begin >= milliseconds(2000); });
    EXPECT_GE(target(good).checks() - before, 5U) << "20 or 22 where nothing is late";
    EXPECT_EQ(target(web.backends.back()).checks(), 0U) << "still waiting for an answer";
}

TEST_F(HealthCheckerTest, AFailingBackendIsDownWithinTimeoutTimesFall) {
    // The interval is long: what counts is the time from the first check that fails.
    CheckedService web{"web", tcp_checks(milliseconds(60000), milliseconds(200)), {}};
    const CheckedBackend dead = backend(address_of("127.0.0.1"), closed_port(io, "127.0.0.1"));
    web.backends = {dead};
    checker.sync({web});
    ASSERT_TRUE(run_until(io, [&] { return target(dead).checks() == 1; }));
    const Clock::time_point first = Clock::now();
    ASSERT_TRUE(run_until(io, [&] { return down(dead); }));
    EXPECT_LE(Clock::now() - first, milliseconds(200 * 3 + 5000));
    EXPECT_EQ(target(dead).last().reason, "connection refused");
    EXPECT_EQ(events, (std::vector<std::string>{dead.backend.to_string() + " 2"}));
}

TEST_F(HealthCheckerTest, ASilentBackendIsDownWithinTimeoutTimesFall) {
    const FullServer full(io, "::1");
    CheckedService web{"web", tcp_checks(milliseconds(60000), milliseconds(200)), {}};
    const CheckedBackend dead = backend(address_of("::1"), full.port());
    web.backends = {dead};
    const Clock::time_point begin = Clock::now();
    checker.sync({web});
    ASSERT_TRUE(run_until(io, [&] { return down(dead); }));
    EXPECT_LE(Clock::now() - begin, milliseconds(200 * 3 + 5000));
    EXPECT_EQ(target(dead).last().reason, "no answer within 200 ms");
}

TEST_F(HealthCheckerTest, ComesBackAfterRise) {
    const uint16_t port = closed_port(io, "127.0.0.1");
    CheckedService web{"web", tcp_checks(milliseconds(50), milliseconds(50), 1), {}};
    web.health.rise = 2;
    const CheckedBackend flaky = backend(address_of("127.0.0.1"), port);
    web.backends = {flaky};
    checker.sync({web});
    ASSERT_TRUE(run_until(io, [&] { return down(flaky); }));
    tcp::acceptor back(io);
    back.open(tcp::v4());
    back.set_option(tcp::acceptor::reuse_address(true));
    back.bind({asio::ip::make_address("127.0.0.1"), port});
    back.listen();
    ASSERT_TRUE(run_until(io, [&] { return !down(flaky); }));
    EXPECT_GE(target(flaky).state().passed_in_row(), 2U);
}

TEST_F(HealthCheckerTest, ASyncKeepsWhatStays) {
    const TcpServer server(io, "0.0.0.0", [](const TcpServer::Connection&) {});
    const CheckedBackend dead = backend(address_of("127.0.0.1"), closed_port(io, "127.0.0.1"));
    const CheckedBackend good = backend(nth_loopback(1), server.port());
    CheckedService web{"web", tcp_checks(milliseconds(50), milliseconds(50), 2), {dead, good}};
    checker.sync({web});
    ASSERT_TRUE(run_until(io, [&] { return down(dead) && target(good).checks() > 3; }));
    const uint64_t checks = target(good).checks();
    // Another backend, other times: what is known stays known.
    const CheckedBackend more = backend(nth_loopback(2), server.port());
    web.backends.push_back(more);
    web.health.interval = milliseconds(60);
    checker.sync({web});
    EXPECT_TRUE(down(dead));
    EXPECT_EQ(target(good).checks(), checks);
    EXPECT_EQ(target(more).state().level(), HealthState::Level::Unknown);
    ASSERT_TRUE(run_until(io, [&] { return target(more).checks() > 0; }));
    // Gone, and nothing is left of it when it comes again.
    web.backends = {good};
    checker.sync({web});
    EXPECT_EQ(checker.find("web", dead.backend), nullptr);
    EXPECT_FALSE(down(dead));
    web.backends = {good, dead};
    checker.sync({web});
    EXPECT_FALSE(down(dead));
    EXPECT_EQ(target(dead).checks(), 0U);
    checker.sync({});
    EXPECT_EQ(checker.find("web", good.backend), nullptr);
}

TEST_F(HealthCheckerTest, PanicKeepsAllAndEnds) {
    const TcpServer server(io, "0.0.0.0", [](const TcpServer::Connection&) {});
    const uint16_t closed = closed_port(io, "127.0.0.1");
    CheckedService web{"web", tcp_checks(milliseconds(50), milliseconds(50), 1), {}};
    web.health.panic_threshold = 0.5;
    for (unsigned i = 0; i < 3; ++i) {
        web.backends.push_back(backend(nth_loopback(i), closed));
    }
    web.backends.push_back(backend(nth_loopback(3), server.port()));
    checker.sync({web});
    ASSERT_TRUE(run_until(io, [&] { return checker.in_panic("web"); }));
    for (const CheckedBackend& each : web.backends) {
        EXPECT_FALSE(down(each));
    }
    EXPECT_EQ(std::count(events.begin(), events.end(), "web in panic"), 1);
    // Two of three that fail are taken out: one of two is not more than half.
    ASSERT_TRUE(run_until(io, [&] { return target(web.backends[2]).checks() > 0; }));
    web.backends.erase(web.backends.begin(), web.backends.begin() + 2);
    checker.sync({web});
    EXPECT_FALSE(checker.in_panic("web"));
    EXPECT_TRUE(down(web.backends[0]));
    EXPECT_FALSE(down(web.backends[1]));
}

TEST_F(HealthCheckerTest, ProgramsShareTheirPlacesAndAreAllRun) {
    CheckedService web{"web", tcp_checks(milliseconds(60000), milliseconds(60000)), {}};
    web.health.type = HealthType::Exec;
    for (unsigned i = 0; i < 3 * ProbeContext::kMostPrograms; ++i) {
        web.backends.push_back(program(i, "exit 0"));
    }
    checker.sync({web});
    EXPECT_TRUE(run_until(
        io,
        [&] {
            return std::all_of(web.backends.begin(), web.backends.end(),
                               [&](const auto& each) { return target(each).checks() >= 1; });
        },
        std::chrono::seconds(60)));
}

TEST_F(HealthCheckerTest, AProgramThatFoundNoPlaceTellsNothing) {
    const std::string file = testing::TempDir() + "dlb-places-" + std::to_string(::getpid());
    std::filesystem::remove(file);
    CheckedService taken{"taken", tcp_checks(milliseconds(60000), milliseconds(60000)), {}};
    taken.health.type = HealthType::Exec;
    for (unsigned i = 0; i < ProbeContext::kMostPrograms; ++i) {
        taken.backends.push_back(program(i, "printf . >>" + file + "; sleep 1000"));
    }
    checker.sync({taken});
    ASSERT_TRUE(run_until(
        io,
        [&] {
            std::error_code none_yet;
            return std::filesystem::file_size(file, none_yet) == ProbeContext::kMostPrograms &&
                   !none_yet;
        },
        std::chrono::seconds(30)));
    std::filesystem::remove(file);
    CheckedService web{"web", tcp_checks(milliseconds(300), milliseconds(300), 1), {}};
    web.health.type = HealthType::Exec;
    web.backends.push_back(program(0, "exit 1"));
    checker.sync({taken, web});
    ASSERT_TRUE(run_until(
        io, [&] { return not_run > 0; }, std::chrono::seconds(30)));
    const HealthTarget& waited = target(web.backends[0]);
    EXPECT_EQ(waited.last().outcome, ProbeOutcome::NotRun);
    EXPECT_EQ(waited.checks(), 0U);
    EXPECT_FALSE(down(web.backends[0])) << "not run is not failed";
    checker.sync({});
    // All are killed and reaped.
    EXPECT_TRUE(
        run_until(io, [&] { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }));
}

// No file descriptor left: that says nothing about backends.
TEST_F(HealthCheckerTest, WhatCannotBeCheckedKeepsItsState) {
    const TcpServer server(io, "0.0.0.0", [](const TcpServer::Connection&) {});
    CheckedService web{"web", tcp_checks(milliseconds(50), milliseconds(50), 1), {}};
    const CheckedBackend good = backend(nth_loopback(1), server.port());
    web.backends = {good};
    checker.sync({web});
    ASSERT_TRUE(run_until(io, [&] { return target(good).checks() > 0; }));
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimit none = limit;
    none.rlim_cur = 3;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool came = run_until(io, [&] { return not_run > 3; });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_TRUE(came);
    EXPECT_FALSE(down(good));
    EXPECT_EQ(target(good).last().reason, "no socket: too many open files");
    const uint64_t checks = target(good).checks();
    EXPECT_TRUE(run_until(io, [&] { return target(good).checks() > checks; }));
}

}  // namespace
}  // namespace dlb
