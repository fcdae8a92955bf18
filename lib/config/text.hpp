// Words for messages: quoting, lists, near misses.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dlb::conf {

// `text` as a TOML string in double quotes.
std::string toml_string(std::string_view text);

// The same for a message: one line, and not more than about 60 bytes of the text.
std::string in_quotes(std::string_view text);

// What is shown in place of a secret; a file that has it as the value is refused.
inline constexpr std::string_view kHidden = "***";
inline std::string hidden(std::string_view secret) {
    return std::string(secret.empty() ? secret : kHidden);
}

// A name in single quotes, or what stands in its place as in_quotes() has it.
std::string named(std::string_view name);

// "a, b or c"
std::string alternatives(const std::vector<std::string>& words);

// The candidate that `word` was probably meant to be; empty: none is near.
std::string_view closest(std::string_view word, const std::vector<std::string_view>& candidates);

// "0.1" of version 0.1.0.
std::string_view short_version();

}  // namespace dlb::conf
