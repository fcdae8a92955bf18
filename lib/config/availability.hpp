// What the contract has and this version has not: the one place that turns it away by name. A later
// version deletes its entries here.
//
// Thread safety: pure functions.
#pragma once

#include <string_view>

#include "config/findings.hpp"
#include "config/toml_value.hpp"

namespace dlb::conf {

// Keys that the configuration's structs do not hold.
void check_available(const Value& root, Findings& findings);

// Whether this version does what the table at `path` ("service.discovery") asks for.
bool is_available(std::string_view path);

}  // namespace dlb::conf
