// Every metric family that a scrape can hold, and Exposition, which writes them in Prometheus'
// text format.
//
// Units: base units, named at the end of each name; `_total` counters grow from the start of the
// process, and begin anew with `clear stats` or as a service or backend comes back. Names are a
// contract with dashboards and alerts: add, do not rename (docs/metrics.md has them all).
// Errors: none. Thread safety: an Exposition is one thread's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

namespace dlb {

// X(Name, "name", Type, "help")
#define DLB_METRICS(X)                                                                          \
    X(Info, "dpdk_lb_info", Gauge, "Version of dpdk-lb and of DPDK; always 1.")                 \
    X(Uptime, "dpdk_lb_uptime_seconds", Gauge, "Time since the start.")                         \
    X(Reloads, "dpdk_lb_reloads_total", Counter, "Reloads of the file that were applied.")      \
    X(ReloadFailures, "dpdk_lb_reload_failures_total", Counter, "Reloads that were refused.")   \
    X(ReloadOk, "dpdk_lb_last_reload_successful", Gauge, "1: the last reload was applied.")     \
    X(ReloadTime, "dpdk_lb_last_reload_success_timestamp_seconds", Gauge,                       \
      "When the file was last applied, since 1970; the start counts.")                          \
    X(PortUp, "dpdk_lb_port_up", Gauge, "1: the port has a link.")                              \
    X(PortSpeed, "dpdk_lb_port_speed_bytes_per_second", Gauge, "The link's speed; 0: unknown.") \
    X(PortRxPackets, "dpdk_lb_port_receive_packets_total", Counter, "Packets received.")        \
    X(PortTxPackets, "dpdk_lb_port_transmit_packets_total", Counter, "Packets sent.")           \
    X(PortRxBytes, "dpdk_lb_port_receive_bytes_total", Counter, "Bytes received.")              \
    X(PortTxBytes, "dpdk_lb_port_transmit_bytes_total", Counter, "Bytes sent.")                 \
    X(PortRxMissed, "dpdk_lb_port_receive_missed_packets_total", Counter,                       \
      "Packets that the device had no room or no packet buffer for.")                           \
    X(PortRxErrors, "dpdk_lb_port_receive_errors_total", Counter, "Packets received broken.")   \
    X(PortTxDropped, "dpdk_lb_port_transmit_dropped_packets_total", Counter,                    \
      "Packets that the device's full queue did not take.")                                     \
    X(Drops, "dpdk_lb_drops_total", Counter, "Packets dropped, by reason.")                     \
    X(WorkerRunning, "dpdk_lb_worker_running", Gauge, "0: stopped by the console.")             \
    X(WorkerPackets, "dpdk_lb_worker_packets_total", Counter, "Packets that the worker took.")  \
    X(WorkerBusyCycles, "dpdk_lb_worker_busy_cycles_total", Counter,                            \
      "CPU cycles of the loops that had packets.")                                              \
    X(WorkerCycles, "dpdk_lb_worker_cycles_per_packet", Gauge,                                  \
      "CPU cycles a packet, mean since the start or clear stats.")                              \
    X(WorkerBusy, "dpdk_lb_worker_busy_ratio", Gauge,                                           \
      "Share of the last second with packets at hand, 0 to 1.")                                 \
    X(WorkerRcuLag, "dpdk_lb_worker_rcu_lag", Gauge,                                            \
      "Published tables that the worker has yet to pass.")                                      \
    X(WorkerFlows, "dpdk_lb_worker_flows", Gauge, "Flows in the worker's table.")               \
    X(WorkerFlowsMax, "dpdk_lb_worker_flows_max", Gauge, "Flows that fit into its table.")      \
    X(FlowsExpired, "dpdk_lb_worker_flows_expired_total", Counter, "Flows that ended by time.") \
    X(FlowsEvicted, "dpdk_lb_worker_flows_evicted_total", Counter,                              \
      "Flows that made room for others.")                                                       \
    X(FlowsRescheduled, "dpdk_lb_worker_flows_rescheduled_total", Counter,                      \
      "Flows that began anew as their backend was gone.")                                       \
    X(FlowsStateless, "dpdk_lb_worker_stateless_packets_total", Counter,                        \
      "Packets served by their hash alone for want of room.")                                   \
    X(WorkerVerdicts, "dpdk_lb_worker_verdicts_total", Counter,                                 \
      "What became of the worker's packets; verdicts that never came are left out.")            \
    X(MempoolUsed, "dpdk_lb_mempool_used_mbufs", Gauge, "Packet buffers in use.")               \
    X(MempoolSize, "dpdk_lb_mempool_size_mbufs", Gauge, "Packet buffers there are.")            \
    X(MemoryUsed, "dpdk_lb_memory_used_bytes", Gauge, "Memory in use.")                         \
    X(MemorySize, "dpdk_lb_memory_size_bytes", Gauge, "Memory there is.")                       \
    X(RcuWaiting, "dpdk_lb_rcu_waiting_tables", Gauge,                                          \
      "Replaced tables that wait until all workers have passed them.")                          \
    X(Flows, "dpdk_lb_flows", Gauge, "Flows in all workers' tables.")                           \
    X(ServiceInfo, "dpdk_lb_service_info", Gauge, "How a service is set up; always 1.")         \
    X(ServiceAnnounced, "dpdk_lb_service_announced", Gauge, "1: its VIPs are announced.")       \
    X(ServicePackets, "dpdk_lb_service_packets_total", Counter, "Packets to the service.")      \
    X(ServiceBytes, "dpdk_lb_service_bytes_total", Counter, "Bytes to the service.")            \
    X(ServiceNewFlows, "dpdk_lb_service_new_flows_total", Counter, "Flows that began.")         \
    X(ServiceConnections, "dpdk_lb_service_active_connections", Gauge, "Open flows.")           \
    X(ServiceBackends, "dpdk_lb_service_backends", Gauge, "Backends by state.")                 \
    X(ServiceBackendsUp, "dpdk_lb_service_backends_up", Gauge, "Backends that take new flows.") \
    X(ServiceBackendsMin, "dpdk_lb_service_backends_min", Gauge,                                \
      "With fewer usable backends the service is not announced (min_backends).")                \
    X(BackendState, "dpdk_lb_backend_state", Gauge, "1 with the state that the backend is in.") \
    X(BackendWeight, "dpdk_lb_backend_weight", Gauge, "Its weight.")                            \
    X(BackendConnections, "dpdk_lb_backend_active_connections", Gauge, "Open flows.")           \
    X(BackendPackets, "dpdk_lb_backend_packets_total", Counter, "Packets to the backend.")      \
    X(BackendBytes, "dpdk_lb_backend_bytes_total", Counter, "Bytes to the backend.")            \
    X(HealthUp, "dpdk_lb_health_up", Gauge, "1: the checks say that the backend is up.")        \
    X(HealthPanic, "dpdk_lb_health_panic", Gauge,                                               \
      "1: down, but kept, as too many of the service's backends are.")                          \
    X(HealthChecks, "dpdk_lb_health_checks_total", Counter, "Checks that ended.")               \
    X(HealthFailures, "dpdk_lb_health_check_failures_total", Counter, "Checks that failed.")    \
    X(HealthOk, "dpdk_lb_health_check_success", Gauge, "1: the last check succeeded.")          \
    X(HealthDuration, "dpdk_lb_health_check_duration_seconds", Gauge, "How long it took.")      \
    X(BgpUp, "dpdk_lb_bgp_session_up", Gauge, "1: the session with the neighbour is up.")       \
    X(BgpState, "dpdk_lb_bgp_session_state", Gauge, "1 with the state that the session is in.") \
    X(BgpUptime, "dpdk_lb_bgp_session_uptime_seconds", Gauge, "How long it has been up.")       \
    X(BgpFlaps, "dpdk_lb_bgp_session_flaps_total", Counter, "Sessions that ended.")             \
    X(BgpAnnounced, "dpdk_lb_bgp_announced_prefixes", Gauge, "Prefixes that it was told.")      \
    X(BgpRefused, "dpdk_lb_bgp_refused_prefixes", Gauge,                                        \
      "Prefixes that cannot be announced over this session.")                                   \
    X(BgpReceived, "dpdk_lb_bgp_received_prefixes", Gauge,                                      \
      "Prefixes that it announced, kept to be looked at.")                                      \
    X(BgpMessages, "dpdk_lb_bgp_messages_total", Counter, "BGP messages.")                      \
    X(BgpStrangers, "dpdk_lb_bgp_refused_connections_total", Counter,                           \
      "Connections from who is no neighbour.")                                                  \
    X(BfdUp, "dpdk_lb_bfd_session_up", Gauge, "1: BFD with the neighbour is up.")               \
    X(BfdFlaps, "dpdk_lb_bfd_session_flaps_total", Counter, "How often BFD left up.")           \
    X(BfdPackets, "dpdk_lb_bfd_packets_total", Counter, "BFD packets.")

enum class Metric : uint8_t {
#define DLB_METRIC_NAME(name, text, type, help) name,
    DLB_METRICS(DLB_METRIC_NAME)
#undef DLB_METRIC_NAME
};

struct MetricInfo {
    const char* name;
    prometheus::MetricType type;
    const char* help;
};

inline constexpr MetricInfo kMetrics[] = {
#define DLB_METRIC_INFO(name, text, type, help) {text, prometheus::MetricType::type, help},
    DLB_METRICS(DLB_METRIC_INFO)
#undef DLB_METRIC_INFO
};
inline constexpr size_t kMetricCount = sizeof(kMetrics) / sizeof(kMetrics[0]);

// A text in pieces of about kPieceSize: 100,000 backends make 40 MB, and no step may copy them all.
using Pieces = std::vector<std::string>;
inline constexpr size_t kPieceSize = size_t{64} * 1024;

class Exposition {
  public:
    using Labels = std::initializer_list<std::pair<const char*, std::string_view>>;

    Exposition();
    void add(Metric metric, Labels labels, double value);
    void add(Metric metric, Labels labels, uint64_t value) {
        add(metric, labels, static_cast<double>(value));
    }
    // Turns what was added into text; else it takes ten times as much memory.
    void serialize();
    // The whole text, families in the order above, those without a sample left out.
    Pieces take();

  private:
    std::vector<prometheus::MetricFamily> families_;  // not yet text
    std::array<Pieces, kMetricCount> texts_;
};

}  // namespace dlb
