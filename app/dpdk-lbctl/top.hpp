// `dpdk-lbctl top`: services, backends and workers with their rates, live, on the whole terminal.
//
// Thread safety: blocking; one thread, one at a time in a process (curses has one screen).
#pragma once

#include <string>

#include "console/terminal.hpp"

namespace dlb::ctl {

// Until the user leaves. Asks every `seconds` for what is shown, and no more. Returns the exit
// status: 1 with a line on standard error without a terminal or a daemon; a daemon that goes away
// later is tried again.
int run_top(const std::string& socket, double seconds, ColorWhen color);

}  // namespace dlb::ctl
