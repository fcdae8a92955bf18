// A page in man(7), written piece by piece.
// Thread safety: a plain value.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace dlb::manual {

// Text as man(7) prints it: no escape, no request.
inline std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
            out += std::string("\\&") + c;
        } else {
            out += c;
        }
    }
    return out;
}

class Page {
  public:
    Page(std::string_view name, int section, std::string_view date, std::string_view what) {
        std::string title(name);
        for (char& c : title) {
            c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        }
        line(fmt::format(".TH {} {} {} \"dpdk\\-lb {}\"", escaped(title), section, date,
                         DPDK_LB_VERSION));
        line(".nh");  // commands are to be copied: neither hyphenated nor spread
        line(".ad l");
        head("NAME");
        line(fmt::format("{} \\- {}", escaped(name), escaped(what)));
    }
    void head(std::string_view title) { line(fmt::format(".SH {}", title)); }
    void subhead(std::string_view title) { line(fmt::format(".SS {}", escaped(title))); }
    void paragraph(std::string_view text) {
        line(".PP");
        line(escaped(text));
    }
    // `term` in bold, what it is indented below.
    void item(std::string_view term, std::string_view text) {
        line(".TP");
        line("\\fB" + escaped(term) + "\\fR");
        line(escaped(text));
    }
    // More about the last item.
    void more(std::string_view text) {
        line(".br");
        line(escaped(text));
    }
    // Lines as they are.
    void example(std::string_view text) {
        line(".PP");
        line(".nf");
        line(".RS 4");
        line(escaped(text));
        line(".RE");
        line(".fi");
    }
    void line(std::string_view roff) { text_.append(roff).push_back('\n'); }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

}  // namespace dlb::manual
