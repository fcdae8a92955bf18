// RoutePlan: which prefixes are to be announced, of all VIPs, and why the others are not. Says
// nothing of neighbours.
//
// Thread safety: plain values and pure functions.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/bgp_config.hpp"
#include "control/route_intent.hpp"
#include "lb/model.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct RouteWish {
    std::string reason;  // why it is not to be announced; "": it is
    bool aggregate = false;
    bool wanted() const { return reason.empty(); }
};
using RoutePlan = std::map<Prefix, RouteWish>;

// How many backends of the service count. `announced`: the route that leads to the VIP is out.
using CountUsable = std::function<unsigned(const ModelService& service, bool announced)>;

// What is announced for a VIP: the widest aggregate that it lies in, or itself.
Prefix carrier_of(const Prefix& vip, const std::vector<Prefix>& aggregates);

// Services that share a VIP, and VIPs that share an aggregate, hold it together: it is wanted while
// one of them wants it. `is_announced` tells what is out now.
RoutePlan plan_routes(const std::vector<ModelService>& services, const RouteIntent& intent,
                      const BgpConfig& bgp, const CountUsable& usable,
                      const std::function<bool(const Prefix&)>& is_announced);

}  // namespace dlb
