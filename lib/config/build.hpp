// Document → Config, defaults filled in.
//
// Values that are absent or that check_schema() refuses leave the default; elements of lists keep
// their places, so that the index of a backend is the same here and in the document.
// Thread safety: pure functions.
#pragma once

#include "config/config.hpp"
#include "config/toml_value.hpp"

namespace dlb::conf {

Config build_config(const Value& root);

// A password_file is not read here: see read_passwords().
size_t count_next_hops(const Value& root);  // as given; BgpConfig has one a family
BgpConfig build_bgp(const Value& table, const std::vector<PortConfig>& ports);

}  // namespace dlb::conf
