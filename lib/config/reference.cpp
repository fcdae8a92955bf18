#include "config/reference.hpp"

#include <fmt/format.h>

#include "config/availability.hpp"
#include "config/config.hpp"
#include "config/document.hpp"
#include "config/schema.hpp"

namespace dlb {

namespace {

using conf::Field;
using conf::Shape;
using conf::Value;

// A configuration in which dump_config() writes every table that it knows, with the defaults.
Config usual_config() {
    Config config;
    ServiceConfig service;
    service.health.type = HealthType::Tcp;
    service.backends.emplace_back();
    config.services.push_back(service);
    config.ports.emplace_back();
    return config;
}

const Value& usual_values() {
    static const Value root = conf::parse_document(dump_config(usual_config())).root.value();
    return root;
}

// `value` may be none of the document's: nullptr.
const Value* first(const Value* value) {
    if (value == nullptr || !value->is_array()) {
        return value;
    }
    const auto& elements = value->as_array(std::nothrow);
    return elements.empty() ? nullptr : &elements.front();
}

std::string usual_of(const Field& field, const Value* table) {
    if (field.required) {
        return {};
    }
    if (!field.usual.empty()) {
        return std::string(field.usual);
    }
    const Value* value = table == nullptr ? nullptr : conf::child(*table, std::string(field.key));
    return value == nullptr ? std::string() : toml::format(*value, 1000);
}

bool holds_fields(const Field& field) {
    return field.shape == Shape::Table || field.shape == Shape::Tables;
}

std::string wanted_of(const Field& field) {
    return field.shape == Shape::Many ? "a list, each " + field.rule.wanted : field.rule.wanted;
}

void add(std::vector<KeyReference>& all, const std::vector<Field>& fields, const std::string& path,
         const Value* table, const std::string& written) {
    for (const Field& field : fields) {
        if (!holds_fields(field)) {
            all.push_back({written, std::string(field.key), wanted_of(field),
                           usual_of(field, table), std::string(field.help), field.required});
        }
    }
    for (const Field& field : fields) {
        if (!holds_fields(field)) {
            continue;
        }
        const std::string inner =
            path.empty() ? std::string(field.key) : fmt::format("{}.{}", path, field.key);
        const std::string brackets =
            field.shape == Shape::Table ? fmt::format("[{}]", inner) : fmt::format("[[{}]]", inner);
        std::string help(field.help);
        if (!conf::is_available(inner)) {
            help += " Not in this version yet: what asks for it is an error.";
        }
        all.push_back({brackets, {}, {}, {}, std::move(help), false});
        const Value* value =
            table == nullptr ? nullptr : conf::child(*table, std::string(field.key));
        add(all, field.fields, inner, first(value), brackets);
    }
}

}  // namespace

std::vector<KeyReference> key_reference() {
    std::vector<KeyReference> all;
    add(all, conf::schema(), {}, &usual_values(), {});
    return all;
}

}  // namespace dlb
