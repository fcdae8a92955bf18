// What the console and the metrics may ask of the running load balancer, as plain values.
//
// Units: counters are totals since start or `clear stats`; rates are per second over the last
// second. Errors: edits return Status with a one-line message that names the mend. Thread safety:
// called on the control thread only. Calls return at once; answers that need a worker (flows,
// explain) come later through a callback on the same thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "control/bgp_status.hpp"
#include "control/changes.hpp"
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
    double busy = 0;           // share of time with packets at hand, 0 to 1, over the last second
    uint64_t busy_cycles = 0;  // of loops that had packets; with `packets` the current cycles each
    uint64_t flows = 0, flows_max = 0;
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

struct VipStatus {
    Prefix vip;
    bool announced = false;
    std::string reason;  // why not; "" where it is
};

struct ServiceStatus {
    ServiceConfig config;
    bool announced = false;  // every VIP is
    std::vector<VipStatus> vips;
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

struct HealthStatus {
    std::string service;
    BackendConfig backend;
    HealthType type = HealthType::None;
    std::string state;   // "unknown" (never checked), "up", "down", "damped" (held down: it flaps)
    std::string reason;  // of the last check: "connected", "connection refused", "status 503"
    bool last_ok = false;   // the last check's result
    bool in_panic = false;  // down, but kept: too many of the service's backends are
    uint64_t checks = 0, failures = 0;
    double duration_s = 0;  // the last check's
    double changed_s = 0;   // how long it has been in this state
    double checked_s = -1;  // how long ago the last check ended; below 0: never
};

struct ReloadStatus {
    uint64_t reloads = 0, failures = 0;  // since start
    bool last_ok = true;                 // the last one's result; true before the first
    double last_success = 0;             // seconds since 1970; the start counts
};

struct CaptureQuery {
    static constexpr uint32_t kMaxCount = 1000000;
    static constexpr uint32_t kMaxSeconds = 3600;

    std::string port;
    std::string file;    // absolute, not there yet
    std::string filter;  // pcap-filter(7); "": every frame
    uint32_t count = 1000;
    uint32_t seconds = 60;
    std::function<bool()> abandoned;  // true: nobody waits any more, end; empty: somebody does
};

struct CaptureReport {
    std::string file;
    uint64_t packets = 0;
    uint64_t missed = 0;  // that came faster than the file was written
    uint64_t bytes = 0;   // of the file
    std::string reason;   // why it ended: "count", "time", "client_gone", "shutdown"
};

// A service and a backend without copies of what they are made of, for those who ask for all of
// 100,000. Valid during the call alone.
struct ServiceView {
    const ServiceConfig& config;  // its backends may be left out
    bool announced = false;
    uint64_t packets = 0, bytes = 0, new_flows = 0;
};

struct BackendView {
    const std::string& service;
    const BackendConfig& config;
    BackendState state = BackendState::Active;
    uint64_t active_connections = 0, packets = 0, bytes = 0;
};

// A place in backends().
struct BackendCursor {
    size_t service = 0, backend = 0;
};

struct DrainQuery {
    std::string service;
    IpAddress address;
    std::optional<uint16_t> port;  // needed only where the address has several backends
    std::chrono::milliseconds timeout{0};
};

struct DrainResult {
    uint64_t connections = 0;  // that are left
    bool gone = false;         // the backend itself has been removed
};

// Reloads read the file on a thread of their own; the answer comes on the control thread.
using StatusDone = std::function<void(Status)>;
using PlanDone = std::function<void(Result<ReloadPlan>)>;

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
    // By service, in file order; "": those of all services. What `top` asks for every second.
    virtual std::vector<BackendStatus> backends(const std::string& service = {}) const = 0;
    // The same by pages: up to `count` of them from `from` on, which is moved. False: that was the
    // last. An edit between two pages may let one be missed, or come twice.
    virtual bool visit_services(size_t& from, size_t count,
                                const std::function<void(const ServiceView&)>& visit) const = 0;
    virtual bool visit_backends(BackendCursor& from, size_t count,
                                const std::function<void(const BackendView&)>& visit) const = 0;
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

    // Writes a pcap file of what the workers receive by a port and send; `done` once it has ended.
    virtual void capture(const CaptureQuery& query,
                         std::function<void(Result<CaptureReport>)> done) = 0;

    virtual std::vector<HealthStatus> health() const = 0;  // those with a check, in file order
    virtual ReloadStatus reload_status() const = 0;

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

    // Waits until no connection of the backend is left, or the time is over, or nobody wants to
    // know any more: `wanted` is asked now and then, and false ends it without an answer.
    virtual void await_drained(const DrainQuery& query, std::function<bool()> wanted,
                               std::function<void(Result<DrainResult>)> done) = 0;

    // Routes by hand: a VIP is announced unless it is withdrawn, and none is while all is drained.
    virtual Status set_announced(const Prefix& vip, bool announced) = 0;
    virtual Status set_drained(bool drained) = 0;

    // The looking glass.
    virtual BgpStatus bgp() const = 0;
    virtual std::vector<BgpRouteStatus> bgp_routes() const = 0;  // by prefix; aggregates too
    // nullopt: no such neighbour.
    virtual std::optional<std::vector<BgpReceivedRoute>> bgp_received(
        const IpAddress& neighbor) const = 0;
    // Ends the session and begins anew.
    virtual Status reset_bgp(const IpAddress& neighbor) = 0;
    // Asks the neighbour for its routes again (RFC 2918).
    virtual Status refresh_bgp(const IpAddress& neighbor) = 0;

    // All or nothing: a file with an error changes nothing.
    virtual void reload(StatusDone done) = 0;
    // What reload would change. Fails for a file that it would refuse.
    virtual void plan_reload(PlanDone done) = 0;
    // What has been done by hand since the file was loaded: from the file to the running state.
    virtual ReloadPlan runtime_changes() const = 0;
    // A reload that is taken back unless confirm() comes within `timeout`.
    virtual void commit_confirmed(std::chrono::milliseconds timeout, StatusDone done) = 0;
    virtual Status confirm() = 0;
    virtual Status roll_back() = 0;
    // How long is left for confirm(); nullopt: nothing waits for it.
    virtual std::optional<std::chrono::milliseconds> unconfirmed() const = 0;

    // Calls `done` once all workers use what the last edit made. At once, or later on the same
    // thread.
    virtual void settled(std::function<void()> done) = 0;

    virtual void start() = 0;  // workers forward again
    virtual void stop() = 0;   // workers stop polling; the daemon stays
    virtual void clear_stats() = 0;
    virtual void shutdown() = 0;  // drain, then end the daemon
    // Ends it for a successor: BGP neighbours keep the routes (RFC 4724).
    virtual Status hand_over() = 0;
};

}  // namespace dlb
