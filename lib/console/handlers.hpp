// The commands' handlers, by file. Private to lib/console.
// Thread safety: control thread only.
#pragma once

#include <string>
#include <vector>

#include "console/command.hpp"

namespace dlb::handlers {

// handlers_show.cpp, handlers_service.cpp, handlers_edit.cpp: those that answer at once.
using ImmediateHandler = CommandResult (*)(ControlApi& control, const Arguments& arguments);
CommandResult show_version(ControlApi& control, const Arguments& arguments);
CommandResult show_uptime(ControlApi& control, const Arguments& arguments);
CommandResult show_config(ControlApi& control, const Arguments& arguments);
CommandResult show_ports(ControlApi& control, const Arguments& arguments);
CommandResult show_port_stats(ControlApi& control, const Arguments& arguments);
CommandResult show_port_xstats(ControlApi& control, const Arguments& arguments);
CommandResult show_workers(ControlApi& control, const Arguments& arguments);
CommandResult show_drops(ControlApi& control, const Arguments& arguments);
CommandResult show_neighbors(ControlApi& control, const Arguments& arguments);
CommandResult show_routes(ControlApi& control, const Arguments& arguments);
CommandResult show_memory(ControlApi& control, const Arguments& arguments);
CommandResult show_log(ControlApi& control, const Arguments& arguments);

CommandResult show_services(ControlApi& control, const Arguments& arguments);
CommandResult show_service(ControlApi& control, const Arguments& arguments);
CommandResult show_backends(ControlApi& control, const Arguments& arguments);
// handlers_service.cpp, later: these ask the workers.
void show_flows(ControlApi& control, const Arguments& arguments, const CommandDone& done);
void explain(ControlApi& control, const Arguments& arguments, const CommandDone& done);

CommandResult add_service(ControlApi& control, const Arguments& arguments);
CommandResult del_service(ControlApi& control, const Arguments& arguments);
CommandResult add_backend(ControlApi& control, const Arguments& arguments);
CommandResult del_backend(ControlApi& control, const Arguments& arguments);
CommandResult set_backend(ControlApi& control, const Arguments& arguments);
CommandResult drain_backend(ControlApi& control, const Arguments& arguments);
CommandResult undrain_backend(ControlApi& control, const Arguments& arguments);
CommandResult reload(ControlApi& control, const Arguments& arguments);
CommandResult start_workers(ControlApi& control, const Arguments& arguments);
CommandResult stop_workers(ControlApi& control, const Arguments& arguments);
CommandResult clear_stats(ControlApi& control, const Arguments& arguments);
CommandResult quit(ControlApi& control, const Arguments& arguments);
void shutdown(ControlApi& control, const Arguments& arguments, const CommandDone& done);

CommandResult help(ControlApi& control, const Arguments& arguments);  // help.cpp

// Results in one line.
CommandResult answer(Json data, std::string text);
CommandResult failure(std::string error);  // status 1
CommandResult misuse(std::string error);   // status 2
CommandResult outcome(const Status& status,
                      std::string text);  // {"ok": true} and the text, or failure

// The error for a name that is not among `names`.
CommandResult no_such(std::string_view kind, const std::string& name,
                      const std::vector<std::string>& names);

}  // namespace dlb::handlers
