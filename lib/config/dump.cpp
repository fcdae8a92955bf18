#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "config/config.hpp"
#include "config/notation.hpp"
#include "config/text.hpp"

namespace dlb {

namespace {

using conf::format_duration;
using conf::toml_string;

std::string show(bool value) {
    return value ? "true" : "false";
}
std::string show(const std::string& value) {
    return toml_string(value);
}
std::string show(std::string_view value) {
    return toml_string(value);
}
std::string show(std::chrono::milliseconds value) {
    return toml_string(format_duration(value));
}
template <std::unsigned_integral T>
std::string show(T value) {
    return std::to_string(value);
}
template <typename T>
requires requires(T value) {
    value.bytes;
} || requires(T value) {
    T::parse("");
}
std::string show(const T& value) {
    return toml_string(value.to_string());
}
template <typename T>
std::string show(const std::vector<T>& values) {
    std::string out;
    for (const T& value : values) {
        out += (out.empty() ? "" : ", ") + show(value);
    }
    return "[" + out + "]";
}

// Writes one table: a header, then its keys, indented alike.
class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}

    void header(std::string_view brackets) {
        out_ += fmt::format("{}{}{}\n", out_.empty() ? "" : "\n", indent_, brackets);
    }
    template <typename T>
    void key(std::string_view name, const T& value) {
        raw(name, show(value));
    }
    template <typename T>
    void key_unless_empty(std::string_view name, const T& value) {
        if (!value.empty()) {
            key(name, value);
        }
    }
    void raw(std::string_view name, std::string_view value) {
        fmt::format_to(std::back_inserter(out_), "{}{} = {}\n", indent_, name, value);
    }
    Writer inner() const {
        Writer writer(out_);
        writer.indent_ = indent_ + "  ";
        return writer;
    }

  private:
    std::string& out_;
    std::string indent_;
};

void dump_lb(const LbConfig& lb, Writer out) {
    out.header("[lb]");
    out.key("name", lb.name);
    out.key("cores", conf::format_cores(lb.cores));
    out.key("control_core", lb.control_core);
    out.key("idle", to_string(lb.idle));
    out.key("socket", lb.socket);
    out.key("hugepages", lb.hugepages);
    out.key("memory_mb", lb.memory_mb);
    out.key("flow_table_size", lb.flow_table_size);
    out.key("mbufs", lb.mbufs);
    out.key("drain_time", lb.drain_time);
    out.key("user", lb.user);
    out.key("log_level", to_string(lb.log_level));
    out.key("log_format", to_string(lb.log_format));
}

void dump_port(const PortConfig& port, Writer out) {
    out.header("[[port]]");
    out.key("name", port.name);
    out.key("device", port.device);
    out.key("address", port.address);
    out.key("gateway", port.gateway);
    out.key("tap", port.tap);
    out.key("mtu", port.mtu);
    out.key("vlan", port.vlan);
    out.key("promiscuous", port.promiscuous);
    for (const StaticNeighbor& neighbor : port.neighbors) {
        Writer inner = out.inner();
        inner.header("[[port.neighbor]]");
        inner.key("address", neighbor.address);
        inner.key("mac", neighbor.mac);
    }
}

void dump_backend(const BackendConfig& backend, Writer out) {
    out.header("[[service.backend]]");
    out.key("address", backend.address);
    out.key("port", backend.port);
    out.key("weight", backend.weight);
    out.key("max_connections", backend.max_connections);
    if (!backend.mac.is_zero()) {
        out.key("mac", backend.mac);
    }
}

std::string show(const FlowTimeouts& timeout) {
    return fmt::format("{{ tcp_established = {}, tcp_handshake = {}, tcp_fin = {}, udp = {} }}",
                       show(timeout.tcp_established), show(timeout.tcp_handshake),
                       show(timeout.tcp_fin), show(timeout.udp));
}

void dump_health(const HealthConfig& health, Writer out) {
    out.header("[service.health]");
    out.key("type", to_string(health.type));
    out.key("interval", health.interval);
    out.key("timeout", health.timeout);
    out.key("rise", health.rise);
    out.key("fall", health.fall);
    out.key("port", health.port);
    out.key("path", health.path);
    out.key("expect", health.expect);
    out.key("host", health.host);
    out.key("inside_tunnel", health.inside_tunnel);
    out.raw("panic_threshold", fmt::format("{}", health.panic_threshold));
    out.key("command", health.command);
}

