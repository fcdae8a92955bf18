// The small notations inside lb.toml's strings: names, devices, durations, CPU lists.
//
// Errors: a parser returns nullopt for what it does not take whole.
// Thread safety: pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlb::conf {

inline constexpr size_t kLbNameLength = 32;
inline constexpr size_t kPortNameLength = 32;
inline constexpr size_t kServiceNameLength = 64;
inline constexpr size_t kInterfaceNameLength = 15;  // IFNAMSIZ - 1
inline constexpr size_t kSocketPathLength = 107;    // sun_path - 1
inline constexpr unsigned kLastCpu = 1023;          // CPU_SETSIZE - 1

// [A-Za-z0-9_.-], 1 to `longest` of them.
bool is_name(std::string_view text, size_t longest);

// What Linux takes as an interface's name.
bool is_interface_name(std::string_view text);

// A PCI address or "net_…", devargs after a comma.
bool is_device(std::string_view text);

// What two ports cannot share: the device without its arguments, PCI addresses in full.
std::string device_key(std::string_view device);

// The value of "iface=" in a vdev's arguments; empty: none.
std::string_view device_interface(std::string_view device);

// "500ms", "5s", "2m", "1h"
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::milliseconds duration);

// "1-3", "1,3,5", "0-1,4": sorted, each once.
std::optional<std::vector<unsigned>> parse_cores(std::string_view text);
std::string format_cores(const std::vector<unsigned>& cores);  // REQUIRES: sorted, each once

}  // namespace dlb::conf
