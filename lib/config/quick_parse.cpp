#include "config/quick_parse.hpp"

#include <algorithm>
#include <stdexcept>

namespace {

struct TomlAssertion : std::logic_error {
    TomlAssertion() : std::logic_error("an assertion of toml++") {}
};

}  // namespace

// toml++ 3.3.0 asserts what broken text does not keep to, "[[#" for one, and without assertions it
// tells the optimizer that they hold. Here they are exceptions, in every build.
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? void() : throw TomlAssertion())

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wterminate"  // in accessors that the parser leaves alone
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace dlb::conf {

namespace {

bool walk(const toml::table& table, TomlSink& sink);
bool walk(const toml::array& array, TomlSink& sink);

bool give(std::string_view key, const toml::node& node, TomlSink& sink) {
    if (const auto* table = node.as_table()) {
        sink.open_table(key);
        const bool taken = walk(*table, sink);
        sink.close();
        return taken;
    }
    if (const auto* array = node.as_array()) {
        sink.open_array(key);
        const bool taken = walk(*array, sink);
        sink.close();
        return taken;
    }
    if (const auto* text = node.as_string()) {
        sink.add(key, std::string_view(text->get()));
    } else if (const auto* number = node.as_integer()) {
        sink.add(key, number->get());
    } else if (const auto* real = node.as_floating_point()) {
        sink.add(key, real->get());
    } else if (const auto* truth = node.as_boolean()) {
        sink.add(key, truth->get());
    } else {
        return false;
    }
    return true;
}

bool walk(const toml::table& table, TomlSink& sink) {
    for (const auto& [key, node] : table) {
        if (!give(key.str(), node, sink)) {
            return false;
        }
    }
    return true;
}

bool walk(const toml::array& array, TomlSink& sink) {
    for (const toml::node& node : array) {
        if (!give({}, node, sink)) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool quick_parse(std::string_view text, TomlSink& sink) {
    // toml++ 3.3.0 has undefined behaviour for some characters outside of strings: toml11's, then.
    if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) {
        return false;
    }
    try {
        return walk(toml::parse(text), sink);
    } catch (const toml::parse_error&) {
        return false;
    } catch (const TomlAssertion&) {
        return false;
    }
}

}  // namespace dlb::conf
