#include "config/build.hpp"

#include <chrono>
#include <concepts>
#include <limits>

#include "config/notation.hpp"
#include "lb/outer_header.hpp"
#include "lb/types.hpp"

namespace dlb::conf {

namespace {

const std::string* as_text(const Value& value) {
    return value.is_string() ? &value.as_string(std::nothrow).str : nullptr;
}

void read(const Value& value, bool& out) {
    if (value.is_boolean()) {
        out = value.as_boolean(std::nothrow);
    }
}

void read(const Value& value, std::string& out) {
    if (const std::string* text = as_text(value)) {
        out = *text;
    }
}

template <std::unsigned_integral T>
void read(const Value& value, T& out) {
    if (value.is_integer() && value.as_integer(std::nothrow) >= 0 &&
        static_cast<uint64_t>(value.as_integer(std::nothrow)) <= std::numeric_limits<T>::max()) {
        out = static_cast<T>(value.as_integer(std::nothrow));
    }
}

std::optional<IdleMode> parse_idle_mode(std::string_view name) {
    return name == "busy"       ? std::optional(IdleMode::Busy)
           : name == "adaptive" ? std::optional(IdleMode::Adaptive)
                                : std::nullopt;
}

// For what is written as a string.
template <typename T, typename Parse>
void read_by(const Value& value, T& out, Parse parse) {
    if (const std::string* text = as_text(value)) {
        if (const auto parsed = parse(*text)) {
            out = *parsed;
        }
    }
}

template <typename T>
requires requires {
    T::parse(std::string_view());
}
void read(const Value& value, T& out) {
    read_by(value, out, [](const std::string& text) { return T::parse(text); });
}
void read(const Value& value, std::chrono::milliseconds& out) {
    read_by(value, out, parse_duration);
}
void read(const Value& value, IdleMode& out) {
    read_by(value, out, parse_idle_mode);
}
void read(const Value& value, LogLevel& out) {
    read_by(value, out, parse_log_level);
}
void read(const Value& value, Protocol& out) {
    read_by(value, out, parse_protocol);
}
void read(const Value& value, Mode& out) {
    read_by(value, out, parse_mode);
}
void read(const Value& value, SchedulerKind& out) {
    read_by(value, out, parse_scheduler);
}
void read(const Value& value, Overflow& out) {
    read_by(value, out, parse_overflow);
}

// One or many.
template <typename T>
void read(const Value& value, std::vector<T>& out) {
    out.clear();
    if (!value.is_array()) {
        read(value, out.emplace_back());
        return;
    }
    for (const Value& element : value.as_array(std::nothrow)) {
        read(element, out.emplace_back());
    }
}

template <typename T>
void take(const Value& table, const char* key, T& out) {
    if (const Value* value = child(table, key)) {
        read(*value, out);
    }
}

template <typename T, typename Build>
void take_tables(const Value& table, const char* key, std::vector<T>& out, Build build) {
    const Value* list = child(table, key);
    if (list == nullptr || !list->is_array()) {
        return;
    }
    for (const Value& element : list->as_array(std::nothrow)) {
        out.push_back(build(element));
    }
}

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
    take(table, "log_level", lb.log_level);
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
    return config;
}

}  // namespace dlb::conf
