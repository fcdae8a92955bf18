// `watch`: one `show` again and again.
// Thread safety: blocking; one thread.
#pragma once

#include <string>

#include "console/client.hpp"
#include "console/connection.hpp"

namespace dlb {

struct WatchJob {
    std::string command;  // "show ports"
    double seconds = 1;   // from one answer's start to the next
    bool json = false;
    ColorWhen color = ColorWhen::Auto;
    bool own_signals = true;  // SIGINT and SIGTERM end the watch, not the process
};

struct WatchEnd {
    int status = 0;      // that of the last answer; 0 where the user left
    std::string error;   // one line; "" for status 0
    bool lost = false;   // the connection is of no more use
    bool ended = false;  // by a signal that asks the process to end
};

// Until q, Ctrl-C, a signal, a command that does not parse, or the daemon's end.
WatchEnd watch(ConsoleConnection& connection, const WatchJob& job);

}  // namespace dlb
