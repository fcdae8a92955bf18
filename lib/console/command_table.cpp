// The commands of this version. The order is that of `help`.
#include "console/command.hpp"
#include "console/handlers.hpp"

namespace dlb {

namespace {

// A handler that answers at once.
CommandHandler at_once(handlers::ImmediateHandler handler) {
    return [handler](ControlApi& control, const Arguments& arguments, const CommandDone& done) {
        done(handler(control, arguments));
    };
}

// A handler of an edit: answers once the workers go by it, so that what a script does next meets
// the change.
CommandHandler once_settled(handlers::ImmediateHandler handler) {
    return [handler](ControlApi& control, const Arguments& arguments, const CommandDone& done) {
        CommandResult result = handler(control, arguments);
        if (result.status != 0) {
            done(std::move(result));
            return;
        }
        control.settled([done, result = std::move(result)] { done(result); });
    };
}

std::vector<Command> show_commands() {
    using namespace handlers;
    return {
        {"show version", "the versions of dpdk-lb and DPDK", at_once(show_version), {}},
        {"show uptime", "how long this dpdk-lb has been running", at_once(show_uptime), {}},
        {"show config",
         "the effective configuration as TOML, defaults filled in",
         at_once(show_config),
         {}},
        {"show ports", "link, driver, queues and addresses of each port", at_once(show_ports), {}},
        {"show port NAME:port stats",
         "packets, bytes, losses and rates of a port",
         at_once(show_port_stats),
         {}},
        {"show port stats [all]", "the same for every port", at_once(show_port_stats), {}},
        {"show port NAME:port xstats",
         "the counters that only this port's driver has",
         at_once(show_port_xstats),
         {}},
        {"show workers", "core, queues, cycles per packet and load of each worker",
         at_once(show_workers),
         "BUSY is the share of the last second with packets at hand. LAG is how many published\n"
         "snapshots the worker has not passed yet; more than 1 for long means that it is stuck."},
        {"show services",
         "VIPs, mode, scheduler, backends, rates, announced or not",
         at_once(show_services),
         {}},
        {"show service NAME:service",
         "all of one service, with its backends",
         at_once(show_service),
         {}},
        {"show backends [SERVICE]", "weight, state, health, connections and traffic of backends",
         at_once(show_backends),
         "Port 0 is the client's own destination port. The state is active, draining or down;\n"
         "a draining backend keeps its flows and takes no new one."},
        {"show flows [count] [service NAME:service] [limit N:limit]",
         "the flow table, or how many flows are in it", show_flows,
         "Lists 100 flows unless a limit is given. With count the limit has no effect."},
        {"show drops", "every drop reason and its count", at_once(show_drops), {}},
        {"show neighbors", "the MAC addresses that the workers use", at_once(show_neighbors), {}},
        {"show routes", "the routes that the workers use", at_once(show_routes), {}},
        {"show memory", "how full buffers and tables are", at_once(show_memory), {}},
        {"show log [N:limit]", "the last 20 or N log lines", at_once(show_log), {}},
    };
}

std::vector<Command> edit_commands() {
    using namespace handlers;
    return {
        {"add service NAME (vip VIP)... [protocol tcp|udp] [port P:ports]... [mode MODE] "
         "[scheduler SCHEDULER] [vni VNI] [tunnel_port TP:udp-port]",
         "add a service", once_settled(add_service),
         "Defaults: protocol tcp, every port, mode nat, scheduler maglev. Several VIPs or ports "
         "are\n"
         "repeated or separated by commas: vip 10.1.1.1 vip 2001:db8:1::1 port 80,443. Edits last\n"
         "until the next reload: what is to stay belongs into lb.toml."},
        {"del service NAME:service",
         "remove a service and its backends",
         once_settled(del_service),
         {}},
        {"add backend SERVICE ADDRESS [port P:backend-port] [weight W:weight] [mac MAC]",
         "add a backend to a service", once_settled(add_backend),
         "Without a port, or with port 0, the backend is sent the client's own destination port.\n"
         "The weight is 1 unless given. Mode vxlan needs the MAC of the backend's VXLAN "
         "interface."},
        {"del backend SERVICE ADDRESS:backend [port P:backend-port]", "remove a backend",
         once_settled(del_backend),
         "The port is needed only where the address has several backends."},
        {"set backend SERVICE ADDRESS:backend [port P:backend-port] (weight W:weight)",
         "change a backend's weight", once_settled(set_backend),
         "The port is needed only where the address has several backends. Weight 0 takes no new\n"
         "flow and keeps the old ones."},
        {"drain backend SERVICE ADDRESS:backend [port P:backend-port]",
         "send a backend no new flow, keep the old ones",
         once_settled(drain_backend),
         {}},
        {"undrain backend SERVICE ADDRESS:backend [port P:backend-port]",
         "send a drained backend new flows again",
         once_settled(undrain_backend),
         {}},
        {"reload [--dry-run]",
         "apply the configuration file, or show what would change",
         once_settled(reload),
         {}},
    };
}

std::vector<Command> other_commands() {
    using namespace handlers;
    return {
        {"explain tcp|udp SRC:SPORT:endpoint DST:DPORT:endpoint",
         "the decision for such a packet; nothing is sent", explain,
         "For example: explain tcp 198.51.100.7:40000 10.1.1.1:80\n"
         "             explain udp [2001:db8::7]:5353 [2001:db8:1::1]:53"},
        {"start", "let the workers forward again", at_once(start_workers), {}},
        {"stop", "stop the workers; the daemon stays", at_once(stop_workers), {}},
        {"clear stats", "set the counters to zero", at_once(clear_stats), {}},
        {"clear port stats [all]", "the same, as testpmd calls it", at_once(clear_stats), {}},
        {"help [COMMAND:word]...",
         "all commands, or those that start with these words",
         at_once(help),
         {}},
        {"quit", "leave the console", at_once(quit), {}},
        {"exit", "leave the console", at_once(quit), {}},
        {"shutdown", "drain, then end the daemon", shutdown, {}},
    };
}

}  // namespace

const CommandTable& CommandTable::instance() {
    static const CommandTable table([] {
        std::vector<Command> commands = show_commands();
        for (const auto& more : {edit_commands(), other_commands()}) {
            commands.insert(commands.end(), more.begin(), more.end());
        }
        return commands;
    }());
    return table;
}

}  // namespace dlb
