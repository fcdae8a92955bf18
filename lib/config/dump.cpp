#include <iterator>
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
    out.key("log_level", to_string(lb.log_level));
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
    for (const BackendConfig& backend : service.backends) {
        dump_backend(backend, out.inner());
    }
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
    return out;
}

}  // namespace dlb
