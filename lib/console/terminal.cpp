#include "console/terminal.hpp"

#include <cstdint>
#include <cstdlib>

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace dlb {

std::optional<ColorWhen> parse_color_when(std::string_view word) {
    if (word == "auto") {
        return ColorWhen::Auto;
    }
    if (word == "always") {
        return ColorWhen::Always;
    }
    return word == "never" ? std::optional(ColorWhen::Never) : std::nullopt;
}

bool is_coloured(int fd, ColorWhen when) {
    if (when != ColorWhen::Auto) {
        return when == ColorWhen::Always;
    }
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(fd) == 1 && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
           std::string_view(term) != "dumb";
}

ScreenSize screen_size(int fd) {
    winsize size{};
    ScreenSize screen;
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        screen = {size.ws_row, size.ws_col};
    }
    return screen;
}

std::string_view cut_line(std::string_view line, size_t columns) {
    size_t seen = 0;
    for (size_t i = 0; i < line.size(); ++i) {
        const bool starts = (static_cast<uint8_t>(line[i]) & 0xc0U) != 0x80;
        if (starts && seen++ == columns) {
            return line.substr(0, i);
        }
    }
    return line;
}

Keys::Keys() : on_(::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!on_) {
        return;
    }
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

Keys::~Keys() {
    if (on_) {
        ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    }
}

std::optional<char> Keys::read() {
    char key = 0;
    return on_ && ::read(STDIN_FILENO, &key, 1) == 1 ? std::optional(key) : std::nullopt;
}

CaughtSignals::CaughtSignals(bool on) {
    if (!on) {
        return;
    }
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
        sigaddset(&set, signal);
    }
    pthread_sigmask(SIG_BLOCK, &set, &before_);
    fd_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

CaughtSignals::~CaughtSignals() {
    if (fd_ >= 0) {
        ::close(fd_);
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
}

int CaughtSignals::read() {
    signalfd_siginfo info{};
    return fd_ >= 0 && ::read(fd_, &info, sizeof info) == sizeof info
               ? static_cast<int>(info.ssi_signo)
               : 0;
}

}  // namespace dlb
