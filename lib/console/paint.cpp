#include "console/paint.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "console/terminal.hpp"

namespace dlb {

namespace {

constexpr std::string_view kPlain = "\033[0m";

// "NAME  VIP   STATE": all capitals, with a letter at the front.
bool is_header(std::string_view line) {
    return !line.empty() && line.front() >= 'A' && line.front() <= 'Z' &&
           line.find("  ") != std::string_view::npos &&
           std::none_of(line.begin(), line.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// Where the columns that hold states begin, in characters. Headers are ASCII.
std::vector<size_t> state_columns(std::string_view header) {
    std::vector<size_t> columns;
    for (const std::string_view name : {"STATE", "HEALTH", "LINK", "BFD"}) {
        for (size_t at = 0; (at = header.find(name, at)) != std::string_view::npos;
             at += name.size()) {
            const size_t end = at + name.size();
            const bool whole = (at == 0 || header.substr(0, at).ends_with("  ")) &&
                               (end == header.size() || header.substr(end).starts_with("  "));
            if (whole) {
                columns.push_back(at);
            }
        }
    }
    std::sort(columns.begin(), columns.end());
    return columns;
}

std::string_view escape_of(Hue hue) {
    switch (hue) {
        case Hue::Green:
            return "\033[32m";
        case Hue::Yellow:
            return "\033[33m";
        case Hue::Red:
            return "\033[31m";
        case Hue::None:
            break;
    }
    return {};
}

std::string paint_row(std::string_view line, const std::vector<size_t>& columns) {
    std::string painted;
    size_t done = 0;  // bytes
    for (const size_t column : columns) {
        const size_t start = cut_line(line, column).size();
        const std::string_view rest = line.substr(start);
        const std::string_view cell = rest.substr(0, rest.find("  "));
        const std::string_view escape = escape_of(hue_of_state(cell));
        if (start < done || escape.empty()) {
            continue;
        }
        painted += line.substr(done, start - done);
        painted.append(escape).append(cell).append(kPlain);
        done = start + cell.size();
    }
    return painted.append(line.substr(done));
}

}  // namespace

Hue hue_of_state(std::string_view state) {
    static constexpr std::array<std::pair<std::string_view, Hue>, 20> kHues = {
        {{"active", Hue::Green},       {"up", Hue::Green},          {"running", Hue::Green},
         {"reachable", Hue::Green},    {"Established", Hue::Green}, {"Idle", Hue::Yellow},
         {"Connect", Hue::Yellow},     {"Active", Hue::Yellow},     {"OpenSent", Hue::Yellow},
         {"OpenConfirm", Hue::Yellow}, {"init", Hue::Yellow},       {"admin_down", Hue::Yellow},
         {"draining", Hue::Yellow},    {"stale", Hue::Yellow},      {"damped", Hue::Yellow},
         {"unknown", Hue::Yellow},     {"incomplete", Hue::Yellow}, {"stopped", Hue::Red},
         {"failed", Hue::Red},         {"down", Hue::Red}}};
    const auto* found = std::find_if(kHues.begin(), kHues.end(),
                                     [&](const auto& each) { return each.first == state; });
    return found == kHues.end() ? Hue::None : found->second;
}

std::string paint(std::string_view text) {
    std::string painted;
    std::vector<size_t> columns;
    bool first = true;  // of a block: there a header may stand
    while (!text.empty()) {
        const size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (first && is_header(line)) {
            columns = state_columns(line);
            painted.append("\033[1m").append(line).append(kPlain);
        } else {
            painted += paint_row(line, columns);
        }
        first = line.empty();
        if (first) {
            columns.clear();
        }
        if (end == std::string_view::npos) {
            break;
        }
        painted += '\n';
        text.remove_prefix(end + 1);
    }
    return painted;
}

}  // namespace dlb
