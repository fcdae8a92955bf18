// KernelNeighbor, KernelRoute, KernelAddress, KernelLink: what the kernel knows, as plain values.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/ip_address.hpp"

namespace dlb {

// linux/neighbour.h, NUD_…
enum class NeighborState : uint8_t {
    Incomplete,
    Reachable,
    Stale,
    Delay,
    Probe,
    Failed,
    Noarp,
    Permanent,
};
std::string_view to_string(NeighborState state);  // "reachable"

struct KernelNeighbor {
    int ifindex = 0;
    IpAddress address;
    MacAddress mac;  // zero while it is not known
    NeighborState state = NeighborState::Incomplete;

    // True where `mac` is good to send to.
    bool usable() const {
        return state != NeighborState::Incomplete && state != NeighborState::Failed &&
               !mac.is_zero();
    }
    friend bool operator==(const KernelNeighbor&, const KernelNeighbor&) = default;
};

// One next hop of a unicast route of table main; a multipath route gives several.
struct KernelRoute {
    Prefix prefix;
    std::optional<IpAddress>
        gateway;  // none: on the link. May be IPv6 for an IPv4 prefix (RFC 8950).
    int ifindex = 0;
    uint32_t metric = 0;  // the lowest wins
    uint16_t weight = 1;  // 1 to 256, share among the hops of one prefix and metric

    friend auto operator<=>(const KernelRoute&, const KernelRoute&) = default;
};

struct KernelAddress {
    int ifindex = 0;
    InterfaceAddress address;

    friend auto operator<=>(const KernelAddress&, const KernelAddress&) = default;
};

struct KernelLink {
    int ifindex = 0;
    std::string name;
    MacAddress mac;
    uint32_t mtu = 0;
    bool up = false;       // IFF_UP: switched on
    bool running = false;  // IFF_RUNNING: and with a carrier

    friend bool operator==(const KernelLink&, const KernelLink&) = default;
};

}  // namespace dlb
