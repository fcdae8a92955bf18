// Servers that checks are made against, on loopback and in the test's own io_context: whatever they
// do, probe and server take turns in one thread.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "health/probe.hpp"

namespace dlb {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

inline IpAddress address_of(const std::string& text) {
    return IpAddress::parse(text).value();
}

inline size_t open_files() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count;
}

// Hands each connection to `serve`, which keeps it for as long as it likes.
class TcpServer {
  public:
    using Connection = std::shared_ptr<tcp::socket>;

    TcpServer(asio::io_context& io, const std::string& address,
              std::function<void(const Connection&)> serve)
        : acceptor_(io, tcp::endpoint(asio::ip::make_address(address), 0)),
          serve_(std::move(serve)) {
        acceptor_.listen(4096);
        accept();
    }
    uint16_t port() const { return acceptor_.local_endpoint().port(); }
    size_t accepted = 0;

  private:
    void accept() {
        auto connection = std::make_shared<tcp::socket>(acceptor_.get_executor());
        acceptor_.async_accept(*connection, [this, connection](const auto& error) {
            if (error) {
                return;
            }
            ++accepted;
            serve_(connection);
            accept();
        });
    }

    tcp::acceptor acceptor_;
    std::function<void(const Connection&)> serve_;
};

// Sends `bytes`, and closes.
inline void answer_with(const TcpServer::Connection& connection, const std::string& bytes) {
    const auto kept = std::make_shared<std::string>(bytes);
    asio::async_write(*connection, asio::buffer(*kept), [connection, kept](auto, auto) {});
}

// Takes what comes, says nothing, and closes when the other end has.
inline void stay_silent(const TcpServer::Connection& connection) {
    auto chunk = std::make_shared<std::array<char, 4096>>();
    connection->async_read_some(asio::buffer(*chunk), [connection, chunk](const auto& error, auto) {
        if (!error) {
            stay_silent(connection);
        }
    });
}

// A server that answers once it has a whole request, and keeps the request.
class HttpServer : public TcpServer {
  public:
    HttpServer(asio::io_context& io, const std::string& address, std::string answer)
        : TcpServer(io, address, [this](const Connection& connection) { read(connection); }),
          answer_(std::move(answer)) {}
    std::string request;

  private:
    void read(const Connection& connection) {
        auto chunk = std::make_shared<std::array<char, 4096>>();
        connection->async_read_some(asio::buffer(*chunk),
                                    [this, connection, chunk](const auto& error, size_t length) {
                                        if (error) {
                                            return;
                                        }
                                        request.append(chunk->data(), length);
                                        if (request.find("\r\n\r\n") == std::string::npos) {
                                            read(connection);
                                        } else {
                                            answer_with(connection, answer_);
                                        }
                                    });
    }

    std::string answer_;
};

// A port where nothing listens: it was free a moment ago.
inline uint16_t closed_port(asio::io_context& io, const std::string& address) {
    return tcp::acceptor(io, tcp::endpoint(asio::ip::make_address(address), 0))
        .local_endpoint()
        .port();
}

// A port that takes no connection and refuses none: its queue is full, and the kernel drops the
// SYNs.
class FullServer {
  public:
    FullServer(asio::io_context& io, const std::string& address)
        : acceptor_(io, tcp::endpoint(asio::ip::make_address(address), 0)) {
        acceptor_.listen(0);
        for (int i = 0; i < 3; ++i) {
            fillers_.emplace_back(io, acceptor_.local_endpoint().protocol());
            fillers_.back().async_connect(acceptor_.local_endpoint(), [](auto) {});
        }
    }
    uint16_t port() const { return acceptor_.local_endpoint().port(); }

  private:
    tcp::acceptor acceptor_;
    std::vector<tcp::socket> fillers_;
};

// Runs the loop until `condition`, or for `most`; whether the condition came.
inline bool run_until(asio::io_context& io, const std::function<bool()>& condition,
                      std::chrono::milliseconds most = std::chrono::seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + most;
    const auto guard = asio::make_work_guard(io);
    io.restart();
    while (!condition() && std::chrono::steady_clock::now() < end) {
        io.run_one_for(std::chrono::milliseconds(5));
    }
    return condition();
}

// One check as HealthTarget makes it: result, or what silence means at the time limit.
class ProbeRun {
  public:
    explicit ProbeRun(asio::io_context& io, ProbeContext& context) : io_(io), context_(context) {}

    ProbeResult operator()(const ProbeSpec& spec,
                           std::chrono::milliseconds limit = std::chrono::seconds(5)) {
        std::optional<ProbeResult> result;
        const auto probe =
            start_probe(context_, spec, [&](ProbeResult found) { result = std::move(found); });
        EXPECT_FALSE(result.has_value()) << "told from within start_probe()";
        run_until(
            io_, [&] { return result.has_value(); }, limit);
        if (!result) {
            result = probe->timed_out(limit);
        }
        probe->cancel();
        return *result;
    }

  private:
    asio::io_context& io_;
    ProbeContext& context_;
};

}  // namespace dlb
