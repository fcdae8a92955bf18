#include "control/every_thread.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>

#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace dlb {

namespace {

namespace fs = std::filesystem;

constexpr int kTries = 100;
constexpr long kTryNs = 50'000'000;

// For the handler, which has no argument.
struct Call {
    int (*action)(const void*) = nullptr;
    const void* argument = nullptr;
    sem_t done{};
    std::atomic<int> error{0};
};
Call call;

void take_turn(int) {
    const int saved = errno;
    const int error = call.action(call.argument);
    if (error != 0) {
        call.error.store(error);
    }
    sem_post(&call.done);
    errno = saved;
}

// The signal's handler while this lives.
class Handler {
  public:
    Handler() {
        struct sigaction action {};
        action.sa_handler = take_turn;
        action.sa_flags = SA_RESTART;
        sigfillset(&action.sa_mask);
        installed_ = sigaction(SIGRTMAX, &action, &before_) == 0;
    }
    ~Handler() {
        if (installed_) {
            sigaction(SIGRTMAX, &before_, nullptr);
        }
    }
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;

  private:
    bool installed_ = false;
    struct sigaction before_ {};
};

bool send(pid_t thread, int signal) {
    return syscall(SYS_tgkill, getpid(), thread, signal) == 0;
}

// True once it had its turn, or is no more.
bool give_turn(pid_t thread) {
    if (!send(thread, SIGRTMAX)) {
        return errno == ESRCH;
    }
    for (int tries = 0; tries < kTries; ++tries) {
        timespec until{};
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += kTryNs;
        if (until.tv_nsec >= 1'000'000'000) {
            until.tv_nsec -= 1'000'000'000;
            ++until.tv_sec;
        }
        if (sem_timedwait(&call.done, &until) == 0) {
            return true;
        }
        if (!send(thread, 0) && errno == ESRCH) {
            return true;
        }
    }
    return false;
}

std::set<pid_t> threads() {
    std::set<pid_t> ids;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc/self/task", error)) {
        ids.insert(static_cast<pid_t>(std::stoi(entry.path().filename())));
    }
    return ids;
}

}  // namespace

Result<void> in_every_thread(int (*action)(const void* argument), const void* argument) {
    call.action = action;
    call.argument = argument;
    call.error.store(0);
    sem_init(&call.done, 0, 0);
    const Handler handler;
    std::set<pid_t> done = {gettid()};
    // Until a look finds none that a thread made before its turn.
    for (bool more = true; more;) {
        more = false;
        for (const pid_t thread : threads()) {
            if (!done.insert(thread).second) {
                continue;
            }
            more = true;
            if (!give_turn(thread)) {
                return Error{"thread " + std::to_string(thread) +
                             " of this process blocks signal " + std::to_string(SIGRTMAX)};
            }
            if (const int error = call.error.load(); error != 0) {
                return Error{std::strerror(error)};
            }
        }
    }
    const int error = action(argument);
    return error == 0 ? Result<void>() : Error{std::strerror(error)};
}

}  // namespace dlb
