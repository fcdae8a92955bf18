// A log event as the line that is written.
// Thread safety: pure functions.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <spdlog/formatter.h>

#include "config/config.hpp"

namespace dlb {

struct LineStyle {
    LogFormat format = LogFormat::Text;
    bool journal = false;  // "<6>…": the priority in front, and text without a time
};

// `message` as one line of UTF-8: control characters as \n, \t or \u00XX, broken bytes as U+FFFD.
// What holds any of them has its backslashes doubled.
std::string on_one_line(std::string_view message);

std::unique_ptr<spdlog::formatter> make_line_formatter(LineStyle style);

// Standard error goes straight to the journal: JOURNAL_STREAM (systemd.exec(5)) is `fd`.
bool is_journal(const char* journal_stream, int fd);

}  // namespace dlb
