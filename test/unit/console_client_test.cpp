// dpdk-lbctl as a user runs it, against a server with a FakeControl: statuses, streams, a terminal.
#include <fstream>
#include <functional>
#include <sstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>

#include "console/client.hpp"
#include "console_support.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

void make_file(const std::string& path) {
    std::ofstream file(path);
}

void exec_lbctl(const std::vector<std::string>& arguments) {
    std::vector<char*> argv = {const_cast<char*>("dpdk-lbctl")};
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    ::execv(DPDK_LBCTL, argv.data());
    ::_exit(127);
}

struct Ran {
    int status = -1;
    std::string out, err;
};

class LbctlTest : public testing::Test {
  protected:
    // Runs dpdk-lbctl on this server with `input` as standard input.
    Ran run(std::vector<std::string> arguments, const std::string& input = {}) {
        arguments.insert(arguments.begin(), {"-s", console_.socket()});
        return run_bare(arguments, input);
    }
    Ran run_bare(const std::vector<std::string>& arguments, const std::string& input = {}) {
        const TemporaryDirectory& directory = console_.directory();
        std::ofstream(directory / "in") << input;
        const pid_t child = ::fork();
        if (child == 0) {
            ::dup2(::open((directory / "in").c_str(), O_RDONLY), 0);
            ::dup2(::creat((directory / "out").c_str(), 0600), 1);
            ::dup2(::creat((directory / "err").c_str(), 0600), 2);
            exec_lbctl(arguments);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(directory / "out"),
                read_file(directory / "err")};
    }

    ConsoleFixture console_;
};

TEST_F(LbctlTest, RunsOneCommand) {
    const Ran ran = run({"show", "flows", "count"});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.out, "2\n");
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(run({"show flows count"}).out, "2\n");
}

TEST_F(LbctlTest, JsonIsOneDocumentWhereverTheOptionStands) {
    const std::vector<std::vector<std::string>> lines = {{"--json", "show", "backends"},
                                                         {"show", "--json", "backends"},
                                                         {"show", "backends", "--json"}};
    for (const auto& line : lines) {
        const Ran ran = run(line);
        EXPECT_EQ(ran.status, 0);
        EXPECT_EQ(Json::parse(ran.out).size(), 4U);
        EXPECT_EQ(ran.err, "");
    }
}

TEST_F(LbctlTest, ErrorsAreOneLineOnStandardError) {
    const Ran unknown = run({"shwo", "ports"});
    EXPECT_EQ(unknown.status, 2);
    EXPECT_EQ(unknown.out, "");
    EXPECT_EQ(unknown.err, "error: unknown command \"shwo\": did you mean \"show\"?\n");
    const Ran failed = run({"--json", "show", "service", "nope"});
    EXPECT_EQ(failed.status, 1);
    EXPECT_EQ(failed.out, "");
    EXPECT_EQ(failed.err, "error: no service \"nope\": \"show services\" lists them\n");
}

TEST_F(LbctlTest, CommandsKeepTheirOwnOptions) {
    const Ran ran = run({"reload", "--dry-run", "--json"});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(Json::parse(ran.out)["changes"].size(), 1U);
    std::vector<std::string> calls;
    console_.loop().call([&] { calls = console_.control().calls; });
    EXPECT_TRUE(calls.empty());
}

TEST_F(LbctlTest, WrongCommandLinesHaveStatusTwo) {
    for (const std::vector<std::string>& line :
         {std::vector<std::string>{"--frob"}, {"-s"}, {"--json=7"}, {"-x", "show"}}) {
        const Ran ran = run_bare(line);
        EXPECT_EQ(ran.status, 2) << line.front();
        EXPECT_THAT(ran.err, StartsWith("error: "));
        EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1);
    }
}

