#include "config/text.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "config/notation.hpp"

namespace dlb::conf {

namespace {

constexpr size_t kQuotedBytes = 60;

// Optimal string alignment: insertions, deletions, changes and swaps of neighbours.
size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
    std::iota(above.begin(), above.end(), size_t{0});
    for (size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        before.swap(above);
        above.swap(row);
    }
    return above[b.size()];
}

bool starts_with_whole(std::string_view longer, std::string_view shorter) {
    return shorter.size() >= 3 && longer.starts_with(shorter);
}

}  // namespace

std::string toml_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\u{:04X}", byte);
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string in_quotes(std::string_view text) {
    if (text.size() <= kQuotedBytes) {
        return toml_string(text);
    }
    size_t end = kQuotedBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
        --end;  // not in the middle of a UTF-8 sequence
    }
    return toml_string(text.substr(0, end)) + "…";
}

std::string named(std::string_view name) {
    return is_name(name, kServiceNameLength) ? fmt::format("'{}'", name) : in_quotes(name);
}

std::string alternatives(const std::vector<std::string>& words) {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
        out += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
    }
    return out;
}

std::string_view closest(std::string_view word, const std::vector<std::string_view>& candidates) {
    constexpr size_t kLongestKey = 32;
    if (word.size() > kLongestKey) {
        return {};
    }
    std::string_view best;
    size_t best_distance = SIZE_MAX;
    for (const std::string_view candidate : candidates) {
        const bool extends =
            starts_with_whole(candidate, word) || starts_with_whole(word, candidate);
        const size_t distance = edit_distance(word, candidate);
        const size_t allowed = candidate.size() < 6 ? 1 : 2;
        if ((distance <= allowed || extends) && distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string_view short_version() {
    constexpr std::string_view kVersion = DPDK_LB_VERSION;
    return kVersion.substr(0, kVersion.rfind('.'));
}

}  // namespace dlb::conf
