#include "console/socket_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace dlb {

namespace {

class Fd {
  public:
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

Error system_error(const std::string& path, const char* what, const char* mend) {
    return {fmt::format("{}: {}: {}: {}", path, what, std::strerror(errno), mend)};
}

Result<void> make_directories(const std::filesystem::path& directory) {
    if (directory.empty() || std::filesystem::is_directory(directory)) {
        return {};
    }
    if (Result<void> parent = make_directories(directory.parent_path()); !parent.ok()) {
        return parent;
    }
    // chmod: the umask may have taken bits away.
    if (::mkdir(directory.c_str(), 0755) != 0 || ::chmod(directory.c_str(), 0755) != 0) {
        return system_error(directory, "cannot make the directory",
                            "choose another [lb] socket or run as root");
    }
    return {};
}

// Two daemons that start at once take turns. Holding it is no right, so waiting has an end.
Fd lock_directory(const std::filesystem::path& directory) {
    Fd lock(
        ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int tries = 0; tries < 50 && lock.get() >= 0; ++tries) {
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
            break;
        }
        ::usleep(10000);
    }
    return Fd(lock.release());
}

Fd stream_socket() {
    return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Makes way for a new socket: removes one that nobody listens on.
Result<void> clear_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>()
                               : Result<void>(system_error(path, "cannot be looked at",
                                                           "choose another [lb] socket"));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return Error{fmt::format("{} is there and not a socket: choose another [lb] socket", path)};
    }
    const Fd probe = stream_socket();
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    // EAGAIN: it listens, its queue is full.
    if (::connect(probe.get(), generic, sizeof address) == 0 || errno == EAGAIN) {
        return Error{
            fmt::format("another dpdk-lb answers on {}: choose another [lb] name or socket", path)};
    }
    if (errno != ECONNREFUSED) {
        return system_error(path, "cannot be probed", "choose another [lb] socket");
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return system_error(path, "cannot remove the stale socket", "remove it by hand");
    }
    return {};
}

}  // namespace

Result<ListeningSocket> listen_on_socket_file(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{
            fmt::format("the socket's path \"{}\" has {} bytes: choose an [lb] socket of 1 to {}",
                        path, path.size(), sizeof address.sun_path - 1)};
    }
    path.copy(address.sun_path, path.size());
    const auto directory = std::filesystem::path(path).parent_path();
    if (const Result<void> made = make_directories(directory); !made.ok()) {
        return Error{made.error()};
    }
    const Fd lock = lock_directory(directory);
    if (const Result<void> cleared = clear_stale(path, address); !cleared.ok()) {
        return Error{cleared.error()};
    }
    Fd fd = stream_socket();
    // unix(7): Linux makes the file with the socket's own mode, so this leaves no moment for
    // others.
    if (fd.get() < 0 || ::fchmod(fd.get(), 0600) != 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0) {
        return system_error(path, "cannot listen", "choose another [lb] socket or run as root");
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return system_error(path, "is gone again", "choose another [lb] socket");
    }
    return ListeningSocket{fd.release(), status.st_dev, status.st_ino};
}

void remove_socket_file(const std::string& path, const ListeningSocket& socket) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && status.st_dev == socket.device &&
        status.st_ino == socket.inode) {
        ::unlink(path.c_str());
    }
}

}  // namespace dlb
