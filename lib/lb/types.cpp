#include "lb/types.hpp"

#include <array>

namespace dlb {

namespace {

constexpr std::array<std::string_view, kModes> kModeNames = {"nat", "fnat", "dr",  "ipip",
                                                             "gre", "gue",  "fou", "vxlan"};
constexpr std::array<std::string_view, kSchedulers> kSchedulerNames = {
    "maglev", "rr", "wrr", "lc", "wlc", "sh", "random"};
constexpr std::array<std::string_view, 2> kOverflowNames = {"drop", "reset"};
constexpr std::array<std::string_view, kHealthTypes> kHealthTypeNames = {
    "none", "tcp", "http", "https", "udp", "icmp", "exec"};

template <typename Enum, size_t N>
std::optional<Enum> find_name(const std::array<std::string_view, N>& names, std::string_view name) {
    for (size_t i = 0; i < N; ++i) {
        if (names[i] == name) {
            return static_cast<Enum>(i);
        }
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Protocol protocol) {
    return protocol == Protocol::Tcp ? "tcp" : "udp";
}

std::string_view to_string(Mode mode) {
    return kModeNames[static_cast<size_t>(mode)];
}

std::string_view to_string(SchedulerKind scheduler) {
    return kSchedulerNames[static_cast<size_t>(scheduler)];
}

std::string_view to_string(Overflow overflow) {
    return kOverflowNames[static_cast<size_t>(overflow)];
}

std::string_view to_string(HealthType type) {
    return kHealthTypeNames[static_cast<size_t>(type)];
}

std::optional<Protocol> parse_protocol(std::string_view name) {
    if (name == "tcp") {
        return Protocol::Tcp;
    }
    if (name == "udp") {
        return Protocol::Udp;
    }
    return std::nullopt;
}

std::optional<Mode> parse_mode(std::string_view name) {
    return find_name<Mode>(kModeNames, name);
}

std::optional<SchedulerKind> parse_scheduler(std::string_view name) {
    return find_name<SchedulerKind>(kSchedulerNames, name);
}

std::optional<Overflow> parse_overflow(std::string_view name) {
    return find_name<Overflow>(kOverflowNames, name);
}

std::optional<HealthType> parse_health_type(std::string_view name) {
    return find_name<HealthType>(kHealthTypeNames, name);
}

}  // namespace dlb
