// The metrics' HTTP door: what it answers, its bounds, and bad clients.
#include <cstring>
#include <deque>
#include <random>

#include <arpa/inet.h>
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics/server.hpp"
#include "support/fake_control.hpp"
#include "support/loop_thread.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

Endpoint any_port() {
    return Endpoint::parse("127.0.0.1:0").value();
}

// A started server with everything around it.
class MetricsFixture {
  public:
    explicit MetricsFixture(MetricsOptions options = {}) {
        loop_.call([&] {
            server_ = std::make_unique<MetricsServer>(loop_.io(), control_, options);
            server_->listen(any_port());
        });
    }
    ~MetricsFixture() {
        loop_.call([&] { server_.reset(); });
    }
    std::optional<Endpoint> listening() {
        std::optional<Endpoint> endpoint;
        loop_.call([&] { endpoint = server_->listening(); });
        return endpoint;
    }
    uint16_t port() { return listening().value().port; }
    void listen(std::optional<Endpoint> endpoint) {
        loop_.call([&] { server_->listen(endpoint); });
    }
    size_t connections() {
        size_t count = 0;
        loop_.call([&] { count = server_->connections(); });
        return count;
    }
    bool falls_to(size_t connections, std::chrono::seconds within = 10s) {
        const auto end = std::chrono::steady_clock::now() + within;
        while (this->connections() != connections) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(5ms);
        }
        return true;
    }

  private:
    FakeControl control_;
    LoopThread loop_;
    std::unique_ptr<MetricsServer> server_;
};

class Client {
  public:
    explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ =
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool connected() const { return connected_; }
    bool send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t size = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (size <= 0) {
                return false;
            }
            text.remove_prefix(static_cast<size_t>(size));
        }
        return true;
    }
    void end_of_input() { ::shutdown(fd_, SHUT_WR); }
    void reset_at_close() {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    // All until the peer closes; `closed` tells whether it did, within `timeout_ms` of silence.
    std::string rest(bool* closed = nullptr, int timeout_ms = 10000) {
        while (receive(timeout_ms)) {
        }
        if (closed != nullptr) {
            *closed = ended_;
        }
        return std::exchange(input_, {});
    }
    // One answer with a Content-Length, the connection stays.
    std::string answer() {
        size_t end;
        while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
            if (!receive(10000)) {
                return std::exchange(input_, {});
            }
        }
        const size_t at = input_.find("Content-Length: ");
        const size_t size = end + 4 + (at < end ? std::stoul(input_.substr(at + 16)) : 0);
        while (input_.size() < size && receive(10000)) {
        }
        const std::string text = input_.substr(0, size);
        input_.erase(0, size);
        return text;
    }

  private:
    bool receive(int timeout_ms) {
        pollfd poll{fd_, POLLIN, 0};
        char buffer[65536];
        if (ended_ || ::poll(&poll, 1, timeout_ms) != 1) {
            return false;
        }
        const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
        ended_ = size <= 0;
        input_.append(buffer, ended_ ? 0 : static_cast<size_t>(size));
        return !ended_;
    }

    int fd_;
    bool connected_ = false, ended_ = false;
    std::string input_;
};

std::string ask(uint16_t port, std::string_view request) {
    Client client(port);
    client.send(request);
    return client.answer();
}

size_t open_descriptors() {
    size_t count = 0;
    DIR* directory = ::opendir("/proc/self/fd");
    while (::readdir(directory) != nullptr) {
        ++count;
    }
    ::closedir(directory);
    return count;
}

constexpr char kGet[] = "GET /metrics HTTP/1.1\r\nHost: lb\r\n\r\n";

