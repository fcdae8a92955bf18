#include "kernel/route_message.hpp"

#include <algorithm>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink.hpp"

namespace dlb {

namespace {

using RouteAttributes = Attributes<RTA_MAX>;

// RTA_GATEWAY is of the route's own family, RTA_VIA names its family.
bool parse_gateway(const RouteAttributes& attributes, int family, RouteHop& hop) {
    if (attributes.has(RTA_GATEWAY)) {
        hop.gateway = attributes.address(RTA_GATEWAY, family);
        return hop.gateway.has_value();
    }
    if (attributes.has(RTA_VIA)) {
        const auto via = attributes.bytes(RTA_VIA);
        uint16_t via_family = 0;
        if (via.size() <= sizeof via_family) {
            return false;
        }
        std::memcpy(&via_family, via.data(), sizeof via_family);
        hop.gateway =
            to_address(via_family, via.data() + sizeof via_family, via.size() - sizeof via_family);
        return hop.gateway.has_value();
    }
    return true;
}

bool is_dead(unsigned flags) {
    return (flags & RTNH_F_DEAD) != 0;
}

// The kernel would wrap packets for such a hop, which a worker does not know to do.
bool is_plain(const RouteAttributes& attributes) {
    return !attributes.has(RTA_ENCAP);
}

// struct rtnexthop, each with attributes of its own (rtnetlink(7), RTA_MULTIPATH)
bool parse_multipath(std::span<const uint8_t> bytes, int family, std::vector<RouteHop>& hops) {
    while (bytes.size() >= sizeof(rtnexthop)) {
        rtnexthop header;
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.rtnh_len < sizeof header || header.rtnh_len > bytes.size()) {
            return false;
        }
        RouteAttributes attributes;
        RouteHop hop;
        hop.ifindex = header.rtnh_ifindex;
        hop.weight = static_cast<uint16_t>(header.rtnh_hops + 1);
        hop.dead = is_dead(header.rtnh_flags);
        if (!attributes.parse_payload(bytes.data() + sizeof header,
                                      header.rtnh_len - sizeof header) ||
            !parse_gateway(attributes, family, hop)) {
            return false;
        }
        hop.watched = is_plain(attributes);
        hops.push_back(hop);
        bytes = bytes.subspan(std::min<size_t>(RTNH_ALIGN(header.rtnh_len), bytes.size()));
    }
    return true;
}

bool parse_hops(const RouteAttributes& attributes, const rtmsg& route,
                std::vector<RouteHop>& hops) {
    if (attributes.has(RTA_MULTIPATH)) {
        return parse_multipath(attributes.bytes(RTA_MULTIPATH), route.rtm_family, hops);
    }
    RouteHop hop;
    hop.ifindex = static_cast<int>(attributes.u32(RTA_OIF).value_or(0));
    hop.dead = is_dead(route.rtm_flags);
    if (!parse_gateway(attributes, route.rtm_family, hop)) {
        return false;
    }
    hop.watched = is_plain(attributes);
    hops.push_back(hop);
    return true;
}

RouteMessage::Kind kind_of(const nlmsghdr* message, bool from_dump) {
    if (message->nlmsg_type == RTM_DELROUTE) {
        return RouteMessage::Kind::Delete;
    }
    if (from_dump) {
        return RouteMessage::Kind::Dumped;
    }
    if ((message->nlmsg_flags & NLM_F_APPEND) != 0) {
        return RouteMessage::Kind::Append;
    }
    return (message->nlmsg_flags & NLM_F_REPLACE) != 0 ? RouteMessage::Kind::Replace
                                                       : RouteMessage::Kind::Add;
}

// Routes that workers follow: table main, by destination alone.
bool concerns_us(const rtmsg& route, const RouteAttributes& attributes) {
    return (route.rtm_family == AF_INET || route.rtm_family == AF_INET6) &&
           attributes.u32(RTA_TABLE).value_or(route.rtm_table) == RT_TABLE_MAIN &&
           route.rtm_tos == 0 && route.rtm_src_len == 0 && (route.rtm_flags & RTM_F_CLONED) == 0;
}

}  // namespace

std::optional<RouteMessage> parse_route(const nlmsghdr* message, bool from_dump,
                                        const std::function<bool(int)>& watched) {
    RouteAttributes attributes;
    if (!attributes.parse(message, sizeof(rtmsg))) {
        return std::nullopt;
    }
    const auto& route = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (!concerns_us(route, attributes)) {
        return std::nullopt;
    }
    IpAddress destination =
        route.rtm_family == AF_INET ? IpAddress() : IpAddress::v6(std::array<uint8_t, 16>{});
    if (attributes.has(RTA_DST)) {
        const auto given = attributes.address(RTA_DST, route.rtm_family);
        if (!given) {
            return std::nullopt;
        }
        destination = *given;
    }
    if (route.rtm_dst_len > destination.bits()) {
        return std::nullopt;
    }
    RouteMessage out;
    out.kind = kind_of(message, from_dump);
    out.key = {Prefix(destination, route.rtm_dst_len), attributes.u32(RTA_PRIORITY).value_or(0)};
    out.entry.nexthop_id = attributes.u32(RTA_NH_ID).value_or(0);
    out.entry.protocol = route.rtm_protocol;
    out.entry.source = attributes.address(RTA_PREFSRC, route.rtm_family);
    std::vector<RouteHop>& hops = out.entry.hops;
    if (route.rtm_type == RTN_UNICAST && !parse_hops(attributes, route, hops)) {
        return std::nullopt;
    }
    for (RouteHop& hop : hops) {
        hop.watched &= watched(hop.ifindex);
    }
    // rt6_qualify_for_ecmp(), net/ipv6/ip6_route.h
    out.entry.joins = route.rtm_family == AF_INET6 && out.entry.nexthop_id == 0 &&
                      route.rtm_protocol != RTPROT_RA && !hops.empty() &&
                      std::all_of(hops.begin(), hops.end(),
                                  [](const RouteHop& hop) { return hop.gateway.has_value(); });
    return out;
}

}  // namespace dlb
