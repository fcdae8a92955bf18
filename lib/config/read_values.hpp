// Values of the document as C++ values. Absent or unfit ones leave what was there.
//
// Thread safety: pure functions.
#pragma once

#include <chrono>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/notation.hpp"
#include "config/toml_value.hpp"
#include "lb/types.hpp"

namespace dlb::conf {

inline const std::string* as_text(const Value& value) {
    return value.is_string() ? &value.as_string(std::nothrow).str : nullptr;
}

inline void read(const Value& value, bool& out) {
    if (value.is_boolean()) {
        out = value.as_boolean(std::nothrow);
    }
}

inline void read(const Value& value, std::string& out) {
    if (const std::string* text = as_text(value)) {
        out = *text;
    }
}

template <std::unsigned_integral T>
void read(const Value& value, T& out) {
    if (value.is_integer() && value.as_integer(std::nothrow) >= 0 &&
        static_cast<uint64_t>(value.as_integer(std::nothrow)) <= std::numeric_limits<T>::max()) {
        out = static_cast<T>(value.as_integer(std::nothrow));
    }
}

// For what is written as a string.
template <typename T, typename Parse>
void read_by(const Value& value, T& out, Parse parse) {
    if (const std::string* text = as_text(value)) {
        if (const auto parsed = parse(*text)) {
            out = *parsed;
        }
    }
}

inline void read(const Value& value, double& out) {
    if (value.is_floating()) {
        out = value.as_floating(std::nothrow);
    } else if (value.is_integer()) {
        out = static_cast<double>(value.as_integer(std::nothrow));
    }
}

template <typename T>
requires requires {
    T::parse(std::string_view());
}
void read(const Value& value, T& out) {
    read_by(value, out, [](const std::string& text) { return T::parse(text); });
}
inline void read(const Value& value, std::chrono::milliseconds& out) {
    read_by(value, out, parse_duration);
}
inline std::optional<IdleMode> parse_idle_mode(std::string_view name) {
    return name == "busy"       ? std::optional(IdleMode::Busy)
           : name == "adaptive" ? std::optional(IdleMode::Adaptive)
                                : std::nullopt;
}

inline void read(const Value& value, IdleMode& out) {
    read_by(value, out, parse_idle_mode);
}
inline void read(const Value& value, LogLevel& out) {
    read_by(value, out, parse_log_level);
}
inline void read(const Value& value, LogFormat& out) {
    read_by(value, out, parse_log_format);
}
inline void read(const Value& value, HealthType& out) {
    read_by(value, out, parse_health_type);
}
inline void read(const Value& value, Protocol& out) {
    read_by(value, out, parse_protocol);
}
inline void read(const Value& value, Mode& out) {
    read_by(value, out, parse_mode);
}
inline void read(const Value& value, SchedulerKind& out) {
    read_by(value, out, parse_scheduler);
}
inline void read(const Value& value, Overflow& out) {
    read_by(value, out, parse_overflow);
}

// One or many.
template <typename T>
void read(const Value& value, std::vector<T>& out) {
    out.clear();
    if (!value.is_array()) {
        read(value, out.emplace_back());
        return;
    }
    for (const Value& element : value.as_array(std::nothrow)) {
        read(element, out.emplace_back());
    }
}

template <typename T>
void take(const Value& table, const char* key, T& out) {
    if (const Value* value = child(table, key)) {
        read(*value, out);
    }
}

template <typename T, typename Build>
void take_tables(const Value& table, const char* key, std::vector<T>& out, Build build) {
    const Value* list = child(table, key);
    if (list == nullptr || !list->is_array()) {
        return;
    }
    for (const Value& element : list->as_array(std::nothrow)) {
        out.push_back(build(element));
    }
}

}  // namespace dlb::conf
