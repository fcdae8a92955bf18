#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "config/document.hpp"
#include "config/schema.hpp"
#include "config/text.hpp"

namespace dlb::conf {

namespace {

std::string describe(const Value& value) {
    switch (value.type()) {
        case toml::value_t::boolean:
            return value.as_boolean(std::nothrow) ? "true" : "false";
        case toml::value_t::integer:
            return std::to_string(value.as_integer(std::nothrow));
        case toml::value_t::floating:
            return fmt::format("the fraction {}", value.as_floating(std::nothrow));
        case toml::value_t::string:
            return in_quotes(value.as_string(std::nothrow).str);
        case toml::value_t::array:
            return "a list";
        case toml::value_t::table:
            return "a table";
        default:
            return "a date or time";
    }
}

// A value's kind alone.
std::string describe_secret(const Value& value) {
    return value.is_string()    ? "such a text"
           : value.is_array()   ? "a list"
           : value.is_table()   ? "a table"
           : value.is_boolean() ? "true or false"
                                : "a number or date";
}

class SchemaCheck {
  public:
    SchemaCheck(bool complete, Findings& findings) : complete_(complete), findings_(findings) {}

    void table(const Value& value, const std::vector<Field>& fields, const Path& path) {
        for (const auto& [key, entry] : value.as_table(std::nothrow)) {
            const auto field =
                std::find_if(fields.begin(), fields.end(),
                             [&key = key](const Field& known) { return known.key == key; });
            if (field == fields.end()) {
                unknown(key, fields, path);
            } else {
                entry_of(*field, entry, path);
            }
        }
        for (const Field& field : fields) {
            if (complete_ && field.required && child(value, std::string(field.key)) == nullptr) {
                findings_.add(path.key(field.key), fmt::format("{} is missing", field.key),
                              fmt::format("add {}: {}", field.key, field.rule.wanted));
            }
        }
    }

  private:
    void unknown(const std::string& key, const std::vector<Field>& fields, const Path& path) {
        std::vector<std::string_view> known(fields.size());
        std::transform(fields.begin(), fields.end(), known.begin(),
                       [](const Field& field) { return field.key; });
        const std::string_view near = closest(key, known);
        const std::string mend = near.empty() ? "use " + alternatives({known.begin(), known.end()})
                                              : fmt::format("did you mean '{}'?", near);
        findings_.add(path.key(key), fmt::format("unknown key {}", in_quotes(key)), mend);
    }

    void entry_of(const Field& field, const Value& value, const Path& path) {
        switch (field.shape) {
            case Shape::One:
                one(field, value, path.key(field.key), "is");
                return;
            case Shape::Many:
                many(field, value, path);
                return;
            case Shape::Table:
                if (value.is_table()) {
                    table(value, field.fields, path.key(field.key));
                } else {
                    findings_.add(
                        path.key(field.key), fmt::format("{} is {}", field.key, describe(value)),
                        fmt::format("write it as one table: [{}]", header(path.key(field.key))));
                }
                return;
            case Shape::Tables:
                tables(field, value, path);
                return;
        }
    }

    void one(const Field& field, const Value& value, const Path& path, std::string_view verb) {
        if (!field.rule.accepts(value)) {
            findings_.add(path,
                          fmt::format("{} {} {}", field.key, verb,
                                      field.secret ? describe_secret(value) : describe(value)),
                          "give " + field.rule.wanted);
        } else if (field.secret && value.is_string() &&
                   value.as_string(std::nothrow).str == kHidden) {
            findings_.add(path,
                          fmt::format("{} is {}, which --dump-config prints in place of a secret",
                                      field.key, toml_string(kHidden)),
                          "give the secret itself");
        }
    }

    void many(const Field& field, const Value& value, const Path& path) {
        if (!value.is_array()) {
            one(field, value, path.key(field.key), "is");
            return;
        }
        const auto& elements = value.as_array(std::nothrow);
        for (size_t i = 0; i < elements.size(); ++i) {
            one(field, elements[i], path.item(field.key, i), "holds");
        }
    }

    void tables(const Field& field, const Value& value, const Path& path) {
        const std::string mend = fmt::format("write each as a table, with two brackets: [[{}]]",
                                             header(path.key(field.key)));
        if (!value.is_array()) {
            findings_.add(path.key(field.key), fmt::format("{} is {}", field.key, describe(value)),
                          mend);
            return;
        }
        const auto& elements = value.as_array(std::nothrow);
        for (size_t i = 0; i < elements.size(); ++i) {
            const Path element = path.item(field.key, i, label_of(elements[i]));
            if (elements[i].is_table()) {
                table(elements[i], field.fields, element);
            } else {
                findings_.add(element, fmt::format("{} holds {}", field.key, describe(elements[i])),
                              mend);
            }
        }
    }

    // A path as a table's header has it, without the names of elements.
    static std::string header(const Path& path) {
        std::string out;
        for (const Step& step : path.steps()) {
            out += (out.empty() ? "" : ".") + step.key;
        }
        return out;
    }

    bool complete_;
    Findings& findings_;
};

}  // namespace

void check_schema(const Value& root, bool complete, Findings& findings) {
    SchemaCheck(complete, findings).table(root, schema(), Path());
}

}  // namespace dlb::conf
