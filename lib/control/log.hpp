// The daemon's log: one line an event on standard error, and the latest lines kept for `show log`.
// Thread safety: any thread but workers.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace dlb {

void start_log(LogLevel level);
void set_log_level(LogLevel level);

// The last `lines` lines, oldest first.
std::vector<std::string> recent_log(unsigned lines);

}  // namespace dlb
