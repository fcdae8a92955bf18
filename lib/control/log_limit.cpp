#include "control/log_limit.hpp"

#include <algorithm>
#include <utility>

namespace dlb {

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}

bool has_digit(std::string_view word) {
    return std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string log_template(std::string_view message) {
    std::string out;
    for (size_t at = 0; at < message.size();) {
        const char c = message[at];
        if (is_space(c)) {
            out += ' ';
            ++at;
            continue;
        }
        if (c == '\'' || c == '"') {
            const size_t close = message.find(c, at + 1);
            if (close != std::string_view::npos) {
                out += '*';
                at = close + 1;
                continue;
            }
        }
        size_t end = at + 1;
        while (end < message.size() && !is_space(message[end])) {
            ++end;
        }
        const std::string_view word = message.substr(at, end - at);
        out += has_digit(word) ? "*" : word;
        at = end;
    }
    return out;
}

bool LogLimit::passes(int level, std::string_view message, Clock::time_point now) {
    std::string key = std::to_string(level) + ' ' + log_template(message);
    auto found = seen_.find(key);
    if (found == seen_.end()) {
        if (seen_.size() >= kMostTemplates) {
            // Nothing is lost: those with a count wait for over().
            std::erase_if(seen_, [now](const auto& entry) {
                return entry.second.suppressed.count == 0 && now - entry.second.since >= kInterval;
            });
            if (seen_.size() >= kMostTemplates) {
                return true;
            }
        }
        found = seen_.emplace(std::move(key), Seen{now, 0, {}}).first;
    }
    Seen& seen = found->second;
    if (now - seen.since >= kInterval && seen.suppressed.count == 0) {
        seen = Seen{now, 0, {}};
    }
    if (seen.passed < kBurst) {
        ++seen.passed;
        return true;
    }
    seen.suppressed.level = level;
    seen.suppressed.example = message;
    ++seen.suppressed.count;
    return false;
}

std::vector<LogLimit::Suppressed> LogLimit::over(Clock::time_point now) {
    std::vector<Suppressed> out;
    for (auto entry = seen_.begin(); entry != seen_.end();) {
        if (now - entry->second.since < kInterval) {
            ++entry;
            continue;
        }
        if (entry->second.suppressed.count != 0) {
            out.push_back(std::move(entry->second.suppressed));
        }
        entry = seen_.erase(entry);
    }
    return out;
}

}  // namespace dlb
