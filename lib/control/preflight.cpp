#include "control/preflight.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/ports.hpp"
#include "control/preflight_checks.hpp"
#include "datapath/flow_store.hpp"
#include "datapath/packet.hpp"
#include "eal/device_string.hpp"
#include "eal/memory.hpp"
#include "kernel/link.hpp"

namespace dlb {

namespace {

bool has_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) {
        return geteuid() == 0;
    }
    return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

void check_cores(const LbConfig& lb, MachineFindings& findings) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    std::string ours;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) {
            ours += (ours.empty() ? "" : ",") + std::to_string(cpu);
        }
    }
    const auto check = [&](unsigned cpu, const std::string& key) {
        if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) {
            findings.fatal("lb." + key + ": this process has no CPU " + std::to_string(cpu),
                           "choose from " + ours);
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

uint64_t read_meminfo(const std::string& key) {
    std::ifstream file("/proc/meminfo");
    std::string word;
    uint64_t value = 0;
    while (file >> word) {
        if (word == key + ":" && file >> value) {
            return value;
        }
    }
    return 0;
}

void check_memory(const LbConfig& lb, MachineFindings& findings) {
    if (!lb.hugepages) {
        return;
    }
    const uint64_t page_kb = std::max<uint64_t>(read_meminfo("Hugepagesize"), 1);
    const uint64_t needed = (uint64_t{lb.memory_mb} * 1024 + page_kb - 1) / page_kb;
    const uint64_t free = read_meminfo("HugePages_Free");
    if (free < needed) {
        const uint64_t total = read_meminfo("HugePages_Total") + needed - free;
        findings.fatal("lb.hugepages: " + std::to_string(free) + " hugepages of " +
                           std::to_string(page_kb) + " kB are free, memory_mb = " +
                           std::to_string(lb.memory_mb) + " needs " + std::to_string(needed),
                       "run `echo " + std::to_string(total) +
                           " > /proc/sys/vm/nr_hugepages` as root, or set hugepages = false");
    }
}

// What certainly does not fit; the rest is DPDK's to say.
void check_pools(const Config& config, MachineFindings& findings) {
    const LbConfig& lb = config.lb;
    uint64_t needed =
        PacketPool::memory_needed(lb.mbufs, largest_frame_room(config.ports), kPacketPrivateSize);
    if (lb.hugepages) {
        needed += lb.cores.size() * FlowStore::memory_needed(lb.flow_table_size);
    }
    constexpr uint64_t kMegabyte = 1 << 20;
    constexpr uint64_t kOthers = 64;  // rings, the drivers' own, and what falls between
    const uint64_t needed_mb = (needed + kMegabyte - 1) / kMegabyte;
    if (needed_mb > lb.memory_mb) {
        findings.fatal("lb.memory_mb: " + std::to_string(lb.memory_mb) +
                           " MB do not hold mbufs = " + std::to_string(lb.mbufs) +
                           " packet buffers" +
                           (lb.hugepages ? " and the workers' flow tables" : "") + ", which take " +
                           std::to_string(needed_mb) + " MB",
                       "set memory_mb = " + std::to_string(needed_mb + kOthers) +
                           ", or lower mbufs" + (lb.hugepages ? " or flow_table_size" : ""));
    }
}

// `link`: of the interface, where it is the port's own.
void check_queues(const PortConfig& port, const DeviceString& device, const LinkInfo* link,
                  size_t workers, MachineFindings& findings) {
    const bool xdp = device.driver == "net_af_xdp" && link != nullptr;
    // The packets of too many stay with the kernel.
    if (xdp && link->rx_queues > workers) {
        findings.fatal("port '" + port.name + "': " + device.interface + " has " +
                           std::to_string(link->rx_queues) + " RX queues for " +
                           std::to_string(workers) + " workers",
                       "run `ethtool -L " + device.interface + " combined " +
                           std::to_string(workers) +
                           "`, or give lb.cores as many cores as it has queues");
        return;
    }
    const std::optional<unsigned> queues = xdp ? link->rx_queues : queue_pairs(device);
    if (queues && *queues < workers) {
        findings.note("port '" + port.name + "' has queues for " + std::to_string(*queues) +
                          " of " + std::to_string(workers) + " workers",
                      "these share its packets out to the others, which costs them time: give it "
                      "as many queues as there are workers where you can");
    }
}

void check_interface(const PortConfig& port, const DeviceString& device, size_t workers,
                     MachineFindings& findings) {
    const std::string& name = device.interface;
    if (!device.borrows_interface()) {
        check_queues(port, device, nullptr, workers, findings);
        return;
    }
    const std::string who = "port '" + port.name + "': ";
    Result<Rtnetlink> netlink = Rtnetlink::open();
    Result<LinkInfo> link =
        netlink ? netlink.value().link(name) : Result<LinkInfo>(Error{netlink.error()});
    if (!link) {
        findings.fatal(who + "there is no interface '" + name + "' here",
                       "`ip link` lists those of this network namespace");
        return;
    }
    if (!link.value().up) {
        findings.fatal(who + name + " is down", "run `ip link set " + name + " up`");
    }
    if (link.value().mtu < port.mtu) {
        findings.fatal(who + name + " has MTU " + std::to_string(link.value().mtu) + ", the port " +
                           std::to_string(port.mtu),
                       "run `ip link set " + name + " mtu " + std::to_string(port.mtu) +
                           "`, or lower the port's mtu");
    }
    check_queues(port, device, &link.value(), workers, findings);
    Result<OffloadState> offloads = offload_state(name);
    if (offloads && (offloads.value().gro || offloads.value().lro) && device.shares_interface()) {
        findings.warn(who + name + " merges received packets beyond the MTU (GRO, LRO)",
                      "run `ethtool -K " + name + " gro off lro off`");
    }
}

void check_twin(const PortConfig& port, MachineFindings& findings) {
    if (port.tap.empty()) {
        return;
    }
    if (interface_index(port.tap)) {
        findings.fatal("port '" + port.name + "': an interface '" + port.tap + "' exists already",
                       "choose another `tap` name, or stop what owns it");
    }
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
        findings.fatal("port '" + port.name + "': /dev/net/tun cannot be opened",
                       "run `modprobe tun`, or in a container grant the device; or set tap = \"\"");
    }
}

