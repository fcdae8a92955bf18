#include "console/client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "console/client_commands.hpp"
#include "console/connection.hpp"
#include "console/line_editor.hpp"
#include "console/pager.hpp"
#include "console/paint.hpp"
#include "console/watch.hpp"
#include "console/words.hpp"

namespace dlb {

namespace {

struct Outcome {
    int status = 0;
    bool quit = false;
    bool lost = false;  // no more to be had from this connection
};

void print_error_line(const std::string& error, bool colour) {
    fmt::print(stderr, "{}error:{} {}\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "", error);
}

int no_connection(const std::string& error, const ClientSettings& settings) {
    print_error_line(error, is_coloured(STDERR_FILENO, settings.color));
    return 1;
}

// Runs lines and prints what comes of them.
class Client {
  public:
    Client(ConsoleConnection& connection, std::string socket, const ClientSettings& settings,
           bool in_daemon)
        : connection_(connection),
          socket_(std::move(socket)),
          settings_(settings),
          in_daemon_(in_daemon) {}

    // `where` precedes an error.
    Outcome run(const std::string& line, const std::string& where = {});
    bool coloured(int fd) const { return is_coloured(fd, settings_.color); }
    void print_error(const std::string& error, const std::string& where = {}) const {
        print_error_line(where + error, coloured(STDERR_FILENO));
    }
    ConsoleConnection& connection() { return connection_; }

  private:
    Outcome run_own(const OwnCommand& own, const std::string& where);
    void print_answer(std::string output) const;

    ConsoleConnection& connection_;
    std::string socket_;
    ClientSettings settings_;
    bool in_daemon_;
};

Outcome Client::run(const std::string& line, const std::string& where) {
    if (const auto own = parse_own_command(line)) {
        return run_own(*own, where);
    }
    const auto reply = connection_.ask({{"command", line}, {"json", settings_.json}});
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
    print_answer(answer.value("output", std::string()));
    return outcome;
}

Outcome Client::run_own(const OwnCommand& own, const std::string& where) {
    if (own.what == ClientCommand::Watch) {
        const WatchEnd end = watch(connection_, {.command = own.command,
                                                 .seconds = own.seconds,
                                                 .json = settings_.json,
                                                 .color = settings_.color,
                                                 .own_signals = !in_daemon_});
        if (!end.error.empty()) {
            print_error(end.error, where);
        }
        return {end.status, end.ended, end.lost};
    }
    if (own.what == ClientCommand::Top) {
        if (!settings_.top) {
            print_error("top needs a terminal of its own: run dpdk-lbctl top", where);
            return {1, false, false};
        }
        return {settings_.top(socket_, own.seconds), false, false};
    }
    settings_.paging = own.on;
    return {};
}

// Rows that the text takes on the screen.
size_t rows_of(std::string_view text, unsigned columns) {
    size_t rows = 0;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        rows += 1 + (end == 0 ? 0 : (end - 1) / columns);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return rows;
}

void Client::print_answer(std::string output) const {
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    if (settings_.json && terminal) {
        output = Json::parse(output).dump(2, ' ', false, Json::error_handler_t::replace);
    }
    if (!output.empty() && output.back() != '\n') {
        output += '\n';
    }
    const ScreenSize screen = screen_size(STDOUT_FILENO);
    const bool is_long = rows_of(output, screen.columns) >= screen.rows;
    if (!settings_.json && coloured(STDOUT_FILENO)) {
        output = paint(output);
    }
    if (settings_.paging && !in_daemon_ && is_long && terminal && ::isatty(STDIN_FILENO) == 1) {
        const std::string pager = pager_command();
        if (!pager.empty() && page(pager, output)) {
            return;
        }
    }
    std::fwrite(output.data(), 1, output.size(), stdout);
    std::fflush(stdout);
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

int run_script(Client& client) {
    ScriptReader script(client.connection().fd());
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
        const Outcome outcome = client.run(*line, fmt::format("line {}: ", number));
        status = status == 0 ? outcome.status : status;
        if (outcome.quit || outcome.lost) {
            return status;
        }
    }
}

std::string prompt_of(Client& client, const std::string& given) {
    std::string prompt = given;
    if (prompt.empty()) {
        const auto reply = client.connection().ask({{"command", "show version"}, {"json", true}});
        Json version = Json::object();
        if (reply.ok()) {
            version = Json::parse(reply.value().value("output", std::string()), nullptr, false);
        }
        const bool named = version.is_object() && version.contains("name");
        prompt = named ? fmt::format("dpdk-lb({})> ", version.value("name", std::string()))
                       : "dpdk-lb> ";
    }
    // libedit: \1 encloses what takes no room.
    return client.coloured(STDOUT_FILENO) ? fmt::format("\1\033[1m\1{}\1\033[0m\1", prompt)
                                          : prompt;
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

int run_terminal(Client& client, const InteractiveOptions& options) {
    ConsoleConnection& connection = client.connection();
    LineEditor editor(prompt_of(client, options.prompt), hooks_of(connection), connection.fd(),
                      !options.in_daemon);
    while (const auto line = editor.read()) {
        if (line->empty()) {
            continue;
        }
        const Outcome outcome = client.run(*line);
        if (outcome.quit || outcome.lost) {
            return outcome.status;
        }
    }
    if (editor.watched_is_gone() && !options.in_daemon) {
        client.print_error("dpdk-lb closed the console: is it still running?");
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

int run_once(const std::string& socket, const ClientSettings& settings,
             const std::vector<std::string>& words) {
    auto connection = ConsoleConnection::open(socket);
    if (!connection.ok()) {
        return no_connection(connection.error(), settings);
    }
    // A single word is a whole line: dpdk-lbctl "show backends".
    const std::string line = words.size() == 1 ? words.front() : join_words(words);
    return Client(connection.value(), socket, settings, false).run(line).status;
}

int run_interactive(const std::string& socket, const ClientSettings& settings,
                    const InteractiveOptions& options) {
    auto connection = ConsoleConnection::open(socket);
    if (!connection.ok()) {
        return no_connection(connection.error(), settings);
    }
    Client client(connection.value(), socket, settings, options.in_daemon);
    return ::isatty(STDIN_FILENO) == 1 ? run_terminal(client, options) : run_script(client);
}

}  // namespace dlb
