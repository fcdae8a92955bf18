#include "console/client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "console/connection.hpp"
#include "console/line_editor.hpp"
#include "console/words.hpp"

namespace dlb {

namespace {

bool coloured(int fd) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(fd) == 1 && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
           std::string_view(term) != "dumb";
}

void print_error(const std::string& error, const std::string& where = {}) {
    const bool colour = coloured(STDERR_FILENO);
    fmt::print(stderr, "{}error:{} {}{}\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
               where, error);
}

struct Outcome {
    int status = 0;
    bool quit = false;
    bool lost = false;  // no more to be had from this connection
};

// Runs one line and prints what comes of it. `where` precedes an error.
Outcome run_line(ConsoleConnection& connection, bool json, const std::string& line,
                 const std::string& where = {}) {
    const auto reply = connection.ask({{"command", line}, {"json", json}});
    if (!reply.ok()) {
        print_error(reply.error(), where);
        return {1, false, true};
    }
    const Json& answer = reply.value();
    Outcome outcome;
    outcome.status = answer.value("status", 1);
    outcome.quit = answer.value("quit", false);
    if (outcome.status != 0) {
        print_error(answer.value("error", std::string("no reason given")), where);
        return outcome;
    }
    std::string output = answer.value("output", std::string());
    if (json && ::isatty(STDOUT_FILENO) == 1) {
        output = Json::parse(output).dump(2, ' ', false, Json::error_handler_t::replace);
    }
    if (!output.empty() && output.back() != '\n') {
        output += '\n';
    }
    std::fwrite(output.data(), 1, output.size(), stdout);
    std::fflush(stdout);
    return outcome;
}

// Lines of standard input; ends also when the socket is closed by the server.
class ScriptReader {
  public:
    explicit ScriptReader(int watched) : watched_(watched) {}

    std::optional<std::string> next() {
        size_t end;
        while ((end = input_.find('\n')) == std::string::npos) {
            if (!fill()) {
                std::string rest = std::exchange(input_, {});
                return rest.empty() ? std::nullopt : std::optional(rest);
            }
        }
        std::string line = input_.substr(0, end);
        input_.erase(0, end + 1);
        return line;
    }

  private:
    bool fill() {
        for (;;) {
            pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {watched_, POLLRDHUP, 0}};
            const bool ready = ::poll(fds, 2, -1) > 0;
            if (!ready && errno == EINTR) {
                continue;
            }
            if (fds[1].revents != 0 && fds[0].revents == 0) {
                return false;
            }
            char buffer[4096];
            const ssize_t size = ::read(STDIN_FILENO, buffer, sizeof buffer);
            if (size < 0 && errno == EINTR) {
                continue;
            }
            if (size <= 0) {
                return false;
            }
            input_.append(buffer, static_cast<size_t>(size));
            return true;
        }
    }

    int watched_;
    std::string input_;
};

int run_script(ConsoleConnection& connection, bool json) {
    ScriptReader script(connection.fd());
    int status = 0;
    for (unsigned number = 1;; ++number) {
        const auto line = script.next();
        if (!line) {
            return status;
        }
        const size_t start = line->find_first_not_of(" \t\r");
        if (start == std::string::npos || (*line)[start] == '#') {
            continue;
        }
        const Outcome outcome = run_line(connection, json, *line, fmt::format("line {}: ", number));
        status = status == 0 ? outcome.status : status;
        if (outcome.quit || outcome.lost) {
            return status;
        }
    }
}

std::string prompt_of(ConsoleConnection& connection, const std::string& given) {
    std::string prompt = given;
    if (prompt.empty()) {
        const auto reply = connection.ask({{"command", "show version"}, {"json", true}});
        Json version = Json::object();
        if (reply.ok()) {
            version = Json::parse(reply.value().value("output", std::string()), nullptr, false);
        }
        const bool named = version.is_object() && version.contains("name");
        prompt = named ? fmt::format("dpdk-lb({})> ", version.value("name", std::string()))
                       : "dpdk-lb> ";
    }
    // libedit: \1 encloses what takes no room.
    return coloured(STDOUT_FILENO) ? fmt::format("\1\033[1m\1{}\1\033[0m\1", prompt) : prompt;
}

LineEditor::Hooks hooks_of(ConsoleConnection& connection) {
    LineEditor::Hooks hooks;
    hooks.complete = [&connection](const std::string& line) {
        const auto reply = connection.ask({{"complete", line}});
        return reply.ok() ? reply.value().value("candidates", std::vector<std::string>())
                          : std::vector<std::string>();
    };
    hooks.explain = [&connection](const std::string& line) {
        const auto reply = connection.ask({{"command", line + '?'}});
        if (!reply.ok()) {
            return reply.error() + '\n';
        }
        const int status = reply.value().value("status", 1);
        return status == 0 ? reply.value().value("output", std::string())
                           : reply.value().value("error", std::string()) + '\n';
    };
    return hooks;
}

int run_terminal(ConsoleConnection& connection, bool json, const InteractiveOptions& options) {
    LineEditor editor(prompt_of(connection, options.prompt), hooks_of(connection), connection.fd(),
                      !options.in_daemon);
    while (const auto line = editor.read()) {
        if (line->empty()) {
            continue;
        }
        const Outcome outcome = run_line(connection, json, *line);
        if (outcome.quit || outcome.lost) {
            return outcome.status;
        }
    }
    if (editor.watched_is_gone() && !options.in_daemon) {
        print_error("dpdk-lb closed the console: is it still running?");
        return 1;
    }
    return 0;
}

}  // namespace

Result<std::string> default_console_socket(const std::string& directory) {
    const std::string usual = directory + "/lb1.sock";
    std::vector<std::string> sockets;
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
         it.increment(error)) {
        if (it->path().extension() == ".sock") {
            sockets.push_back(it->path().string());
        }
    }
    std::sort(sockets.begin(), sockets.end());
    if (sockets.empty() || std::find(sockets.begin(), sockets.end(), usual) != sockets.end()) {
        return usual;
    }
    if (sockets.size() == 1) {
        return sockets.front();
    }
    return Error{fmt::format("several dpdk-lb run: give -s with {}", join_choices(sockets))};
}

int run_once(const std::string& socket, bool json, const std::vector<std::string>& words) {
    auto connection = ConsoleConnection::open(socket);
    if (!connection.ok()) {
        print_error(connection.error());
        return 1;
    }
    // A single word is a whole line: dpdk-lbctl "show backends".
    const std::string line = words.size() == 1 ? words.front() : join_words(words);
    return run_line(connection.value(), json, line).status;
}

int run_interactive(const std::string& socket, bool json, const InteractiveOptions& options) {
    auto connection = ConsoleConnection::open(socket);
    if (!connection.ok()) {
        print_error(connection.error());
        return 1;
    }
    return ::isatty(STDIN_FILENO) == 1 ? run_terminal(connection.value(), json, options)
                                       : run_script(connection.value(), json);
}

}  // namespace dlb
