#include "config/schema.hpp"

#include <chrono>
#include <string>

#include "config/notation.hpp"
#include "lb/types.hpp"

namespace dlb::conf {

namespace {

using namespace std::chrono_literals;
using Fields = std::vector<Field>;

constexpr int64_t kMost16 = 65535;
constexpr int64_t kMost32 = 4294967295;
constexpr int64_t kMostCount = int64_t{1} << 27;

Field one(std::string_view key, Rule rule) {
    return {key, Shape::One, std::move(rule), {}, false};
}
Field many(std::string_view key, Rule rule) {
    return {key, Shape::Many, std::move(rule), {}, false};
}
Field table(std::string_view key, Fields fields) {
    return {key, Shape::Table, {}, std::move(fields), false};
}
Field tables(std::string_view key, Fields fields) {
    return {key, Shape::Tables, {}, std::move(fields), false};
}
Field required(Field field) {
    field.required = true;
    return field;
}

template <typename Enum>
Rule one_of_enum(unsigned count) {
    std::vector<std::string> names;
    for (unsigned i = 0; i < count; ++i) {
        names.emplace_back(to_string(static_cast<Enum>(i)));
    }
    return one_of(std::move(names));
}

Rule timeout() {
    return duration(100ms, 24h);
}
Rule any_duration() {
    return duration(0ms, 24h);
}
Rule port_number() {
    return integer(1, kMost16);
}
Rule port_or_zero() {
    return integer(0, kMost16);
}

Fields lb_fields() {
    return {one("name", name(kLbNameLength)),
            one("cores", cores()),
            one("control_core", integer(0, kLastCpu)),
            one("idle", one_of({"busy", "adaptive"})),
            one("socket", socket_path()),
            one("hugepages", boolean()),
            one("memory_mb", integer(64, 16777216)),
            one("flow_table_size", integer(1024, kMostCount)),
            one("mbufs", integer(1024, kMostCount)),
            one("drain_time", any_duration()),
            one("user", text()),
            one("log_level", one_of({"error", "warn", "info", "debug"}))};
}

Fields port_fields() {
    return {required(one("name", name(kPortNameLength))),
            required(one("device", device())),
            many("address", interface_address()),
            many("gateway", address()),
            one("tap", interface_name_or_none()),
            one("mtu", integer(576, 9216)),
            one("vlan", integer(0, 4094)),
            one("promiscuous", boolean()),
            tables("neighbor", {required(one("address", address())), required(one("mac", mac()))})};
}

Fields health_fields() {
    return {one("type", one_of({"none", "tcp", "http", "https", "udp", "icmp", "exec"})),
            one("interval", timeout()),
            one("timeout", timeout()),
            one("rise", integer(1, kMost16)),
            one("fall", integer(1, kMost16)),
            one("port", port_or_zero()),
            one("path", text()),
            many("expect", integer(100, 599)),
            one("host", text()),
            one("inside_tunnel", boolean()),
            one("panic_threshold", share()),
            one("command", text())};
}

Fields backend_fields() {
    return {required(one("address", address())), one("port", port_or_zero()),
            one("weight", integer(0, kMost16)), one("max_connections", integer(0, kMost32)),
            one("mac", or_empty(mac()))};
}

Fields service_fields() {
    return {required(one("name", name(kServiceNameLength))),
            required(many("vip", prefix())),
            one("protocol", one_of({"tcp", "udp"})),
            many("ports", port_number()),
            one("mode", one_of_enum<Mode>(kModes)),
            one("scheduler", one_of_enum<SchedulerKind>(kSchedulers)),
            many("snat", address()),
            many("tunnel_source", prefix()),
            one("vni", integer(0, (1 << 24) - 1)),
            one("tunnel_port", port_number()),
            one("sticky", boolean()),
            one("persistence", any_duration()),
            table("timeout", {one("tcp_established", timeout()), one("tcp_handshake", timeout()),
                              one("tcp_fin", timeout()), one("udp", timeout())}),
            one("icmp_echo", boolean()),
            one("overflow", one_of({"drop", "reset"})),
            one("max_new_flows", integer(0, kMost32)),
            one("mss_clamp", integer(0, kMost16)),
            one("min_backends", integer(0, kMost16)),
            table("health", health_fields()),
            tables("backend", backend_fields()),
            table("discovery",
                  {one("type", one_of({"kubernetes", "file", "dns"})), one("namespace", text()),
                   one("name", text()), one("port", port_or_its_name())})};
}

Fields bgp_neighbor_fields() {
    return {one("address", address()),
            one("prefix", prefix()),
            one("asn", integer(1, kMost32)),
            one("port", port_number()),
            one("local_address", or_empty(address())),
            one("hold_time", any_duration()),
            one("connect_retry", timeout()),
            one("passive", boolean()),
            one("password", text()),
            one("password_file", text()),
            one("ttl_security", boolean()),
            one("multihop", integer(1, 255)),
            many("families", one_of({"ipv4-unicast", "ipv6-unicast"})),
            one("add_path", boolean()),
            table("bfd", {one("enabled", boolean()), one("interval", duration(10ms, 1h)),
                          one("multiplier", integer(1, 255))})};
}

Fields bgp_fields() {
    return {
        one("enabled", boolean()),
        one("asn", integer(1, kMost32)),
        one("router_id", or_empty(ipv4_address())),
        one("listen", or_empty(endpoint())),
        many("next_hop", address()),
        one("announce", one_of({"healthy", "always"})),
        many("aggregate", prefix()),
        many("communities", numbers_with_colons(2, kMost16)),
        many("large_communities", numbers_with_colons(3, kMost32)),
        one("med", integer(0, kMost32)),
        one("local_preference", integer(0, kMost32)),
        table("graceful_restart", {one("enabled", boolean()), one("restart_time", any_duration())}),
        tables("neighbor", bgp_neighbor_fields())};
}

}  // namespace

const std::vector<Field>& schema() {
    static const Fields fields = {
        table("lb", lb_fields()),
        tables("port", port_fields()),
        tables("service", service_fields()),
        table("bgp", bgp_fields()),
        table("metrics", {one("listen", or_empty(endpoint()))}),
        table("kubernetes", {one("api", text()), one("token_file", text()), one("ca_file", text()),
                             one("kubeconfig", text())}),
    };
    return fields;
}

}  // namespace dlb::conf
