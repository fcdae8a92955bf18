#include "console/socket_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/fsuid.h>
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

// The last one is the owner's, who removes the socket at the end; those above stay ours.
Result<void> make_directories(const std::filesystem::path& directory,
                              const std::optional<SocketOwner>& owner) {
    if (directory.empty() || std::filesystem::is_directory(directory)) {
        return {};
    }
    if (Result<void> parent = make_directories(directory.parent_path(), {}); !parent.ok()) {
        return parent;
    }
    // chmod: the umask may have taken bits away.
    if (::mkdir(directory.c_str(), 0755) != 0 || ::chmod(directory.c_str(), 0755) != 0) {
        return system_error(directory, "cannot make the directory",
                            "choose another [lb] socket or run as root");
    }
    if (owner && ::lchown(directory.c_str(), owner->uid, owner->gid) != 0) {
        return system_error(directory, "cannot be given to lb.user", "run as root");
    }
    return {};
}

bool bind_file(int fd, const sockaddr_un& address) {
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// Where the owner may make files, it is the owner who makes it: changing a path's owner there
// afterwards could be led astray. Elsewhere nobody but root can exchange the file.
bool bind_file_of(int fd, const sockaddr_un& address, const SocketOwner& owner) {
    const int gid = ::setfsgid(owner.gid);
    const int uid = ::setfsuid(owner.uid);
    const bool bound = bind_file(fd, address);
    const int error = errno;
    ::setfsuid(static_cast<uid_t>(uid));
    ::setfsgid(static_cast<gid_t>(gid));
    if (bound || error != EACCES) {
        errno = error;
        return bound;
    }
    struct stat directory {};
    const std::string parent = std::filesystem::path(address.sun_path).parent_path();
    if (::stat(parent.empty() ? "." : parent.c_str(), &directory) == 0 && directory.st_uid != 0) {
        errno = EACCES;  // another user's: who could exchange the file in between
        return false;
    }
    return bind_file(fd, address) && ::lchown(address.sun_path, owner.uid, owner.gid) == 0;
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

Result<ListeningSocket> listen_on_socket_file(const std::string& path,
                                              const std::optional<SocketOwner>& owner) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{
            fmt::format("the socket's path \"{}\" has {} bytes: choose an [lb] socket of 1 to {}",
                        path, path.size(), sizeof address.sun_path - 1)};
    }
    path.copy(address.sun_path, path.size());
    const auto directory = std::filesystem::path(path).parent_path();
    if (const Result<void> made = make_directories(directory, owner); !made.ok()) {
        return Error{made.error()};
    }
    const Fd lock = lock_directory(directory);
    if (const Result<void> cleared = clear_stale(path, address); !cleared.ok()) {
        return Error{cleared.error()};
    }
    Fd fd = stream_socket();
    const auto bind_it = [&] {
        return owner ? bind_file_of(fd.get(), address, *owner) : bind_file(fd.get(), address);
    };
    // unix(7): Linux makes the file with the socket's own mode, so this leaves no moment for
    // others.
    if (fd.get() < 0 || ::fchmod(fd.get(), 0600) != 0 || !bind_it() ||
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
