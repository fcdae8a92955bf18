// A console server on a thread with a FakeControl behind it, in a directory of its own.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "console/server.hpp"
#include "console/text_table.hpp"
#include "support/fake_control.hpp"
#include "support/loop_thread.hpp"

namespace dlb {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        char name[] = "/tmp/dlb-console-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    std::string operator/(const std::string& name) const { return path_ + '/' + name; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// A bare client of the socket.
class RawClient {
  public:
    explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        connected_ =
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    bool connected() const { return connected_; }
    int fd() const { return fd_; }

    // False once the peer is gone.
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

    // The next line; "" once the peer has closed or said nothing for `timeout_ms`.
    std::string line(int timeout_ms = 10000) {
        size_t end;
        while ((end = input_.find('\n')) == std::string::npos) {
            if (!receive(timeout_ms)) {
                return {};
            }
        }
        std::string text = input_.substr(0, end);
        input_.erase(0, end + 1);
        return text;
    }
    Json ask(const Json& request) {
        send(request.dump() + '\n');
        return Json::parse(line(), nullptr, false);
    }
    // Reads on until the peer closes.
    bool is_closed(int timeout_ms = 10000) {
        while (receive(timeout_ms)) {
        }
        return ended_;
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

// A started server with everything around it.
class ConsoleFixture {
  public:
    explicit ConsoleFixture(ConsoleOptions options = {}) {
        options.socket = options.socket.empty() ? directory_ / "lb1.sock" : options.socket;
        socket_ = options.socket;
        loop_.call([&] {
            server_ = std::make_unique<ConsoleServer>(loop_.io(), control_, options);
            started_ = server_->start();
        });
    }
    ~ConsoleFixture() {
        loop_.call([&] { server_.reset(); });
    }
    const std::string& socket() const { return socket_; }
    const TemporaryDirectory& directory() const { return directory_; }
    const Status& started() const { return started_; }
    FakeControl& control() { return control_; }  // within call() only, once clients are connected
    LoopThread& loop() { return loop_; }
    ConsoleServer& server() { return *server_; }
    size_t clients() {
        size_t count = 0;
        loop_.call([&] { count = server_->clients(); });
        return count;
    }
    void stop() {
        loop_.call([&] { server_->stop(); });
    }

  private:
    TemporaryDirectory directory_;
    std::string socket_;
    FakeControl control_;
    LoopThread loop_;
    std::unique_ptr<ConsoleServer> server_;
    Status started_;
};

}  // namespace dlb
