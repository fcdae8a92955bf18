#include <fmt/format.h>

#include "config/validate.hpp"

namespace dlb::conf {

namespace {

bool counts_connections(SchedulerKind scheduler) {
    return scheduler == SchedulerKind::Lc || scheduler == SchedulerKind::Wlc;
}

bool is_hash(SchedulerKind scheduler) {
    return scheduler == SchedulerKind::Maglev || scheduler == SchedulerKind::Sh;
}

// Why the scheduler cannot do without flows; "": it can.
std::string needs_flows(const ServiceConfig& service) {
    if (counts_connections(service.scheduler)) {
        return fmt::format("scheduler {} counts connections", to_string(service.scheduler));
    }
    if (!is_hash(service.scheduler) && service.protocol == Protocol::Tcp) {
        return fmt::format("scheduler {} would tear TCP connections apart",
                           to_string(service.scheduler));
    }
    return "";
}

}  // namespace

void check_state(const ServiceConfig& service, const Path& path, Findings& findings) {
    // fnat keeps flows whatever `sticky` says.
    if (service.sticky || service.mode == Mode::Fnat) {
        return;
    }
    const auto refuse = [&](const Path& where, const std::string& problem) {
        findings.add(where, problem + " and sticky = false keeps no flows",
                     "set sticky = true, or remove it", {path.key("sticky")});
    };
    if (const std::string why = needs_flows(service); !why.empty()) {
        findings.add(path.key("scheduler"), why + " and sticky = false keeps no flows",
                     "set sticky = true, or use scheduler maglev or sh", {path.key("sticky")});
    }
    if (service.persistence.count() != 0) {
        refuse(path.key("persistence"), "persistence needs flows");
    }
    if (service.max_new_flows != 0) {
        refuse(path.key("max_new_flows"), "max_new_flows counts flows");
    }
    for (size_t i = 0; i < service.backends.size(); ++i) {
        if (service.backends[i].max_connections != 0) {
            refuse(path.item("backend", i).key("max_connections"),
                   "max_connections counts connections");
        }
    }
}

}  // namespace dlb::conf
