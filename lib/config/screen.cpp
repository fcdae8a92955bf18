#include "config/screen.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace dlb::conf {

namespace {

// The length of the UTF-8 sequence that `text` starts with; 0: none (Unicode 15, table 3-7).
size_t utf8_length(std::string_view text) {
    const auto byte = [&](size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto continues = [&](size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return continues(1) ? 2 : 0;
    }
    const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    const bool second = byte(1) >= low && byte(1) <= high;
    if (first >= 0xe0 && first <= 0xef) {
        return second && continues(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        return second && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

bool is_control(char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
           c == 0x7f;
}

unsigned line_at(std::string_view text, size_t offset) {
    return 1 + static_cast<unsigned>(std::count(text.begin(), text.begin() + offset, '\n'));
}

std::optional<TextError> screen_bytes(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
        const size_t length = utf8_length(text.substr(i));
        if (length == 0 || is_control(text[i])) {
            return TextError{
                line_at(text, i),
                fmt::format("byte 0x{:02x} is no text", static_cast<unsigned char>(text[i])),
                "write the file as UTF-8 text, without control characters"};
        }
        i += length;
    }
    return std::nullopt;
}

std::optional<TextError> screen_lines(std::string_view text) {
    for (unsigned line = 1; !text.empty(); ++line) {
        const size_t end = std::min(text.find('\n'), text.size());
        if (end > kMostLineBytes) {
            return TextError{line, fmt::format("the line has more than {} bytes", kMostLineBytes),
                             "break it into several; a list may go over many lines"};
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::nullopt;
}

// Follows strings and comments as TOML delimits them, to see brackets and dots outside of them
// only.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::optional<TextError> run() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"' || c == '\'') {
                skip_string(c);
                continue;
            }
            if (c == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
                continue;
            }
            count(c);
            if (brackets_ > kMostBrackets || dots_ > kMostDots || word_ > kMostWordBytes) {
                return TextError{line_at(text_, at_), reason(),
                                 "no key of this file needs that; see the example lb.toml"};
            }
            ++at_;
        }
        return std::nullopt;
    }

  private:
    void count(char c) {
        const bool in_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        word_ = in_word ? word_ + 1 : 0;
        if (c == '[' || c == '{') {
            ++brackets_;
        } else if ((c == ']' || c == '}') && brackets_ > 0) {
            --brackets_;
        } else if (c == '.') {
            ++dots_;
        } else if (c == '\n') {
            dots_ = 0;
        }
    }

    std::string reason() const {
        return brackets_ > kMostBrackets
                   ? fmt::format("more than {} brackets are open", kMostBrackets)
               : dots_ > kMostDots ? fmt::format("more than {} dots on one line", kMostDots)
                                   : fmt::format("a word of more than {} letters", kMostWordBytes);
    }

    void skip_string(char quote) {
        word_ = 0;
        const std::string delimiter(3, quote);
        if (text_.substr(at_).starts_with(delimiter)) {
            skip_multi_line(quote, delimiter);
            return;
        }
        for (++at_; at_ < text_.size() && text_[at_] != '\n'; ++at_) {
            if (text_[at_] == '\\' && quote == '"') {
                ++at_;
            } else if (text_[at_] == quote) {
                ++at_;
                return;
            }
        }
    }

    void skip_multi_line(char quote, const std::string& delimiter) {
        for (at_ += 3; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\' && quote == '"') {
                ++at_;
            } else if (text_.substr(at_).starts_with(delimiter)) {
                at_ += 3;
                // Two more quotes may stand before the delimiter.
                for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) {
                    ++at_;
                }
                return;
            }
        }
    }

    std::string_view text_;
    size_t at_ = 0;
    unsigned brackets_ = 0;
    unsigned dots_ = 0;
    unsigned word_ = 0;
};

}  // namespace

std::optional<TextError> screen(std::string_view text) {
    if (text.size() > kMostBytes) {
        return TextError{0, fmt::format("the file has more than {} MiB", kMostBytes >> 20),
                         "give a configuration; this looks like another kind of file"};
    }
    if (auto error = screen_bytes(text)) {
        return error;
    }
    if (auto error = screen_lines(text)) {
        return error;
    }
    return Scanner(text).run();
}

}  // namespace dlb::conf
