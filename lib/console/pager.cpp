#include "console/pager.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dlb {

namespace {

constexpr int kNotFound = 127;  // the shell's

bool is_in_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    for (std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path; !rest.empty();) {
        const size_t colon = rest.find(':');
        const std::string file = std::string(rest.substr(0, colon)) + '/' + program;
        if (::access(file.c_str(), X_OK) == 0) {
            return true;
        }
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    return false;
}

// Ctrl-C and a pipe that nobody reads are the pager's affair while it runs.
class IgnoredSignals {
  public:
    IgnoredSignals() {
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGINT, &ignore, &interrupt_);
        ::sigaction(SIGPIPE, &ignore, &pipe_);
    }
    ~IgnoredSignals() {
        ::sigaction(SIGINT, &interrupt_, nullptr);
        ::sigaction(SIGPIPE, &pipe_, nullptr);
    }
    IgnoredSignals(const IgnoredSignals&) = delete;
    IgnoredSignals& operator=(const IgnoredSignals&) = delete;

  private:
    struct sigaction interrupt_ {};
    struct sigaction pipe_ {};
};

// -1: it does not start.
pid_t start_shell(const std::string& command, const std::array<int, 2>& ends) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::array<char*, 4> argv = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                                 const_cast<char*>(command.c_str()), nullptr};
    pid_t child = -1;
    const int error = ::posix_spawn(&child, "/bin/sh", &files, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error == 0 ? child : -1;
}

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::write(fd, text.data(), text.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return;  // the user has seen enough
        }
        text.remove_prefix(static_cast<size_t>(size));
    }
}

}  // namespace

std::string pager_command() {
    if (const char* pager = std::getenv("PAGER"); pager != nullptr) {
        return std::string_view(pager) == "cat" ? "" : pager;
    }
    return is_in_path("less") ? "less -FRX" : "";
}

bool page(const std::string& command, const std::string& text) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return false;
    }
    const IgnoredSignals ignored;
    const pid_t child = start_shell(command, ends);
    ::close(ends[0]);
    if (child > 0) {
        write_all(ends[1], text);
    }
    ::close(ends[1]);
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == kNotFound);
}

}  // namespace dlb
