// Commands that change something: services, backends, the workers, the daemon.
#include <fmt/format.h>

#include "console/handlers.hpp"
#include "lb/outer_header.hpp"

namespace dlb::handlers {

std::optional<uint16_t> given_port(const Arguments& arguments) {
    return arguments.has("P") ? std::optional(static_cast<uint16_t>(arguments.number("P")))
                              : std::nullopt;
}

std::string backend_name(const Arguments& arguments) {
    return fmt::format("backend {}{} of {}", arguments.get("ADDRESS"),
                       arguments.has("P") ? " port " + arguments.get("P") : "",
                       arguments.get("SERVICE"));
}

CommandResult add_service(ControlApi& control, const Arguments& arguments) {
    ServiceConfig service;
    service.name = arguments.get("NAME");
    for (const std::string& list : arguments.all("VIP")) {
        const auto vips = parse_vips(list);
        service.vip.insert(service.vip.end(), vips.value().begin(), vips.value().end());
    }
    for (const std::string& list : arguments.all("P")) {
        const auto ports = parse_ports(list);
        service.ports.insert(service.ports.end(), ports.value().begin(), ports.value().end());
    }
    if (arguments.has("protocol")) {
        service.protocol = parse_protocol(arguments.get("tcp|udp")).value();
    }
    if (arguments.has("mode")) {
        service.mode = parse_mode(arguments.get("MODE")).value();
    }
    if (arguments.has("scheduler")) {
        service.scheduler = parse_scheduler(arguments.get("SCHEDULER")).value();
    }
    if (arguments.has("VNI")) {
        service.vni = arguments.number("VNI");
    }
    service.tunnel_port = arguments.has("TP") ? static_cast<uint16_t>(arguments.number("TP"))
                                              : default_tunnel_port(service.mode);
    return outcome(control.add_service(service), fmt::format("service {} added\n", service.name));
}

CommandResult del_service(ControlApi& control, const Arguments& arguments) {
    const std::string name = arguments.get("NAME");
    return outcome(control.del_service(name), fmt::format("service {} removed\n", name));
}

CommandResult add_backend(ControlApi& control, const Arguments& arguments) {
    BackendConfig backend;
    backend.address = arguments.address("ADDRESS");
    backend.port = given_port(arguments).value_or(0);
    if (arguments.has("W")) {
        backend.weight = arguments.number("W");
    }
    if (arguments.has("MAC")) {
        backend.mac = MacAddress::parse(arguments.get("MAC")).value();
    }
    return outcome(control.add_backend(arguments.get("SERVICE"), backend),
                   backend_name(arguments) + " added\n");
}

CommandResult del_backend(ControlApi& control, const Arguments& arguments) {
    return outcome(control.del_backend(arguments.get("SERVICE"), arguments.address("ADDRESS"),
                                       given_port(arguments)),
                   backend_name(arguments) + " removed\n");
}

CommandResult set_backend(ControlApi& control, const Arguments& arguments) {
    return outcome(
        control.set_weight(arguments.get("SERVICE"), arguments.address("ADDRESS"),
                           given_port(arguments), arguments.number("W")),
        fmt::format("{} has weight {}\n", backend_name(arguments), arguments.number("W")));
}

CommandResult undrain_backend(ControlApi& control, const Arguments& arguments) {
    return outcome(control.set_draining(arguments.get("SERVICE"), arguments.address("ADDRESS"),
                                        given_port(arguments), false),
                   backend_name(arguments) + " takes new flows again\n");
}

CommandResult start_workers(ControlApi& control, const Arguments&) {
    control.start();
    return answer({{"ok", true}}, "the workers forward\n");
}

CommandResult stop_workers(ControlApi& control, const Arguments&) {
    control.stop();
    return answer({{"ok", true}}, "the workers are stopped: \"start\" lets them forward again\n");
}

CommandResult clear_stats(ControlApi& control, const Arguments&) {
    control.clear_stats();
    return answer({{"ok", true}}, "the counters are zero\n");
}

CommandResult quit(ControlApi&, const Arguments&) {
    CommandResult result = answer({{"ok", true}}, "");
    result.quit = true;
    return result;
}

void shutdown(ControlApi& control, const Arguments&, const CommandDone& done) {
    CommandResult result = answer({{"ok", true}}, "dpdk-lb drains and ends\n");
    result.quit = true;
    // Answered first: with no drain time the socket is gone right after.
    done(std::move(result));
    control.shutdown();
}

void shutdown_handover(ControlApi& control, const Arguments&, const CommandDone& done) {
    if (Status leaving = control.hand_over(); !leaving.ok()) {
        return done(failure(leaving.error()));
    }
    CommandResult result =
        answer({{"ok", true}},
               "dpdk-lb ends for a successor, and the BGP neighbours keep the routes: "
               "start it now\n");
    result.quit = true;
    done(std::move(result));
}

}  // namespace dlb::handlers
