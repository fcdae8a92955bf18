// preflight(): NICs, their drivers, their IOMMU, and on which NUMA node they are.
#include <algorithm>

#include "config/notation.hpp"
#include "control/preflight_checks.hpp"

namespace dlb {

namespace {

// Drivers of the kernel's that DPDK works beside (lib/eal's error says the same of
// scripts/bind-nic).
constexpr std::string_view kBeside[] = {"mlx4_core", "mlx5_core", "mana"};
constexpr std::string_view kForDpdk[] = {"vfio-pci", "uio_pci_generic", "igb_uio"};

template <typename List>
bool is_one_of(const List& list, std::string_view word) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// "NAME" of the kernel's interface on the device; "" for none.
std::string interface_of(const std::string& directory, const MachineTree& machine) {
    std::vector<std::string> names = machine.list(directory + "/net");
    for (const std::string& child : machine.list(directory)) {
        if (names.empty() && child.starts_with("virtio")) {
            names = machine.list(directory + "/" + child + "/net");  // virtio-pci: one further down
        }
    }
    return names.empty() ? "" : names.front();
}

size_t rx_queues(const std::string& interface, const MachineTree& machine) {
    const std::vector<std::string> names = machine.list("sys/class/net/" + interface + "/queues");
    return static_cast<size_t>(std::count_if(
        names.begin(), names.end(), [](const auto& name) { return name.starts_with("rx-"); }));
}

void check_iommu(const std::string& who, const std::string& address, const MachineTree& machine,
                 MachineFindings& findings) {
    const std::string group = machine.link_name("sys/bus/pci/devices/" + address + "/iommu_group");
    const bool unsafe =
        machine.read("sys/module/vfio/parameters/enable_unsafe_noiommu_mode").starts_with("Y");
    // In its no-IOMMU mode vfio makes a group of this name for a device without one.
    const bool pretended = machine.read("sys/bus/pci/devices/" + address + "/iommu_group/name")
                               .starts_with("vfio-noiommu");
    if (!group.empty() && !pretended && !machine.list("sys/kernel/iommu_groups").empty()) {
        return;
    }
    const std::string mend =
        "switch the IOMMU on: in the firmware, and with `intel_iommu=on iommu=pt` (or "
        "`amd_iommu=on`) on the kernel's command line";
    if (unsafe) {
        findings.warn(who + address +
                          " has no IOMMU: it can write to all memory (vfio's unsafe "
                          "mode)",
                      mend);
    } else {
        findings.fatal(who + address + " is bound to vfio-pci, but has no IOMMU",
                       mend +
                           "; or, trusting the NIC, run `echo 1 > "
                           "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode` as root");
    }
}

void check_driver(const std::string& who, const std::string& address, const MachineTree& machine,
                  MachineFindings& findings) {
    const std::string directory = "sys/bus/pci/devices/" + address;
    const std::string driver = machine.link_name(directory + "/driver");
    if (is_one_of(kBeside, driver)) {
        return;
    }
    if (!is_one_of(kForDpdk, driver)) {
        const std::string interface = interface_of(directory, machine);
        findings.fatal(who + address +
                           (driver.empty() ? " is bound to no driver"
                                           : " is bound to the kernel's driver " + driver +
                                                 (interface.empty() ? "" : " as " + interface)),
                       "run `scripts/bind-nic " + address + "` as root");
    } else if (driver == "vfio-pci") {
        check_iommu(who, address, machine, findings);
    }
}

void check_numa(const std::string& who, const std::string& what, int node, const LbConfig& lb,
                const MachineTree& machine, MachineFindings& findings) {
    std::vector<unsigned> far = lb.cores;
    std::erase_if(far, [&](unsigned cpu) {
        const int of_cpu = machine.node_of_cpu(cpu);
        return of_cpu < 0 || of_cpu == node;
    });
    if (node >= 0 && !far.empty()) {
        findings.warn(who + what + " is on NUMA node " + std::to_string(node) + ", worker CPUs " +
                          conf::format_cores(far) + " are not: each packet crosses over",
                      "choose lb.cores from " + conf::format_cores(machine.cpus_of_node(node)));
    }
}

}  // namespace

void check_nic(const PortConfig& port, const DeviceString& device, const LbConfig& lb,
               const MachineTree& machine, MachineFindings& findings) {
    const std::string who = "port '" + port.name + "': ";
    if (!device.is_pci()) {
        if (device.borrows_interface()) {
            const int node =
                machine.node_of_device("sys/class/net/" + device.interface + "/device");
            check_numa(who, device.interface, node, lb, machine, findings);
        }
        return;
    }
    const std::string address = conf::device_key(port.device);
    const std::string directory = "sys/bus/pci/devices/" + address;
    if (!machine.exists(directory)) {
        findings.fatal(who + "there is no PCI device " + address,
                       "`scripts/bind-nic --status` lists the NICs, `lspci -D` all devices");
        return;
    }
    check_driver(who, address, machine, findings);
    check_numa(who, address, machine.node_of_device(directory), lb, machine, findings);
}

void advise_nic(const PortConfig& port, const DeviceString& device, const LbConfig& lb,
                const MachineTree& machine, MachineFindings& findings) {
    const std::string who = "port '" + port.name + "': ";
    const size_t workers = lb.cores.size();
    const std::string interface =
        device.is_pci()
            ? interface_of("sys/bus/pci/devices/" + conf::device_key(port.device), machine)
            : device.interface;
    const size_t queues = interface.empty() ? 0 : rx_queues(interface, machine);
    if (device.is_pci() && queues == 0) {
        findings.note(who + "how many RSS queues " + device.name +
                          " offers is known only once DPDK has opened it",
                      "`dpdk-lbctl show ports` shows them; " + std::to_string(workers) +
                          " workers are best with as many");
    } else if ((device.is_pci() || device.shares_interface()) && queues > 0 && queues < workers) {
        findings.note(who + interface + " offers " + std::to_string(queues) + " RSS queues for " +
                          std::to_string(workers) + " workers",
                      "run `ethtool -L " + interface + " combined " + std::to_string(workers) +
                          "` where it has more (`ethtool -l " + interface +
                          "`), or give lb.cores fewer CPUs");
    }
}

}  // namespace dlb
