#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "config/text.hpp"
#include "config/validate.hpp"

namespace dlb::conf {

namespace {

// All that DPDK 22.11 registers as drivers of virtual devices.
const std::vector<std::string_view>& drivers() {
    static const std::vector<std::string_view> names = {
        "net_af_packet", "net_af_xdp",  "net_tap",     "net_memif",       "net_pcap",
        "net_ring",      "net_null",    "net_vhost",   "net_virtio_user", "net_bonding",
        "net_failsafe",  "net_softnic", "net_tun",     "net_kni",         "net_vdev_netvsc",
        "net_mvneta",    "net_mvpp2",   "net_enetfec", "net_pfe",         "net_octeontx"};
    return names;
}

std::string_view without_number(std::string_view name) {
    return name.substr(0, name.find_last_not_of("0123456789") + 1);
}

std::string mend_of_unknown(std::string_view driver) {
    const std::string_view near = closest(driver, drivers());
    return near.empty()
               ? fmt::format("use one of {}", fmt::join(drivers(), ", "))
               : fmt::format("did you mean {}? There are {}", near, fmt::join(drivers(), ", "));
}

}  // namespace

void check_device(const PortConfig& port, const Path& path, Findings& findings) {
    const std::string name = device_key(port.device);
    if (!name.starts_with("net_")) {
        return;  // PCI
    }
    // DPDK takes the driver whose name the device's begins with.
    const bool known =
        std::any_of(drivers().begin(), drivers().end(),
                    [&](std::string_view driver) { return name.starts_with(driver); });
    if (!known) {
        findings.add(path.key("device"), fmt::format("DPDK has no driver for {}", in_quotes(name)),
                     mend_of_unknown(without_number(name)));
    } else if ((name.starts_with("net_af_packet") || name.starts_with("net_af_xdp")) &&
               device_interface(port.device).empty()) {
        findings.add(path.key("device"),
                     fmt::format("{} names no interface", in_quotes(port.device)),
                     fmt::format("add iface=, as in \"{},iface=eth0\"", name));
    }
}

}  // namespace dlb::conf
