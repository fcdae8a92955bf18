// Control: the control thread's whole state, and what the console may ask of it.
//
// Everything changes in one way: an edit of the model, then apply(), which freezes and publishes
// it. Thread safety: one thread, which runs the io_context. Nothing here waits for a worker.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.hpp"
#include "control/api.hpp"
#include "control/background.hpp"
#include "control/capture.hpp"
#include "control/health.hpp"
#include "control/jobs.hpp"
#include "control/link_watch.hpp"
#include "control/network.hpp"
#include "control/publisher.hpp"
#include "control/route_intent.hpp"
#include "control/routing.hpp"
#include "control/statistics.hpp"
#include "control/tunnel_checks.hpp"
#include "control/twins.hpp"
#include "control/worker_pool.hpp"
#include "eal/memory.hpp"
#include "lb/model.hpp"

namespace dlb {

// What Control is made from; all outlive it.
struct ControlParts {
    Config config;
    std::string config_file;
    std::optional<LogLevel> log_level;  // the command line's, which stands above the file's
    std::vector<ControlPort>& ports;
    PacketPool& pool;
    RcuDomain& rcu;
    SnapshotPublisher& publisher;
    WorkerPool& workers;
};

class Control : public ControlApi {
  public:
    Control(boost::asio::io_context& io, ControlParts parts);

    // Publishes the configuration; workers may be launched then.
    Result<void> load();
    // Routes, neighbours, twins, timers and signals.
    Result<void> run_services();
    // Calls `observer` with the configuration in force after each reload.
    void on_reloaded(std::function<void(const Config&)> observer);
    // Ends run() of the io_context once `drain_time` has passed; at once when asked again.
    void shutdown() override;

    VersionInfo version() const override;
    std::string config_toml() const override;
    std::vector<PortStatus> ports() const override;
    std::optional<std::vector<std::pair<std::string, uint64_t>>> port_xstats(
        const std::string& port) const override;
    std::vector<WorkerStatus> workers() const override;
    std::vector<ServiceStatus> services() const override;
    std::vector<BackendStatus> backends(const std::string& service) const override;
    bool visit_services(size_t& from, size_t count,
                        const std::function<void(const ServiceView&)>& visit) const override;
    bool visit_backends(BackendCursor& from, size_t count,
                        const std::function<void(const BackendView&)>& visit) const override;
    std::vector<NeighborStatus> neighbors() const override;
    std::vector<RouteStatus> routes() const override;
    std::vector<MemoryStatus> memory() const override;
    std::vector<std::string> log(unsigned lines) const override;
    std::vector<std::pair<std::string, uint64_t>> drops() const override;
    uint64_t flow_count(const std::string& service) const override;
    void flows(const FlowQuery& query, std::function<void(std::vector<FlowStatus>)> done) override;
    void explain(const ExplainQuery& query, std::function<void(Explanation)> done) override;
    void capture(const CaptureQuery& query,
                 std::function<void(Result<CaptureReport>)> done) override;

    std::vector<HealthStatus> health() const override;
    ReloadStatus reload_status() const override;

    Status add_service(const ServiceConfig& service) override;
    Status del_service(const std::string& service) override;
    Status add_backend(const std::string& service, const BackendConfig& backend) override;
    Status del_backend(const std::string& service, const IpAddress& address,
                       std::optional<uint16_t> port) override;
    Status set_weight(const std::string& service, const IpAddress& address,
                      std::optional<uint16_t> port, uint32_t weight) override;
    Status set_draining(const std::string& service, const IpAddress& address,
                        std::optional<uint16_t> port, bool draining) override;
    void await_drained(const DrainQuery& query, std::function<bool()> wanted,
                       std::function<void(Result<DrainResult>)> done) override;
    BgpStatus bgp() const override;
    std::vector<BgpRouteStatus> bgp_routes() const override;
    std::optional<std::vector<BgpReceivedRoute>> bgp_received(
        const IpAddress& neighbor) const override;
    Status reset_bgp(const IpAddress& neighbor) override;
    Status refresh_bgp(const IpAddress& neighbor) override;
    Status set_announced(const Prefix& vip, bool announced) override;
    Status set_drained(bool drained) override;
    Status hand_over() override;
    void reload(StatusDone done) override;
    void plan_reload(PlanDone done) override;
    ReloadPlan runtime_changes() const override;
    void commit_confirmed(std::chrono::milliseconds timeout, StatusDone done) override;
    Status confirm() override;
    Status roll_back() override;
    std::optional<std::chrono::milliseconds> unconfirmed() const override;
    void settled(std::function<void()> done) override;
    void start() override;
    void stop() override;
    void clear_stats() override;

