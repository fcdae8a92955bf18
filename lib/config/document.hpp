// TOML text → document, and where in the text its values stand.
//
// Errors: syntax errors are returned, several at once where the lines after the first can be
// trusted.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/findings.hpp"
#include "config/screen.hpp"
#include "config/toml_value.hpp"

namespace dlb::conf {

struct Document {
    // With errors: the document without the lines in error, or nothing.
    std::optional<Value> root;
    std::vector<TextError> errors;
};

Document parse_document(std::string text);

// The same for text without mistakes, in a fraction of the time; its values have no lines. nullopt:
// parse_document() tells why.
std::optional<Value> read_quickly(std::string_view text);

// The line of the value at `path`, else of the innermost table there is; 0: not even that.
unsigned find_line(const Value& root, const Path& path);

// A table's "name" where it is fit to be printed; else empty.
std::string label_of(const Value& table);

}  // namespace dlb::conf
