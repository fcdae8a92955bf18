#include "control/health.hpp"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include "lb/checked_vip.hpp"

namespace dlb {

namespace {

constexpr std::chrono::milliseconds kKnownPause{20};
constexpr std::chrono::minutes kComplainAgain{1};

// A check under way has a file descriptor: as many as there are backends, in the worst case.
void allow_many_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// What is asked, of the backend itself or of a VIP on it; check_health() has seen to it that there
// is a port, and a VIP.
Endpoint checked_endpoint(const ServiceConfig& service, const BackendConfig& backend) {
    uint16_t port = service.health.port != 0 ? service.health.port : backend.port;
    if (port == 0 && service.ports.size() == 1) {
        port = service.ports.front();
    }
    return {service.health.inside_tunnel ? checked_vip(service, backend) : backend.address, port};
}

ProbeSpec probe_of(const ServiceConfig& service, const ModelBackend& backend) {
    const HealthConfig& health = service.health;
    ProbeSpec spec;
    spec.type = health.type;
    spec.endpoint = checked_endpoint(service, backend.config);
    if (health.inside_tunnel) {
        spec.in_tunnel_to = backend.id;
    }
    if (health.type == HealthType::Http || health.type == HealthType::Https) {
        spec.path = health.path;
        spec.host = health.host;
        spec.expect = health.expect;
    } else if (health.type == HealthType::Exec) {
        spec.command = health.command;
    }
    return spec;
}

std::vector<CheckedService> checked_services(const LbModel& model) {
    std::vector<CheckedService> services;
    for (const ModelService& service : model.services()) {
        if (service.config.health.type == HealthType::None) {
            continue;
        }
        CheckedService checked{service.config.name, service.config.health, {}};
        checked.backends.reserve(service.backends.size());
        for (const ModelBackend& backend : service.backends) {
            checked.backends.push_back(
                {backend.config.endpoint(), probe_of(service.config, backend)});
        }
        services.push_back(std::move(checked));
    }
    return services;
}

std::string state_word(const HealthState& state) {
    if (state.level() == HealthState::Level::Down) {
        return "down";
    }
    if (state.damped()) {
        return "damped";
    }
    return state.level() == HealthState::Level::Up ? "up" : "unknown";
}

// "10.0.0.2:80 of web"; port 0, the client's own, is left out.
std::string name_of(const HealthTarget& target) {
    const Endpoint& backend = target.backend();
    return (backend.port == 0 ? backend.address.to_string() : backend.to_string()) + " of " +
           target.service();
}

std::string in_a_row(uint32_t checks) {
    return std::to_string(checks) + (checks == 1 ? " check" : " checks in a row");
}

}  // namespace

HealthMonitor::HealthMonitor(boost::asio::io_context& io, Events events, TunnelChecks* tunnels)
    : io_(io),
      events_(std::move(events)),
      known_timer_(io),
      tunnels_(tunnels),
      checker_(io,
               {[this](const HealthTarget& target, HealthState::Change change) {
                    note_change(target, change);
                },
                [this](const HealthTarget& target) { note_not_run(target); },
                [this](const std::string& service, bool panic, unsigned down, unsigned backends) {
                    note_panic(service, panic, down, backends);
                }},
               tunnels),
      pending_(std::make_shared<bool>(false)) {
    allow_many_files();
}

HealthMonitor::~HealthMonitor() = default;

bool HealthMonitor::sync(LbModel& model) {
    const std::vector<CheckedService> services = checked_services(model);
    if (tunnels_ != nullptr) {
        std::set<IpAddress> vips;
        for (const CheckedService& service : services) {
            for (const CheckedBackend& backend : service.backends) {
                if (backend.probe.in_tunnel_to.valid()) {
                    vips.insert(backend.probe.endpoint.address);
                }
            }
        }
        tunnels_->set_vips(std::move(vips));
    }
    checker_.sync(services);
    return mark(model);
}

bool HealthMonitor::mark(LbModel& model) const {
    return model.set_down_where([this](const ModelService& service, const ModelBackend& backend) {
        return checker_.is_down(service.config.name, backend.config.endpoint());
    });
}

std::vector<HealthStatus> HealthMonitor::status(const LbModel& model) const {
    const auto now = HealthTarget::Clock::now();
    const auto seconds = [](auto duration) {
        return std::chrono::duration<double>(duration).count();
    };
    std::vector<HealthStatus> all;
    for (const ModelService& service : model.services()) {
        for (const ModelBackend& backend : service.backends) {
            const HealthTarget* target =
                checker_.find(service.config.name, backend.config.endpoint());
            if (target == nullptr) {
                continue;
            }
            HealthStatus status;
            status.service = service.config.name;
            status.backend = backend.config;
            status.type = target->type();
            status.state = state_word(target->state());
            status.reason = target->last().reason;
            status.last_ok = target->last().outcome == ProbeOutcome::Passed;
            status.in_panic = !target->state().usable() && checker_.in_panic(service.config.name);
            status.checks = target->checks();
            status.failures = target->failures();
            status.duration_s = seconds(target->duration());
            status.changed_s = seconds(now - target->changed());
            status.checked_s = target->ended() == HealthTarget::Clock::time_point{}
                                   ? -1
                                   : seconds(now - target->ended());
            all.push_back(std::move(status));
        }
    }
    return all;
}

bool HealthMonitor::is_unchecked(const ServiceConfig& service, const BackendConfig& backend) const {
    if (service.health.type == HealthType::None) {
        return false;
    }
    const HealthTarget* target = checker_.find(service.name, backend.endpoint());
    return target != nullptr && target->state().level() == HealthState::Level::Unknown;
}

std::string HealthMonitor::word(const ServiceConfig& service, const BackendConfig& backend) const {
    const HealthTarget* target = checker_.find(service.name, backend.endpoint());
    if (target == nullptr) {
        return "none";
    }
    if (!target->state().usable() && checker_.in_panic(service.name)) {
        return "panic";
    }
    return state_word(target->state());
}

void HealthMonitor::note_change(const HealthTarget& target, HealthState::Change change) {
    const std::string name = name_of(target);
    const HealthState& state = target.state();
    switch (change) {
        case HealthState::Change::None:
            return;
        case HealthState::Change::Known:  // thousands at the start, and the tables stay as they are
            spdlog::debug("backend {} is up: {}", name, target.last().reason);
            call_known_soon();
            return;
        case HealthState::Change::Up:
            spdlog::info("backend {} is up: {} ({})", name, target.last().reason,
                         in_a_row(state.passed_in_row()));
            break;
        case HealthState::Change::Down:
            spdlog::warn("backend {} is down: {} ({})", name, target.last().reason,
                         in_a_row(state.failed_in_row()));
            break;
        case HealthState::Change::Damped:
            spdlog::warn("backend {} is down: {} ({}), and it flaps: damped for {} s at most", name,
                         target.last().reason, in_a_row(state.failed_in_row()),
                         HealthState::kLongestRest.count());
            break;
        case HealthState::Change::Held:
            spdlog::info("backend {} answers again: {}, but flapped: kept down until it is calm",
                         name, target.last().reason);
            return;
    }
    call_soon();
}

void HealthMonitor::note_panic(const std::string& service, bool panic, unsigned down,
                               unsigned backends) {
    if (panic) {
        spdlog::warn(
            "{} of {} backends of {} are down, more than its panic_threshold: all are kept", down,
            backends, service);
    } else {
        spdlog::info("{} of {} backends of {} are down, no more than its panic_threshold", down,
                     backends, service);
    }
    call_soon();
}

void HealthMonitor::note_not_run(const HealthTarget& target) {
    const auto now = std::chrono::steady_clock::now();
    if (complained_ == decltype(complained_){} || now - complained_ >= kComplainAgain) {
        complained_ = now;
        spdlog::warn("backend {} could not be checked: {}; it keeps its state", name_of(target),
                     target.last().reason);
    }
}

// Thousands have their first result within a second: not one call for each.
void HealthMonitor::call_known_soon() {
    if (known_due_ || !events_.known) {
        return;
    }
    known_due_ = true;
    known_timer_.expires_after(kKnownPause);
    known_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            known_due_ = false;
            events_.known();
        }
    });
}

void HealthMonitor::call_soon() {
    if (*pending_) {
        return;
    }
    *pending_ = true;
    boost::asio::post(io_, [this, weak = std::weak_ptr<bool>(pending_)] {
        if (const auto pending = weak.lock()) {
            *pending = false;
            events_.changed();
        }
    });
}

}  // namespace dlb
