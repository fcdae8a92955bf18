#include "config/build.hpp"

#include "config/read_values.hpp"
#include "lb/outer_header.hpp"
#include "lb/types.hpp"

namespace dlb::conf {

namespace {

LbConfig build_lb(const Value& table) {
    LbConfig lb;
    take(table, "name", lb.name);
    if (const Value* cores = child(table, "cores")) {
        if (cores->is_integer()) {
            read(*cores, lb.cores);
        } else {
            read_by(*cores, lb.cores, parse_cores);
        }
    }
    take(table, "control_core", lb.control_core);
    take(table, "idle", lb.idle);
    lb.socket = "/run/dpdk-lb/" + lb.name + ".sock";
    take(table, "socket", lb.socket);
    take(table, "hugepages", lb.hugepages);
    take(table, "memory_mb", lb.memory_mb);
    take(table, "flow_table_size", lb.flow_table_size);
    take(table, "mbufs", lb.mbufs);
    take(table, "drain_time", lb.drain_time);
    take(table, "user", lb.user);
    take(table, "log_level", lb.log_level);
    take(table, "log_format", lb.log_format);
    return lb;
}

StaticNeighbor build_neighbor(const Value& table) {
    StaticNeighbor neighbor;
    take(table, "address", neighbor.address);
    take(table, "mac", neighbor.mac);
    return neighbor;
}

PortConfig build_port(const Value& table) {
    PortConfig port;
    take(table, "name", port.name);
    take(table, "device", port.device);
    take(table, "address", port.address);
    take(table, "gateway", port.gateway);
    port.tap = port.name + "0";
    take(table, "tap", port.tap);
    take(table, "mtu", port.mtu);
    take(table, "vlan", port.vlan);
    take(table, "promiscuous", port.promiscuous);
    take_tables(table, "neighbor", port.neighbors, build_neighbor);
    return port;
}

BackendConfig build_backend(const Value& table) {
    BackendConfig backend;
    take(table, "address", backend.address);
    take(table, "port", backend.port);
    take(table, "weight", backend.weight);
    take(table, "max_connections", backend.max_connections);
    take(table, "mac", backend.mac);
    return backend;
}

HealthConfig build_health(const Value& table) {
    HealthConfig health;
    health.type = HealthType::Tcp;  // a table without a type asks for a check
    take(table, "type", health.type);
    take(table, "interval", health.interval);
    take(table, "timeout", health.timeout);
    take(table, "rise", health.rise);
    take(table, "fall", health.fall);
    take(table, "port", health.port);
    take(table, "path", health.path);
    take(table, "expect", health.expect);
    take(table, "host", health.host);
    take(table, "inside_tunnel", health.inside_tunnel);
    take(table, "panic_threshold", health.panic_threshold);
    take(table, "command", health.command);
    return health;
}

MetricsConfig build_metrics(const Value& table) {
    MetricsConfig metrics;
    if (const Value* listen = child(table, "listen")) {
        metrics.listen.reset();  // "": off
        if (const std::string* text = as_text(*listen)) {
            metrics.listen = Endpoint::parse(*text);
        }
    }
    return metrics;
}

ServiceConfig build_service(const Value& table) {
    ServiceConfig service;
    take(table, "name", service.name);
    take(table, "vip", service.vip);
    take(table, "protocol", service.protocol);
    take(table, "ports", service.ports);
    take(table, "mode", service.mode);
    take(table, "scheduler", service.scheduler);
    take(table, "snat", service.snat);
    take(table, "tunnel_source", service.tunnel_source);
    take(table, "vni", service.vni);
    take(table, "tunnel_port", service.tunnel_port);
    if (service.tunnel_port == 0) {
        service.tunnel_port = default_tunnel_port(service.mode);
    }
    take(table, "sticky", service.sticky);
    take(table, "persistence", service.persistence);
    if (const Value* timeout = child(table, "timeout")) {
        take(*timeout, "tcp_established", service.timeout.tcp_established);
        take(*timeout, "tcp_handshake", service.timeout.tcp_handshake);
        take(*timeout, "tcp_fin", service.timeout.tcp_fin);
        take(*timeout, "udp", service.timeout.udp);
    }
    take(table, "icmp_echo", service.icmp_echo);
    take(table, "overflow", service.overflow);
    take(table, "max_new_flows", service.max_new_flows);
    take(table, "mss_clamp", service.mss_clamp);
    take(table, "min_backends", service.min_backends);
    if (const Value* health = child(table, "health")) {
        service.health = build_health(*health);
    }
    take_tables(table, "backend", service.backends, build_backend);
    return service;
}

}  // namespace

Config build_config(const Value& root) {
    Config config;
    const Value* lb = child(root, "lb");
    config.lb = build_lb(lb == nullptr ? Value(Value::table_type()) : *lb);
    take_tables(root, "port", config.ports, build_port);
    take_tables(root, "service", config.services, build_service);
    if (const Value* metrics = child(root, "metrics")) {
        config.metrics = build_metrics(*metrics);
    }
    if (const Value* bgp = child(root, "bgp")) {
        config.bgp = build_bgp(*bgp, config.ports);
    }
    return config;
}

}  // namespace dlb::conf
