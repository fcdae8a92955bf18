#include "eal/device_string.hpp"

#include <bit>

namespace dlb {

DeviceString parse_device(const std::string& device) {
    DeviceString parsed;
    parsed.text = device;
    parsed.name = device.substr(0, device.find(','));
    if (parsed.name.compare(0, 4, "net_") == 0) {
        parsed.driver = parsed.name.substr(0, parsed.name.find_last_not_of("0123456789") + 1);
    } else if (parsed.name.size() == 7) {
        parsed.name = "0000:" + parsed.name;  // "3b:00.0"
    }
    parsed.interface = device_argument(device, "iface").value_or("");
    return parsed;
}

std::optional<std::string> device_argument(const std::string& device, const std::string& key) {
    for (size_t comma = device.find(','); comma != std::string::npos;
         comma = device.find(',', comma + 1)) {
        const std::string start = key + "=";
        if (device.compare(comma + 1, start.size(), start) == 0) {
            const size_t value = comma + 1 + start.size();
            return device.substr(value, device.find(',', value) - value);
        }
    }
    return std::nullopt;
}

std::string complete_device(const DeviceString& device, unsigned queues, unsigned mtu) {
    std::string text = device.is_pci() ? device.name : device.text;
    const auto add = [&](const std::string& key, unsigned value) {
        if (!device_argument(text, key)) {
            text += "," + key + "=" + std::to_string(value);
        }
    };
    if (device.driver == "net_af_packet") {
        add("qpairs", queues);
        // A frame of its ring holds the packet and some 100 bytes of the kernel's own.
        constexpr unsigned kDefaultFrame = 2048;
        const unsigned frame = std::bit_ceil(mtu + 128);
        if (frame > kDefaultFrame) {
            add("framesz", frame);
            add("blocksz", std::max(frame, 4096U));
        }
    } else if (device.driver == "net_af_xdp") {
        add("queue_count", queues);
    }
    return text;
}

}  // namespace dlb
