// What the console (and later metrics) may ask of the running load balancer, as plain values.
//
// Units: counters are totals since start or `clear stats`; rates are per second over the last
// second. Errors: edits return Status with a one-line message that names the mend. Thread safety:
// called on the control thread only. Calls return at once; answers that need a worker (flows,
// explain) come later through a callback on the same thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "lb/service_config.hpp"
#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb {

using Status = Result<void>;

struct PortStats {
    uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
    uint64_t rx_missed = 0;  // the device had no room or no mbuf
    uint64_t rx_errors = 0;
    uint64_t tx_dropped = 0;                                // the device's TX queue was full
    double rx_pps = 0, tx_pps = 0, rx_bps = 0, tx_bps = 0;  // packets, bits per second
};

struct PortStatus {
    std::string name;
    std::string device;
    std::string driver;  // "net_af_packet"
    MacAddress mac;
    bool link_up = false;
    uint32_t speed_mbps = 0;  // 0: unknown
    uint16_t mtu = 0;
    uint16_t rx_queues = 0, tx_queues = 0;
    std::string tap;  // "": none
    std::vector<InterfaceAddress> addresses;
    PortStats stats;
};

struct WorkerStatus {
    unsigned id = 0;  // from 0
    unsigned core = 0;
    std::vector<std::string> queues;  // "uplink:0"
    uint64_t packets = 0;
    double cycles_per_packet = 0;
    double busy = 0;  // share of time with packets at hand, 0 to 1, over the last second
    uint64_t flows = 0;
    uint64_t rcu_lag = 0;  // snapshots published that this worker has not yet passed
    bool running = false;
    // Flows that ended by time, that made room for others, that began anew as their backend was
    // gone; packets served without a flow for want of room. Since start.
    uint64_t flows_expired = 0, flows_evicted = 0, flows_rescheduled = 0, flows_stateless = 0;
    // What became of its packets, by verdict, since start; those that never came are left out.
    std::vector<std::pair<std::string, uint64_t>> verdicts;
};

enum class BackendState : uint8_t { Active, Draining, Down };
inline std::string_view to_string(BackendState state) {
    return state == BackendState::Active     ? "active"
           : state == BackendState::Draining ? "draining"
                                             : "down";
}

struct BackendStatus {
    std::string service;
    BackendConfig config;
    BackendState state = BackendState::Active;
    std::string health;  // "none" without a check
    uint64_t active_connections = 0;
    uint64_t packets = 0, bytes = 0;
    std::string next_hop;  // "10.0.0.9 02:…:09 uplink", or why there is none
};

struct ServiceStatus {
    ServiceConfig config;
    bool announced = false;
    unsigned backends_up = 0;  // active, with a weight above 0
    uint64_t packets = 0, bytes = 0, new_flows = 0;
    double pps = 0, bps = 0, cps = 0;  // packets, bits, new flows per second
};

struct NeighborStatus {
    IpAddress address;
    MacAddress mac;
    std::string port;
    std::string state;  // "static", "reachable", "stale", "incomplete", "failed"
};

struct RouteStatus {
    Prefix prefix;
    std::optional<IpAddress> gateway;  // none: on the link
    std::string port;
    std::string source;  // "kernel", "config"
};

struct FlowStatus {
    unsigned worker = 0;
    Protocol protocol = Protocol::Tcp;
    Endpoint client, vip, backend;
    std::optional<Endpoint> snat;
    std::string service;  // "" once the service is gone
    std::string state;    // "handshake", "established", "half_closed", "fin", "closed", "udp"
    uint32_t expires_ms = 0;
};

struct FlowQuery {
    std::string service;  // "": all
    uint32_t limit = 100;
};

struct ExplainQuery {
    Protocol protocol = Protocol::Tcp;
    Endpoint source, destination;
};

struct Explanation {
    std::string service;  // "": none
    std::optional<Endpoint> backend;
    std::string source;  // "flow", "scheduler", "" where none was asked
    std::string mode;
    std::string next_hop;
    std::string verdict;             // a Verdict's name
    std::vector<std::string> steps;  // the decision, a line each
};

struct VersionInfo {
    std::string version, dpdk, name;
    double uptime_s = 0;
};

struct MemoryStatus {
    std::string name;  // "mbufs", "flow table v4, worker 0", …
    uint64_t used = 0, size = 0;
    std::string unit;  // "mbufs", "flows", "bytes"
};

class ControlApi {
  public:
    virtual ~ControlApi() = default;

    virtual VersionInfo version() const = 0;
    virtual std::string config_toml() const = 0;
    virtual std::vector<PortStatus> ports() const = 0;
    // Device-specific counters; nullopt: no such port.
    virtual std::optional<std::vector<std::pair<std::string, uint64_t>>> port_xstats(
        const std::string& port) const = 0;
    virtual std::vector<WorkerStatus> workers() const = 0;
    virtual std::vector<ServiceStatus> services() const = 0;
    virtual std::vector<BackendStatus> backends() const = 0;  // by service, in file order
    virtual std::vector<NeighborStatus> neighbors() const = 0;
    virtual std::vector<RouteStatus> routes() const = 0;
    virtual std::vector<MemoryStatus> memory() const = 0;
    virtual std::vector<std::string> log(unsigned lines) const = 0;
    // Every drop verdict with its count, in the order of the enum, zeros too.
    virtual std::vector<std::pair<std::string, uint64_t>> drops() const = 0;
    virtual uint64_t flow_count(const std::string& service) const = 0;  // "": all
    virtual void flows(const FlowQuery& query,
                       std::function<void(std::vector<FlowStatus>)> done) = 0;
    virtual void explain(const ExplainQuery& query, std::function<void(Explanation)> done) = 0;

    // Edits: validated, then published to the workers before they return.
    virtual Status add_service(const ServiceConfig& service) = 0;
    virtual Status del_service(const std::string& service) = 0;
    virtual Status add_backend(const std::string& service, const BackendConfig& backend) = 0;
    // `port`: needed only where one address has several backends.
    virtual Status del_backend(const std::string& service, const IpAddress& address,
                               std::optional<uint16_t> port) = 0;
    virtual Status set_weight(const std::string& service, const IpAddress& address,
                              std::optional<uint16_t> port, uint32_t weight) = 0;
    virtual Status set_draining(const std::string& service, const IpAddress& address,
                                std::optional<uint16_t> port, bool draining) = 0;
    virtual Status reload() = 0;
    // What reload would change, a line each; the Status fails for a file with errors.
    virtual Status reload_dry_run(std::vector<std::string>& changes) const = 0;

    // Calls `done` once all workers use what the last edit made. At once, or later on the same
    // thread.
    virtual void settled(std::function<void()> done) = 0;

    virtual void start() = 0;  // workers forward again
    virtual void stop() = 0;   // workers stop polling; the daemon stays
    virtual void clear_stats() = 0;
    virtual void shutdown() = 0;  // drain, then end the daemon
};

}  // namespace dlb
