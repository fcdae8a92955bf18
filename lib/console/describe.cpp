#include "console/describe.hpp"

#include <algorithm>

namespace dlb {

namespace {

Json or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

template <typename T>
Json texts(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) {
        list.push_back(value.to_string());
    }
    return list;
}

Json name(std::string_view text) {
    return std::string(text);
}

}  // namespace

Json describe(const VersionInfo& version) {
    return {{"name", version.name},
            {"version", version.version},
            {"dpdk", version.dpdk},
            {"uptime_s", version.uptime_s}};
}

Json describe(const PortStatus& port) {
    return {{"name", port.name},
            {"device", port.device},
            {"driver", port.driver},
            {"mac", port.mac.to_string()},
            {"link", port.link_up ? "up" : "down"},
            {"speed_mbps", port.speed_mbps},
            {"mtu", port.mtu},
            {"rx_queues", port.rx_queues},
            {"tx_queues", port.tx_queues},
            {"tap", or_null(port.tap)},
            {"address", texts(port.addresses)},
            {"rx_packets", port.stats.rx_packets},
            {"tx_packets", port.stats.tx_packets}};
}

Json describe_stats(const PortStatus& port) {
    const PortStats& stats = port.stats;
    return {{"name", port.name},
            {"rx_packets", stats.rx_packets},
            {"tx_packets", stats.tx_packets},
            {"rx_bytes", stats.rx_bytes},
            {"tx_bytes", stats.tx_bytes},
            {"rx_missed", stats.rx_missed},
            {"rx_errors", stats.rx_errors},
            {"tx_dropped", stats.tx_dropped},
            {"rx_pps", stats.rx_pps},
            {"tx_pps", stats.tx_pps},
            {"rx_bps", stats.rx_bps},
            {"tx_bps", stats.tx_bps}};
}

Json describe(const WorkerStatus& worker) {
    Json verdicts = Json::object();
    for (const auto& [verdict, count] : worker.verdicts) {
        verdicts[verdict] = count;
    }
    return {{"id", worker.id},
            {"core", worker.core},
            {"running", worker.running},
            {"queues", worker.queues},
            {"packets", worker.packets},
            {"cycles_per_packet", worker.cycles_per_packet},
            {"busy", worker.busy},
            {"flows", worker.flows},
            {"rcu_lag", worker.rcu_lag},
            {"flows_expired", worker.flows_expired},
            {"flows_evicted", worker.flows_evicted},
            {"flows_rescheduled", worker.flows_rescheduled},
            {"flows_stateless", worker.flows_stateless},
            {"verdicts", std::move(verdicts)}};
}

// One reason where all VIPs have the same, else each with its own.
static std::string why_not_announced(const ServiceStatus& service) {
    std::string reasons;
    bool alike = true;
    for (const VipStatus& vip : service.vips) {
        alike = alike && vip.reason == service.vips.front().reason;
        if (!vip.reason.empty()) {
            reasons += (reasons.empty() ? "" : "; ") + vip.vip.to_string() + ": " + vip.reason;
        }
    }
    return alike && !service.vips.empty() ? service.vips.front().reason : reasons;
}

Json describe(const ServiceStatus& service) {
    const ServiceConfig& config = service.config;
    return {{"name", config.name},
            {"vip", texts(config.vip)},
            {"protocol", name(to_string(config.protocol))},
            {"ports", config.ports},
            {"mode", name(to_string(config.mode))},
            {"scheduler", name(to_string(config.scheduler))},
            {"announced", service.announced},
            {"not_announced", or_null(why_not_announced(service))},
            {"backends_up", service.backends_up},
            {"backends", config.backends.size()},
            {"packets", service.packets},
            {"bytes", service.bytes},
            {"new_flows", service.new_flows},
            {"pps", service.pps},
            {"bps", service.bps},
            {"cps", service.cps}};
}

