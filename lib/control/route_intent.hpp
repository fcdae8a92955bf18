// RouteIntent: which VIPs are to be announced, as far as operators and backends have a say. What
// becomes of it is BGP's business.
//
// Thread safety: a plain value.
#pragma once

#include <set>
#include <string>

#include "lb/service_config.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct RouteIntent {
    bool drained = false;  // the whole load balancer
    std::set<Prefix> withdrawn;

    // Why this VIP of the service is not to be announced, strongest first; "": it is to be.
    // `usable`: its backends that take new flows.
    std::string why_not(const ServiceConfig& service, const Prefix& vip, unsigned usable) const {
        if (drained) {
            return "the load balancer is drained";
        }
        if (withdrawn.contains(vip)) {
            return "withdrawn by hand";
        }
        if (usable < service.min_backends) {
            return "fewer than min_backends usable: " + std::to_string(usable) + " of " +
                   std::to_string(service.min_backends);
        }
        return "";
    }
};

}  // namespace dlb
