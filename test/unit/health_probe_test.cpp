// Each type of check against real sockets of 127.0.0.1 and ::1.
#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/health_servers.hpp"

namespace dlb {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShort{150};

// What a check said: "passed: connected"
std::string told(const ProbeResult& result) {
    static const std::array<std::string, 3> outcomes = {"passed: ", "failed: ", "not run: "};
    return outcomes[static_cast<size_t>(result.outcome)] + result.reason;
}

class HealthProbe : public testing::TestWithParam<const char*> {
  protected:
    std::string loopback() const { return GetParam(); }
    ProbeSpec spec(HealthType type, uint16_t port) const {
        ProbeSpec spec;
        spec.type = type;
        spec.endpoint = {address_of(loopback()), port};
        spec.path = "/";
        spec.expect = {200};
        return spec;
    }
    ProbeSpec program(const std::string& command) const {
        ProbeSpec exec = spec(HealthType::Exec, 8080);
        exec.command = command;
        return exec;
    }
    std::string http_answer(const std::string& answer) {
        const HttpServer server(io, loopback(), answer);
        return told(probe(spec(HealthType::Http, server.port()), milliseconds(500)));
    }

    asio::io_context io;
    ProbeContext context{io};
    ProbeRun probe{io, context};
    asio::steady_timer opens_the_loops_own_files{io};
    const size_t files_before = open_files();
    void TearDown() override {
        run_until(
            io, [&] { return open_files() <= files_before; }, milliseconds(2000));
        EXPECT_EQ(open_files(), files_before) << "left open";
    }
};

TEST_P(HealthProbe, TcpUpRefusedAndSilent) {
    const TcpServer server(io, loopback(), stay_silent);
    EXPECT_EQ(told(probe(spec(HealthType::Tcp, server.port()))), "passed: connected");
    EXPECT_EQ(told(probe(spec(HealthType::Tcp, closed_port(io, loopback())))),
              "failed: connection refused");
    const FullServer full(io, loopback());
    EXPECT_EQ(told(probe(spec(HealthType::Tcp, full.port()), kShort)),
              "failed: no answer within 150 ms");
}

TEST_P(HealthProbe, UdpAnswerSilenceAndRefusal) {
    udp::socket silent(io, udp::endpoint(asio::ip::make_address(loopback()), 0));
    EXPECT_EQ(told(probe(spec(HealthType::Udp, silent.local_endpoint().port()), kShort)),
              "passed: no answer, no error");

    udp::socket echo(io, udp::endpoint(asio::ip::make_address(loopback()), 0));
    udp::endpoint peer;
    char byte;
    echo.async_receive_from(asio::buffer(&byte, 1), peer,
                            [&](auto, size_t) { echo.send_to(asio::buffer("answer", 6), peer); });
    EXPECT_EQ(told(probe(spec(HealthType::Udp, echo.local_endpoint().port()))), "passed: answered");

    const uint16_t port = silent.local_endpoint().port();
    silent.close();
    EXPECT_EQ(told(probe(spec(HealthType::Udp, port))), "failed: connection refused");
}

TEST_P(HealthProbe, IcmpEcho) {
    const ProbeResult result = probe(spec(HealthType::Icmp, 0));
    if (result.outcome == ProbeOutcome::NotRun && geteuid() != 0) {
        GTEST_SKIP() << "no right to send echo requests: " << result.reason;
    }
    EXPECT_EQ(told(result), "passed: answered");
}

TEST_P(HealthProbe, NoRouteIsAFailure) {
    ProbeSpec away = spec(HealthType::Tcp, 80);
    // TEST-NET-1 and its like: nothing answers there, with a route or without one.
    away.endpoint.address = address_of(loopback() == "::1" ? "2001:db8::1" : "192.0.2.1");
    EXPECT_EQ(probe(away, kShort).outcome, ProbeOutcome::Failed);
}

TEST_P(HealthProbe, HttpStatusDecides) {
    EXPECT_EQ(http_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "passed: status 200");
    EXPECT_EQ(http_answer("HTTP/1.0 503 No\r\n\r\n"), "failed: status 503");
    EXPECT_EQ(http_answer("HTTP/1.1 404 Not Found\r\n\r\n"), "failed: status 404");
}

TEST_P(HealthProbe, HttpAsksForWhatIsConfigured) {
    HttpServer server(io, loopback(), "HTTP/1.1 204 No Content\r\n\r\n");
    ProbeSpec asked = spec(HealthType::Http, server.port());
    asked.path = "/healthz?full=1";
    asked.host = "web.example";
    asked.expect = {200, 204};
    EXPECT_EQ(told(probe(asked)), "passed: status 204");
    EXPECT_EQ(server.request.substr(0, server.request.find("\r\nUser-Agent")),
              "GET /healthz?full=1 HTTP/1.1\r\nHost: web.example");
    server.request.clear();
    asked.host.clear();
    probe(asked);
    EXPECT_NE(server.request.find("\r\nHost: " + asked.endpoint.to_string() + "\r\n"),
              std::string::npos)
        << server.request;
}

TEST_P(HealthProbe, HttpFailuresHaveReasons) {
    EXPECT_EQ(http_answer(""), "failed: closed without an answer");
    EXPECT_EQ(http_answer("SSH-2.0-OpenSSH_9.2\r\n"), "failed: HTTP: bad version");
    EXPECT_EQ(http_answer("HTTP/1.1 200 OK\r\nX: " + std::string(1 << 20, 'x')),
              "failed: HTTP: header limit exceeded");
    EXPECT_EQ(http_answer("HTTP/1.1 200 OK\r\nX"), "failed: HTTP: partial message");
    EXPECT_EQ(told(probe(spec(HealthType::Http, closed_port(io, loopback())))),
              "failed: connection refused");
    const TcpServer silent(io, loopback(), stay_silent);
    EXPECT_EQ(told(probe(spec(HealthType::Http, silent.port()), kShort)),
              "failed: no answer within 150 ms");
}

// The body is the backend's business: a huge one, or one that never ends, is not read.
TEST_P(HealthProbe, HttpTakesNoBody) {
    EXPECT_EQ(http_answer("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" +
                          std::string(1 << 22, 'x')),
              "passed: status 200");
    EXPECT_EQ(http_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
              "passed: status 200");
}

TEST_P(HealthProbe, ASlowDripEndsWithTheTime) {
    std::string header = "HTTP/1.1 200 OK\r\n";
    asio::steady_timer timer(io);
    std::function<void(TcpServer::Connection, size_t)> drip = [&](TcpServer::Connection connection,
                                                                  size_t at) {
        timer.expires_after(milliseconds(20));
        timer.async_wait([&, connection, at](const auto& error) {
            boost::system::error_code gone;
            if (!error) {
                connection->send(asio::buffer(header, 1), 0, gone);
                if (!gone) {
                    drip(connection, at + 1);
                }
            }
        });
    };
    const TcpServer server(io, loopback(), [&](const auto& connection) { drip(connection, 0); });
    EXPECT_EQ(told(probe(spec(HealthType::Http, server.port()), kShort)),
              "failed: no answer within 150 ms");
    timer.cancel();
}

TEST_P(HealthProbe, HttpsWithoutTls) {
    const HttpServer server(io, loopback(), "HTTP/1.1 200 OK\r\n\r\n");
    const std::string result =
        told(probe(spec(HealthType::Https, server.port()), milliseconds(300)));
    EXPECT_EQ(result.substr(0, 8), "failed: ") << result;
}

TEST_P(HealthProbe, ExecExitStatusDecides) {
    EXPECT_EQ(told(probe(program("exit 0"))), "passed: exit status 0");
    EXPECT_EQ(told(probe(program("exit 3"))), "failed: exit status 3");
    EXPECT_EQ(told(probe(program("/no/such/program"))), "failed: exit status 127");
    EXPECT_EQ(told(probe(program("kill -9 $$"))), "failed: killed by signal 9");
}

TEST_P(HealthProbe, ExecKnowsTheBackendAndNothingElse) {
    ::setenv("SECRET_OF_OURS", "1", 1);
    EXPECT_EQ(told(probe(program("[ \"$LB_ADDRESS $LB_PORT\" = '" + loopback() +
                                 " 8080' ] && [ -z \"$SECRET_OF_OURS\" ]"))),
              "passed: exit status 0");
    ::unsetenv("SECRET_OF_OURS");
    const int ours = ::dup(0);  // not close-on-exec
    EXPECT_EQ(told(probe(program("[ ! -e /proc/self/fd/" + std::to_string(ours) + " ]"))),
              "passed: exit status 0");
    ::close(ours);
}

// No such process, or one that only waits for its parent to ask.
bool has_ended(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    return !(stat >> number >> name >> state) || state == "Z";
}

std::vector<pid_t> pids_in(const std::string& file) {
    std::ifstream in(file);
    const std::vector<pid_t> pids{std::istream_iterator<pid_t>(in), {}};
    std::filesystem::remove(file);
    return pids;
}

TEST_P(HealthProbe, ExecIsKilledWithItsChildrenAtTheTimeLimit) {
    const std::string file = testing::TempDir() + "dlb-exec-" + std::to_string(::getpid());
    EXPECT_EQ(
        told(probe(program("sleep 1000 & echo $! $$ >" + file + "; wait"), milliseconds(2000))),
        "failed: no answer within 2000 ms");
    const std::vector<pid_t> pids = pids_in(file);
    ASSERT_EQ(pids.size(), 2U);
    EXPECT_TRUE(run_until(io, [&] { return has_ended(pids[0]) && has_ended(pids[1]); }));
    // Reaped: no zombie of ours.
    EXPECT_TRUE(run_until(io, [&] { return ::waitpid(pids[1], nullptr, WNOHANG) < 0; }));
}

TEST_P(HealthProbe, ExecLeavesNothingBehindWhenItIsDone) {
    const std::string file = testing::TempDir() + "dlb-left-" + std::to_string(::getpid());
    EXPECT_EQ(told(probe(program("sleep 1000 & echo $! >" + file))), "passed: exit status 0");
    const std::vector<pid_t> pids = pids_in(file);
    ASSERT_EQ(pids.size(), 1U);
    EXPECT_TRUE(run_until(io, [&] { return has_ended(pids[0]); }));
}

TEST_P(HealthProbe, ACancelledCheckTellsNothing) {
    const TcpServer server(io, loopback(), stay_silent);
    for (const HealthType type : {HealthType::Tcp, HealthType::Http, HealthType::Https,
                                  HealthType::Udp, HealthType::Icmp, HealthType::Exec}) {
        ProbeSpec asked = spec(type, server.port());
        asked.command = "exit 0";
        bool called = false;
        const auto running =
            start_probe(context, asked, [&](const ProbeResult&) { called = true; });
        running->cancel();
        run_until(
            io, [&] { return called; }, milliseconds(50));
        EXPECT_FALSE(called) << static_cast<int>(type);
    }
}

INSTANTIATE_TEST_SUITE_P(Loopback, HealthProbe, testing::Values("127.0.0.1", "::1"),
                         [](const auto& info) {
                             return std::string(info.index == 0 ? "IPv4" : "IPv6");
                         });

}  // namespace
}  // namespace dlb
