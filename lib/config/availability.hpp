// What the contract has and this version has not: the one place that turns it away by name. A later
// version deletes its entries here.
//
// Thread safety: pure functions.
#pragma once

#include "config/findings.hpp"
#include "config/toml_value.hpp"
#include "lb/service_config.hpp"

namespace dlb::conf {

// Keys that the configuration's structs do not hold.
void check_available(const Value& root, Findings& findings);

// What a service asks for, from the file or the console. `path` is the service's.
void check_available(const ServiceConfig& service, const Path& path, Findings& findings);

}  // namespace dlb::conf
