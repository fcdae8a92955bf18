// Control: what only looks.
#include <algorithm>

#include <rte_version.h>

#include "control/control.hpp"
#include "control/control_views.hpp"
#include "control/log.hpp"

namespace dlb {

namespace {

// "22.11.11", of "DPDK 22.11.11".
std::string dpdk_version() {
    const std::string text = rte_version();
    return text.substr(text.find(' ') + 1);
}

}  // namespace

VersionInfo Control::version() const {
    const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - started_;
    return {DPDK_LB_VERSION, dpdk_version(), config_.lb.name, uptime.count()};
}

// The file's settings with the services as they are now.
std::string Control::config_toml() const {
    Config now = config_;
    now.services = current_services();
    return dump_config(now);
}

std::vector<PortStatus> Control::ports() const {
    std::vector<PortStatus> status;
    for (size_t i = 0; i < ports_.size(); ++i) {
        const ControlPort& port = ports_[i];
        PortStatus entry;
        entry.name = port.config.name;
        entry.device = port.config.device;
        entry.driver = port.port->driver();
        entry.mac = port.port->mac();
        entry.link_up = links_.is_up(i);
        entry.speed_mbps = port.port->speed_mbps();
        entry.mtu = port.port->mtu();
        entry.rx_queues = port.port->queues();
        entry.tx_queues = port.port->queues();
        entry.tap = port.config.tap;
        entry.addresses = port.config.address;
        entry.stats = statistics_.port(i);
        status.push_back(std::move(entry));
    }
    return status;
}

std::optional<std::vector<std::pair<std::string, uint64_t>>> Control::port_xstats(
    const std::string& port) const {
    for (const ControlPort& candidate : ports_) {
        if (candidate.config.name == port) {
            return candidate.port->xstats();
        }
    }
    return std::nullopt;
}

std::vector<WorkerStatus> Control::workers() const {
    std::vector<WorkerStatus> status;
    for (unsigned id = 0; id < workers_.size(); ++id) {
        WorkerStatus entry;
        entry.id = id;
        entry.core = config_.lb.cores[id];
        for (const ControlPort& port : ports_) {
            if (id < port.port->queues()) {
                entry.queues.push_back(port.config.name + ":" + std::to_string(id));
            }
        }
        statistics_.fill_worker(id, entry);
        entry.flows = workers_.worker(id).flows().count();
        entry.flows_max = config_.lb.flow_table_size;
        const WorkerCounters& counters = workers_.worker(id).counters();
        entry.flows_expired = counters.flows_expired.get();
        entry.flows_evicted = counters.flows_evicted.get();
        entry.flows_rescheduled = counters.flows_rescheduled.get();
        entry.flows_stateless = counters.flows_stateless.get();
        for (unsigned i = 0; i < kVerdicts; ++i) {
            const auto verdict = static_cast<Verdict>(i);
            if (const uint64_t count = counters.of(verdict).get(); count != 0) {
                entry.verdicts.emplace_back(to_string(verdict), count);
            }
        }
        entry.rcu_lag = rcu_.lag(id);
        entry.running = !workers_.paused();
        status.push_back(std::move(entry));
    }
    return status;
}

std::vector<ServiceStatus> Control::services() const {
    std::vector<ServiceStatus> status;
    for (const ModelService& service : model_.services()) {
        ServiceStatus entry;
        entry.config = service.full_config();
        entry.backends_up = static_cast<unsigned>(
            std::count_if(service.backends.begin(), service.backends.end(),
                          [](const ModelBackend& backend) { return backend.takes_new_flows(); }));
        entry.vips = vip_status(service);
        entry.announced = std::all_of(entry.vips.begin(), entry.vips.end(),
                                      [](const VipStatus& vip) { return vip.announced; });
        const ServiceSums sums = statistics_.service(service);
        entry.packets = sums.packets;
        entry.bytes = sums.bytes;
        entry.new_flows = sums.new_flows;
        statistics_.fill_rates(service, entry);
        status.push_back(std::move(entry));
    }
    return status;
}

std::string Control::describe_hop(const NextHop& hop) const {
    switch (hop.state) {
        case NextHop::State::NoRoute:
            return "no route";
        case NextHop::State::Unresolved:
            return hop.address.to_string() + " on " + ports_[hop.port].config.name +
                   ", MAC unknown";
        case NextHop::State::Ready:
            break;
    }
    MacAddress mac;
    std::copy_n(hop.l2.begin(), mac.bytes.size(), mac.bytes.begin());
    return hop.address.to_string() + " " + mac.to_string() + " " + ports_[hop.port].config.name;
}

std::vector<BackendStatus> Control::backends(const std::string& only) const {
    std::vector<BackendStatus> status;
    const NextHops& hops = publisher_.current().hops;
    for (const ModelService& service : model_.services()) {
        if (!only.empty() && service.config.name != only) {
            continue;
        }
        for (const ModelBackend& backend : service.backends) {
            BackendStatus entry;
            entry.service = service.config.name;
            entry.config = backend.config;
            entry.state = state_of(backend);
            entry.health = health_.word(service.config, backend.config);
            const BackendSums sums = statistics_.backend(backend);
            entry.active_connections = sums.active;
            entry.packets = sums.packets;
            entry.bytes = sums.bytes;
            entry.next_hop = describe_hop(hops.of_backend(backend.id));
            status.push_back(std::move(entry));
        }
    }
    return status;
}

std::vector<HealthStatus> Control::health() const {
    return health_.status(model_);
}

ReloadStatus Control::reload_status() const {
    return reload_status_;
}

std::vector<NeighborStatus> Control::neighbors() const {
    return network_.neighbor_status();
}

std::vector<RouteStatus> Control::routes() const {
    return network_.route_status();
}

std::vector<MemoryStatus> Control::memory() const {
    std::vector<MemoryStatus> status;
    status.push_back({"mbufs", pool_.in_use(), pool_.size(), "mbufs"});
    for (unsigned id = 0; id < workers_.size(); ++id) {
        const FlowEngine& flows = workers_.worker(id).flows();
        status.push_back({"flows of worker " + std::to_string(id), flows.count(),
                          config_.lb.flow_table_size, "flows"});
    }
    status.push_back({"tables waiting for workers", publisher_.waiting(), 0, "tables"});
    return status;
}

std::vector<std::string> Control::log(unsigned lines) const {
    return recent_log(lines);
}

std::vector<std::pair<std::string, uint64_t>> Control::drops() const {
    std::vector<std::pair<std::string, uint64_t>> drops;
    for (unsigned i = 0; i < kVerdicts; ++i) {
        const auto verdict = static_cast<Verdict>(i);
        if (kind_of(verdict) != VerdictKind::Dropped) {
            continue;
        }
        uint64_t count = statistics_.verdict(verdict);
        // These also happen on the control thread, to packets that a worker had given to it.
        if (verdict == Verdict::NoNeighbor) {
            count += twins_.dropped_without_neighbor();
        } else if (verdict == Verdict::PuntFull) {
            count += twins_.refused_by_kernel();
        } else if (verdict == Verdict::InjectFull) {
            count += twins_.dropped_towards_workers();
        }
        drops.emplace_back(to_string(verdict), count);
    }
    return drops;
}

uint64_t Control::flow_count(const std::string& service) const {
    if (service.empty()) {
        uint64_t count = 0;
        for (unsigned id = 0; id < workers_.size(); ++id) {
            count += workers_.worker(id).flows().count();
        }
        return count;
    }
    const ModelService* found = model_.find(service);
    uint64_t count = 0;
    for (const ModelBackend& backend :
         found == nullptr ? std::vector<ModelBackend>{} : found->backends) {
        count += statistics_.backend(backend).flows;
    }
    return count;
}

std::string Control::service_name(uint32_t slot) const {
    for (const ModelService& service : model_.services()) {
        if (service.slot == slot) {
            return service.config.name;
        }
    }
    return "";
}

void Control::flows(const FlowQuery& query, std::function<void(std::vector<FlowStatus>)> done) {
    std::optional<uint32_t> slot;
    if (!query.service.empty()) {
        const ModelService* service = model_.find(query.service);
        slot = service == nullptr ? UINT32_MAX : service->slot;
    }
    JobRunner::Jobs jobs;
    for (unsigned id = 0; id < workers_.size(); ++id) {
        // Room for what is there, not for what is asked.
        const uint32_t room = workers_.worker(id).flows().count() + 64;
        jobs.push_back(std::make_unique<ListFlowsJob>(slot, std::min(query.limit, room)));
    }
    jobs_.run(std::move(jobs), [this, done, limit = query.limit](JobRunner::Jobs& ended) {
        std::vector<FlowStatus> flows;
        for (const auto& job : ended) {
            for (const FlowRow& row : static_cast<const ListFlowsJob&>(*job).rows()) {
                if (flows.size() == limit) {
                    break;
                }
                FlowStatus flow;
                flow.worker = row.worker;
                flow.protocol = static_cast<Protocol>(row.protocol);
                flow.client = row.client;
                flow.vip = row.vip;
                flow.backend = row.backend.value_or(Endpoint{});
                flow.snat = row.snat;
                flow.service = service_name(row.service);
                flow.state = to_string(row.state);
                flow.expires_ms = row.expires_ms;
                flows.push_back(std::move(flow));
            }
        }
        done(std::move(flows));
    });
}

}  // namespace dlb
