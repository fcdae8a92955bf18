// The commands of this version. The order is that of `help`.
#include "console/client_commands.hpp"
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
        {"show health [SERVICE]", "each check, its last result and why", at_once(show_health),
         "A backend is unknown until its first check has ended, and in use. One that is damped\n"
         "answers but went down too often of late; panic: it is down, but kept, as too many of "
         "its\n"
         "service are. LAST is how long ago the last check ended, REASON what it saw."},
        {"show flows [count] [service NAME:service] [limit N:limit]",
         "the flow table, or how many flows are in it", show_flows,
         "Lists 100 flows unless a limit is given. With count the limit has no effect."},
        {"show drops", "every drop reason and its count", at_once(show_drops), {}},
        {"show neighbors", "the MAC addresses that the workers use", at_once(show_neighbors), {}},
        {"show routes", "the routes that the workers use", at_once(show_routes), {}},
        {"show bgp", "BGP sessions and their states", at_once(show_bgp), {}},
        {"show bgp neighbor ADDRESS:bgp-neighbor", "all of one session", at_once(show_bgp_neighbor),
         "Its state, timers, what both sides can, messages, the last error with its likely cause,\n"
         "and the BFD session that watches it."},
        {"show bgp neighbor ADDRESS:bgp-neighbor routes", "what a neighbor announced to us",
         at_once(show_bgp_neighbor_routes),
         "It is kept to be looked at, up to 10,000 routes, and never used."},
        {"show bgp routes", "what is announced, and to whom", at_once(show_bgp_routes), {}},
        {"show memory", "how full buffers and tables are", at_once(show_memory), {}},
        {"show log [N:limit]", "the last 20 or N log lines", at_once(show_log), {}},
        {"show changes", "what was changed by hand since the file was loaded",
         at_once(show_changes),
         "From the file to the running state. The next reload undoes it, but for routes by hand."},
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
        {"drain backend SERVICE ADDRESS:backend [port P:backend-port] [wait] [TIMEOUT:duration]",
         "send a backend no new flow, keep the old ones", drain_backend,
         "With wait it answers when no connection is left, or fails after TIMEOUT (60s unless\n"
         "given) and says how many are. The backend goes on draining in any case.",
         true},
        {"undrain backend SERVICE ADDRESS:backend [port P:backend-port]",
         "send a drained backend new flows again",
         once_settled(undrain_backend),
         {}},
    };
}

std::vector<Command> operate_commands() {
    using namespace handlers;
    return {
        {"reload [--dry-run]", "apply the configuration file, or show what would change", reload,
         "All or nothing: a file with an error changes nothing. What was changed by hand, drains "
         "of\n"
         "backends too, becomes what the file says; routes by hand stay.",
         true},
        {"commit confirmed TIMEOUT:duration", "reload, and take it back unless confirmed in time",
         commit_confirmed, "\"commit\" confirms, \"rollback\" takes it back at once.", true},
        {"commit", "keep what \"commit confirmed\" applied", once_settled(confirm), {}},
        {"rollback",
         "go back to the state before \"commit confirmed\"",
         once_settled(roll_back),
         {}},
        {"announce VIP:served-vip", "undo \"withdraw\"", at_once(announce), {}},
        {"withdraw VIP:served-vip",
         "announce this VIP no more; flows go on",
         at_once(withdraw),
         {}},
        {"drain", "announce no VIP: take this load balancer out; flows go on", at_once(drain), {}},
        {"undrain", "announce VIPs again", at_once(undrain), {}},
    };
}

std::vector<Command> other_commands() {
    using namespace handlers;
    return {
        {"explain tcp|udp SRC:SPORT:endpoint DST:DPORT:endpoint",
         "the decision for such a packet; nothing is sent", explain,
         "For example: explain tcp 198.51.100.7:40000 10.1.1.1:80\n"
         "             explain udp [2001:db8::7]:5353 [2001:db8:1::1]:53"},
        {"capture PORT:port FILE:new-file [count N:capture-count] [seconds S:capture-seconds] "
         "[filter EXPR:filter]",
         "a pcap of what the workers see", capture,
         "Ends after 1000 packets, 60 seconds, or the numbers given, or with Ctrl-C; the answer "
         "comes\n"
         "then. For example: capture uplink /tmp/lb.pcap count 100 filter \"tcp port 80\"",
         true},
        {"reset bgp neighbor ADDRESS:bgp-neighbor",
         "end a BGP session and begin anew",
         at_once(reset_bgp_neighbor),
         {}},
        {"refresh bgp neighbor ADDRESS:bgp-neighbor",
         "ask a BGP neighbor for its routes again",
         at_once(refresh_bgp_neighbor),
         {}},
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
        {"shutdown handover",
         "end it for a successor, an upgrade: BGP neighbours keep the routes",
         shutdown_handover,
         {}},
    };
}

}  // namespace

const CommandTable& CommandTable::instance() {
    static const CommandTable table([] {
        std::vector<Command> commands = show_commands();
        for (const auto& more :
             {edit_commands(), operate_commands(), other_commands(), client_commands()}) {
            commands.insert(commands.end(), more.begin(), more.end());
        }
        return commands;
    }());
    return table;
}

}  // namespace dlb
