#include "control/preflight.hpp"

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

}  // namespace

std::vector<Finding> preflight(const Config& config, MachineState state,
                               const MachineTree& machine) {
    const bool free = state == MachineState::Free;
    MachineFindings findings;
    check_rights(config, machine, findings);
    check_cpus(config.lb, machine, findings);
    check_pools(config, findings);
    check_socket(config.lb, findings);
    if (free) {
        check_hugepages(config, machine, findings);
    }
    for (const PortConfig& port : config.ports) {
        const DeviceString device = parse_device(port.device);
        check_interface(port, device, config.lb.cores.size(), findings);
        check_files(port, device, findings);
        check_nic(port, device, config.lb, machine, findings);
        if (free) {
            check_twin(port, findings);
        }
    }
    return findings.take();
}

std::vector<Finding> advise(const Config& config, const MachineTree& machine) {
    MachineFindings findings;
    advise_cpus(config.lb, machine, findings);
    for (const PortConfig& port : config.ports) {
        advise_nic(port, parse_device(port.device), config.lb, machine, findings);
    }
    return findings.take();
}

}  // namespace dlb
