#include "bgp/route.hpp"

#include <algorithm>

namespace dlb::bgp {
namespace {

bool is_v4_mapped(const IpAddress& address) {
    const auto& bytes = address.bytes();
    return address.is_v6() && bytes[10] == 0xff && bytes[11] == 0xff &&
           std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t byte) { return byte == 0; });
}

bool can_be_next_hop(const IpAddress& address) {
    return !address.is_unspecified() && !address.is_multicast() && !is_v4_mapped(address) &&
           !(address.is_v6() && address.is_link_local());
}

}  // namespace

Result<IpAddress> next_hop_for(Family family, const Outlook& outlook) {
    const auto& configured = outlook.next_hop[family];
    const IpAddress& local = outlook.local_address;
    if (!configured && local.family() != family &&
        !(family == Family::V4 && outlook.format.extended_next_hop)) {
        return Error{std::string("the session runs over IPv") + (local.is_v4() ? "4" : "6") +
                     ": set next_hop to an IPv" + (family == Family::V4 ? "4" : "6") +
                     " address that the router can reach"};
    }
    const IpAddress& next_hop = configured ? *configured : local;
    if (!can_be_next_hop(next_hop)) {
        return Error{next_hop.to_string() +
                     " is no next hop: set next_hop to a global address of this machine"};
    }
    return next_hop;
}

Result<Attributes> attributes_for(const RouteOptions& route, Family family,
                                  const Outlook& outlook) {
    if (!outlook.format.families[family]) {
        return Error{"the neighbour does not take " + describe(unicast(family))};
    }
    auto next_hop = next_hop_for(family, outlook);
    if (!next_hop) {
        return Error{next_hop.error()};
    }
    Attributes attributes;
    attributes.next_hop = next_hop.value();
    attributes.med = route.med;
    if (outlook.format.internal) {
        // RFC 8326 §4.2: the preference goes down with the community, for who does not know it.
        attributes.local_preference = route.graceful_shutdown ? 0 : route.local_preference;
    } else {
        attributes.as_path = {
            {AsSegment::Sequence, std::vector<uint32_t>(1 + route.prepend, outlook.local_as)}};
    }
    attributes.communities = route.communities;
    if (route.graceful_shutdown) {
        attributes.communities.push_back(kGracefulShutdown);
    }
    attributes.large_communities = route.large_communities;
    if (route.link_bandwidth) {
        attributes.extended_communities = {link_bandwidth(outlook.local_as, *route.link_bandwidth)};
    }
    return attributes;
}

}  // namespace dlb::bgp
