// The answers of ControlApi as JSON, keys as in interface.md.
// Thread safety: pure functions.
#pragma once

#include "console/text_table.hpp"
#include "control/api.hpp"

namespace dlb {

Json describe(const VersionInfo& version);
Json describe(const PortStatus& port);        // `show ports`
Json describe_stats(const PortStatus& port);  // `show port NAME stats`
Json describe(const WorkerStatus& worker);
Json describe(const ServiceStatus& service);          // `show services`
Json describe_in_full(const ServiceStatus& service);  // `show service NAME`, without the backends
Json describe(const BackendStatus& backend);
Json describe(const NeighborStatus& neighbor);
Json describe(const RouteStatus& route);
Json describe(const MemoryStatus& memory);
Json describe(const FlowStatus& flow);
Json describe(const HealthStatus& health);
Json describe(const Explanation& explanation);
Json describe(const ReloadPlan& plan);
Json describe(const BgpNeighborStatus& neighbor);
Json describe(const BgpStatus& bgp);
Json describe(const BgpRouteStatus& route);
Json describe(const BgpReceivedRoute& route);

template <typename T>
Json describe_all(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) {
        list.push_back(describe(value));
    }
    return list;
}

}  // namespace dlb
