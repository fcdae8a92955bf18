#include <array>

#include "config/config.hpp"

namespace dlb {

namespace {
constexpr std::array<std::string_view, 4> kLogLevelNames = {"error", "warn", "info", "debug"};
}

std::string_view to_string(IdleMode mode) {
    return mode == IdleMode::Busy ? "busy" : "adaptive";
}

std::string_view to_string(LogFormat format) {
    return format == LogFormat::Json ? "json" : "text";
}

std::optional<LogFormat> parse_log_format(std::string_view name) {
    return name == "text"   ? std::optional(LogFormat::Text)
           : name == "json" ? std::optional(LogFormat::Json)
                            : std::nullopt;
}

std::string_view to_string(LogLevel level) {
    return kLogLevelNames[static_cast<size_t>(level)];
}

std::optional<LogLevel> parse_log_level(std::string_view name) {
    for (size_t i = 0; i < kLogLevelNames.size(); ++i) {
        if (kLogLevelNames[i] == name) {
            return static_cast<LogLevel>(i);
        }
    }
    return std::nullopt;
}

}  // namespace dlb