TEST_F(LbctlTest, HelpAndVersionNeedNoDaemon) {
    const Ran help = run_bare({"--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: dpdk-lbctl [-s SOCKET] [--json] [COMMAND...]"));
    const Ran version = run_bare({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_EQ(version.out, std::string("dpdk-lbctl ") + DPDK_LB_VERSION + "\n");
}

TEST_F(LbctlTest, NoDaemonIsOneLineWithTheMend) {
    const std::string path = console_.directory() / "none.sock";
    for (const char* input : {"", "show version\n"}) {
        const Ran ran = run_bare({"-s", path}, input);
        EXPECT_EQ(ran.status, 1);
        EXPECT_EQ(ran.err,
                  "error: no dpdk-lb answers on " + path + ": is it running? give -s SOCKET\n");
    }
    make_file(path);
    EXPECT_EQ(run_bare({"-s", path, "show", "version"}).status, 1);
}

TEST_F(LbctlTest, ScriptsRunToTheEndWithTheFirstBadStatus) {
    const Ran ran = run({},
                        "# a comment\n\nshow flows count\nshow nope\n"
                        "show service nope\n  show uptime");
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "2\n1d 2h\n");
    EXPECT_THAT(ran.err, StartsWith("error: line 4: unknown word \"nope\" after \"show\""));
    EXPECT_THAT(ran.err, HasSubstr("\nerror: line 5: no service"));
    EXPECT_EQ(run({}, "show uptime\n").status, 0);
    EXPECT_EQ(run({}, "").status, 0);
}

TEST_F(LbctlTest, QuitEndsAScript) {
    const Ran ran = run({}, "show flows count\nquit\nshow nope\n");
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.out, "2\n");
    EXPECT_EQ(run({"quit"}).status, 0);
}

TEST_F(LbctlTest, ShutdownIsAnswered) {
    const Ran ran = run({"shutdown"});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.out, "dpdk-lb drains and ends\n");
}

TEST_F(LbctlTest, DaemonThatGoesAwayIsAnError) {
    console_.loop().call([&] { console_.control().hold = true; });
    std::thread end([&] {
        bool asked = false;
        while (!asked) {
            console_.loop().call([&] { asked = !console_.control().held.empty(); });
            std::this_thread::yield();
        }
        console_.stop();
    });
    const Ran ran = run({"show", "flows"});
    end.join();
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.err, HasSubstr("is it still running?"));
}

