#include "console/connection.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace dlb {

Result<ConsoleConnection> ConsoleConnection::open(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{
            fmt::format("\"{}\" cannot be a socket's path: give -s SOCKET of 1 to {} bytes", path,
                        sizeof address.sun_path - 1)};
    }
    path.copy(address.sun_path, path.size());
    ConsoleConnection connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path);
    if (connection.fd_ >= 0 &&
        ::connect(connection.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0) {
        return connection;
    }
    if (errno == ENOENT || errno == ECONNREFUSED) {
        return Error{fmt::format("no dpdk-lb answers on {}: is it running? give -s SOCKET", path)};
    }
    if (errno == EACCES || errno == EPERM) {
        return Error{fmt::format("{}: {}: run as root or as the user of dpdk-lb", path,
                                 std::strerror(errno))};
    }
    return Error{fmt::format("{}: {}: give -s SOCKET", path, std::strerror(errno))};
}

ConsoleConnection::ConsoleConnection(ConsoleConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      input_(std::move(other.input_)),
      searched_(other.searched_),
      owed_(other.owed_) {}

ConsoleConnection::~ConsoleConnection() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Error ConsoleConnection::gone() const {
    return {fmt::format("dpdk-lb closed {}: is it still running?", path_)};
}

void ConsoleConnection::send(const Json& request) {
    const std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    ++owed_;
    for (size_t sent = 0; sent < line.size();) {
        const ssize_t size = ::send(fd_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return;  // a server that refuses has sent its reason
        }
        sent += static_cast<size_t>(size);
    }
}

bool ConsoleConnection::receive(int flags) {
    for (;;) {
        char buffer[65536];
        const ssize_t size = ::recv(fd_, buffer, sizeof buffer, flags);
        if (size > 0) {
            input_.append(buffer, static_cast<size_t>(size));
            return true;
        }
        if (size == 0 || errno != EINTR) {
            return size != 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        }
    }
}

Result<std::optional<Json>> ConsoleConnection::take() {
    size_t end;
    while ((end = input_.find('\n', searched_)) != std::string::npos) {
        const bool wanted = owed_ <= 1;
        owed_ -= owed_ > 0 ? 1 : 0;
        searched_ = 0;
        Json reply = wanted
                         ? Json::parse(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(end),
                                       nullptr, false)
                         : Json();
        input_.erase(0, end + 1);
        if (!wanted) {
            continue;
        }
        if (!reply.is_object()) {
            return Error{
                fmt::format("{} answers something else than dpdk-lb: give -s SOCKET", path_)};
        }
        return std::optional(std::move(reply));
    }
    searched_ = input_.size();
    return std::optional<Json>();
}

Result<std::optional<Json>> ConsoleConnection::poll() {
    const bool open = receive(MSG_DONTWAIT);
    auto reply = take();
    if (reply.ok() && !reply.value() && !open) {
        return gone();
    }
    return reply;
}

Result<Json> ConsoleConnection::ask(const Json& request) {
    send(request);
    for (;;) {
        auto reply = take();
        if (!reply.ok()) {
            return Error{reply.error()};
        }
        if (reply.value()) {
            return std::move(*reply.value());
        }
        if (!receive(0)) {
            return gone();
        }
    }
}

}  // namespace dlb
