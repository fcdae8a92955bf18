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

}  // namespace dlb::conf
