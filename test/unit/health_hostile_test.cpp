// 10,000 answers from servers that mean no good, or are broken: every check ends by itself or at
// its time limit, and nothing is left open.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/health_servers.hpp"

namespace dlb {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kInputs = 10000;
constexpr unsigned kAtOnce = 64;

class Hostile {
  public:
    std::string next() {
        switch (random_() % 8) {
            case 0:
                return garbage(random_() % 2000);
            case 1:
                return "HTTP/1.1 200 OK\r\n" + garbage(random_() % 500);
            case 2:
                return mutated("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-A: b\r\n\r\n0123456789");
            case 3:  // a header without an end
                return "HTTP/1.1 200 OK\r\n" + repeated("X-Header: value\r\n", 600);
            case 4:
                return "HTTP/1.1 " + std::to_string(random_()) + " \r\n\r\n";
            case 5:
                return "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n";
            case 6:
                return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" +
                       garbage(10000);
            default:
                return mutated("HTTP/1.1 503 Service Unavailable\r\nA: " + garbage(20) +
                               "\r\n\r\n");
        }
    }
    unsigned number() { return random_(); }

  private:
    std::string garbage(size_t length) {
        std::string bytes(length, '\0');
        std::generate(bytes.begin(), bytes.end(), [this] { return static_cast<char>(random_()); });
        return bytes;
    }
    std::string mutated(std::string text) {
        for (unsigned i = random_() % 4; i > 0; --i) {
            text[random_() % text.size()] = static_cast<char>(random_());
        }
        return text.substr(0, random_() % (text.size() + 1));
    }
    static std::string repeated(const std::string& text, unsigned times) {
        std::string all;
        for (unsigned i = 0; i < times; ++i) {
            all += text;
        }
        return all;
    }
    std::mt19937 random_{20240117};
};

class HealthHostile : public testing::Test {
  protected:
    // `inputs` checks, kAtOnce of them at once, each with this limit.
    void run(const std::function<ProbeSpec(unsigned)>& spec_of, unsigned inputs,
             milliseconds limit) {
        for (unsigned i = 0; i < std::min(inputs, kAtOnce); ++i) {
            start(spec_of, inputs, limit);
        }
        ASSERT_TRUE(run_until(
            io, [&] { return ended == inputs; }, std::chrono::seconds(100)))
            << ended << " of " << inputs;
    }

    void start(const std::function<ProbeSpec(unsigned)>& spec_of, unsigned inputs,
               milliseconds limit) {
        if (started == inputs) {
            return;
        }
        auto timer = std::make_shared<asio::steady_timer>(io, limit);
        auto running = std::make_shared<std::shared_ptr<Probe>>();
        const auto end = [=, this](const ProbeResult& result) {
            if (*running == nullptr) {
                return;
            }
            (*running)->cancel();
            running->reset();
            timer->cancel();
            ++ended;
            ++outcomes[static_cast<size_t>(result.outcome)];
            start(spec_of, inputs, limit);
        };
        *running = start_probe(context, spec_of(started++), end);
        timer->async_wait([=](const auto& error) {
            if (!error && *running != nullptr) {
                end((*running)->timed_out(limit));
            }
        });
    }

    void expect_nothing_open(size_t before) {
        EXPECT_TRUE(run_until(
            io, [&] { return open_files() <= before; }, milliseconds(2000)))
            << open_files() << " files, " << before << " before";
    }

    asio::io_context io;
    ProbeContext context{io};
    Hostile hostile;
    unsigned started = 0, ended = 0;
    std::array<unsigned, 3> outcomes{};  // by ProbeOutcome
};

TEST_F(HealthHostile, HttpAnswers) {
    for (const HealthType type : {HealthType::Http, HealthType::Https}) {
        started = ended = 0;
        outcomes = {};
        const TcpServer server(io, "127.0.0.1", [&](const TcpServer::Connection& connection) {
            answer_with(connection, hostile.next());
        });
        const size_t before = open_files();
        const unsigned inputs = type == HealthType::Http ? kInputs : kInputs / 10;
        run(
            [&](unsigned) {
                ProbeSpec spec;
                spec.type = type;
                spec.endpoint = {address_of("127.0.0.1"), server.port()};
                spec.path = "/";
                spec.expect = {200};
                return spec;
            },
            inputs, milliseconds(2000));
        EXPECT_EQ(outcomes[static_cast<size_t>(ProbeOutcome::NotRun)], 0U);
        EXPECT_GT(outcomes[static_cast<size_t>(ProbeOutcome::Failed)], inputs / 4);
        if (type == HealthType::Https) {
            EXPECT_EQ(outcomes[static_cast<size_t>(ProbeOutcome::Passed)], 0U);
        }
        expect_nothing_open(before);
    }
}

TEST_F(HealthHostile, SilentAndDrippingServers) {
    std::vector<std::shared_ptr<asio::steady_timer>> drips;
    const TcpServer server(io, "::1", [&](const TcpServer::Connection& connection) {
        auto timer = drips.emplace_back(std::make_shared<asio::steady_timer>(io));
        auto drip = std::make_shared<std::function<void()>>();
        *drip = [connection, timer, weak = std::weak_ptr(drip)] {
            timer->expires_after(milliseconds(10));
            timer->async_wait([connection, again = weak.lock()](const auto& error) {
                boost::system::error_code gone;
                connection->send(asio::buffer("x", 1), MSG_NOSIGNAL, gone);
                if (!error && !gone && again != nullptr) {
                    (*again)();
                }
            });
        };
        (*drip)();
    });
    const size_t before = open_files();
    run(
        [&](unsigned number) {
            ProbeSpec spec;
            spec.type = number % 2 == 0 ? HealthType::Http : HealthType::Https;
            spec.endpoint = {address_of("::1"), server.port()};
            spec.path = "/";
            spec.expect = {200};
            return spec;
        },
        kAtOnce * 4, milliseconds(50));
    EXPECT_EQ(outcomes[static_cast<size_t>(ProbeOutcome::Failed)], kAtOnce * 4);
    for (const auto& timer : drips) {
        timer->cancel();
    }
    expect_nothing_open(before);
}

TEST_F(HealthHostile, UdpAnswers) {
    udp::socket server(io, udp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
    std::string datagram(65507, 'x');
    udp::endpoint peer;
    char byte;
    std::function<void()> serve = [&] {
        server.async_receive_from(asio::buffer(&byte, 1), peer, [&](const auto& error, size_t) {
            if (error) {
                return;
            }
            boost::system::error_code refused;  // the check may have ended
            for (unsigned i = hostile.number() % 4; i > 0; --i) {
                server.send_to(asio::buffer(datagram, hostile.number() % datagram.size()), peer, 0,
                               refused);
            }
            serve();
        });
    };
    serve();
    const size_t before = open_files();
    run(
        [&](unsigned) {
            ProbeSpec spec;
            spec.type = HealthType::Udp;
            spec.endpoint = {address_of("127.0.0.1"), server.local_endpoint().port()};
            return spec;
        },
        kInputs, milliseconds(20));
    EXPECT_EQ(outcomes[static_cast<size_t>(ProbeOutcome::Passed)], kInputs);
    expect_nothing_open(before);
}

}  // namespace
}  // namespace dlb
