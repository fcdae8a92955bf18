// The words that services are described with; shared by configuration, tables and packet path.
// Thread safety: plain values and pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dlb {

enum class Protocol : uint8_t { Tcp = 6, Udp = 17 };  // IANA protocol numbers

enum class Mode : uint8_t { Nat, Fnat, Dr, Ipip, Gre, Gue, Fou, Vxlan };
inline constexpr unsigned kModes = 8;

enum class SchedulerKind : uint8_t { Maglev, Rr, Wrr, Lc, Wlc, Sh, Random };
inline constexpr unsigned kSchedulers = 7;

// What becomes of a packet whose service has no backend to take it.
enum class Overflow : uint8_t { Drop, Reset };

// How a backend's health is checked.
enum class HealthType : uint8_t { None, Tcp, Http, Https, Udp, Icmp, Exec };
inline constexpr unsigned kHealthTypes = 7;

// The names of interface.md, in the order of the enums.
std::string_view to_string(Protocol protocol);
std::string_view to_string(Mode mode);
std::string_view to_string(SchedulerKind scheduler);
std::string_view to_string(Overflow overflow);
std::string_view to_string(HealthType type);
std::optional<Protocol> parse_protocol(std::string_view name);
std::optional<Mode> parse_mode(std::string_view name);
std::optional<SchedulerKind> parse_scheduler(std::string_view name);
std::optional<Overflow> parse_overflow(std::string_view name);
std::optional<HealthType> parse_health_type(std::string_view name);

constexpr bool is_tunnel(Mode mode) {
    return mode >= Mode::Ipip;
}

struct FlowTimeouts {
    std::chrono::milliseconds tcp_established = std::chrono::minutes(15);
    std::chrono::milliseconds tcp_handshake = std::chrono::seconds(30);
    std::chrono::milliseconds tcp_fin = std::chrono::seconds(30);
    std::chrono::milliseconds udp = std::chrono::seconds(30);
    friend bool operator==(const FlowTimeouts&, const FlowTimeouts&) = default;
};

}  // namespace dlb
