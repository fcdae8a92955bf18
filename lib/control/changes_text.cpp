// The changes as lines for people.
#include <fmt/format.h>

#include "control/changes.hpp"

namespace dlb {

namespace {

// `"maglev"` → maglev; what would not read as one word keeps its quotes.
std::string plain(const std::string& toml) {
    if (toml.empty()) {
        return "default";
    }
    if (toml.size() > 2 && toml.front() == '"' &&
        toml.find_first_of(" \\\"", 1) == toml.size() - 1) {
        return toml.substr(1, toml.size() - 2);
    }
    return toml;
}

std::string_view backend_word(size_t count) {
    return count == 1 ? "backend" : "backends";
}

}  // namespace

std::string ReloadChange::kind() const {
    return service.empty() ? "setting" : backend ? "backend" : "service";
}

std::string ReloadChange::to_string() const {
    std::string line = fmt::format("{} {}", static_cast<char>(action), kind());
    if (!service.empty()) {
        line += " " + service;
    }
    if (backend) {
        line += " " + backend->to_string();
    }
    if (backends != 0) {
        line += fmt::format(" with {} {}", backends, backend_word(backends));
    }
    bool first = true;
    for (const ValueChange& value : values) {
        line += fmt::format("{} {} {} -> {}{}", first ? "" : ",", value.key, plain(value.before),
                            plain(value.after), value.by_console ? " (set by hand)" : "");
        first = false;
    }
    if (by_console) {
        line += action == ChangeAction::Added ? " (removed by hand)" : " (added by hand)";
    }
    return line;
}

std::string FlowMove::to_string() const {
    std::string line =
        fmt::format("{}: {:.1f} % of new flows go elsewhere", service, 100 * new_flows);
    if (restarts) {
        return line + "; it forwards in another way, so no flow goes on";
    }
    line += stateless ? "; it keeps no flow table, so running flows move alike"
                      : "; flows known to the table stay";
    if (gone_backends != 0) {
        line += fmt::format(", but for those of {} {} that {}", gone_backends,
                            backend_word(gone_backends), gone_backends == 1 ? "goes" : "go");
        if (ending_flows != 0) {
            line += fmt::format(" ({} now)", ending_flows);
        }
    }
    return line;
}

}  // namespace dlb
