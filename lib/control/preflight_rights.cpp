// preflight(): capabilities, and the user to become.
#include <unistd.h>

#include "control/capabilities.hpp"
#include "control/preflight_checks.hpp"
#include "control/privileges.hpp"

namespace dlb {

namespace {

CapabilitySet effective(const MachineTree& machine) {
    const std::string mask = machine.field("proc/self/status", "CapEff");
    return mask.empty() ? own_capabilities() : std::stoull(mask, nullptr, 16);
}

std::string program() {
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    return length > 0 ? std::string(path, static_cast<size_t>(length)) : "/usr/sbin/dpdk-lb";
}

}  // namespace

void check_rights(const Config& config, const MachineTree& machine, MachineFindings& findings) {
    CapabilitySet needed = capabilities_to_start(config);
    const CapabilitySet to_change = capabilities({CAP_SETUID, CAP_SETGID});
    const CapabilitySet has = effective(machine);
    if (const Result<std::optional<Account>> account = find_account(config.lb.user); !account) {
        const std::string& message = account.error();
        const size_t split = message.find("; ");
        findings.fatal(message.substr(0, split), message.substr(split + 2));
        needed &= ~to_change;
    } else if (account.value() && account.value()->uid == geteuid()) {
        needed &= ~to_change;  // is it already
    }
    CapabilitySet missing = needed & ~has;
    if ((missing & to_change) != 0) {
        findings.fatal("lb.user: no permission to become '" + config.lb.user + "' (" +
                           capability_names(missing & to_change) + ")",
                       "start dpdk-lb as root, or as '" + config.lb.user + "', or set user = \"\"");
        missing &= ~to_change;
    }
    if (missing != 0) {
        findings.fatal(
            "no permission to set up network interfaces and to take packets from them "
            "(" +
                capability_names(missing) + ")",
            "run dpdk-lb as root, or run `setcap " + setcap_names(needed) + "+ep " + program() +
                "` as root");
    }
}

}  // namespace dlb
