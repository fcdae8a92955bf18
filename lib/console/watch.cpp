#include "console/watch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "console/paint.hpp"
#include "console/terminal.hpp"

namespace dlb {

namespace {

using Clock = std::chrono::steady_clock;

constexpr char kCtrlC = 3;
constexpr int kMisuse = 2;

std::string now_text(const char* format) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), format, &local)};
}

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

// A screen of its own, so that what was there before comes back.
class Screen {
  public:
    explicit Screen(bool on) : on_(on) {
        if (on_) {
            print("\033[?1049h\033[?25l");
        }
    }
    ~Screen() {
        if (on_) {
            print("\n\033[?25h\033[?1049l");  // the newline: where there is no other screen
        }
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    bool on() const { return on_; }

  private:
    bool on_;
};

class Watch {
  public:
    Watch(ConsoleConnection& connection, const WatchJob& job)
        : connection_(connection),
          job_(job),
          signals_(job.own_signals),
          screen_(!job.json && ::isatty(STDOUT_FILENO) == 1) {}

    WatchEnd run() {
        const auto period = std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(job_.seconds));
        for (;;) {
            const auto next = Clock::now() + period;
            if (!ask() || !wait_until(next)) {
                return end_;
            }
        }
    }

  private:
    // False: this was the end, which end_ tells.
    bool ask() {
        connection_.send({{"command", job_.command}, {"json", job_.json}});
        for (;;) {
            auto reply = connection_.poll();
            if (!reply.ok()) {
                end_ = {1, reply.error(), true, false};
                return false;
            }
            if (reply.value()) {
                return take(*reply.value());
            }
            if (!wait(std::nullopt)) {
                return false;
            }
        }
    }

    bool take(const Json& answer) {
        const int status = answer.value("status", 1);
        const std::string error = answer.value("error", std::string("no reason given"));
        if (status != 0 && (status == kMisuse || !screen_.on())) {
            end_ = {status, error, false, false};
            return false;
        }
        shown_ = status == 0 ? answer.value("output", std::string()) : "error: " + error + '\n';
        if (screen_.on()) {
            draw();
        } else if (job_.json) {
            print(shown_ + '\n');
        } else {
            const std::string text =
                is_coloured(STDOUT_FILENO, job_.color) ? paint(shown_) : shown_;
            print(fmt::format("--- {}\n{}", now_text("%Y-%m-%d %H:%M:%S"), text));
        }
        return true;
    }

    void draw() const {
        const ScreenSize size = screen_size(STDOUT_FILENO);
        const std::string time = now_text("%H:%M:%S");
        const std::string left = fmt::format("every {:g}s: {}", job_.seconds, job_.command);
        const size_t room = size.columns > time.size() + 1 ? size.columns - time.size() - 1 : 0;
        std::string text =
            fmt::format("{:<{}} {}\n\n", std::string(cut_line(left, room)), room, time);
        std::string_view rest = shown_;
        unsigned left_over = 0;
        for (unsigned row = 2; !rest.empty(); ++row) {
            const size_t end = std::min(rest.find('\n'), rest.size());
            const bool fits = row + 1 < size.rows || (row < size.rows && end + 1 >= rest.size());
            if (fits) {
                text.append(cut_line(rest.substr(0, end), size.columns)).push_back('\n');
            }
            left_over += fits ? 0 : 1;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        if (left_over > 0) {
            text += fmt::format("... {} more lines", left_over);
        } else {
            text.pop_back();  // a newline in the last row would scroll
        }
        if (is_coloured(STDOUT_FILENO, job_.color)) {
            text = paint(text);
        }
        std::string frame = "\033[H";
        for (const char c : text) {
            frame += c == '\n' ? "\033[K\r\n" : std::string(1, c);
        }
        print(frame + "\033[K\033[J");
    }

    bool wait_until(Clock::time_point end) {
        while (Clock::now() < end) {
            if (!wait(end)) {
                return false;
            }
        }
        return true;
    }

    // Until something comes, or `end`. False: this was the end.
    bool wait(std::optional<Clock::time_point> end) {
        const bool asking = !end;
        std::array<pollfd, 3> fds = {
            {{keys_.on() ? STDIN_FILENO : -1, POLLIN, 0},
             {signals_.fd(), POLLIN, 0},
             {connection_.fd(), static_cast<short>(asking ? POLLIN : POLLRDHUP), 0}}};
        int timeout = -1;
        if (end) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()).count();
            timeout = static_cast<int>(std::max<decltype(left)>(left, 0));
        }
        ::poll(fds.data(), fds.size(), timeout);
        if (fds[0].revents != 0 && !take_keys()) {
            return false;
        }
        while (const int signal = signals_.read()) {
            if (signal != SIGWINCH) {
                end_.ended = signal != SIGINT;
                return false;
            }
            if (screen_.on()) {
                draw();
            }
        }
        if (!asking && fds[2].revents != 0) {
            const auto gone = connection_.poll();
            end_ = {1, gone.error(), true, false};
            return false;
        }
        return true;
    }

    bool take_keys() {
        bool any = false;
        while (const auto key = keys_.read()) {
            any = true;
            if (*key == 'q' || *key == 'Q' || *key == kCtrlC) {
                return false;
            }
        }
        return any;  // readable without a key: the terminal is gone
    }

    ConsoleConnection& connection_;
    const WatchJob& job_;
    CaughtSignals signals_;
    Keys keys_;
    Screen screen_;
    WatchEnd end_;
    std::string shown_;
};

}  // namespace

WatchEnd watch(ConsoleConnection& connection, const WatchJob& job) {
    return Watch(connection, job).run();
}

}  // namespace dlb
