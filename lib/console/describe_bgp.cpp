// The looking glass as JSON.
#include <algorithm>

#include "console/describe.hpp"

namespace dlb {

namespace {

Json or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}
template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

// With its length, also where that is a host's: what BGP speaks of is a prefix.
std::string in_full(const Prefix& prefix) {
    return prefix.address().to_string() + "/" + std::to_string(prefix.length());
}

Json describe(const BgpMessageCounts& counts) {
    return {{"opens", counts.opens},
            {"updates", counts.updates},
            {"notifications", counts.notifications},
            {"keepalives", counts.keepalives},
            {"refreshes", counts.refreshes}};
}

Json describe(const BgpBfdStatus& bfd) {
    return {{"state", bfd.state},
            {"remote_state", or_null(bfd.remote_state)},
            {"diagnostic", or_null(bfd.diagnostic)},
            {"error", or_null(bfd.error)},
            {"up_s", bfd.up_s},
            {"tx_interval_ms", bfd.tx_interval_ms},
            {"rx_interval_ms", bfd.rx_interval_ms},
            {"detection_ms", bfd.detection_ms},
            {"flaps", bfd.flaps},
            {"sent", bfd.sent},
            {"received", bfd.received},
            {"dropped", bfd.dropped},
            {"real_time", bfd.real_time}};
}

}  // namespace

Json describe(const BgpNeighborStatus& neighbor) {
    return {{"address", neighbor.address.to_string()},
            {"asn", neighbor.asn},
            {"state", neighbor.state},
            {"uptime_s", neighbor.uptime_s},
            {"sent", neighbor.routes_announced},
            {"received", neighbor.routes_received},
            {"refused", neighbor.routes_refused},
            {"not_kept", neighbor.routes_not_kept},
            {"flaps", neighbor.flaps},
            {"dynamic", neighbor.dynamic},
            {"router_id", neighbor.router_id ? Json(neighbor.router_id->to_string()) : Json()},
            {"hold_time_s", neighbor.hold_time_s},
            {"keepalive_s", neighbor.keepalive_s},
            {"hold_left_s", or_null(neighbor.hold_left_s)},
            {"retry_in_s", or_null(neighbor.retry_in_s)},
            {"capabilities_offered", or_null(neighbor.offered)},
            {"capabilities_received", or_null(neighbor.received)},
            {"last_error", or_null(neighbor.last_error)},
            {"likely_cause", or_null(neighbor.likely_cause)},
            {"messages_sent", describe(neighbor.messages_sent)},
            {"messages_received", describe(neighbor.messages_received)},
            {"treated_as_withdraw", neighbor.treated_as_withdraw},
            {"attributes_discarded", neighbor.attributes_discarded},
            {"bfd", neighbor.bfd ? describe(*neighbor.bfd) : Json()}};
}

Json describe(const BgpStatus& bgp) {
    Json document = {{"asn", bgp.asn},
                     {"router_id", bgp.router_id ? bgp.router_id->to_string() : ""},
                     {"neighbors", describe_all(bgp.neighbors)}};
    if (bgp.enabled) {
        document["phase"] = bgp.phase;
        document["waiting"] = bgp.waiting;
        document["refused_connections"] = bgp.refused_connections;
    }
    return document;
}

Json describe(const BgpRouteStatus& route) {
    Json announced_to = Json::array();
    Json next_hops = Json::object();
    for (const BgpRouteStatus::Sent& sent : route.announced_to) {
        announced_to.push_back(sent.neighbor.to_string());
        next_hops[sent.neighbor.to_string()] = sent.next_hop;
    }
    Json refused = Json::array();
    for (const BgpRouteStatus::Refused& refusal : route.refused) {
        refused.push_back({{"neighbor", refusal.neighbor.to_string()}, {"reason", refusal.reason}});
    }
    const bool announced = !route.announced_to.empty();
    return {{"prefix", in_full(route.prefix)},
            {"next_hop", announced ? or_null(route.announced_to[0].next_hop) : Json()},
            {"communities", route.communities},
            {"announced_to", std::move(announced_to)},
            {"announced", announced},
            {"reason", or_null(route.reason)},
            {"services", route.services},
            {"aggregate", route.aggregate},
            {"next_hops", std::move(next_hops)},
            {"refused", std::move(refused)}};
}

Json describe(const BgpReceivedRoute& route) {
    return {{"prefix", in_full(route.prefix)},
            {"path_id", route.path_id},
            {"next_hop", or_null(route.next_hop)},
            {"as_path", route.as_path},
            {"origin", route.origin},
            {"med", or_null(route.med)},
            {"local_preference", or_null(route.local_preference)},
            {"communities", route.communities}};
}

}  // namespace dlb
