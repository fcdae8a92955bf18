// Which VIP a health check inside of a tunnel asks for. Thread safety: pure.
#pragma once

#include "lb/service_config.hpp"

namespace dlb {

// The VIP that a check with `inside_tunnel` asks for on this backend: the first of the service's;
// in mode dr, of the backend's family. Of a prefix, its first address. REQUIRES: there is one.
inline IpAddress checked_vip(const ServiceConfig& service, const BackendConfig& backend) {
    for (const Prefix& vip : service.vip) {
        if (service.mode != Mode::Dr || vip.family() == backend.address.family()) {
            return vip.address();
        }
    }
    return service.vip.front().address();
}

}  // namespace dlb
