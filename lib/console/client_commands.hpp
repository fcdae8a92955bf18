// The commands that dpdk-lbctl runs itself: in the same table, so that help, completion and the
// manual know them. Private to lib/console.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "console/command.hpp"

namespace dlb {

// Their lines of the command table. A daemon that is asked for one answers with an error.
std::vector<Command> client_commands();

struct OwnCommand {
    ClientCommand what = ClientCommand::None;
    double seconds = 1;   // Watch, Top
    std::string command;  // Watch
    bool on = true;       // Paging
};

// What `line` asks of the client itself; nullopt: it is the daemon's, errors included.
std::optional<OwnCommand> parse_own_command(std::string_view line);

}  // namespace dlb
