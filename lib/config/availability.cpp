#include "config/availability.hpp"

#include <algorithm>
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

struct NotYet {
    std::vector<std::string_view> keys;  // from the top
    bool (*harmless)(const Value&);      // asks for nothing
    std::string_view what;               // completes "… not in version 0.1"
    std::string_view mend;
};

const std::vector<NotYet>& not_yet() {
    static const std::vector<NotYet> entries = {
        {{"service", "discovery"},
         never,
         "discovery is",
         "give the backends as [[service.backend]]"},
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
        return;
    }
    if (last) {
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

bool is_available(std::string_view path) {
    return std::none_of(not_yet().begin(), not_yet().end(), [path](const NotYet& entry) {
        std::string table;
        for (size_t i = 0; i < entry.keys.size(); ++i) {
            table += (i == 0 ? "" : ".") + std::string(entry.keys[i]);
        }
        return table == path;
    });
}

}  // namespace dlb::conf
