#include "top.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <optional>
#include <span>

#include <curses.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "top_feed.hpp"
#include "top_view.hpp"

namespace dlb::ctl {

namespace {

constexpr int kCtrlC = 3, kEscape = 27;

enum Pair : short { kGreen = 1, kYellow, kRed };

// The terminal by curses, put right again at the end.
class Curses {
  public:
    explicit Curses(bool colours) : screen_(::newterm(nullptr, stdout, stdin)) {
        if (screen_ == nullptr) {
            return;
        }
        ::raw();  // Ctrl-C is a key
        ::noecho();
        ::nonl();
        ::nodelay(stdscr, TRUE);
        ::keypad(stdscr, TRUE);
        ::set_escdelay(25);
        ::curs_set(0);
        colours_ = colours && ::has_colors() && ::start_color() == OK;
        if (colours_) {
            ::use_default_colors();
            ::init_pair(kGreen, COLOR_GREEN, -1);
            ::init_pair(kYellow, COLOR_YELLOW, -1);
            ::init_pair(kRed, COLOR_RED, -1);
        }
    }
    ~Curses() {
        if (screen_ != nullptr) {
            ::endwin();
            ::delscreen(screen_);
        }
    }
    Curses(const Curses&) = delete;
    Curses& operator=(const Curses&) = delete;
    bool on() const { return screen_ != nullptr; }

    void draw(const std::vector<Line>& lines) const {
        ::erase();
        for (size_t y = 0; y < lines.size(); ++y) {
            ::move(static_cast<int>(y), 0);
            for (const Span& span : lines[y]) {
                ::attrset(static_cast<int>(attributes(span.style)));
                ::addstr(span.text.c_str());
            }
        }
        ::attrset(A_NORMAL);
        ::refresh();
    }

  private:
    attr_t attributes(Style style) const {
        const auto colour = [this](Pair pair) {
            return colours_ ? static_cast<attr_t>(COLOR_PAIR(pair)) : A_BOLD;
        };
        switch (style) {
            case Style::Bold:
                return A_BOLD;
            case Style::Header:
                return A_REVERSE;
            case Style::FocusedHeader:
                return A_REVERSE | A_BOLD;
            case Style::Selected:
                return A_BOLD | A_UNDERLINE;
            case Style::Green:
                return colour(kGreen);
            case Style::Yellow:
                return colour(kYellow);
            case Style::Red:
                return colour(kRed);
            case Style::Plain:
                break;
        }
        return A_NORMAL;
    }

    SCREEN* screen_;
    bool colours_ = false;
};

std::optional<TopKey> key_of(int code) {
    switch (code) {
        case KEY_UP:
            return TopKey::Up;
        case KEY_DOWN:
            return TopKey::Down;
        case KEY_PPAGE:
            return TopKey::PageUp;
        case KEY_NPAGE:
            return TopKey::PageDown;
        case KEY_HOME:
            return TopKey::Home;
        case KEY_END:
            return TopKey::End;
        case '\t':
        case KEY_RIGHT:
            return TopKey::Next;
        case KEY_BTAB:
        case KEY_LEFT:
            return TopKey::Previous;
        case '\r':
        case '\n':
        case KEY_ENTER:
            return TopKey::Enter;
        case kEscape:
            return TopKey::Escape;
        case KEY_BACKSPACE:
        case 127:
        case '\b':
            return TopKey::Erase;
        default:
            return std::nullopt;
    }
}

// All keys at hand. False: the user leaves.
bool take_keys(TopView& view) {
    for (int code; (code = ::getch()) != ERR;) {
        if (code == kCtrlC) {
            return false;
        }
        if (const auto key = key_of(code)) {
            view.press(*key);
        } else if (code < 256 && !view.press(static_cast<char>(code))) {
            return false;
        }
    }
    return true;
}

void draw(const Curses& curses, TopView& view, const TopModel& model, const TopFeed& feed) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 16> clock{};
    view.clock = {clock.data(), std::strftime(clock.data(), clock.size(), "%H:%M:%S", &local)};
    view.message = feed.trouble();
    curses.draw(view.compose(model, static_cast<size_t>(std::max(COLS, 1)),
                             static_cast<size_t>(std::max(LINES, 1))));
}

// Holds SIGWINCH back but inside the wait: one that came between drawing and waiting would be seen
// only at the next round (ppoll(2), the race of a signal with a wait).
class ResizeSignal {
  public:
    ResizeSignal() {
        sigset_t resize;
        ::sigemptyset(&resize);
        ::sigaddset(&resize, SIGWINCH);
        ::pthread_sigmask(SIG_BLOCK, &resize, &before_);
        ::sigdelset(&(waiting_ = before_), SIGWINCH);
    }
    ~ResizeSignal() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    ResizeSignal(const ResizeSignal&) = delete;
    ResizeSignal& operator=(const ResizeSignal&) = delete;

    // Until something is to be read, the terminal has another size, or the time is over.
    void wait(std::span<pollfd> fds, std::chrono::nanoseconds limit) const {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
        const timespec left = {seconds.count(), (limit - seconds).count()};
        if (::ppoll(fds.data(), fds.size(), &left, &waiting_) < 0) {
            for (pollfd& each : fds) {
                each.revents = 0;  // interrupted: nothing was looked at
            }
        }
    }

  private:
    sigset_t before_{}, waiting_{};
};

int fail(const std::string& error) {
    fmt::print(stderr, "error: {}\n", error);
    return 1;
}

}  // namespace

int run_top(const std::string& socket, double seconds, ColorWhen color) {
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
        return fail("top needs a terminal: for a script, ask for show services with --json");
    }
    TopModel model;
    TopFeed feed(socket, model);
    if (const auto connected = feed.connect(); !connected.ok()) {
        return fail(connected.error());
    }
    const Curses curses(is_coloured(STDOUT_FILENO, color));
    if (!curses.on()) {
        return fail("this terminal cannot show top: set TERM to its kind");
    }
    const ResizeSignal resize;
    TopView view;
    view.seconds = seconds;
    const auto period =
        std::chrono::duration_cast<TopClock::duration>(std::chrono::duration<double>(seconds));
    auto next = TopClock::now();
    for (;;) {
        if (TopClock::now() >= next) {
            feed.start_round(view.selected());
            next = TopClock::now() + period;
        }
        feed.take();
        draw(curses, view, model, feed);
        if (model.backends_of != view.selected()) {
            feed.ask_backends(view.selected());
        }
        std::array<pollfd, 2> fds = {{{STDIN_FILENO, POLLIN, 0}, {feed.fd(), POLLIN, 0}}};
        resize.wait(fds, std::max(next - TopClock::now(), TopClock::duration::zero()));
        const bool hung_up = (fds[0].revents & (POLLHUP | POLLERR)) != 0;
        if (!take_keys(view) || hung_up) {
            return 0;
        }
    }
}

}  // namespace dlb::ctl
