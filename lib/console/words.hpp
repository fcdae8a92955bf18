// Command lines as words, and words in messages.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/result.hpp"

namespace dlb {

// Splits at white space. Quotes ('…' or "…") keep it, a backslash keeps the next character.
Result<std::vector<std::string>> split_words(std::string_view line);

// The inverse: one line that splits into `words`.
std::string join_words(const std::vector<std::string>& words);

// A word for a one-line message: in quotes, cut to 64 bytes, control characters escaped.
std::string quote_word(std::string_view word);

// The word of `choices` that `word` was probably meant to be.
std::optional<std::string> nearest_word(std::string_view word,
                                        const std::vector<std::string>& choices);

// "a, b or c"
std::string join_choices(const std::vector<std::string>& choices);

bool starts_with(std::string_view text, std::string_view prefix);

}  // namespace dlb
