#include "eal/device_string.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace dlb {

namespace {

constexpr unsigned kEthernetAndTag = 18;

// The frames of an AF_PACKET ring, in bytes: what DPDK takes unless told, what a packet and the
// kernel's header before it need (some 100 bytes more), and the part of the header that DPDK 22.11
// does not ask the packet buffers to hold: TPACKET2_HDRLEN without its sockaddr_ll.
constexpr unsigned kDefaultRingFrame = 2048;
constexpr unsigned kRingFrameExtra = 128;
constexpr unsigned kRingFrameHeader = 32;
constexpr unsigned kPage = 4096;

constexpr unsigned round_up_to_pages(unsigned size) {
    return (size + kPage - 1) / kPage * kPage;
}

// The user's own wins.
unsigned ring_frame(const DeviceString& device, unsigned mtu) {
    if (const auto given = device_argument(device.text, "framesz")) {
        unsigned size = 0;
        std::from_chars(given->data(), given->data() + given->size(), size);
        return std::clamp(size, kDefaultRingFrame, 1U << 16);
    }
    const unsigned needed = mtu + kRingFrameExtra;
    return needed <= kDefaultRingFrame ? kDefaultRingFrame : round_up_to_pages(needed);
}

}  // namespace

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

std::vector<std::string> device_arguments(const std::string& device, const std::string& key) {
    std::vector<std::string> values;
    const std::string start = key + "=";
    for (size_t comma = device.find(','); comma != std::string::npos;
         comma = device.find(',', comma + 1)) {
        if (device.compare(comma + 1, start.size(), start) == 0) {
            const size_t value = comma + 1 + start.size();
            values.push_back(device.substr(value, device.find(',', value) - value));
        }
    }
    return values;
}

std::optional<std::string> device_argument(const std::string& device, const std::string& key) {
    const std::vector<std::string> values = device_arguments(device, key);
    return values.empty() ? std::nullopt : std::optional(values.front());
}

unsigned frame_room(const DeviceString& device, unsigned mtu) {
    const unsigned frame = mtu + kEthernetAndTag;
    return device.driver == "net_af_packet"
               ? std::max(frame, ring_frame(device, mtu) - kRingFrameHeader)
               : frame;
}

std::optional<unsigned> queue_pairs(const DeviceString& device) {
    if (device.driver == "net_pcap") {  // an argument a queue; iface: one of each
        const auto count = [&](std::initializer_list<const char*> keys) {
            size_t sum = 0;
            for (const char* key : keys) {
                sum += device_arguments(device.text, key).size();
            }
            return std::max<size_t>(sum, 1);
        };
        return static_cast<unsigned>(std::min(count({"rx_pcap", "rx_iface", "rx_iface_in"}),
                                              count({"tx_pcap", "tx_iface"})));
    }
    const char* key = device.driver == "net_af_packet" ? "qpairs"
                      : device.driver == "net_af_xdp"  ? "queue_count"
                                                       : nullptr;
    const auto given = key != nullptr ? device_argument(device.text, key) : std::nullopt;
    unsigned pairs = 0;
    if (given) {
        std::from_chars(given->data(), given->data() + given->size(), pairs);
    }
    return pairs != 0 ? std::optional(pairs) : std::nullopt;
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
        const unsigned frame = ring_frame(device, mtu);
        if (frame > kDefaultRingFrame) {
            add("framesz", frame);
            add("blocksz", round_up_to_pages(frame));  // DPDK's own would be one page
        }
    } else if (device.driver == "net_af_xdp") {
        add("queue_count", queues);
    }
    return text;
}

}  // namespace dlb