TEST(MetricsServer, AnswersGetAndHead) {
    MetricsFixture server;
    Client client(server.port());
    for (int i = 0; i < 3; ++i) {
        client.send(kGet);
        const std::string answer = client.answer();
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
        EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
        EXPECT_THAT(answer, HasSubstr("\n# TYPE dpdk_lb_drops_total counter\n"));
        EXPECT_EQ(answer.back(), '\n');
    }
    client.send("HEAD /metrics HTTP/1.1\r\nHost: lb\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n");
    EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(client.answer(), HasSubstr("\r\n\r\nok\n")) << "nothing follows a HEAD's header";
    client.send("GET /metrics?name[]=x HTTP/1.0\r\n\r\n");
    bool closed = false;
    EXPECT_THAT(client.rest(&closed), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_TRUE(closed) << "HTTP/1.0 without keep-alive";
}

TEST(MetricsServer, RefusesWithAReason) {
    const struct {
        std::string request;
        const char* status;
        const char* says;
    } cases[] = {
        {"GET /else HTTP/1.1\r\n\r\n", "404 Not Found", "/metrics"},
        {"GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found", "/metrics"},
        {"GET /../../etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found", "/metrics"},
        {"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405", "Allow: GET, HEAD"},
        {"DELETE /metrics HTTP/1.1\r\n\r\n", "405", "there is GET and HEAD"},
        {"FROBNICATE / HTTP/1.1\r\n\r\n", "405", "there is GET and HEAD"},
        {"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "413", "no body"},
        {"GET /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "413", "no body"},
        {"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "413",
         "body"},
        {"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400", "no HTTP/1 request"},
        {"GET /metrics HTTP/9.9\r\n\r\n", "400", "no HTTP/1 request"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", "no HTTP/1 request"},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n", "400", "HTTP/1"},
        {"\r\n\r\n\r\n", "400", "no HTTP/1 request"},
        {"GET /metrics HTTP/1.1\r\nX: " + std::string(100000, 'x') + "\r\n\r\n", "431", "8192"},
        {"GET /" + std::string(100000, 'x') + " HTTP/1.1\r\n\r\n", "431", "8192 bytes"},
    };
    MetricsFixture server;
    for (const auto& each : cases) {
        const std::string answer = ask(server.port(), each.request);
        EXPECT_THAT(answer, StartsWith(std::string("HTTP/1.1 ") + each.status))
            << each.request.substr(0, 60);
        EXPECT_THAT(answer, HasSubstr(each.says)) << each.request.substr(0, 60);
    }
    EXPECT_TRUE(server.falls_to(0));
}

TEST(MetricsServer, AnswersPipelinedRequestsInOrder) {
    MetricsFixture server;
    Client client(server.port());
    std::string requests;
    for (int i = 0; i < 200; ++i) {
        requests += i % 2 == 0 ? kGet : "GET /healthz HTTP/1.1\r\n\r\n";
    }
    client.send(requests);
    client.end_of_input();
    for (int i = 0; i < 200; ++i) {
        EXPECT_THAT(client.answer(), HasSubstr(i % 2 == 0 ? "dpdk_lb_info" : "\r\n\r\nok\n"));
    }
    EXPECT_TRUE(server.falls_to(0)) << "it closes once its client has, and all is answered";
}

TEST(MetricsServer, CutsWhoIsSlow) {
    MetricsFixture server({.request_timeout = 200ms, .write_timeout = 300ms, .farewell = 100ms});
    Client silent(server.port()), half(server.port()), drip(server.port());
    half.send("GET /metr");
    bool closed = false;
    for (const char c : std::string("GET /metrics HTTP/1.1\r\nX: a slow one")) {
        drip.send({&c, 1});
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_THAT(drip.rest(&closed), StartsWith("HTTP/1.1 408"));
    EXPECT_TRUE(closed);
    EXPECT_THAT(half.rest(&closed), HasSubstr("within 200 ms"));
    EXPECT_TRUE(closed);
    EXPECT_EQ(silent.rest(&closed), "") << "who asked nothing is told nothing";
    EXPECT_TRUE(closed);
    // Asks for much and reads nothing.
    Client deaf(server.port());
    std::string requests;
    for (int i = 0; i < 3000; ++i) {
        requests += kGet;
    }
    std::thread sender([&] { deaf.send(requests); });
    EXPECT_TRUE(server.falls_to(0));
    sender.join();
}

TEST(MetricsServer, BoundsItsConnections) {
    MetricsFixture server({.max_connections = 8, .farewell = 100ms});
    std::deque<Client> clients;
    for (int i = 0; i < 8; ++i) {
        clients.emplace_back(server.port());
        clients.back().send("GET /healthz HTTP/1.1\r\n\r\n");
        ASSERT_THAT(clients.back().answer(), HasSubstr("200 OK"));
    }
    Client ninth(server.port());
    bool closed = false;
    EXPECT_THAT(ninth.rest(&closed),
                testing::AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("there are 8 connections")));
    EXPECT_TRUE(closed);
    clients.pop_front();
    EXPECT_TRUE(server.falls_to(7));
    EXPECT_THAT(ask(server.port(), kGet), HasSubstr("200 OK"));
    // Ten times as many as it takes.
    std::deque<Client> many;
    for (int i = 0; i < 80; ++i) {
        many.emplace_back(server.port());
    }
    EXPECT_LE(server.connections(), 16u);
    many.clear();
    clients.clear();
    EXPECT_TRUE(server.falls_to(0));
    EXPECT_THAT(ask(server.port(), kGet), HasSubstr("200 OK"));
}

TEST(MetricsServer, MovesAndEnds) {
    MetricsFixture server;
    const Endpoint first = server.listening().value();
    Client client(first.port);
    client.send(kGet);
    EXPECT_THAT(client.answer(), HasSubstr("200 OK"));
    server.listen(Endpoint::parse("127.0.0.2:0"));
    EXPECT_EQ(server.listening().value().address.to_string(), "127.0.0.2");
    bool closed = false;
    client.rest(&closed);
    EXPECT_TRUE(closed);
    EXPECT_FALSE(Client(first.port).connected());
    server.listen(std::nullopt);
    EXPECT_FALSE(server.listening());
    server.listen(Endpoint::parse("[::1]:0"));
    server.listen(any_port());
    EXPECT_THAT(ask(server.port(), kGet), HasSubstr("200 OK"));
}

TEST(MetricsServer, WaitsForATakenPort) {
    auto holder = std::make_unique<MetricsFixture>();
    const Endpoint taken = holder->listening().value();
    MetricsFixture server({.listen_retry = 20ms});
    server.listen(taken);
    EXPECT_FALSE(server.listening());
    holder.reset();
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!server.listening() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(5ms);
    }
    EXPECT_EQ(server.listening(), taken);
    EXPECT_THAT(ask(taken.port, kGet), HasSubstr("200 OK"));
}

// Builds hostile requests: noise, and real ones broken in many ways.
class Hostile {
  public:
    std::string request() {
        switch (pick(6)) {
            case 0:
                return noise(pick(300));
            case 1:
                return mutated(kGet);
            case 2:
                return mutated(
                    "POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: lb\r\n"
                    "Expect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
            case 3:
                return "GET /" + noise(pick(50)) + " HTTP/1.1\r\n" + noise(pick(100)) + "\r\n\r\n";
            case 4: {
                std::string many = "GET /metrics HTTP/1.1\r\n";
                for (unsigned i = pick(400); i > 0; --i) {
                    many += "X-" + std::to_string(i) + ": " + std::string(pick(60), 'a') + "\r\n";
                }
                return many + "\r\n";
            }
            default: {
                std::string pipelined;
                for (unsigned i = pick(5); i > 0; --i) {
                    pipelined += pick(2) ? std::string(kGet) : mutated(kGet);
                }
                return pipelined;
            }
        }
    }
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

  private:
    std::string noise(size_t size) {
        std::string text(size, '\0');
        for (char& c : text) {
            c = static_cast<char>(random_());
        }
        return text;
    }
    std::string mutated(std::string text) {
        for (unsigned i = 1 + pick(4); i > 0 && !text.empty(); --i) {
            const size_t at = pick(static_cast<unsigned>(text.size()));
            switch (pick(3)) {
                case 0:
                    text[at] = static_cast<char>(random_());
                    break;
                case 1:
                    text.erase(at, 1 + pick(8));
                    break;
                default:
                    text.insert(at, noise(1 + pick(8)));
            }
        }
        return text;
    }
    std::mt19937 random_{20240229};
};

// Every answer begins with a status of HTTP's, and no input ends or stalls the server.
TEST(MetricsServer, TenThousandHostileInputs) {
    MetricsFixture server({.request_timeout = 300ms, .farewell = 50ms});
    const uint16_t port = server.port();
    ASSERT_THAT(ask(port, kGet), HasSubstr("200 OK"));
    ASSERT_TRUE(server.falls_to(0));
    const size_t descriptors = open_descriptors();
    Hostile hostile;
    size_t answered = 0, refused = 0;
    for (int i = 0; i < 10000; ++i) {
        const std::string request = hostile.request();
        Client client(port);
        ASSERT_TRUE(client.connected());
        client.send(request);
        if (hostile.pick(10) == 0) {
            client.reset_at_close();
            continue;  // gone without a look at the answer
        }
        client.end_of_input();
        bool closed = false;
        const std::string answer = client.rest(&closed);
        ASSERT_TRUE(closed) << "input " << i << " hangs: " << testing::PrintToString(request);
        if (!answer.empty()) {
            ASSERT_THAT(answer, testing::ContainsRegex("^HTTP/1\\.1 (200|4[0-9][0-9]|503) "))
                << testing::PrintToString(request);
            ++answered;
            refused += answer.starts_with("HTTP/1.1 4");
        }
    }
    EXPECT_GT(answered, 5000u);
    EXPECT_GT(refused, 3000u);
    EXPECT_TRUE(server.falls_to(0));
    EXPECT_EQ(open_descriptors(), descriptors);
    EXPECT_THAT(ask(port, kGet), HasSubstr("dpdk_lb_info"));
}

}  // namespace
}  // namespace dlb
