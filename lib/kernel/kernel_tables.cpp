#include "kernel/kernel_tables.hpp"

#include <algorithm>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "kernel/netlink.hpp"
#include "kernel/route_message.hpp"

namespace dlb {

namespace {

// nullopt: NUD_NONE, an entry that is about to go.
std::optional<NeighborState> to_state(unsigned nud) {
    constexpr std::pair<unsigned, NeighborState> kStates[] = {
        {NUD_PERMANENT, NeighborState::Permanent},   {NUD_NOARP, NeighborState::Noarp},
        {NUD_REACHABLE, NeighborState::Reachable},   {NUD_STALE, NeighborState::Stale},
        {NUD_DELAY, NeighborState::Delay},           {NUD_PROBE, NeighborState::Probe},
        {NUD_INCOMPLETE, NeighborState::Incomplete}, {NUD_FAILED, NeighborState::Failed},
    };
    for (const auto& [bit, state] : kStates) {
        if ((nud & bit) != 0) {
            return state;
        }
    }
    return std::nullopt;
}

// The kernel keeps entries for these too, and they are nobody's next hop.
bool is_group(const IpAddress& address) {
    return address.is_multicast() || address.is_unspecified() ||
           address == IpAddress::v4(255, 255, 255, 255);
}

bool is_usable(const std::map<std::pair<int, IpAddress>, KernelNeighbor>& neighbors,
               const std::pair<int, IpAddress>& key, MacAddress& mac) {
    const auto known = neighbors.find(key);
    if (known == neighbors.end() || !known->second.usable()) {
        return false;
    }
    mac = known->second.mac;
    return true;
}

}  // namespace

std::string_view to_string(NeighborState state) {
    switch (state) {
        case NeighborState::Incomplete:
            return "incomplete";
        case NeighborState::Reachable:
            return "reachable";
        case NeighborState::Stale:
            return "stale";
        case NeighborState::Delay:
            return "delay";
        case NeighborState::Probe:
            return "probe";
        case NeighborState::Failed:
            return "failed";
        case NeighborState::Noarp:
            return "noarp";
        case NeighborState::Permanent:
            return "permanent";
    }
    return "?";
}

Effect KernelTables::apply(const nlmsghdr* message, bool from_dump) {
    switch (message->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return apply_link(message, from_dump);
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return apply_address(message, from_dump);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return apply_neighbor(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return apply_route(message, from_dump);
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
            return apply_nexthop(message);
        default:
            return {};
    }
}

Effect KernelTables::apply_link(const nlmsghdr* message, bool from_dump) {
    Attributes<IFLA_MAX> attributes;
    if (!attributes.parse(message, sizeof(ifinfomsg))) {
        return {};
    }
    const auto& info = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    // A bridge says RTM_DELLINK (AF_BRIDGE) for a port that leaves it and lives on.
    if (info.ifi_family != AF_UNSPEC || !watched(info.ifi_index)) {
        return {};
    }
    Effect effect;
    effect.concerns = true;
    if (message->nlmsg_type == RTM_DELLINK) {
        effect.changed = forget(info.ifi_index);
        effect.stale_dump = true;
        return effect;
    }
    KernelLink link;
    link.ifindex = info.ifi_index;
    link.name = attributes.string(IFLA_IFNAME);
    link.mac = attributes.mac(IFLA_ADDRESS).value_or(MacAddress{});
    link.mtu = attributes.u32(IFLA_MTU).value_or(0);
    link.up = (info.ifi_flags & IFF_UP) != 0;
    link.running = (info.ifi_flags & IFF_RUNNING) != 0;
    const auto known = links_.find(link.ifindex);
    const bool was_up = known != links_.end() && known->second.up;
    const bool was_running = known != links_.end() && known->second.running;
    effect.changed = known == links_.end() || known->second != link;
    if (was_up && !link.up) {
        effect.changed |= routes_.link_down(link.ifindex);
        effect.stale_dump = true;  // its routes go after this message
    }
    // Multipath hops over it come back to life without a message: those of IPv4 when it is up,
    // those of IPv6 when it runs.
    effect.uncertain = !from_dump && ((!was_up && link.up) || (!was_running && link.running));
    links_[link.ifindex] = std::move(link);
    return effect;
}

Effect KernelTables::apply_address(const nlmsghdr* message, bool from_dump) {
    Attributes<IFA_MAX> attributes;
    if (!attributes.parse(message, sizeof(ifaddrmsg))) {
        return {};
    }
    const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    Effect effect;
    const bool is_new = message->nlmsg_type == RTM_NEWADDR;
    const bool v4_change = !from_dump && info.ifa_family == AF_INET;
    // IPv4 routes that prefer this source, and all of an interface that lost its last address, go
    // without a message. The address may be on any interface.
    effect.uncertain = v4_change && !is_new;
    const int ifindex = static_cast<int>(info.ifa_index);
    auto address = attributes.address(IFA_LOCAL, info.ifa_family);
    if (!address) {
        address = attributes.address(IFA_ADDRESS, info.ifa_family);  // IPv6 without a peer
    }
    if (!address || info.ifa_prefixlen > address->bits() || !watched(ifindex)) {
        return effect;
    }
    effect.concerns = true;
    const KernelAddress entry{ifindex, {*address, info.ifa_prefixlen}};
    effect.changed = is_new ? addresses_.insert(entry).second : addresses_.erase(entry) > 0;
    // An interface's first address brings multipath hops back to life, without a message too.
    effect.uncertain |= v4_change && effect.changed;
    return effect;
}

Effect KernelTables::apply_neighbor(const nlmsghdr* message) {
    Attributes<NDA_MAX> attributes;
    if (!attributes.parse(message, sizeof(ndmsg))) {
        return {};
    }
    const auto& info = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(message));
    // Bridges' forwarding entries (AF_BRIDGE) come through the same group.
    const auto address = attributes.address(NDA_DST, info.ndm_family);
    if (!address || !watched(info.ndm_ifindex) || (info.ndm_flags & NTF_PROXY) != 0 ||
        is_group(*address)) {
        return {};
    }
    const NeighborKey key{info.ndm_ifindex, *address};
    MacAddress mac_before;
    MacAddress mac_after;
    const bool usable_before = is_usable(neighbors_, key, mac_before);
    const auto state = to_state(info.ndm_state);
    if (message->nlmsg_type == RTM_DELNEIGH || !state) {
        neighbors_.erase(key);
    } else {
        const MacAddress mac = attributes.mac(NDA_LLADDR).value_or(MacAddress{});
        neighbors_[key] = {info.ndm_ifindex, *address, mac, *state};
    }
    Effect effect;
    effect.concerns = true;
    effect.changed =
        usable_before != is_usable(neighbors_, key, mac_after) || mac_before != mac_after;
    return effect;
}

Effect KernelTables::apply_route(const nlmsghdr* message, bool from_dump) {
    const auto route =
        parse_route(message, from_dump, [this](int ifindex) { return watched(ifindex); });
    if (!route) {
        return {};
    }
    return routes_.apply(*route);
}

// Routes follow a next-hop object that changes or goes, mostly without a message of their own.
Effect KernelTables::apply_nexthop(const nlmsghdr* message) const {
    Effect effect;
    effect.stale_dump =
        message->nlmsg_type == RTM_DELNEXTHOP || (message->nlmsg_flags & NLM_F_REPLACE) != 0;
    effect.uncertain = effect.stale_dump && routes_.uses_nexthop_objects();
    return effect;
}

bool KernelTables::forget(int ifindex) {
    bool changed = links_.erase(ifindex) > 0;
    changed |=
        std::erase_if(addresses_, [&](const auto& entry) { return entry.ifindex == ifindex; }) > 0;
    changed |= std::erase_if(neighbors_,
                             [&](const auto& item) { return item.first.first == ifindex; }) > 0;
    changed |= routes_.link_gone(ifindex);
    return changed;
}

std::vector<KernelNeighbor> KernelTables::neighbors() const {
    std::vector<KernelNeighbor> out;
    out.reserve(neighbors_.size());
    for (const auto& [key, neighbor] : neighbors_) {
        out.push_back(neighbor);
    }
    return out;
}

std::vector<KernelAddress> KernelTables::addresses() const {
    return {addresses_.begin(), addresses_.end()};
}

std::vector<KernelLink> KernelTables::links() const {
    std::vector<KernelLink> out;
    for (const auto& [ifindex, link] : links_) {
        out.push_back(link);
    }
    return out;
}

bool KernelTables::same_for_callers(const KernelTables& other) const {
    const auto usable = [](const KernelTables& tables) {
        std::map<NeighborKey, MacAddress> out;
        for (const auto& [key, neighbor] : tables.neighbors_) {
            if (neighbor.usable()) {
                out[key] = neighbor.mac;
            }
        }
        return out;
    };
    return links_ == other.links_ && addresses_ == other.addresses_ &&
           usable(*this) == usable(other) && routes() == other.routes();
}

}  // namespace dlb
