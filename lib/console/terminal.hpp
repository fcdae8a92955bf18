// What a client may do with its terminal. Private to lib/console and dpdk-lbctl.
// Thread safety: the terminal is one for the process: one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <signal.h>
#include <termios.h>

namespace dlb {

enum class ColorWhen { Auto, Always, Never };

std::optional<ColorWhen> parse_color_when(std::string_view word);

// Auto: a terminal that is not dumb, unless NO_COLOR (https://no-color.org) is set.
bool is_coloured(int fd, ColorWhen when);

struct ScreenSize {
    unsigned rows = 24, columns = 80;
};

// Of the terminal on `fd`; 24 x 80 where it does not say.
ScreenSize screen_size(int fd);

// The first `columns` characters of a line of UTF-8.
std::string_view cut_line(std::string_view line, size_t columns);

// Keys one by one, without echo, from standard input while it lives; nothing without a terminal.
// Ctrl-C is a key too.
class Keys {
  public:
    Keys();
    ~Keys();
    Keys(const Keys&) = delete;
    Keys& operator=(const Keys&) = delete;

    bool on() const { return on_; }
    // The next key, of those at hand; nullopt: none, or the end of input.
    std::optional<char> read();

  private:
    bool on_;
    termios before_{};
};

// SIGINT, SIGTERM, SIGHUP and SIGWINCH as something to poll, while it lives. `on` false: none.
class CaughtSignals {
  public:
    explicit CaughtSignals(bool on);
    ~CaughtSignals();
    CaughtSignals(const CaughtSignals&) = delete;
    CaughtSignals& operator=(const CaughtSignals&) = delete;

    int fd() const { return fd_; }  // -1: none
    // The next one at hand; 0: none.
    int read();

  private:
    int fd_ = -1;
    sigset_t before_{};
};

}  // namespace dlb
