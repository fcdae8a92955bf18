#include "config/availability.hpp"

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "config/document.hpp"
#include "config/notation.hpp"
#include "config/text.hpp"

namespace dlb::conf {

namespace {

bool never(const Value&) {
    return false;
}
bool is_empty(const Value& value) {
    return value.is_string() && value.as_string(std::nothrow).str.empty();
}
bool is_none(const Value& value) {
    return value.is_string() && value.as_string(std::nothrow).str == "none";
}
bool is_off(const Value& value) {
    return value.is_boolean() && !value.as_boolean(std::nothrow);
}

struct NotYet {
    std::vector<std::string_view> keys;  // from the top
    bool (*harmless)(const Value&);      // asks for nothing
    std::string_view what;               // completes "… not in version 0.1"
    std::string_view mend;
    // The key's table alone asks for it too.
    bool implied = false;
};

const std::vector<NotYet>& not_yet() {
    static const std::vector<NotYet> entries = {
        {{"lb", "user"}, is_empty, "giving up root is", "set user = \"\" or remove it"},
        {{"service", "health", "type"},
         is_none,
         "health checks are",
         "set type = \"none\" or remove the table",
         true},
        {{"service", "discovery"},
         never,
         "discovery is",
         "give the backends as [[service.backend]]"},
        {{"bgp", "enabled"}, is_off, "BGP is", "set enabled = false or remove the table", true},
        {{"metrics", "listen"},
         is_empty,
         "the metrics listener is",
         "set listen = \"\" or remove the table",
         true},
        {{"kubernetes"}, never, "Kubernetes is", "remove the table"},
    };
    return entries;
}

std::string refusal(std::string_view what) {
    return fmt::format("{} not in version {}", what, short_version());
}

// Walks to the entry's key, through every element of the lists on the way.
void check_entry(const NotYet& entry, size_t depth, const Value& value, const Path& path,
                 Findings& findings) {
    const std::string_view key = entry.keys[depth];
    const Value* found = child(value, std::string(key));
    const bool last = depth + 1 == entry.keys.size();
    if (found == nullptr) {
        if (last && entry.implied && value.is_table()) {
            findings.add(path.key(key), refusal(entry.what), std::string(entry.mend));
        }
    } else if (last) {
        if (!entry.harmless(*found)) {
            findings.add(path.key(key), refusal(entry.what), std::string(entry.mend));
        }
    } else if (found->is_array()) {
        const auto& elements = found->as_array(std::nothrow);
        for (size_t i = 0; i < elements.size(); ++i) {
            check_entry(entry, depth + 1, elements[i], path.item(key, i, label_of(elements[i])),
                        findings);
        }
    } else if (found->is_table()) {
        check_entry(entry, depth + 1, *found, path.key(key), findings);
    }
}

}  // namespace

void check_available(const Value& root, Findings& findings) {
    for (const NotYet& entry : not_yet()) {
        check_entry(entry, 0, root, Path(), findings);
    }
}

}  // namespace dlb::conf
