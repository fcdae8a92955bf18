// What is announced of a prefix, and to whom as what.
// Thread safety: plain values and pure functions.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bgp/attributes.hpp"
#include "bgp/negotiation.hpp"
#include "net/result.hpp"

namespace dlb::bgp {

struct RouteOptions {
    std::vector<Community> communities{};
    std::vector<LargeCommunity> large_communities{};
    std::optional<float> link_bandwidth{};  // bytes a second
    std::optional<uint32_t> med{};
    uint32_t local_preference = 100;  // iBGP alone
    unsigned prepend = 0;             // how often more our AS stands in the path; eBGP alone
    bool graceful_shutdown = false;   // RFC 8326
    friend auto operator<=>(const RouteOptions&, const RouteOptions&) = default;
};
using RoutePtr = std::shared_ptr<const RouteOptions>;

// What a session adds to a route.
struct Outlook {
    uint32_t local_as = 0;
    UpdateFormat format;
    IpAddress local_address;                       // of the connection
    PerFamily<std::optional<IpAddress>> next_hop;  // set by configuration
};

// Errors: why the route cannot be announced over this session, in one line.
Result<Attributes> attributes_for(const RouteOptions& route, Family family, const Outlook& outlook);

// The next hop of a family's routes. An IPv6 one is a real global address, or there is none: a
// router takes ::ffff:a.b.c.d for the best path and never forwards by it.
Result<IpAddress> next_hop_for(Family family, const Outlook& outlook);

}  // namespace dlb::bgp