void dump_service(const ServiceConfig& service, Writer out) {
    out.header("[[service]]");
    out.key("name", service.name);
    out.key("vip", service.vip);
    out.key("protocol", to_string(service.protocol));
    out.key("ports", service.ports);
    out.key("mode", to_string(service.mode));
    out.key("scheduler", to_string(service.scheduler));
    out.key_unless_empty("snat", service.snat);
    out.key_unless_empty("tunnel_source", service.tunnel_source);
    if (service.mode == Mode::Vxlan || service.vni != ServiceConfig().vni) {
        out.key("vni", service.vni);
    }
    if (service.tunnel_port != 0) {
        out.key("tunnel_port", service.tunnel_port);
    }
    out.key("sticky", service.sticky);
    out.key("persistence", service.persistence);
    out.raw("timeout", show(service.timeout));
    out.key("icmp_echo", service.icmp_echo);
    out.key("overflow", to_string(service.overflow));
    out.key("max_new_flows", service.max_new_flows);
    if (service.mss_clamp != 0) {
        out.key("mss_clamp", service.mss_clamp);
    }
    out.key("min_backends", service.min_backends);
    if (service.health != HealthConfig()) {
        dump_health(service.health, out.inner());
    }
    for (const BackendConfig& backend : service.backends) {
        dump_backend(backend, out.inner());
    }
}

void dump_metrics(const MetricsConfig& metrics, Writer out) {
    out.header("[metrics]");
    out.key("listen", metrics.listen ? metrics.listen->to_string() : "");
}

std::string numbers(const std::vector<BgpCommunity>& communities) {
    std::vector<std::string> texts;
    for (const BgpCommunity& community : communities) {
        texts.push_back(fmt::format("{}:{}", community.asn, community.value));
    }
    return show(texts);
}
std::string numbers(const std::vector<BgpLargeCommunity>& communities) {
    std::vector<std::string> texts;
    for (const BgpLargeCommunity& community : communities) {
        texts.push_back(
            fmt::format("{}:{}:{}", community.global, community.local1, community.local2));
    }
    return show(texts);
}

void dump_bgp_neighbor(const BgpNeighborConfig& neighbor, Writer out) {  // without the password
    out.header("[[bgp.neighbor]]");
    if (neighbor.address) {
        out.key("address", *neighbor.address);
    } else if (neighbor.prefix) {
        out.key("prefix", *neighbor.prefix);
    }
    out.key("asn", neighbor.asn);
    if (neighbor.address) {
        out.key("port", neighbor.port);
        out.key("local_address", neighbor.local_address ? neighbor.local_address->to_string() : "");
    }
    out.key("hold_time", std::chrono::milliseconds(neighbor.hold_time));
    out.key("connect_retry", neighbor.connect_retry);
    out.key("passive", neighbor.passive);
    out.key("password_file", neighbor.password_file);
    out.key("ttl_security", neighbor.ttl_security);
    out.key("multihop", neighbor.multihop);
    std::vector<std::string> families;
    if (neighbor.ipv4) {
        families.emplace_back("ipv4-unicast");
    }
    if (neighbor.ipv6) {
        families.emplace_back("ipv6-unicast");
    }
    out.key("families", families);
    out.key("add_path", neighbor.add_path);
    out.key("extended_next_hop", neighbor.extended_next_hop);
    out.key("prepend", neighbor.prepend);
    out.raw("bfd",
            fmt::format("{{ enabled = {}, interval = {}, multiplier = {} }}", neighbor.bfd.enabled,
                        show(neighbor.bfd.interval), neighbor.bfd.multiplier));
}

