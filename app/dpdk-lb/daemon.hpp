// run_daemon(): builds the parts in order, runs the control loop, takes them down in reverse.
// Thread safety: the main thread's.
#pragma once

#include "config/config.hpp"
#include "options.hpp"

namespace dlb {

// True where a running dpdk-lb has the console socket.
bool is_running(const Config& config);

// The exit status: 0 ended as asked, 1 failed, 2 the EAL options are wrong. Prints what failed on
// standard error.
int run_daemon(const Config& config, const Options& options);

}  // namespace dlb
