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

// Services against each other.
void check_claims(const std::vector<ServiceConfig>& services, Findings& findings);

Path service_path(const std::vector<ServiceConfig>& services, size_t index);

// Why no host can have an address of `prefix` as its own: "a multicast address"; nullopt: it can.
std::optional<std::string_view> unusable(const Prefix& prefix);
std::optional<std::string_view> unusable(const IpAddress& address);

std::string_view family_name(Family family);  // "IPv4"

}  // namespace dlb::conf
