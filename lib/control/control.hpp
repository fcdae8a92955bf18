// Control: the control thread's whole state, and what the console may ask of it.
//
// Everything changes in one way: an edit of the model, then apply(), which freezes and publishes
// it. Thread safety: one thread, which runs the io_context. Nothing here waits for a worker.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.hpp"
#include "control/api.hpp"
#include "control/jobs.hpp"
#include "control/link_watch.hpp"
#include "control/network.hpp"
#include "control/publisher.hpp"
#include "control/statistics.hpp"
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
    // Ends run() of the io_context once `drain_time` has passed; at once when asked again.
    void shutdown() override;

    VersionInfo version() const override;
    std::string config_toml() const override;
    std::vector<PortStatus> ports() const override;
    std::optional<std::vector<std::pair<std::string, uint64_t>>> port_xstats(
        const std::string& port) const override;
    std::vector<WorkerStatus> workers() const override;
    std::vector<ServiceStatus> services() const override;
    std::vector<BackendStatus> backends() const override;
    std::vector<NeighborStatus> neighbors() const override;
    std::vector<RouteStatus> routes() const override;
    std::vector<MemoryStatus> memory() const override;
    std::vector<std::string> log(unsigned lines) const override;
    std::vector<std::pair<std::string, uint64_t>> drops() const override;
    uint64_t flow_count(const std::string& service) const override;
    void flows(const FlowQuery& query, std::function<void(std::vector<FlowStatus>)> done) override;
    void explain(const ExplainQuery& query, std::function<void(Explanation)> done) override;

    Status add_service(const ServiceConfig& service) override;
    Status del_service(const std::string& service) override;
    Status add_backend(const std::string& service, const BackendConfig& backend) override;
    Status del_backend(const std::string& service, const IpAddress& address,
                       std::optional<uint16_t> port) override;
    Status set_weight(const std::string& service, const IpAddress& address,
                      std::optional<uint16_t> port, uint32_t weight) override;
    Status set_draining(const std::string& service, const IpAddress& address,
                        std::optional<uint16_t> port, bool draining) override;
    Status reload() override;
    Status reload_dry_run(std::vector<std::string>& changes) const override;
    void settled(std::function<void()> done) override;
    void start() override;
    void stop() override;
    void clear_stats() override;

  private:
    void apply();
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
    Status load_file(Config& next) const;
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
    std::shared_ptr<const LbSnapshot> snapshot_;
    LinkWatch links_;
    Network network_;
    Twins twins_;
    Statistics statistics_;
    JobRunner jobs_;
    boost::asio::posix::stream_descriptor doorbell_;
    boost::asio::steady_timer second_timer_;
    boost::asio::steady_timer fast_timer_;
    boost::asio::steady_timer drain_timer_;
    boost::asio::signal_set signals_;
    std::chrono::steady_clock::time_point started_;
    std::vector<std::function<void()>> awaiting_workers_;  // of settled()
    bool draining_ = false;
    bool fast_ticking_ = false;
};

}  // namespace dlb
