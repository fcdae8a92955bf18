#include "control/route_plan.hpp"

#include <algorithm>

namespace dlb {

Prefix carrier_of(const Prefix& vip, const std::vector<Prefix>& aggregates) {
    Prefix widest = vip;
    for (const Prefix& aggregate : aggregates) {
        if (aggregate.length() < widest.length() && aggregate.contains(vip.address())) {
            widest = aggregate;
        }
    }
    return widest;
}

RoutePlan plan_routes(const std::vector<ModelService>& services, const RouteIntent& intent,
                      const BgpConfig& bgp, const CountUsable& usable,
                      const std::function<bool(const Prefix&)>& is_announced) {
    RoutePlan plan;
    for (const Prefix& aggregate : bgp.aggregate) {
        plan[aggregate] = {"no service has a VIP in it", true};
    }
    for (const ModelService& service : services) {
        for (const Prefix& vip : service.config.vip) {
            const Prefix carrier = carrier_of(vip, bgp.aggregate);
            const bool always = bgp.announce == BgpAnnounce::Always;
            const unsigned count =
                always ? service.config.min_backends : usable(service, is_announced(carrier));
            std::string reason = intent.why_not(service.config, vip, count);
            if (!reason.empty() && count < service.config.min_backends &&
                intent.why_not(service.config, vip, usable(service, true)).empty()) {
                reason = "its backends have not been checked yet";
            }
            const auto [entry, first] = plan.try_emplace(carrier, RouteWish{reason, false});
            if (!first && !entry->second.wanted()) {
                entry->second.reason = std::move(reason);
            }
        }
    }
    return plan;
}

}  // namespace dlb
