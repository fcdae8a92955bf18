// The manual pages as text for man(1): dpdk-lb(8), dpdk-lbctl(1), lb.toml(5).
// Thread safety: a pure function.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace dlb::manual {

// File names and texts. `date`: of the pages, "2026-01-31".
std::vector<std::pair<std::string, std::string>> pages(const std::string& date);

}  // namespace dlb::manual
