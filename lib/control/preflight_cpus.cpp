// preflight(): CPUs, and what shares them.
#include <algorithm>
#include <set>

#include "config/notation.hpp"
#include "control/preflight_checks.hpp"

namespace dlb {

namespace {

bool has(const std::vector<unsigned>& cpus, unsigned cpu) {
    return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end();
}

// Workers that share a core's two halves, or one with the control thread.
void advise_siblings(const LbConfig& lb, const MachineTree& machine, MachineFindings& findings) {
    std::vector<unsigned> ours = lb.cores;
    if (lb.idle == IdleMode::Busy && !has(ours, lb.control_core)) {
        ours.push_back(lb.control_core);
    }
    std::set<std::vector<unsigned>> told;
    for (const unsigned cpu : lb.cores) {
        std::vector<unsigned> together = machine.cpus(
            "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
        std::erase_if(together, [&](unsigned other) { return !has(ours, other); });
        if (together.size() > 1 && told.insert(together).second) {
            findings.note("lb.cores: CPUs " + conf::format_cores(together) +
                              " are hyperthreads of one core and share its time",
                          "choose one CPU a core; `lscpu -e` lists which are which");
        }
    }
}

void advise_isolation(const LbConfig& lb, const MachineTree& machine, MachineFindings& findings) {
    const std::vector<unsigned> isolated = machine.cpus("sys/devices/system/cpu/isolated");
    std::vector<unsigned> shared = lb.cores;
    std::erase_if(shared, [&](unsigned cpu) { return has(isolated, cpu); });
    if (!shared.empty()) {
        const std::string cores = conf::format_cores(lb.cores);
        findings.note("lb.cores: the kernel runs other programs on CPUs " +
                          conf::format_cores(shared) + " too, which delays packets",
                      "for the lowest latency add `isolcpus=" + cores + " nohz_full=" + cores +
                          " rcu_nocbs=" + cores + "` to the kernel's command line and reboot");
    }
    if (has(isolated, lb.control_core)) {
        findings.note(
            "lb.control_core: CPU " + std::to_string(lb.control_core) +
                " is isolated, which only a worker has use for",
            "give control_core a CPU that /sys/devices/system/cpu/isolated does not name");
    }
}

}  // namespace

void check_cpus(const LbConfig& lb, const MachineTree& machine, MachineFindings& findings) {
    const std::vector<unsigned> allowed = machine.cpus_allowed();
    const auto check = [&](unsigned cpu, const std::string& key) {
        if (!has(allowed, cpu)) {
            findings.fatal("lb." + key + ": this process has no CPU " + std::to_string(cpu),
                           "choose from " + conf::format_cores(allowed));
        }
    };
    for (const unsigned cpu : lb.cores) {
        check(cpu, "cores");
        if (cpu == lb.control_core && lb.idle == IdleMode::Busy) {
            findings.warn("lb.cores: CPU " + std::to_string(cpu) +
                              " is a busy worker's and the control thread's as well",
                          "give control_core a CPU of its own, or set idle = \"adaptive\"");
        }
    }
    check(lb.control_core, "control_core");
}

void advise_cpus(const LbConfig& lb, const MachineTree& machine, MachineFindings& findings) {
    if (has(lb.cores, lb.control_core) && lb.idle == IdleMode::Adaptive) {
        findings.note("lb.control_core: CPU " + std::to_string(lb.control_core) +
                          " is a worker's too, so that the console takes time from packets",
                      "give control_core a CPU of its own where there are enough");
    }
    advise_siblings(lb, machine, findings);
    advise_isolation(lb, machine, findings);
}

}  // namespace dlb
