#include "bgp/negotiation.hpp"

#include <algorithm>

namespace dlb::bgp {
namespace {

// RFC 4760 §8 is about families that are offered; who offers none speaks IPv4 unicast.
bool speaks(const Open& open, Family family) {
    const auto& families = open.capabilities.families;
    return open.capabilities.has(unicast(family)) || (families.empty() && family == Family::V4);
}

bool has_common_family(const Open& ours, const Open& theirs) {
    return std::any_of(std::begin(kFamilies), std::end(kFamilies), [&](Family family) {
        return speaks(ours, family) && speaks(theirs, family);
    });
}

bool offers_ipv6_next_hop(const Open& open) {
    const auto& offered = open.capabilities.extended_next_hop;
    return std::find(offered.begin(), offered.end(),
                     ExtendedNextHop{unicast(Family::V4), afi_of(Family::V6)}) != offered.end();
}

}  // namespace

std::optional<Notification> check_open(const Open& ours, const Open& theirs, uint32_t remote_as) {
    if (theirs.as != remote_as) {
        return Notification(OpenError::BadPeerAs);  // RFC 4271 §6.2
    }
    // RFC 6286 §2.2: within one AS the identifier tells speakers apart.
    if (theirs.as == ours.as && theirs.identifier == ours.identifier) {
        return Notification(OpenError::BadIdentifier);
    }
    if (!has_common_family(ours, theirs)) {
        // RFC 5492 §5: the data lists the capabilities that are missing.
        Capabilities missing;
        missing.families = ours.capabilities.families;
        return Notification(OpenError::UnsupportedCapability, encode_capabilities(missing));
    }
    return std::nullopt;
}

Negotiated negotiate(const Open& ours, const Open& theirs) {
    const Capabilities& mine = ours.capabilities;
    const Capabilities& other = theirs.capabilities;
    Negotiated agreed;
    agreed.hold_time = std::min(ours.hold_time, theirs.hold_time);  // RFC 4271 §4.2
    UpdateFormat common;
    common.internal = ours.as == theirs.as;
    common.as4 = mine.as4 && other.as4;  // RFC 6793 §4.1
    common.extended_next_hop = offers_ipv6_next_hop(ours) && offers_ipv6_next_hop(theirs);
    for (const Family family : kFamilies) {
        common.families[family] = speaks(ours, family) && speaks(theirs, family);
    }
    agreed.send = agreed.receive = common;
    for (const Family family : kFamilies) {  // RFC 7911 §4
        const uint8_t my_mode = mine.add_path_mode(unicast(family));
        const uint8_t other_mode = other.add_path_mode(unicast(family));
        agreed.send.add_path[family] =
            (my_mode & kAddPathSend) != 0 && (other_mode & kAddPathReceive) != 0;
        agreed.receive.add_path[family] =
            (my_mode & kAddPathReceive) != 0 && (other_mode & kAddPathSend) != 0;
    }
    // RFC 8654 §4: sent to who offers it; who offers it must be able to receive.
    const auto limit = [](bool extended) {
        return extended ? kExtendedMessageLimit : kMessageLimit;
    };
    agreed.send.limit = limit(mine.extended_message && other.extended_message);
    agreed.receive.limit = limit(mine.extended_message);
    agreed.refresh = mine.route_refresh && other.route_refresh;
    agreed.enhanced_refresh = mine.enhanced_refresh && other.enhanced_refresh;
    agreed.restarts = other.graceful_restart.has_value();
    agreed.notification_restarts = mine.graceful_restart && mine.graceful_restart->notification &&
                                   other.graceful_restart && other.graceful_restart->notification;
    return agreed;
}

}  // namespace dlb::bgp
