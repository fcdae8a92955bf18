// The commands' handlers, by file. Private to lib/console.
// Thread safety: control thread only.
#pragma once

#include <optional>
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
CommandResult show_health(ControlApi& control, const Arguments& arguments);  // handlers_health.cpp
// handlers_service.cpp, later: these ask the workers.
void show_flows(ControlApi& control, const Arguments& arguments, const CommandDone& done);
void explain(ControlApi& control, const Arguments& arguments, const CommandDone& done);

// handlers_bgp.cpp
CommandResult show_bgp(ControlApi& control, const Arguments& arguments);
CommandResult show_bgp_neighbor(ControlApi& control, const Arguments& arguments);
CommandResult show_bgp_routes(ControlApi& control, const Arguments& arguments);
CommandResult show_bgp_neighbor_routes(ControlApi& control, const Arguments& arguments);
CommandResult reset_bgp_neighbor(ControlApi& control, const Arguments& arguments);
CommandResult refresh_bgp_neighbor(ControlApi& control, const Arguments& arguments);

CommandResult add_service(ControlApi& control, const Arguments& arguments);
CommandResult del_service(ControlApi& control, const Arguments& arguments);
CommandResult add_backend(ControlApi& control, const Arguments& arguments);
CommandResult del_backend(ControlApi& control, const Arguments& arguments);
CommandResult set_backend(ControlApi& control, const Arguments& arguments);
CommandResult undrain_backend(ControlApi& control, const Arguments& arguments);
CommandResult start_workers(ControlApi& control, const Arguments& arguments);
CommandResult stop_workers(ControlApi& control, const Arguments& arguments);
CommandResult clear_stats(ControlApi& control, const Arguments& arguments);
CommandResult quit(ControlApi& control, const Arguments& arguments);
void shutdown(ControlApi& control, const Arguments& arguments, const CommandDone& done);
void shutdown_handover(ControlApi& control, const Arguments& arguments, const CommandDone& done);

// handlers_operate.cpp: the file, and taking things out of service.
CommandResult show_changes(ControlApi& control, const Arguments& arguments);
CommandResult confirm(ControlApi& control, const Arguments& arguments);
CommandResult roll_back(ControlApi& control, const Arguments& arguments);
CommandResult announce(ControlApi& control, const Arguments& arguments);
CommandResult withdraw(ControlApi& control, const Arguments& arguments);
CommandResult drain(ControlApi& control, const Arguments& arguments);
CommandResult undrain(ControlApi& control, const Arguments& arguments);
void reload(ControlApi& control, const Arguments& arguments, const CommandDone& done);
void commit_confirmed(ControlApi& control, const Arguments& arguments, const CommandDone& done);
void drain_backend(ControlApi& control, const Arguments& arguments, const CommandDone& done);
void capture(ControlApi& control, const Arguments& arguments,
             const CommandDone& done);  // handlers_capture.cpp

CommandResult help(ControlApi& control, const Arguments& arguments);  // help.cpp

// The arguments of commands about one backend: its port where given, and "backend 10.0.0.1 port 80
// of web".
std::optional<uint16_t> given_port(const Arguments& arguments);
std::string backend_name(const Arguments& arguments);

// Results in one line.
CommandResult answer(Json data, std::string text);
CommandResult failure(std::string error);  // status 1
CommandResult misuse(std::string error);   // status 2
CommandResult outcome(const Status& status,
                      std::string text);  // {"ok": true} and the text, or failure

// An error for a service that is not there; nullopt for one that is. handlers_service.cpp
std::optional<CommandResult> unknown_service(const ControlApi& control, const std::string& name);

// The error for a name that is not among `names`.
CommandResult no_such(std::string_view kind, const std::string& name,
                      const std::vector<std::string>& names);

}  // namespace dlb::handlers
