// preflight(): hugepages, how many and where.
#include <algorithm>
#include <set>

#include "control/preflight_checks.hpp"
#include "eal/hugepage_files.hpp"

namespace dlb {

namespace {

uint64_t meminfo(const MachineTree& machine, const std::string& key) {
    const std::string value = machine.field("proc/meminfo", key);
    return value.empty() ? 0 : std::stoull(value);
}

std::string setup_command(uint64_t megabytes, int node = -1) {
    return "run `scripts/setup-hugepages " + std::to_string(megabytes) +
           (node < 0 ? "" : " --node " + std::to_string(node)) + "` as root";
}

// Memory of another node than the worker's costs time with each packet.
void check_node(int node, const std::string& whose, uint64_t page_kb, uint64_t megabytes,
                const MachineTree& machine, MachineFindings& findings) {
    const std::string name = std::to_string(node);
    const auto free =
        machine.number("sys/devices/system/node/node" + name + "/hugepages/hugepages-" +
                       std::to_string(page_kb) + "kB/free_hugepages");
    if (free && *free == 0) {
        findings.warn("lb.hugepages: none is free on NUMA node " + name + ", that of " + whose,
                      setup_command(megabytes, node));
    }
}

}  // namespace

void check_hugepages(const Config& config, const MachineTree& machine, MachineFindings& findings) {
    const LbConfig& lb = config.lb;
    if (!lb.hugepages) {
        return;
    }
    const uint64_t page_kb = meminfo(machine, "Hugepagesize");
    if (page_kb == 0) {
        findings.fatal("lb.hugepages: this kernel has none (CONFIG_HUGETLBFS)",
                       "set hugepages = false");
        return;
    }
    const uint64_t needed = (uint64_t{lb.memory_mb} * 1024 + page_kb - 1) / page_kb;
    const uint64_t free = meminfo(machine, "HugePages_Free") + abandoned_hugepages(lb.name);
    if (free < needed) {
        findings.fatal("lb.hugepages: " + std::to_string(free) + " hugepages of " +
                           std::to_string(page_kb) + " kB are free, memory_mb = " +
                           std::to_string(lb.memory_mb) + " needs " + std::to_string(needed),
                       setup_command(lb.memory_mb) + ", or set hugepages = false");
        return;
    }
    std::set<int> nodes;
    for (const unsigned cpu : lb.cores) {
        const int node = machine.node_of_cpu(cpu);
        if (node >= 0 && nodes.insert(node).second) {
            check_node(node, "worker CPU " + std::to_string(cpu), page_kb, lb.memory_mb, machine,
                       findings);
        }
    }
}

}  // namespace dlb
