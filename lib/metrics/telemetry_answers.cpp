#include "metrics/telemetry_answers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>

namespace dlb {

namespace {

// rte_telemetry has no fractions.
uint64_t rounded(double value) {
    return value > 0 ? static_cast<uint64_t>(std::llround(value)) : 0;
}

template <typename T>
std::string joined(const std::vector<T>& values) {
    std::string text;
    for (const T& value : values) {
        text += text.empty() ? "" : ",";
        if constexpr (std::is_same_v<T, std::string>) {
            text += value;
        } else if constexpr (std::is_integral_v<T>) {
            text += std::to_string(value);
        } else {
            text += value.to_string();
        }
    }
    return text;
}

// What a client sent, fit to be sent back as JSON.
std::string quoted(std::string_view text) {
    std::string safe(text.substr(0, 64));
    std::replace_if(
        safe.begin(), safe.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return "'" + safe + "'";
}

Result<size_t> parse_from(std::string_view text) {
    size_t from = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), from);
    if (!text.empty() && (error != std::errc() || end != text.data() + text.size())) {
        return Error{quoted(text) + " is no row to start from: give a number from 0"};
    }
    return from;
}

template <typename T>
Result<TelemetryAnswer> page_of(const std::vector<T>& list, std::string_view parameters,
                                TelemetryDict (*describe)(const T&)) {
    const Result<size_t> from = parse_from(parameters);
    if (!from) {
        return Error{from.error()};
    }
    TelemetryPage page{from.value(), {}};
    for (size_t i = from.value(); i < list.size() && page.rows.size() < kTelemetryPage; ++i) {
        page.rows.push_back(describe(list[i]));
    }
    return TelemetryAnswer(std::move(page));
}

Result<TelemetryAnswer> info(const ControlApi& control, std::string_view) {
    const VersionInfo version = control.version();
    const ReloadStatus reload = control.reload_status();
    return TelemetryAnswer(TelemetryDict{{"name", version.name},
                                         {"version", version.version},
                                         {"dpdk", version.dpdk},
                                         {"uptime_s", rounded(version.uptime_s)},
                                         {"flows", control.flow_count("")},
                                         {"reloads", reload.reloads},
                                         {"reload_failures", reload.failures}});
}

Result<TelemetryAnswer> services(const ControlApi& control, std::string_view parameters) {
    const Result<size_t> from = parse_from(parameters);
    if (!from) {
        return Error{from.error()};
    }
    TelemetryPage page{from.value(), {}};
    size_t next = from.value();
    control.visit_services(next, kTelemetryPage, [&](const ServiceView& service) {
        const ServiceConfig& config = service.config;
        page.rows.push_back({{"name", config.name},
                             {"vip", joined(config.vip)},
                             {"protocol", std::string(to_string(config.protocol))},
                             {"ports", joined(config.ports)},
                             {"mode", std::string(to_string(config.mode))},
                             {"packets", service.packets},
                             {"bytes", service.bytes},
                             {"new_flows", service.new_flows}});
    });
    return TelemetryAnswer(std::move(page));
}

Result<TelemetryAnswer> backends(const ControlApi& control, std::string_view parameters) {
    const size_t comma = parameters.find(',');
    const std::string name(parameters.substr(0, comma));
    const Result<size_t> from =
        parse_from(comma == parameters.npos ? std::string_view() : parameters.substr(comma + 1));
    if (!from) {
        return Error{from.error()};
    }
    std::optional<size_t> service;
    size_t next = 0;
    for (bool more = true; more && !service;) {
        const size_t index = next;
        more = control.visit_services(next, 1, [&](const ServiceView& candidate) {
            service = candidate.config.name == name ? std::optional(index) : std::nullopt;
        });
    }
    if (!service) {
        return Error{name.empty()
                         ? "name a service: /dpdk_lb/backends,SERVICE"
                         : "no service " + quoted(name) + ": /dpdk_lb/services lists them"};
    }
    TelemetryPage page{from.value(), {}};
    BackendCursor cursor{*service, from.value()};
    control.visit_backends(cursor, kTelemetryPage, [&](const BackendView& backend) {
        if (backend.service != name) {
            return;  // the page goes on into the next service
        }
        page.rows.push_back({{"address", backend.config.address.to_string()},
                             {"port", uint64_t{backend.config.port}},
                             {"state", std::string(to_string(backend.state))},
                             {"weight", uint64_t{backend.config.weight}},
                             {"active_connections", backend.active_connections},
                             {"packets", backend.packets},
                             {"bytes", backend.bytes}});
    });
    return TelemetryAnswer(std::move(page));
}

Result<TelemetryAnswer> workers(const ControlApi& control, std::string_view parameters) {
    return page_of<WorkerStatus>(control.workers(), parameters, [](const WorkerStatus& worker) {
        return TelemetryDict{{"id", uint64_t{worker.id}},
                             {"core", uint64_t{worker.core}},
                             {"running", uint64_t{worker.running}},
                             {"queues", joined(worker.queues)},
                             {"packets", worker.packets},
                             {"cycles_per_packet", rounded(worker.cycles_per_packet)},
                             {"busy_percent", rounded(100 * worker.busy)},
                             {"flows", worker.flows},
                             {"rcu_lag", worker.rcu_lag}};
    });
}

Result<TelemetryAnswer> drops(const ControlApi& control, std::string_view) {
    TelemetryDict counts;
    for (const auto& [reason, count] : control.drops()) {
        counts.emplace_back(reason, count);
    }
    return TelemetryAnswer(std::move(counts));
}

Result<TelemetryAnswer> ports(const ControlApi& control, std::string_view parameters) {
    return page_of<PortStatus>(control.ports(), parameters, [](const PortStatus& port) {
        return TelemetryDict{{"name", port.name},
                             {"driver", port.driver},
                             {"link", std::string(port.link_up ? "up" : "down")},
                             {"speed_mbps", uint64_t{port.speed_mbps}},
                             {"rx_packets", port.stats.rx_packets},
                             {"tx_packets", port.stats.tx_packets},
                             {"rx_bytes", port.stats.rx_bytes},
                             {"tx_bytes", port.stats.tx_bytes},
                             {"rx_missed", port.stats.rx_missed},
                             {"rx_errors", port.stats.rx_errors},
                             {"tx_dropped", port.stats.tx_dropped}};
    });
}

}  // namespace

constexpr std::array<TelemetryCommand, 6> kTelemetryCommands = {
    {{"/dpdk_lb/info", "The load balancer: name, versions, uptime, flows, reloads.", info},
     {"/dpdk_lb/services", "Its services, 25 at a time. Parameters: FROM (optional)", services},
     {"/dpdk_lb/backends",
      "The backends of a service, 25 at a time. Parameters: SERVICE, FROM (optional)", backends},
     {"/dpdk_lb/workers", "Its workers, 25 at a time. Parameters: FROM (optional)", workers},
     {"/dpdk_lb/drops", "Packets dropped, by reason.", drops},
     {"/dpdk_lb/ports", "Its ports, 25 at a time. Parameters: FROM (optional)", ports}}};

const TelemetryCommand* find_telemetry_command(std::string_view name) {
    const auto found = std::find_if(kTelemetryCommands.begin(), kTelemetryCommands.end(),
                                    [&](const TelemetryCommand& c) { return c.name == name; });
    return found == kTelemetryCommands.end() ? nullptr : &*found;
}

}  // namespace dlb