  private:
    // What a rollback restores.
    struct Unconfirmed {
        Config config;
        LbState state;
        std::set<Prefix> withdrawn;  // of VIPs that the commit removed
        std::chrono::steady_clock::time_point until;
    };
    struct Reload {
        Config next;
        std::optional<std::chrono::milliseconds> confirm_within;  // of a commit
        StatusDone done;
        // What is running, as it was at `version`.
        uint64_t version = 0;
        unsigned tries = 0;  // to be done before the next change comes
        Config loaded;
        LbState now;
        // Running, then after prepare() what is to run.
        std::optional<LbModel> model;
        std::shared_ptr<const LbSnapshot> snapshot;
        std::vector<ReloadChange> changes;
        Result<void> replaced;

        void prepare();
    };
    struct DrainWait {
        DrainQuery query;
        std::chrono::steady_clock::time_point until;
        std::function<bool()> wanted;
        std::function<void(Result<DrainResult>)> done;
    };

    void apply();
    void settings_changed();
    void use_snapshot(std::shared_ptr<const LbSnapshot> snapshot);
    void publish();
    void network_changed();
    void announce_addresses();
    void watch_doorbell();
    void tick_second();
    void tick_fast();
    void watch_signals();
    Status edit(const std::string& what, const std::vector<ServiceConfig>& wanted,
                const std::function<Result<void>()>& change);
    std::vector<ServiceConfig> current_services() const;
    // control_reload.cpp
    LbState running_state() const;
    Status check_file(ConfigResult& loaded) const;
    Status check_nothing_unconfirmed() const;
    Status note_reload(Status status);
    void start_reload(std::optional<std::chrono::milliseconds> confirm_within,
                      const StatusDone& done);
    void take_state(Reload& reload) const;
    void prepare_reload(const std::shared_ptr<Reload>& reload);
    Status use(Reload& reload);
    void await_confirmation(Unconfirmed before, std::chrono::milliseconds timeout);
    void reload_on_signal();
    uint64_t count_ending_flows(const FlowMove& move, const Config& next) const;
    // control_drain.cpp
    Result<uint64_t> connections_of(const DrainQuery& query) const;
    void look_at_drains();
    std::vector<std::string> routes_by_hand() const;
    void forget_gone_vips();
    // control_bgp.cpp
    void routes_changed();
    void health_changed();
    std::vector<VipStatus> vip_status(const ModelService& service) const;
    std::string service_name(uint32_t slot) const;
    std::string describe_hop(const NextHop& hop) const;
    Explanation make_explanation(const ExplainQuery& query,
                                 const std::vector<Decision>& decisions) const;

    boost::asio::io_context& io_;
    Config config_;
    std::string config_file_;
    std::optional<LogLevel> log_level_;
    std::vector<ControlPort>& ports_;
    PacketPool& pool_;
    RcuDomain& rcu_;
    SnapshotPublisher& publisher_;
    WorkerPool& workers_;
    LbModel model_;
    TunnelChecks tunnel_checks_;
    HealthMonitor health_;
    std::shared_ptr<const LbSnapshot> snapshot_;
    LinkWatch links_;
    Network network_;
    Twins twins_;
    Statistics statistics_;
    JobRunner jobs_;
    Captures captures_;
    boost::asio::posix::stream_descriptor doorbell_;
    boost::asio::steady_timer second_timer_;
    boost::asio::steady_timer fast_timer_;
    boost::asio::steady_timer build_timer_;
    boost::asio::steady_timer drain_look_timer_;
    boost::asio::steady_timer confirm_timer_;
    boost::asio::signal_set signals_;
    std::chrono::steady_clock::time_point started_;
    std::vector<std::function<void()>> awaiting_workers_;  // of settled()
    ReloadStatus reload_status_;
    std::vector<std::function<void(const Config&)>> reload_observers_;
    RouteIntent routes_;
    Routing routing_;
    bool routes_due_ = false;  // to be announced once the workers are there
    bool build_due_ = false;   // of what health checks changed
    std::vector<DrainWait> drain_waits_;
    std::optional<Unconfirmed> unconfirmed_;
    bool ending_ = false;
    bool fast_ticking_ = false;
    bool looking_at_drains_ = false;
    uint64_t version_ = 0;  // of the model: how often it was applied
    Background background_;
};

// The first error, and how many more there are. REQUIRES: at least one.
std::string join_errors(const std::vector<ConfigError>& errors);
// Seconds since 1970.
double unix_time();

}  // namespace dlb