void dump_bgp(const BgpConfig& bgp, Writer out) {
    const bool default_listen = bgp.listen.size() > 1;
    std::vector<IpAddress> next_hops;
    for (const auto& next_hop : {bgp.next_hop4, bgp.next_hop6}) {
        if (next_hop) {
            next_hops.push_back(*next_hop);
        }
    }
    out.header("[bgp]");
    out.key("enabled", bgp.enabled);
    if (bgp.asn != 0) {
        out.key("asn", bgp.asn);
    }
    out.key("router_id", bgp.router_id.is_unspecified() ? "" : bgp.router_id.to_string());
    if (!default_listen) {
        out.key("listen", bgp.listen.empty() ? "" : bgp.listen[0].to_string());
    }
    out.key("next_hop", next_hops);
    out.key("announce",
            std::string_view(bgp.announce == BgpAnnounce::Always ? "always" : "healthy"));
    out.key("aggregate", bgp.aggregate);
    out.raw("communities", numbers(bgp.communities));
    out.raw("large_communities", numbers(bgp.large_communities));
    out.key("med", bgp.med);
    out.key("local_preference", bgp.local_preference);
    out.key("link_bandwidth", bgp.link_bandwidth_mbps);
    out.raw("graceful_restart",
            fmt::format("{{ enabled = {}, restart_time = {} }}", bgp.graceful_restart.enabled,
                        show(std::chrono::milliseconds(bgp.graceful_restart.restart_time))));
    for (const BgpNeighborConfig& neighbor : bgp.neighbors) {
        dump_bgp_neighbor(neighbor, out.inner());
        if (neighbor.password_file.empty()) {
            out.inner().key("password", conf::hidden(neighbor.password));
        }
    }
}

// Text of this file's own writing as values: "[service.health]" and "  rise = 1" under a first
// header "[[service]]" become health.rise and 1. `top`: the header is a part of the name.
std::vector<ConfigValue> read_values(const std::string& dumped, bool top) {
    std::vector<ConfigValue> values;
    std::map<std::string, unsigned> seen;  // of lists of tables
    std::string table;
    std::istringstream lines(dumped);
    for (std::string line; std::getline(lines, line);) {
        const size_t start = std::min(line.find_first_not_of(" ["), line.size());
        if (line.empty() || line[line.find_first_not_of(' ')] == '[') {
            table = line.substr(start, line.find(']', start) - start);
            const bool many = line.find("[[") != std::string::npos && (top || !seen.empty());
            const unsigned number = ++seen[table];
            const size_t dot = table.find('.');
            if (!top) {
                table = dot == std::string::npos ? "" : table.substr(dot + 1);
            }
            table += table.empty() ? "" : many ? fmt::format("[{}].", number) : ".";
        } else {
            const size_t equals = line.find(" = ");
            values.push_back({table + line.substr(start, equals - start), line.substr(equals + 3)});
        }
    }
    return values;
}

}  // namespace

std::string dump_config(const Config& config) {
    std::string out;
    dump_lb(config.lb, Writer(out));
    for (const PortConfig& port : config.ports) {
        dump_port(port, Writer(out));
    }
    for (const ServiceConfig& service : config.services) {
        dump_service(service, Writer(out));
    }
    if (config.bgp != BgpConfig()) {
        dump_bgp(config.bgp, Writer(out));
    }
    dump_metrics(config.metrics, Writer(out));
    return out;
}

std::vector<ConfigValue> list_settings(const Config& config) {
    Config settings = config;
    settings.ports.clear();
    settings.services.clear();
    settings.bgp.neighbors.clear();
    std::vector<ConfigValue> values = read_values(dump_config(settings), true);
    for (const BgpNeighborConfig& neighbor : config.bgp.neighbors) {
        std::string out;
        dump_bgp_neighbor(neighbor, Writer(out));
        Writer(out).key("password", neighbor.password);
        for (ConfigValue& value : read_values(out, false)) {
            value.key.replace(0, std::string_view("neighbor").size(),
                              "bgp.neighbor." + neighbor.name());
            values.push_back(std::move(value));
        }
    }
    return values;
}

std::vector<ConfigValue> list_values(const ServiceConfig& service) {
    ServiceConfig alone = service;
    alone.backends.clear();
    std::string out;
    dump_service(alone, Writer(out));
    return read_values(out, false);
}

std::vector<ConfigValue> list_values(const BackendConfig& backend) {
    std::string out;
    dump_backend(backend, Writer(out));
    // "service.backend" is what all of it is about.
    std::vector<ConfigValue> values = read_values(out, false);
    for (ConfigValue& value : values) {
        value.key.erase(0, std::string_view("backend.").size());
    }
    return values;
}

}  // namespace dlb
