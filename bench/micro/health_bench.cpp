// What health checks cost: 5,000 TCP backends, each checked every second.
//
//   build/bench/micro/health_bench [BACKENDS] [SECONDS]
//
// The backends are addresses of 127.0.0.0/8; a second process is the server of them all, so that
// only the checks' own time is counted. Fails where user time is 20 % of a core or more, or where
// checks are late or fail.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "health/checker.hpp"

namespace {

using std::chrono::seconds;

constexpr double kMostUserShare = 0.20;

// Accepts and closes for ever. Returns in the parent, with the port.
uint16_t start_server(pid_t& pid) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener, 4096) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        std::perror("health_bench: the server");
        std::exit(1);
    }
    pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            if (const int connection = ::accept(listener, nullptr, nullptr); connection >= 0) {
                ::close(connection);
            }
        }
    }
    ::close(listener);
    return ntohs(address.sin_port);
}

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

int main(int argc, char** argv) {
    const unsigned backends = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 5000;
    const int length = argc > 2 ? std::atoi(argv[2]) : 10;
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);

    pid_t server = -1;
    const uint16_t port = start_server(server);
    boost::asio::io_context io;
    dlb::HealthChecker checker(
        io, {[](const dlb::HealthTarget&, dlb::HealthState::Change) {},
             [](const dlb::HealthTarget&) {}, [](const std::string&, bool, unsigned, unsigned) {}});
    dlb::CheckedService web{"web", {}, {}};
    web.health.type = dlb::HealthType::Tcp;
    web.health.interval = web.health.timeout = seconds(1);
    for (unsigned i = 0; i < backends; ++i) {
        dlb::CheckedBackend backend;
        backend.backend = {dlb::IpAddress::v4(127, static_cast<uint8_t>(1 + i / 62500),
                                              static_cast<uint8_t>(i / 250 % 250),
                                              static_cast<uint8_t>(1 + i % 250)),
                           port};
        backend.probe.endpoint = backend.backend;
        web.backends.push_back(backend);
    }
    checker.sync({web});
    io.run_for(seconds(3));  // up to speed

    const auto checks_and_failures = [&] {
        uint64_t checks = 0, failures = 0;
        for (const dlb::CheckedBackend& backend : web.backends) {
            const dlb::HealthTarget* target = checker.find("web", backend.backend);
            checks += target->checks();
            failures += target->failures();
        }
        return std::pair(checks, failures);
    };
    rusage before{}, after{};
    const auto first = checks_and_failures();
    ::getrusage(RUSAGE_SELF, &before);
    io.run_for(seconds(length));
    ::getrusage(RUSAGE_SELF, &after);
    const auto last = checks_and_failures();
    ::kill(server, SIGKILL);
    ::waitpid(server, nullptr, 0);

    const double user = (seconds_of(after.ru_utime) - seconds_of(before.ru_utime)) / length;
    const double system = (seconds_of(after.ru_stime) - seconds_of(before.ru_stime)) / length;
    const double rate = static_cast<double>(last.first - first.first) / length;
    const auto failures = static_cast<unsigned long>(last.second - first.second);
    std::printf(
        "%u backends, %.0f checks/s, %lu failed: user %.1f %%, system %.1f %% of one core\n",
        backends, rate, failures, user * 100, system * 100);
    return user < kMostUserShare && rate > backends * 0.99 && failures == 0 ? 0 : 1;
}
