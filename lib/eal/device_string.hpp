// What a port's `device` says: a PCI address or a DPDK vdev string.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dlb {

struct DeviceString {
    std::string text;       // as configured
    std::string name;       // "net_af_packet0", "0000:3b:00.0"
    std::string driver;     // "net_af_packet"; empty for PCI
    std::string interface;  // iface=…; empty without

    bool is_pci() const { return driver.empty(); }
    // The kernel has the interface too, and sees what we see.
    bool shares_interface() const { return driver == "net_af_packet"; }
    // The interface was there before us and stays behind. (A TAP's `iface` is the driver's own.)
    bool borrows_interface() const { return !interface.empty() && driver != "net_tap"; }
    // Frames come from memory or a file: no device has looked at their addresses.
    bool has_no_medium() const {
        return driver == "net_pcap" || driver == "net_ring" || driver == "net_null" ||
               driver == "net_memif";
    }
};

DeviceString parse_device(const std::string& device);

// The values of key=… in a device's arguments, and the first of them.
std::vector<std::string> device_arguments(const std::string& device, const std::string& key);
std::optional<std::string> device_argument(const std::string& device, const std::string& key);

// What a packet buffer must hold for the device: its longest frame and what the driver wants
// beyond.
unsigned frame_room(const DeviceString& device, unsigned mtu);

// How many queue pairs the device's own arguments allow; nullopt: they do not say.
std::optional<unsigned> queue_pairs(const DeviceString& device);

// With the arguments added that make the device offer `queues` queues and frames of `mtu`, unless
// they are given.
std::string complete_device(const DeviceString& device, unsigned queues, unsigned mtu);

}  // namespace dlb
