#include "metrics/collection.hpp"

#include <chrono>

#include <boost/asio/post.hpp>

namespace dlb {

namespace {

// A page is the least that is done between two looks at the clock: some 20 µs.
constexpr size_t kPage = 16;
constexpr std::chrono::microseconds kSlice{1000};

double flag(bool value) {
    return value ? 1 : 0;
}

std::string joined(const std::vector<Prefix>& prefixes) {
    std::string text;
    for (const Prefix& prefix : prefixes) {
        text += (text.empty() ? "" : ",") + prefix.to_string();
    }
    return text;
}

std::string joined(const std::vector<uint16_t>& ports) {
    std::string text;
    for (const uint16_t port : ports) {
        text += (text.empty() ? "" : ",") + std::to_string(port);
    }
    return text;
}

}  // namespace

bool Collection::step() {
    const auto end = std::chrono::steady_clock::now() + kSlice;
    while (stage_ != Stage::Done) {
        if (!page()) {
            stage_ = static_cast<Stage>(static_cast<unsigned>(stage_) + 1);
            next_ = 0;
        }
        exposition_.serialize();
        if (std::chrono::steady_clock::now() >= end) {
            break;
        }
    }
    return stage_ != Stage::Done;
}

bool Collection::page() {
    switch (stage_) {
        case Stage::General:
            add_process();
            add_ports();
            add_workers();
            add_memory();
            return false;
        case Stage::Services:
            return control_.visit_services(next_, kPage,
                                           [this](const ServiceView& s) { add_service(s); });
        case Stage::Backends:
            return control_.visit_backends(next_backend_, kPage,
                                           [this](const BackendView& b) { add_backend(b); });
        case Stage::ServiceSums:
            for (size_t i = 0; i < kPage && next_ < sums_.size(); ++i) {
                add_sums(sums_[next_++]);
            }
            return next_ < sums_.size();
        case Stage::Health:
            if (next_ == 0) {
                health_ = control_.health();
            }
            for (size_t i = 0; i < kPage && next_ < health_.size(); ++i) {
                add_health(health_[next_++]);
            }
            return next_ < health_.size();
        case Stage::Done:
            break;
    }
    return false;
}

void Collection::add_process() {
    const VersionInfo version = control_.version();
    exposition_.add(Metric::Info,
                    {{"name", version.name}, {"version", version.version}, {"dpdk", version.dpdk}},
                    1.0);
    exposition_.add(Metric::Uptime, {}, version.uptime_s);
    const ReloadStatus reload = control_.reload_status();
    exposition_.add(Metric::Reloads, {}, reload.reloads);
    exposition_.add(Metric::ReloadFailures, {}, reload.failures);
    exposition_.add(Metric::ReloadOk, {}, flag(reload.last_ok));
    exposition_.add(Metric::ReloadTime, {}, reload.last_success);
    exposition_.add(Metric::Flows, {}, control_.flow_count(""));
    for (const auto& [reason, count] : control_.drops()) {
        exposition_.add(Metric::Drops, {{"reason", reason}}, count);
    }
    add_bgp();
}

void Collection::add_bgp() {
    const BgpStatus bgp = control_.bgp();
    if (!bgp.enabled) {
        return;
    }
    exposition_.add(Metric::BgpStrangers, {}, bgp.refused_connections);
    for (const BgpNeighborStatus& neighbor : bgp.neighbors) {
        add_bgp_neighbor(neighbor);
    }
}

void Collection::add_bgp_neighbor(const BgpNeighborStatus& neighbor) {
    const std::string address = neighbor.address.to_string();
    const std::string asn = std::to_string(neighbor.asn);
    const Exposition::Labels labels = {{"neighbor", address}, {"asn", asn}};
    exposition_.add(Metric::BgpUp, labels, flag(neighbor.state == "Established"));
    for (const char* state :
         {"Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"}) {
        exposition_.add(Metric::BgpState, {{"neighbor", address}, {"asn", asn}, {"state", state}},
                        flag(neighbor.state == state));
    }
    exposition_.add(Metric::BgpUptime, labels, neighbor.uptime_s);
    exposition_.add(Metric::BgpFlaps, labels, neighbor.flaps);
    exposition_.add(Metric::BgpAnnounced, labels, neighbor.routes_announced);
    exposition_.add(Metric::BgpRefused, labels, neighbor.routes_refused);
    exposition_.add(Metric::BgpReceived, labels, neighbor.routes_received);
    const auto add_messages = [&](const char* direction, const BgpMessageCounts& counts) {
        const auto add = [&](const char* type, uint64_t count) {
            exposition_.add(
                Metric::BgpMessages,
                {{"neighbor", address}, {"asn", asn}, {"direction", direction}, {"type", type}},
                count);
        };
        add("open", counts.opens);
        add("update", counts.updates);
        add("notification", counts.notifications);
        add("keepalive", counts.keepalives);
        add("refresh", counts.refreshes);
    };
    add_messages("sent", neighbor.messages_sent);
    add_messages("received", neighbor.messages_received);
    if (!neighbor.bfd) {
        return;
    }
    exposition_.add(Metric::BfdUp, labels, flag(neighbor.bfd->state == "up"));
    exposition_.add(Metric::BfdFlaps, labels, neighbor.bfd->flaps);
    const auto add_packets = [&](const char* what, uint64_t count) {
        exposition_.add(Metric::BfdPackets,
                        {{"neighbor", address}, {"asn", asn}, {"direction", what}}, count);
    };
    add_packets("sent", neighbor.bfd->sent);
    add_packets("received", neighbor.bfd->received);
}

void Collection::add_ports() {
    for (const PortStatus& port : control_.ports()) {
        const Exposition::Labels labels = {{"port", port.name}};
        const PortStats& stats = port.stats;
        exposition_.add(Metric::PortUp, labels, flag(port.link_up));
        exposition_.add(Metric::PortSpeed, labels, port.speed_mbps * 1e6 / 8);
        exposition_.add(Metric::PortRxPackets, labels, stats.rx_packets);
        exposition_.add(Metric::PortTxPackets, labels, stats.tx_packets);
        exposition_.add(Metric::PortRxBytes, labels, stats.rx_bytes);
        exposition_.add(Metric::PortTxBytes, labels, stats.tx_bytes);
        exposition_.add(Metric::PortRxMissed, labels, stats.rx_missed);
        exposition_.add(Metric::PortRxErrors, labels, stats.rx_errors);
        exposition_.add(Metric::PortTxDropped, labels, stats.tx_dropped);
    }
}

void Collection::add_workers() {
    for (const WorkerStatus& worker : control_.workers()) {
        const std::string id = std::to_string(worker.id);
        const std::string core = std::to_string(worker.core);
        const Exposition::Labels labels = {{"worker", id}, {"core", core}};
        exposition_.add(Metric::WorkerRunning, labels, flag(worker.running));
        exposition_.add(Metric::WorkerPackets, labels, worker.packets);
        exposition_.add(Metric::WorkerBusyCycles, labels, worker.busy_cycles);
        exposition_.add(Metric::WorkerCycles, labels, worker.cycles_per_packet);
        exposition_.add(Metric::WorkerBusy, labels, worker.busy);
        exposition_.add(Metric::WorkerRcuLag, labels, worker.rcu_lag);
        exposition_.add(Metric::WorkerFlows, labels, worker.flows);
        exposition_.add(Metric::WorkerFlowsMax, labels, worker.flows_max);
        exposition_.add(Metric::FlowsExpired, labels, worker.flows_expired);
        exposition_.add(Metric::FlowsEvicted, labels, worker.flows_evicted);
        exposition_.add(Metric::FlowsRescheduled, labels, worker.flows_rescheduled);
        exposition_.add(Metric::FlowsStateless, labels, worker.flows_stateless);
        for (const auto& [verdict, count] : worker.verdicts) {
            exposition_.add(Metric::WorkerVerdicts,
                            {{"worker", id}, {"core", core}, {"verdict", verdict}}, count);
        }
    }
}

void Collection::add_memory() {
    for (const MemoryStatus& memory : control_.memory()) {
        if (memory.unit == "mbufs") {
            exposition_.add(Metric::MempoolUsed, {{"pool", memory.name}}, memory.used);
            exposition_.add(Metric::MempoolSize, {{"pool", memory.name}}, memory.size);
        } else if (memory.unit == "bytes") {
            exposition_.add(Metric::MemoryUsed, {{"memory", memory.name}}, memory.used);
            exposition_.add(Metric::MemorySize, {{"memory", memory.name}}, memory.size);
        } else if (memory.unit == "tables") {
            exposition_.add(Metric::RcuWaiting, {}, memory.used);
        }
    }
}

void Collection::add_service(const ServiceView& service) {
    const ServiceConfig& config = service.config;
    if (!services_seen_.insert(config.name).second) {
        return;
    }
    sums_.push_back({.name = config.name});
    const std::string vip = joined(config.vip), ports = joined(config.ports);
    exposition_.add(Metric::ServiceInfo,
                    {{"service", config.name},
                     {"vip", vip},
                     {"protocol", to_string(config.protocol)},
                     {"ports", ports},
                     {"mode", to_string(config.mode)},
                     {"scheduler", to_string(config.scheduler)}},
                    1.0);
    const Exposition::Labels labels = {{"service", config.name}};
    exposition_.add(Metric::ServiceAnnounced, labels, flag(service.announced));
    exposition_.add(Metric::ServicePackets, labels, service.packets);
    exposition_.add(Metric::ServiceBytes, labels, service.bytes);
    exposition_.add(Metric::ServiceNewFlows, labels, service.new_flows);
    exposition_.add(Metric::ServiceBackendsMin, labels, uint64_t{config.min_backends});
}

// Backends come by service, in the services' order. nullptr: not of a service that was there, or
// that had its turn.
Collection::Sums* Collection::enter(const std::string& service) {
    for (size_t tries = 0; tries < sums_.size(); ++tries) {
        const size_t candidate = (current_ + tries) % sums_.size();
        Sums& sums = sums_[candidate];
        if (sums.name != service) {
            continue;
        }
        if (!sums.entered) {
            sums.entered = true;
            current_ = candidate;
            backends_seen_.clear();
        }
        return candidate == current_ ? &sums : nullptr;
    }
    return nullptr;
}

void Collection::add_backend(const BackendView& backend) {
    const std::string endpoint = backend.config.endpoint().to_string();
    Sums* sums = enter(backend.service);
    if (sums == nullptr || !backends_seen_.insert(endpoint).second) {
        return;
    }
    const Exposition::Labels labels = {{"service", backend.service}, {"backend", endpoint}};
    exposition_.add(
        Metric::BackendState,
        {{"service", backend.service}, {"backend", endpoint}, {"state", to_string(backend.state)}},
        1.0);
    exposition_.add(Metric::BackendWeight, labels, uint64_t{backend.config.weight});
    exposition_.add(Metric::BackendConnections, labels, backend.active_connections);
    exposition_.add(Metric::BackendPackets, labels, backend.packets);
    exposition_.add(Metric::BackendBytes, labels, backend.bytes);
    sums->connections += backend.active_connections;
    sums->active += backend.state == BackendState::Active;
    sums->draining += backend.state == BackendState::Draining;
    sums->down += backend.state == BackendState::Down;
    sums->up += backend.state == BackendState::Active && backend.config.weight > 0;
}

void Collection::add_sums(const Sums& sums) {
    const auto by_state = [&](BackendState state, uint64_t count) {
        exposition_.add(Metric::ServiceBackends,
                        {{"service", sums.name}, {"state", to_string(state)}}, count);
    };
    by_state(BackendState::Active, sums.active);
    by_state(BackendState::Draining, sums.draining);
    by_state(BackendState::Down, sums.down);
    exposition_.add(Metric::ServiceBackendsUp, {{"service", sums.name}}, sums.up);
    exposition_.add(Metric::ServiceConnections, {{"service", sums.name}}, sums.connections);
}

void Collection::add_health(const HealthStatus& check) {
    const std::string endpoint = check.backend.endpoint().to_string();
    const Exposition::Labels labels = {{"service", check.service}, {"backend", endpoint}};
    if (check.state != "unknown") {
        exposition_.add(Metric::HealthUp, labels, flag(check.state == "up"));
    }
    exposition_.add(Metric::HealthPanic, labels, flag(check.in_panic));
    exposition_.add(Metric::HealthChecks, labels, check.checks);
    exposition_.add(Metric::HealthFailures, labels, check.failures);
    if (check.checks > 0) {
        exposition_.add(Metric::HealthOk, labels, flag(check.last_ok));
        exposition_.add(Metric::HealthDuration, labels, check.duration_s);
    }
}

struct Scraper::Run {
    Collection collection;
    std::vector<std::function<void(Text)>> waiting;
    bool cancelled = false;
};

Scraper::~Scraper() {
    if (run_ != nullptr) {
        run_->cancelled = true;
    }
}

void Scraper::scrape(std::function<void(Text)> done) {
    if (run_ == nullptr) {
        run_ = std::make_shared<Run>(Run{Collection(control_), {}, false});
        continue_later(run_);
    }
    run_->waiting.push_back(std::move(done));
}

void Scraper::continue_later(const std::shared_ptr<Run>& run) {
    boost::asio::post(io_, [this, run] {
        if (run->cancelled) {
            return;
        }
        if (run->collection.step()) {
            return continue_later(run);
        }
        run_ = nullptr;
        const auto text = std::make_shared<const Pieces>(run->collection.take());
        for (const auto& done : run->waiting) {
            done(text);
        }
    });
}

}  // namespace dlb