void check_capabilities(const Config& config, MachineFindings& findings) {
    bool admin = false;
    bool raw = false;
    for (const PortConfig& port : config.ports) {
        const DeviceString device = parse_device(port.device);
        admin |= !port.tap.empty() || !device.interface.empty() || device.driver == "net_tap";
        raw |= device.shares_interface() || device.driver == "net_af_xdp";
    }
    if (admin && !has_capability(CAP_NET_ADMIN)) {
        findings.fatal("no permission to set up network interfaces (CAP_NET_ADMIN)",
                       "run dpdk-lb as root, or grant it CAP_NET_ADMIN");
    }
    if (raw && !has_capability(CAP_NET_RAW)) {
        findings.fatal("no permission to take packets from an interface (CAP_NET_RAW)",
                       "run dpdk-lb as root, or grant it CAP_NET_RAW");
    }
}

}  // namespace

std::vector<Finding> preflight(const Config& config, MachineState state) {
    const bool free = state == MachineState::Free;
    MachineFindings findings;
    check_capabilities(config, findings);
    check_cores(config.lb, findings);
    check_pools(config, findings);
    check_socket(config.lb, findings);
    if (free) {
        check_memory(config.lb, findings);
    }
    for (const PortConfig& port : config.ports) {
        const DeviceString device = parse_device(port.device);
        check_interface(port, device, config.lb.cores.size(), findings);
        check_files(port, device, findings);
        if (free) {
            check_twin(port, findings);
        }
        if (device.is_pci() && access(("/sys/bus/pci/devices/" + device.name).c_str(), F_OK) != 0) {
            findings.fatal("port '" + port.name + "': there is no PCI device " + device.name,
                           "`lspci -D` lists them");
        }
    }
    return findings.take();
}

}  // namespace dlb
