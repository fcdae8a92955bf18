#include "console/syntax.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace dlb {

namespace {

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

SyntaxToken parse_token(std::string_view word) {
    SyntaxToken token;
    if (!is_upper(word.front())) {
        token.shown = word;
        for (size_t bar; (bar = word.find('|')) != std::string_view::npos;
             word.remove_prefix(bar + 1)) {
            token.keywords.emplace_back(word.substr(0, bar));
        }
        token.keywords.emplace_back(word);
        return token;
    }
    const size_t colon = word.rfind(':');
    const bool typed = colon != std::string_view::npos && is_lower(word[colon + 1]);
    token.shown = typed ? word.substr(0, colon) : word;
    std::string type(typed ? word.substr(colon + 1) : word);
    std::transform(type.begin(), type.end(), type.begin(),
                   [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; });
    token.type = find_argument_type(type);
    if (token.type == nullptr) {
        throw std::logic_error(fmt::format("syntax: no argument type {}", type));
    }
    return token;
}

// Cuts the first word off `rest`.
std::string_view next_word(std::string_view& rest) {
    const size_t start = std::min(rest.find_first_not_of(' '), rest.size());
    rest.remove_prefix(start);
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    return word;
}

std::string shown(const std::vector<SyntaxToken>& tokens) {
    std::string text;
    for (const SyntaxToken& token : tokens) {
        text += (text.empty() ? "" : " ") + token.shown;
    }
    return text;
}

}  // namespace

CommandSyntax CommandSyntax::parse(std::string_view pattern) {
    CommandSyntax syntax;
    bool in_group = false;
    for (std::string_view rest = pattern, word; !(word = next_word(rest)).empty();) {
        if (word.front() == '[' || word.front() == '(') {
            syntax.groups.push_back({{}, word.front() == '[', false});
            in_group = true;
            word.remove_prefix(1);
        } else if (!in_group && !syntax.groups.empty()) {
            throw std::logic_error(fmt::format("syntax: a bare word after a group: {}", pattern));
        }
        const size_t close = word.find_first_of("])");
        auto& tokens = in_group ? syntax.groups.back().tokens : syntax.head;
        tokens.push_back(parse_token(word.substr(0, close)));
        if (close != std::string_view::npos) {
            syntax.groups.back().repeats = word.substr(close + 1) == "...";
            in_group = false;
        }
    }
    if (in_group || syntax.head.empty() || syntax.head.front().is_argument()) {
        throw std::logic_error(fmt::format("syntax: {}", pattern));
    }
    return syntax;
}

std::string CommandSyntax::to_string() const {
    std::string text = shown(head);
    for (const SyntaxGroup& group : groups) {
        text += fmt::format(" {}{}{}{}", group.optional ? "[" : "", shown(group.tokens),
                            group.optional ? "]" : "", group.repeats ? "..." : "");
    }
    return text;
}

}  // namespace dlb
