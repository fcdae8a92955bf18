#include "bgp/capabilities.hpp"

#include <algorithm>

namespace dlb::bgp {
namespace {

enum Code : uint8_t {
    kMultiprotocol = 1,
    kRouteRefresh = 2,
    kExtendedNextHop = 5,
    kExtendedMessage = 6,
    kGracefulRestart = 64,
    kAs4 = 65,
    kAddPath = 69,
    kEnhancedRefresh = 70,
};

constexpr uint16_t kRestarted = 0x8000;
constexpr uint16_t kNotification = 0x4000;
constexpr uint16_t kRestartTime = 0x0fff;
constexpr uint8_t kForwarding = 0x80;

template <typename Body>
void capability(Writer& writer, Code code, Body&& body) {
    writer.u8(code);
    const size_t begin = writer.open8();
    body();
    writer.close8(begin);
}

void flag(Writer& writer, Code code, bool set) {
    if (set) {
        capability(writer, code, [] {});
    }
}

bool decode_restart(Reader value, Capabilities& capabilities) {
    GracefulRestart restart;
    const uint16_t head = value.u16();
    restart.restarted = (head & kRestarted) != 0;
    restart.notification = (head & kNotification) != 0;
    restart.time = std::chrono::seconds(head & kRestartTime);
    while (!value.done()) {
        const uint16_t afi = value.u16();
        const uint8_t safi = value.u8();
        restart.families.push_back({{afi, safi}, (value.u8() & kForwarding) != 0});
    }
    capabilities.graceful_restart = restart;  // RFC 5492 §4: the last one counts
    return !value.failed();
}

bool decode_families(Reader value, Capabilities& capabilities) {
    const uint16_t afi = value.u16();
    value.u8();
    const AfiSafi family{afi, value.u8()};
    if (!capabilities.has(family)) {
        capabilities.families.push_back(family);
    }
    return !value.failed() && value.done();
}

bool decode_add_path(Reader value, Capabilities& capabilities) {
    while (!value.done()) {
        const uint16_t afi = value.u16();
        const uint8_t safi = value.u8();
        const uint8_t mode = value.u8();
        // RFC 7911 §4: "If any other value is received, then the capability SHOULD be treated as
        // not understood".
        if (mode >= 1 && mode <= 3) {
            capabilities.add_path.push_back({{afi, safi}, mode});
        }
    }
    return !value.failed();
}

bool decode_next_hop(Reader value, Capabilities& capabilities) {
    while (!value.done()) {
        const uint16_t afi = value.u16();
        const auto safi = static_cast<uint8_t>(value.u16());  // two bytes here: RFC 8950 §4
        capabilities.extended_next_hop.push_back({{afi, safi}, value.u16()});
    }
    return !value.failed();
}

bool decode_one(uint8_t code, Reader value, Capabilities& capabilities) {
    switch (code) {
        case kMultiprotocol:
            return decode_families(value, capabilities);
        case kRouteRefresh:
            capabilities.route_refresh = true;
            return value.done();
        case kExtendedNextHop:
            return decode_next_hop(value, capabilities);
        case kExtendedMessage:
            capabilities.extended_message = true;
            return value.done();
        case kGracefulRestart:
            return decode_restart(value, capabilities);
        case kAs4:
            capabilities.as4 = value.u32();
            return !value.failed() && value.done();
        case kAddPath:
            return decode_add_path(value, capabilities);
        case kEnhancedRefresh:
            capabilities.enhanced_refresh = true;
            return value.done();
        default:
            capabilities.others.push_back(code);  // RFC 5492 §3: ignored
            return true;
    }
}

std::string describe_restart(const GracefulRestart& restart) {
    std::string text = " graceful-restart(" + std::to_string(restart.time.count()) + "s";
    text += restart.restarted ? ",R" : "";
    text += restart.notification ? ",N" : "";
    for (const auto& entry : restart.families) {
        text += "," + describe(entry.family) + (entry.forwarding ? ":F" : "");
    }
    return text + ")";
}

}  // namespace

bool Capabilities::has(AfiSafi family) const {
    return std::find(families.begin(), families.end(), family) != families.end();
}

uint8_t Capabilities::add_path_mode(AfiSafi family) const {
    const auto found = std::find_if(add_path.begin(), add_path.end(),
                                    [&](const AddPath& entry) { return entry.family == family; });
    return found == add_path.end() ? 0 : found->mode;
}

Bytes encode_capabilities(const Capabilities& capabilities) {
    Writer writer;
    for (const AfiSafi& family : capabilities.families) {
        capability(writer, kMultiprotocol, [&] {
            writer.u16(family.afi);
            writer.u8(0);
            writer.u8(family.safi);
        });
    }
    flag(writer, kRouteRefresh, capabilities.route_refresh);
    if (!capabilities.extended_next_hop.empty()) {
        capability(writer, kExtendedNextHop, [&] {
            for (const auto& entry : capabilities.extended_next_hop) {
                writer.u16(entry.family.afi);
                writer.u16(entry.family.safi);
                writer.u16(entry.next_hop_afi);
            }
        });
    }
    flag(writer, kExtendedMessage, capabilities.extended_message);
    if (const auto& restart = capabilities.graceful_restart) {
        capability(writer, kGracefulRestart, [&] {
            const auto time = std::min<int64_t>(restart->time.count(), kRestartTime);
            writer.u16(static_cast<uint16_t>((restart->restarted ? kRestarted : 0) |
                                             (restart->notification ? kNotification : 0) | time));
            for (const auto& entry : restart->families) {
                writer.u16(entry.family.afi);
                writer.u8(entry.family.safi);
                writer.u8(entry.forwarding ? kForwarding : 0);
            }
        });
    }
    if (capabilities.as4) {
        capability(writer, kAs4, [&] { writer.u32(*capabilities.as4); });
    }
    if (!capabilities.add_path.empty()) {
        capability(writer, kAddPath, [&] {
            for (const auto& entry : capabilities.add_path) {
                writer.u16(entry.family.afi);
                writer.u8(entry.family.safi);
                writer.u8(entry.mode);
            }
        });
    }
    flag(writer, kEnhancedRefresh, capabilities.enhanced_refresh);
    return writer.take();
}

std::optional<Notification> decode_capabilities(View parameter, Capabilities& capabilities) {
    Reader reader(parameter);
    while (!reader.done()) {
        const uint8_t code = reader.u8();
        const View value = reader.bytes(reader.u8());
        if (reader.failed() || !decode_one(code, Reader(value), capabilities)) {
            return Notification(OpenError::Unspecific);  // RFC 4271 §6.2: malformed parameter
        }
    }
    return std::nullopt;
}

std::string describe(AfiSafi family) {
    if (const auto known = unicast_family(family)) {
        return *known == Family::V4 ? "ipv4-unicast" : "ipv6-unicast";
    }
    return "afi" + std::to_string(family.afi) + "-safi" + std::to_string(family.safi);
}

std::string describe(const Capabilities& capabilities) {
    std::string text;
    for (const AfiSafi& family : capabilities.families) {
        text += " " + describe(family);
    }
    text += capabilities.route_refresh ? " refresh" : "";
    text += capabilities.enhanced_refresh ? " enhanced-refresh" : "";
    text += capabilities.extended_message ? " extended-message" : "";
    text += capabilities.as4 ? " as4" : "";
    text += capabilities.graceful_restart ? describe_restart(*capabilities.graceful_restart) : "";
    for (const AddPath& entry : capabilities.add_path) {
        static constexpr const char* kModes[] = {"", "receive", "send", "both"};
        text += " add-path(" + describe(entry.family) + "," + kModes[entry.mode & 3] + ")";
    }
    for (const ExtendedNextHop& entry : capabilities.extended_next_hop) {
        text += " next-hop(" + describe(entry.family) + ",afi" +
                std::to_string(entry.next_hop_afi) + ")";
    }
    for (const uint8_t code : capabilities.others) {
        text += " code" + std::to_string(code);
    }
    return text.empty() ? text : text.substr(1);
}

}  // namespace dlb::bgp
