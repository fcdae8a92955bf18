// exec: a program says whether the backend is well, by its exit status.
//
// It runs by /bin/sh -c in a process group of its own, with LB_ADDRESS and LB_PORT, PATH, and
// nothing else of our environment; no input, its output is thrown away, no file of ours is open in
// it. When it is done, and at the time limit, its whole group is killed.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <memory>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "health/probe_types.hpp"
#include "health/socket.hpp"

namespace dlb {

class ExecProbe;

// Lets `most` programs run at once, the others in the order that they came.
class ProgramGate {
  public:
    explicit ProgramGate(size_t most) : most_(most) {}
    void enter(const std::shared_ptr<ExecProbe>& probe);
    void leave();

  private:
    const size_t most_;
    size_t running_ = 0;
    std::deque<std::weak_ptr<ExecProbe>> waiting_;
};

namespace {

// A program that was started; reaped in any case, and the place in the gate given back.
class Child {
  public:
    Child(pid_t pid, std::shared_ptr<ProgramGate> gate) : pid_(pid), gate_(std::move(gate)) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() { reap(); }

    void kill() const {
        if (!reaped_) {  // afterwards the number may be another's
            ::kill(-pid_, SIGKILL);
        }
    }
    // The wait status. Waits only where the program has not ended, and then it was just killed.
    int reap() {
        if (!reaped_) {
            kill();  // what it left behind, while its group's number is still taken
            while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
            }
            reaped_ = true;
            gate_->leave();
        }
        return status_;
    }

  private:
    const pid_t pid_;
    const std::shared_ptr<ProgramGate> gate_;
    bool reaped_ = false;
    int status_ = 0;
};

// posix_spawn(3)'s two settings, freed whatever happens.
struct SpawnSettings {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;

    SpawnSettings() {
        ::posix_spawnattr_init(&attributes);
        ::posix_spawn_file_actions_init(&files);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setpgroup(&attributes, 0);
        ::posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
        ::posix_spawn_file_actions_adddup2(&files, 1, 2);
        ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        ::posix_spawnattr_destroy(&attributes);
        ::posix_spawn_file_actions_destroy(&files);
    }
};

// 0 and `pid`, or an errno.
int spawn(const ProbeSpec& spec, pid_t& pid) {
    const SpawnSettings settings;
    const char* path = std::getenv("PATH");
    std::string environment[] = {
        std::string("PATH=") + (path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin"),
        "LB_ADDRESS=" + spec.endpoint.address.to_string(),
        "LB_PORT=" + std::to_string(spec.endpoint.port)};
    char* pointers[] = {environment[0].data(), environment[1].data(), environment[2].data(),
                        nullptr};
    std::string shell = "sh", option = "-c", command = spec.command;
    char* arguments[] = {shell.data(), option.data(), command.data(), nullptr};
    return ::posix_spawn(&pid, "/bin/sh", &settings.files, &settings.attributes, arguments,
                         pointers);
}

}  // namespace

class ExecProbe final : public Probe, public std::enable_shared_from_this<ExecProbe> {
  public:
    ExecProbe(ProbeContext& context, const ProbeSpec& spec, ProbeDone done)
        : io_(context.io()), gate_(context.programs()), spec_(spec), result_(std::move(done)) {}

    void start() { gate_->enter(shared_from_this()); }

    // Called by the gate: there is room. False: it is not needed any more.
    bool run() {
        if (!result_.pending()) {
            return false;
        }
        pid_t pid = -1;
        if (const int error = spawn(spec_, pid); error != 0) {
            fail_soon(error);
            return false;
        }
        child_ = std::make_shared<Child>(pid, gate_);
        // glibc 2.36 declares pidfd_open() without C linkage.
        const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
        if (pidfd < 0) {
            fail_soon(errno);
            child_->kill();
            return true;  // its end gives the place back
        }
        ended_ = std::make_shared<boost::asio::posix::stream_descriptor>(io_);
        boost::system::error_code refused;
        ended_->assign(pidfd, refused);
        if (refused) {
            ::close(pidfd);
            ended_.reset();
            fail_soon(refused.value());
            child_->kill();
            return true;  // its end gives the place back
        }
        // Goes on after a cancel, until the program that was killed has ended.
        ended_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this(), child = child_,
                            ended = ended_](const boost::system::error_code& error) {
                               if (!error) {
                                   self->judge(child->reap());
                               }
                           });
        return true;
    }

    ProbeResult timed_out(std::chrono::milliseconds limit) const override {
        if (child_ == nullptr) {
            return {ProbeOutcome::NotRun, "not run: too many programs are running"};
        }
        return Probe::timed_out(limit);
    }

    void cancel() override {
        result_.drop();
        if (child_ != nullptr && ended_ != nullptr) {
            child_->kill();
        }
        child_.reset();
        ended_.reset();
    }

  private:
    void judge(int status) {
        if (WIFEXITED(status)) {
            const int code = WEXITSTATUS(status);
            return result_.give(code == 0 ? ProbeOutcome::Passed : ProbeOutcome::Failed,
                                "exit status " + std::to_string(code));
        }
        result_.give(ProbeOutcome::Failed, "killed by signal " + std::to_string(WTERMSIG(status)));
    }

    void fail_soon(int error) {
        boost::asio::post(io_, [self = shared_from_this(), error] {
            self->result_.give(ProbeOutcome::NotRun, "not run: " + error_words(error));
        });
    }

    boost::asio::io_context& io_;
    const std::shared_ptr<ProgramGate> gate_;
    const ProbeSpec spec_;
    OneResult result_;
    std::shared_ptr<Child> child_;  // null: waits for its turn, or cancelled
    std::shared_ptr<boost::asio::posix::stream_descriptor> ended_;
};

void ProgramGate::enter(const std::shared_ptr<ExecProbe>& probe) {
    if (running_ >= most_) {
        waiting_.push_back(probe);
        return;
    }
    ++running_;
    if (!probe->run()) {
        leave();
    }
}

void ProgramGate::leave() {
    --running_;
    while (running_ < most_ && !waiting_.empty()) {
        const std::shared_ptr<ExecProbe> next = waiting_.front().lock();
        waiting_.pop_front();
        if (next != nullptr) {
            ++running_;
            if (!next->run()) {
                --running_;
            }
        }
    }
}

std::shared_ptr<ProgramGate> make_program_gate(size_t most) {
    return std::make_shared<ProgramGate>(most);
}

std::shared_ptr<Probe> start_exec_probe(ProbeContext& context, const ProbeSpec& spec,
                                        ProbeDone done) {
    auto probe = std::make_shared<ExecProbe>(context, spec, std::move(done));
    probe->start();
    return probe;
}

}  // namespace dlb
