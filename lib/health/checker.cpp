#include "health/checker.hpp"

#include <algorithm>
#include <random>

namespace dlb {

HealthChecker::HealthChecker(boost::asio::io_context& io, Events events, TunnelWay* tunnels)
    : context_(io, tunnels), events_(std::move(events)) {}

HealthChecker::~HealthChecker() {
    sync({});
}

void HealthChecker::sync(const std::vector<CheckedService>& services) {
    std::unordered_map<std::string, Service> old = std::move(services_);
    services_.clear();
    std::vector<Start> starting;
    for (const CheckedService& wanted : services) {
        Service& service = services_[wanted.name];
        if (const auto found = old.find(wanted.name); found != old.end()) {
            service = std::move(found->second);
            old.erase(found);
        }
        sync_service(wanted, service, starting);
    }
    for (auto& [name, gone] : old) {
        for (auto& [backend, target] : gone.targets) {
            target->stop();
        }
    }
    static thread_local std::minstd_rand random{std::random_device{}()};
    const auto all = kFirstSpread * static_cast<int64_t>(starting.size());
    for (Start& start : starting) {
        const auto spread = std::min<std::chrono::nanoseconds>(start.health->interval, all);
        std::uniform_int_distribution<int64_t> delay(0, spread.count());
        start.target->start(std::move(start.health), *start.probe,
                            std::chrono::nanoseconds(delay(random)));
    }
}

void HealthChecker::sync_service(const CheckedService& wanted, Service& service,
                                 std::vector<Start>& starting) {
    if (service.health == nullptr || *service.health != wanted.health) {
        service.health = std::make_shared<const HealthConfig>(wanted.health);
    }
    auto old = std::move(service.targets);
    service.targets.clear();
    service.targets.reserve(wanted.backends.size());
    for (const CheckedBackend& backend : wanted.backends) {
        std::shared_ptr<HealthTarget>& target = service.targets[backend.backend];
        if (const auto found = old.find(backend.backend); found != old.end()) {
            target = std::move(found->second);
            old.erase(found);
        } else if (target == nullptr) {
            HealthObserver& observer = *this;
            target =
                std::make_shared<HealthTarget>(context_, observer, wanted.name, backend.backend);
        }
        if (!target->runs_with(*service.health, backend.probe)) {
            starting.push_back({target.get(), service.health, &backend.probe});
        }
    }
    for (auto& [backend, target] : old) {
        target->stop();
    }
    count(service);
}

void HealthChecker::count(Service& service) {
    service.down = static_cast<unsigned>(
        std::count_if(service.targets.begin(), service.targets.end(),
                      [](const auto& entry) { return !entry.second->state().usable(); }));
    judge_panic(service);
}

void HealthChecker::judge_panic(Service& service) {
    service.panic = is_panic(service.down, static_cast<unsigned>(service.targets.size()),
                             service.health->panic_threshold);
}

const HealthTarget* HealthChecker::find(const std::string& service, const Endpoint& backend) const {
    const auto at = services_.find(service);
    if (at == services_.end()) {
        return nullptr;
    }
    const auto target = at->second.targets.find(backend);
    return target == at->second.targets.end() ? nullptr : target->second.get();
}

bool HealthChecker::in_panic(const std::string& service) const {
    const auto at = services_.find(service);
    return at != services_.end() && at->second.panic;
}

bool HealthChecker::is_down(const std::string& service, const Endpoint& backend) const {
    const HealthTarget* target = find(service, backend);
    return target != nullptr && !target->state().usable() && !in_panic(service);
}

void HealthChecker::checked(HealthTarget& target, bool was_usable, HealthState::Change change) {
    if (target.last().outcome == ProbeOutcome::NotRun) {
        return events_.not_run(target);
    }
    const auto at = services_.find(target.service());
    if (change == HealthState::Change::None || at == services_.end()) {
        return;
    }
    Service& service = at->second;
    const bool was_panic = service.panic;
    service.down += (was_usable ? 1 : 0) - (target.state().usable() ? 1 : 0);
    judge_panic(service);
    events_.changed(target, change);
    if (service.panic != was_panic) {
        events_.panic(target.service(), service.panic, service.down,
                      static_cast<unsigned>(service.targets.size()));
    }
}

}  // namespace dlb
