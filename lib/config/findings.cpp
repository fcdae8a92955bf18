#include "config/findings.hpp"

#include <algorithm>
#include <utility>

#include "config/notation.hpp"
#include "config/text.hpp"

namespace dlb::conf {

Path Path::key(std::string_view name) const {
    Path longer = *this;
    longer.steps_.push_back({std::string(name), -1, {}});
    return longer;
}

Path Path::item(std::string_view name, size_t index, std::string_view label) const {
    Path longer = *this;
    longer.steps_.push_back({std::string(name), static_cast<int>(index), std::string(label)});
    return longer;
}

std::string Path::text() const {
    std::string out;
    for (const Step& step : steps_) {
        out += out.empty() ? "" : ".";
        out += is_name(step.key, kServiceNameLength) ? step.key : in_quotes(step.key);
        out += step.label.empty() ? "" : "." + step.label;
    }
    return out;
}

bool Path::related(const Path& other) const {
    const size_t common = std::min(steps_.size(), other.steps_.size());
    for (size_t i = 0; i < common; ++i) {
        const Step& a = steps_[i];
        const Step& b = other.steps_[i];
        if (a.key != b.key || (a.index >= 0 && b.index >= 0 && a.index != b.index)) {
            return false;
        }
    }
    return true;
}

void Findings::add(const Path& where, std::string problem, std::string mend,
                   const std::vector<Path>& rests_on) {
    const auto doubtful = [this](const Path& path) { return in_doubt(path); };
    if (in_doubt(where) || std::any_of(rests_on.begin(), rests_on.end(), doubtful)) {
        return;
    }
    if (all_.size() == kMost) {
        overflowed_ = true;
        return;
    }
    all_.push_back({where, std::move(problem), std::move(mend)});
}

bool Findings::in_doubt(const Path& path) const {
    return std::any_of(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(sealed_),
                       [&](const Finding& finding) { return finding.where.related(path); });
}

}  // namespace dlb::conf
