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
      input_(std::move(other.input_)) {}

ConsoleConnection::~ConsoleConnection() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Error ConsoleConnection::gone() const {
    return {fmt::format("dpdk-lb closed {}: is it still running?", path_)};
}

Result<Json> ConsoleConnection::ask(const Json& request) {
    const std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    for (size_t sent = 0; sent < line.size();) {
        const ssize_t size = ::send(fd_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            break;  // a server that refuses has sent its reason
        }
        sent += static_cast<size_t>(size);
    }
    size_t searched = 0, end;
    while ((end = input_.find('\n', searched)) == std::string::npos) {
        searched = input_.size();
        char buffer[16384];
        const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return gone();
        }
        input_.append(buffer, static_cast<size_t>(size));
    }
    Json reply =
        Json::parse(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(end), nullptr, false);
    input_.erase(0, end + 1);
    if (!reply.is_object()) {
        return Error{fmt::format("{} answers something else than dpdk-lb: give -s SOCKET", path_)};
    }
    return reply;
}

}  // namespace dlb