Json describe_in_full(const ServiceStatus& service) {
    const ServiceConfig& config = service.config;
    Json json = describe(service);
    json["snat"] = texts(config.snat);
    json["tunnel_source"] = texts(config.tunnel_source);
    if (is_tunnel(config.mode)) {
        json["vni"] = config.vni;
        json["tunnel_port"] = config.tunnel_port;
    }
    json["sticky"] = config.sticky;
    json["timeout_ms"] = {{"tcp_established", config.timeout.tcp_established.count()},
                          {"tcp_handshake", config.timeout.tcp_handshake.count()},
                          {"tcp_fin", config.timeout.tcp_fin.count()},
                          {"udp", config.timeout.udp.count()}};
    json["icmp_echo"] = config.icmp_echo;
    json["persistence_ms"] = config.persistence.count();
    json["max_new_flows"] = config.max_new_flows;
    json["overflow"] = name(to_string(config.overflow));
    json["mss_clamp"] = config.mss_clamp;
    json["min_backends"] = config.min_backends;
    return json;
}

Json describe(const BackendStatus& backend) {
    const BackendConfig& config = backend.config;
    return {{"service", backend.service},
            {"address", config.address.to_string()},
            {"port", config.port},
            {"weight", config.weight},
            {"state", name(to_string(backend.state))},
            {"health", backend.health},
            {"active_connections", backend.active_connections},
            {"packets", backend.packets},
            {"bytes", backend.bytes},
            {"max_connections", config.max_connections},
            {"mac", config.mac.is_zero() ? Json(nullptr) : Json(config.mac.to_string())},
            {"next_hop", backend.next_hop}};
}

Json describe(const NeighborStatus& neighbor) {
    return {{"address", neighbor.address.to_string()},
            {"mac", neighbor.mac.is_zero() ? Json(nullptr) : Json(neighbor.mac.to_string())},
            {"port", neighbor.port},
            {"state", neighbor.state}};
}

Json describe(const RouteStatus& route) {
    return {{"prefix", route.prefix.to_string()},
            {"gateway", route.gateway ? Json(route.gateway->to_string()) : Json(nullptr)},
            {"port", route.port},
            {"source", route.source}};
}

Json describe(const MemoryStatus& memory) {
    return {
        {"name", memory.name}, {"used", memory.used}, {"size", memory.size}, {"unit", memory.unit}};
}

Json describe(const FlowStatus& flow) {
    return {{"worker", flow.worker},
            {"protocol", name(to_string(flow.protocol))},
            {"client", flow.client.to_string()},
            {"vip", flow.vip.to_string()},
            {"backend", flow.backend.to_string()},
            {"snat", flow.snat ? Json(flow.snat->to_string()) : Json(nullptr)},
            {"service", or_null(flow.service)},
            {"state", flow.state},
            {"expires_ms", flow.expires_ms}};
}

Json describe(const HealthStatus& health) {
    const bool checked = health.checked_s >= 0;
    return {{"service", health.service},
            {"address", health.backend.address.to_string()},
            {"port", health.backend.port},
            {"type", name(to_string(health.type))},
            {"state", health.state},
            {"panic", health.in_panic},
            {"last", checked ? Json(health.last_ok ? "ok" : "failed") : Json(nullptr)},
            {"reason", or_null(health.reason)},
            {"checks", health.checks},
            {"failures", health.failures},
            {"duration_s", health.duration_s},
            {"changed_s", health.changed_s},
            {"checked_s", checked ? Json(health.checked_s) : Json(nullptr)}};
}

Json describe(const Explanation& explanation) {
    Json backend = nullptr;
    if (explanation.backend) {
        backend = {{"address", explanation.backend->address.to_string()},
                   {"port", explanation.backend->port}};
    }
    return {{"service", or_null(explanation.service)},
            {"backend", backend},
            {"source", or_null(explanation.source)},
            {"mode", or_null(explanation.mode)},
            {"next_hop", or_null(explanation.next_hop)},
            {"verdict", explanation.verdict},
            {"steps", explanation.steps}};
}

}  // namespace dlb
