#include "console/units.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace dlb {

std::string human_bytes(uint64_t bytes) {
    static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        return fmt::format("{} B", bytes);
    }
    double value = static_cast<double>(bytes) / 1024;
    size_t unit = 0;
    // 1023.95 would print as "1024.0".
    while (value >= 1023.95 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_rate(double rate, const std::string& unit) {
    static constexpr std::array<const char*, 5> kScales = {"", "k", "M", "G", "T"};
    if (!std::isfinite(rate)) {
        return "-";
    }
    size_t scale = 0;
    while (rate >= 999.995 && scale + 1 < kScales.size()) {
        rate /= 1000;
        ++scale;
    }
    if (scale > 0) {
        return fmt::format("{:.2f} {}{}", rate, kScales[scale], unit);
    }
    const bool fraction = rate < 10 && std::abs(rate - std::round(rate)) > 0.05;
    return fmt::format("{:.{}f} {}", rate, fraction ? 1 : 0, unit);
}

std::string human_duration(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0) {
        return "-";
    }
    const auto whole = static_cast<uint64_t>(seconds);
    const uint64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
    if (days > 0) {
        return fmt::format("{}d {}h", days, hours);
    }
    if (hours > 0) {
        return fmt::format("{}h {}m", hours, minutes);
    }
    if (minutes > 0) {
        return whole % 60 == 0 ? fmt::format("{}m", minutes)
                               : fmt::format("{}m {}s", minutes, whole % 60);
    }
    return fmt::format("{}s", whole);
}

}  // namespace dlb
