// Checks of values against each other: what no single key can be wrong about.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/findings.hpp"

namespace dlb::conf {

void check_ports(const std::vector<PortConfig>& ports, Findings& findings);

// A virtual device: its driver, and the interface that it cannot do without.
void check_device(const PortConfig& port, const Path& path, Findings& findings);

// Each service on its own and against the ports.
void check_services(const std::vector<ServiceConfig>& services,
                    const std::vector<PortConfig>& ports, Findings& findings);

// What a service asks for that rests on flows, against `sticky`. `path` is the service's.
void check_state(const ServiceConfig& service, const Path& path, Findings& findings);

// How its backends are checked.
void check_health(const ServiceConfig& service, const std::vector<PortConfig>& ports,
                  const Path& path, Findings& findings);

// Services against each other.
void check_claims(const std::vector<ServiceConfig>& services, Findings& findings);

// `next_hops`: how many the file gives.
void check_bgp(const BgpConfig& bgp, size_t next_hops, const std::vector<PortConfig>& ports,
               Findings& findings);
// Fills in what password_file names, from the folder of the configuration where it is relative.
void read_passwords(BgpConfig& bgp, const std::string& config_file, Findings& findings);

Path service_path(const std::vector<ServiceConfig>& services, size_t index);

// Why no host can have an address of `prefix` as its own: "a multicast address"; nullopt: it can.
std::optional<std::string_view> unusable(const Prefix& prefix);
std::optional<std::string_view> unusable(const IpAddress& address);

std::string_view family_name(Family family);  // "IPv4"

}  // namespace dlb::conf
