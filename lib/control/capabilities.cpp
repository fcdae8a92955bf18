#include "control/capabilities.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "eal/device_string.hpp"

namespace dlb {

namespace {

struct Name {
    unsigned capability;
    std::string_view text;
};
// Those that dpdk-lb has to do with.
constexpr Name kNames[] = {
    {CAP_SETGID, "cap_setgid"},       {CAP_SETUID, "cap_setuid"},
    {CAP_SETPCAP, "cap_setpcap"},     {CAP_NET_BIND_SERVICE, "cap_net_bind_service"},
    {CAP_NET_ADMIN, "cap_net_admin"}, {CAP_NET_RAW, "cap_net_raw"},
    {CAP_IPC_LOCK, "cap_ipc_lock"},   {CAP_SYS_RAWIO, "cap_sys_rawio"},
    {CAP_SYS_ADMIN, "cap_sys_admin"}, {CAP_BPF, "cap_bpf"}};

std::vector<std::string> names_of(CapabilitySet set) {
    std::vector<std::string> names;
    for (const Name& name : kNames) {
        if ((set & capabilities({name.capability})) != 0) {
            names.emplace_back(name.text);
        }
    }
    return names;
}

}  // namespace

CapabilitySet own_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) {
        return geteuid() == 0 ? ~CapabilitySet{0} : 0;
    }
    return data[0].effective | CapabilitySet{data[1].effective} << 32;
}

CapabilitySet capabilities_to_start(const Config& config) {
    CapabilitySet set = 0;
    for (const PortConfig& port : config.ports) {
        const DeviceString device = parse_device(port.device);
        if (!port.tap.empty() || !device.interface.empty() || device.driver == "net_tap") {
            set |= capabilities({CAP_NET_ADMIN});
        }
        if (device.shares_interface() || device.driver == "net_af_xdp") {
            set |= capabilities({CAP_NET_RAW});
        }
        if (device.driver == "net_af_xdp") {
            set |= capabilities({CAP_BPF, CAP_IPC_LOCK});  // its program, its packets' memory
        }
    }
    if (!config.lb.user.empty()) {
        set |= capabilities({CAP_SETUID, CAP_SETGID});
    }
    return set;
}

CapabilitySet capabilities_to_run(const Config& config) {
    // Neighbours, routes, twins and their end; ICMP checks and raw sockets; BGP's port 179.
    CapabilitySet set = capabilities({CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE});
    for (const PortConfig& port : config.ports) {
        if (parse_device(port.device).is_pci()) {
            // VFIO counts what DPDK maps later as locked memory.
            set |= capabilities({CAP_IPC_LOCK});
        }
    }
    return set;
}

std::string capability_names(CapabilitySet set) {
    std::string text;
    const std::vector<std::string> names = names_of(set);
    for (size_t i = 0; i < names.size(); ++i) {
        text += i == 0 ? "" : i + 1 == names.size() ? " and " : ", ";
        std::transform(names[i].begin(), names[i].end(), std::back_inserter(text),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    }
    return text;
}

std::string setcap_names(CapabilitySet set) {
    std::string text;
    for (const std::string& name : names_of(set)) {
        text += (text.empty() ? "" : ",") + name;
    }
    return text;
}

}  // namespace dlb
