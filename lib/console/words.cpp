#include "console/words.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace dlb {

namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
size_t distance(std::string_view a, std::string_view b) {
    std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) {
        last[j] = j;
    }
    for (size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({row[j - 1] + 1, last[j] + 1, last[j - 1] + cost});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        std::swap(before_last, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

}  // namespace

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

Result<std::vector<std::string>> split_words(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
            word += line[++i];
            in_word = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (kSpace.find(c) == std::string_view::npos) {
            word += c;
            in_word = true;
        } else if (in_word) {
            words.push_back(std::move(word));
            word.clear();
            in_word = false;
        }
    }
    if (quote != 0) {
        return Error{fmt::format("a quote is open: close it with {}", quote)};
    }
    if (in_word) {
        words.push_back(std::move(word));
    }
    return words;
}

std::string join_words(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) {
        line += line.empty() ? "" : " ";
        const bool plain =
            !word.empty() && word.find_first_of("'\"\\ \t\r\n\v\f") == std::string::npos;
        if (plain) {
            line += word;
            continue;
        }
        line += '"';
        for (const char c : word) {
            if (c == '"' || c == '\\') {
                line += '\\';
            }
            line += c;
        }
        line += '"';
    }
    return line;
}

std::string quote_word(std::string_view word) {
    constexpr size_t kLongest = 64;
    std::string text = "\"";
    for (const char c : word.substr(0, kLongest)) {
        const auto byte = static_cast<uint8_t>(c);
        text += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
    }
    return text + (word.size() > kLongest ? "...\"" : "\"");
}

std::optional<std::string> nearest_word(std::string_view word,
                                        const std::vector<std::string>& choices) {
    // Short words are near to everything, long ones are values rather than misspelt keywords.
    if (word.size() < 2 || word.size() > 32) {
        return std::nullopt;
    }
    size_t best = word.size() < 4 ? 2 : 3;
    std::optional<std::string> nearest;
    for (const std::string& choice : choices) {
        const size_t away = distance(word, choice);
        if (away < best) {
            best = away;
            nearest = choice;
        }
    }
    return nearest;
}

std::string join_choices(const std::vector<std::string>& choices) {
    std::string text;
    for (size_t i = 0; i < choices.size(); ++i) {
        text += i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ";
        text += choices[i];
    }
    return text;
}

}  // namespace dlb