// A console on a terminal of its own.
class Terminal {
  public:
    // dpdk-lbctl
    Terminal(const std::string& socket, const std::string& home)
        : Terminal(home, [&] {
              exec_lbctl({"-s", socket});
          }) {}
    // The child calls `run`.
    Terminal(const std::string& home, const std::function<void()>& run) {
        const winsize size{40, 120, 0, 0};
        child_ = ::forkpty(&fd_, nullptr, nullptr, &size);
        if (child_ == 0) {
            ::setenv("HOME", home.c_str(), 1);
            ::setenv("TERM", "xterm", 1);
            ::setenv("NO_COLOR", "1", 1);
            // libedit does not free the names that EL_ADDFN copies.
            ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
            run();
            ::_exit(127);
        }
    }
    ~Terminal() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        ::close(fd_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    // Waits until `text` was printed after what earlier calls waited for.
    bool shows(const std::string& text) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        for (;;) {
            if (const size_t at = seen_.find(text); at != std::string::npos) {
                seen_.erase(0, at + text.size());
                return true;
            }
            pollfd poll{fd_, POLLIN, 0};
            char buffer[4096];
            if (std::chrono::steady_clock::now() > end || ::poll(&poll, 1, 10000) != 1) {
                return false;
            }
            const ssize_t size = ::read(fd_, buffer, sizeof buffer);
            if (size <= 0) {
                return false;
            }
            seen_.append(buffer, static_cast<size_t>(size));
        }
    }
    void type(const std::string& keys) {
        EXPECT_EQ(::write(fd_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }
    int status() {
        shows("\x01nothing");  // drains the terminal, so that the child can end
        int status = 0;
        ::waitpid(std::exchange(child_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    // Types `keys` until the child has ended; -1: it does not.
    int end_by(const std::string& keys) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        int status = 0;
        while (std::chrono::steady_clock::now() < end) {
            type(keys);
            pollfd poll{fd_, POLLIN, 0};
            char buffer[4096];
            while (::poll(&poll, 1, 100) == 1 && ::read(fd_, buffer, sizeof buffer) > 0) {
            }
            if (::waitpid(child_, &status, WNOHANG) == child_) {
                child_ = -1;
                return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            }
        }
        return -1;
    }
    const std::string& unseen() const { return seen_; }
    pid_t child() const { return child_; }

  private:
    int fd_ = -1;
    pid_t child_ = -1;
    std::string seen_;
};

TEST_F(LbctlTest, TerminalCompletesExplainsAndRemembers) {
    {
        Terminal terminal(console_.socket(), console_.directory().path());
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> ")) << terminal.unseen();
        terminal.type("show fl\t");
        EXPECT_TRUE(terminal.shows("ows ")) << terminal.unseen();
        terminal.type("count\r");
        EXPECT_TRUE(terminal.shows("\n2\r\n")) << terminal.unseen();
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
        terminal.type("show port\t");
        EXPECT_TRUE(terminal.shows("port   ports\r\n")) << terminal.unseen();
        terminal.type("\x03");  // Ctrl-C drops the line
        ASSERT_TRUE(terminal.shows("^C"));
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
        terminal.type("\x03");  // an empty one too
        ASSERT_TRUE(terminal.shows("^C"));
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
        terminal.type("del backend web ?");
        EXPECT_TRUE(terminal.shows("ADDRESS  the address of a backend")) << terminal.unseen();
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> del backend web ")) << terminal.unseen();
        terminal.type(
            "\x15\x12"
            "flows");  // Ctrl-U, Ctrl-R
        EXPECT_TRUE(terminal.shows("show flows count")) << terminal.unseen();
        terminal.type("\r");
        EXPECT_TRUE(terminal.shows("\n2\r\n")) << terminal.unseen();
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
        terminal.type("frob\r");
        EXPECT_TRUE(terminal.shows("error: unknown command \"frob\"")) << terminal.unseen();
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
        terminal.type("quit\r");
        EXPECT_EQ(terminal.status(), 0);
    }
    const std::string history = console_.directory() / ".dpdk-lb_history";
    EXPECT_THAT(read_file(history), HasSubstr("flows"));
    Terminal again(console_.socket(), console_.directory().path());
    ASSERT_TRUE(again.shows("dpdk-lb(lb1)> "));
    again.type("\x10\x10\x10");  // Ctrl-P: quit, frob, show flows count
    EXPECT_TRUE(again.shows("show flows count")) << again.unseen();
    again.type("\x15\x04");  // Ctrl-U, Ctrl-D
    EXPECT_EQ(again.status(), 0);
}

// libedit shows the prompt before it turns the terminal's signals off.
TEST_F(LbctlTest, InterruptRightAfterThePromptDoesNotEndTheConsole) {
    Terminal terminal(console_.socket(), "/nonexistent");
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> ")) << "round " << i;
        terminal.type("\x03");
        ASSERT_TRUE(terminal.shows("^C")) << "round " << i;
    }
    terminal.type("show flows");
    ASSERT_TRUE(terminal.shows("flows"));
    ASSERT_EQ(::kill(terminal.child(), SIGINT), 0);  // not from the terminal: the same key
    ASSERT_TRUE(terminal.shows("^C"));
    ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
    // Not Ctrl-D, which the terminal itself may still take. The terminal echoes some Ctrl-C as ^C
    // too, so a prompt may be from before the last one, and a line be dropped once more.
    EXPECT_EQ(terminal.end_by("\x15quit\r"), 0);
}

TEST_F(LbctlTest, TerminalNoticesThatTheDaemonEnds) {
    Terminal terminal(console_.socket(), "/nonexistent");
    ASSERT_TRUE(terminal.shows("dpdk-lb(lb1)> "));
    terminal.type("show ver");
    ASSERT_TRUE(terminal.shows("ver"));
    console_.stop();
    EXPECT_TRUE(terminal.shows("error: dpdk-lb closed the console")) << terminal.unseen();
    EXPECT_EQ(terminal.status(), 1);
}

TEST_F(LbctlTest, ConsoleInTheDaemonEndsQuietlyWithIt) {
    Terminal terminal("/nonexistent", [&] {
        ::_exit(run_interactive(console_.socket(), {}, {.prompt = "lb> ", .in_daemon = true}));
    });
    ASSERT_TRUE(terminal.shows("lb> "));
    terminal.type("show flows count\r");
    ASSERT_TRUE(terminal.shows("\n2\r\n"));
    ASSERT_TRUE(terminal.shows("lb> "));
    console_.stop();
    EXPECT_EQ(terminal.status(), 0);
    EXPECT_THAT(terminal.unseen(), Not(HasSubstr("error")));
}

TEST(DefaultSocket, IsTheUsualOneOrTheOnlyOne) {
    TemporaryDirectory directory;
    const std::string usual = directory / "lb1.sock";
    EXPECT_EQ(default_console_socket(directory / "missing").value(),
              directory / "missing/lb1.sock");
    EXPECT_EQ(default_console_socket(directory.path()).value(), usual);
    make_file(directory / "edge.sock");
    make_file(directory / "other.txt");
    EXPECT_EQ(default_console_socket(directory.path()).value(), directory / "edge.sock");
    make_file(directory / "core.sock");
    EXPECT_EQ(default_console_socket(directory.path()).error(),
              "several dpdk-lb run: give -s with " + (directory / "core.sock") + " or " +
                  (directory / "edge.sock"));
    make_file(usual);
    EXPECT_EQ(default_console_socket(directory.path()).value(), usual);
}

}  // namespace
}  // namespace dlb
