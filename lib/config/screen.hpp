// What text must hold to before toml11 may have it.
//
// toml11 3.7.1 descends on the stack for every bracket and every dot of a key, reads outside of its
// buffer when a literal string is not UTF-8, and copies the whole line for each key on it. So
// hostile or broken text is turned away here, with an error, before it costs more than one pass.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dlb::conf {

inline constexpr size_t kMostBytes = 16U << 20;
inline constexpr size_t kMostLineBytes = 16U << 10;
inline constexpr unsigned kMostBrackets = 16;   // open at one time
inline constexpr unsigned kMostDots = 64;       // on one line, outside of strings
inline constexpr unsigned kMostWordBytes = 64;  // outside of strings: keys and numbers

struct TextError {
    unsigned line = 0;
    std::string problem;
    std::string mend;
};

// The first reason not to parse `text`.
std::optional<TextError> screen(std::string_view text);

}  // namespace dlb::conf
