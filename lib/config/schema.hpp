// The keys of lb.toml as a table, and the check of a document against it.
//
// It knows the whole contract; what this version does not do yet is turned away by
// availability.hpp.
// Thread safety: pure functions; the table is built once and constant.
#pragma once

#include <string_view>
#include <vector>

#include "config/findings.hpp"
#include "config/rules.hpp"
#include "config/toml_value.hpp"

namespace dlb::conf {

enum class Shape {
    One,     // key = value
    Many,    // key = [value, value]; a single one may stand without brackets
    Table,   // [key]
    Tables,  // [[key]], any number
};

struct Field {
    std::string_view key;
    Shape shape = Shape::One;
    Rule rule;                  // One, Many
    std::vector<Field> fields;  // Table, Tables
    bool required = false;
    std::string_view help = {};   // one sentence for the manual
    std::string_view usual = {};  // the default in words, where dump_config() does not tell it
    bool secret = false;          // no message shows its value
};

// The fields at the top of the file.
const std::vector<Field>& schema();

// Types, bounds, unknown keys and, where `complete`, missing keys. Values that pass can be read
// without further question.
void check_schema(const Value& root, bool complete, Findings& findings);

}  // namespace dlb::conf
