#include "config/document.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "config/text.hpp"

namespace dlb::conf {

namespace {

constexpr size_t kMostSyntaxErrors = 20;  // each costs another parse

// toml11's messages are many lines and speak of its functions; these are ours for the ones that
// occur.
struct Translation {
    std::string_view part;  // of toml11's message
    std::string_view problem;
    std::string_view mend;
    bool whole_line = true;  // the mistake is no larger than its line
};
constexpr std::string_view kNoValue = "the value is no TOML";
constexpr std::string_view kGiveValue = "give a number, true, false, or text in double quotes";
constexpr auto kTranslations = std::to_array<Translation>({
    {"already exists", "{} is there twice", "keep one of the two"},
    {"cannot be defined", "{} is a table and a list of tables",
     "write [name] for one table, [[name]] for each of several"},
    {"collides with", "{} is there already as another kind of value", "keep one of the two"},
    {"neither table nor", "{} holds a value and cannot be extended", "keep one of the two"},
    {"inline tables are immutable", "{} is an inline table and cannot be extended",
     "put all of its keys between its braces"},
    {"multiline", "a string of several lines is not closed", "close it with three quotes", false},
    {"not a valid string", "a string is not closed, or has an unknown escape",
     "end it with a double quote on the same line, and write \\\\ for a backslash"},
    {"not a valid literal string", "a string is not closed",
     "end it with the quote it starts with"},
    {"invalid line format", "something stands after the value",
     "put addresses, ranges, durations and words in double quotes, and each key on its own line"},
    {"missing array separator", "a list is not closed, or lacks a comma",
     "separate the elements with commas and end the list with ]", false},
    {"not closed by", "a list or table is not closed", "end it with its bracket", false},
    {"in an array", "a list holds what is no TOML value", kGiveValue},
    {"curly brace", "an inline table does not end on its line", "end it with }, on the same line"},
    {"trailing comma", "an inline table ends with a comma", "remove the comma before }"},
    {"table separator", "an inline table lacks a comma or its }",
     "write { key = value, key = value }"},
    {"leading zero", "a number starts with 0", "remove the zeros before it"},
    {"invalid key", "this is neither a key nor a table",
     "write key = value, [table] or [[table]], names of letters, digits, _ and -"},
    {"invalid format for key", "the key has a character that needs quotes",
     "write key = value, the key of letters, digits, _ and -"},
    {"key-value separator `=`", "no = follows the key", "write key = value"},
    {"empty key", "no key stands before the =", "write key = value"},
    {"missing value", "no value stands after the =", "write key = value"},
    {"newline required", "something stands after the table's bracket", "put it on the next line"},
    {"RFC3339", "this is no date or time", "put text in double quotes"},
    {"codepoint", "an escape names no character", "write the character itself"},
    {"bad ", kNoValue, kGiveValue},
    {"integer", kNoValue, kGiveValue},
    {"parse_boolean", kNoValue, kGiveValue},
    {"parse_floating", kNoValue, kGiveValue},
});

std::string_view line_text(std::string_view text, unsigned line) {
    for (; line > 1; --line) {
        const size_t end = text.find('\n');
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return text.substr(0, text.find('\n'));
}

// toml11 copies dates and keys to a buffer of their own and then counts lines from its start.
unsigned true_line(std::string_view text, const toml::source_location& location) {
    const std::string& shown = location.line_str();
    if (shown.empty() || line_text(text, location.line()) == shown) {
        // It ends the last line where the text does not.
        const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
        return std::min(location.line(), static_cast<unsigned>(lines));
    }
    const size_t offset = std::min(text.find(shown), text.size());
    return 1 + static_cast<unsigned>(
                   std::count(text.begin(), text.begin() + static_cast<long>(offset), '\n'));
}

// The first line of toml11's message, without its prefixes.
std::string_view headline(std::string_view message) {
    message = message.substr(0, message.find('\n'));
    if (message.starts_with("[error] ")) {
        message.remove_prefix(8);
    }
    if (const size_t colon = message.find(": ");
        message.starts_with("toml::") && colon != std::string_view::npos) {
        message.remove_prefix(colon + 2);
    }
    return message;
}

// The name that a message has as ("name") or (name).
std::string named_key(std::string_view message) {
    const size_t open = message.find('(');
    const size_t close = message.find(')', open);
    if (open == std::string_view::npos || close == std::string_view::npos) {
        return "the key";
    }
    std::string_view name = message.substr(open + 1, close - open - 1);
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
        name = name.substr(1, name.size() - 2);
    }
    return in_quotes(name);
}

// A key and its whole value, so that the lines around it can be read without it.
bool stands_alone(std::string_view line) {
    const size_t start = std::min(line.find_first_not_of(" \t"), line.size());
    const size_t equals = line.find('=');
    return equals != std::string_view::npos && equals > start && line[start] != '[' &&
           std::count(line.begin(), line.end(), '[') == std::count(line.begin(), line.end(), ']') &&
           line.find("\"\"\"") == std::string_view::npos &&
           line.find("'''") == std::string_view::npos;
}

struct SyntaxError {
    TextError error;
    bool whole_line = false;
};

SyntaxError translate(const toml::exception& raised, std::string_view text) {
    const std::string_view message = raised.what();
    const std::string_view first_line = message.substr(0, message.find('\n'));
    SyntaxError out;
    out.error.line = true_line(text, raised.location());
    for (const Translation& known : kTranslations) {
        if (first_line.find(known.part) != std::string_view::npos) {
            out.error.problem = known.problem;
            if (const size_t place = out.error.problem.find("{}"); place != std::string::npos) {
                out.error.problem.replace(place, 2, named_key(first_line));
            }
            out.error.mend = known.mend;
            out.whole_line = known.whole_line;
            return out;
        }
    }
    out.error.problem = fmt::format("not TOML: {}", headline(message));
    out.error.mend = "correct this line; https://toml.io shows the format";
    return out;
}

}  // namespace

Document parse_document(std::string text) {
    Document document;
    if (auto error = screen(text)) {
        document.errors.push_back(std::move(*error));
        return document;
    }
    while (document.errors.size() < kMostSyntaxErrors) {
        try {
            std::istringstream stream(text);
            document.root = toml::parse<toml::discard_comments, std::map, TomlArray>(stream);
            return document;
        } catch (const toml::exception& raised) {
            const SyntaxError found = translate(raised, text);
            document.errors.push_back(found.error);
            const std::string_view line = line_text(text, found.error.line);
            if (!found.whole_line || !stands_alone(line)) {
                return document;
            }
            std::fill_n(text.begin() + (line.data() - text.data()), line.size(), ' ');
        } catch (const std::exception& raised) {
            document.errors.push_back({0, fmt::format("not TOML: {}", raised.what()),
                                       "correct the file; https://toml.io shows the format"});
            return document;
        }
    }
    return document;
}

unsigned find_line(const Value& root, const Path& path) {
    const Value* node = &root;
    for (const Step& step : path.steps()) {
        const Value* next = child(*node, step.key);
        if (next == nullptr) {
            break;
        }
        node = next;
        if (step.index >= 0 && node->is_array() &&
            static_cast<size_t>(step.index) < node->as_array(std::nothrow).size()) {
            node = &node->as_array(std::nothrow)[static_cast<size_t>(step.index)];
        }
    }
    return node == &root ? 0 : node->location().line();
}

std::string label_of(const Value& table) {
    const Value* name = child(table, "name");
    if (name == nullptr || !name->is_string() ||
        !is_name(name->as_string(std::nothrow).str, kServiceNameLength)) {
        return {};
    }
    return name->as_string(std::nothrow).str;
}

}  // namespace dlb::conf
