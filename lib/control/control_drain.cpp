// Control: taking things out of service: a backend, a VIP's route, the whole load balancer.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "control/control.hpp"

namespace dlb {

namespace {

constexpr std::chrono::milliseconds kDrainLook{50};

}  // namespace

// The backend's open connections; an error says why there is none such.
Result<uint64_t> Control::connections_of(const DrainQuery& query) const {
    const ModelService* service = model_.find(query.service);
    const ModelBackend* found = nullptr;
    if (service != nullptr) {
        const auto& all = service->backends;
        const auto at = std::find_if(all.begin(), all.end(), [&](const ModelBackend& backend) {
            return backend.config.address == query.address &&
                   (!query.port || backend.config.port == *query.port);
        });
        found = at == all.end() ? nullptr : &*at;
    }
    if (found == nullptr) {
        return Error{"service '" + query.service + "' has no backend " + query.address.to_string() +
                     "; `show backends` lists them"};
    }
    return statistics_.backend(*found).active;
}

void Control::await_drained(const DrainQuery& query, std::function<bool()> wanted,
                            std::function<void(Result<DrainResult>)> done) {
    const Result<uint64_t> connections = connections_of(query);
    if (!connections) {
        return done(Error{connections.error()});
    }
    drain_waits_.push_back({query, std::chrono::steady_clock::now() + query.timeout,
                            std::move(wanted), std::move(done)});
    look_at_drains();
}

// Answers and forgets the waits that have ended. Looks again soon while there are others.
void Control::look_at_drains() {
    const auto now = std::chrono::steady_clock::now();
    std::vector<std::pair<DrainWait, Result<DrainResult>>> ended;
    std::erase_if(drain_waits_, [&](DrainWait& wait) {
        if (!wait.wanted()) {
            return true;
        }
        const Result<uint64_t> left = connections_of(wait.query);
        if (left.ok() && left.value() != 0 && now < wait.until) {
            return false;
        }
        const DrainResult result{left.ok() ? left.value() : 0, !left.ok()};
        ended.emplace_back(std::move(wait), result);
        return true;
    });
    if (!drain_waits_.empty() && !looking_at_drains_) {
        looking_at_drains_ = true;
        drain_look_timer_.expires_after(kDrainLook);
        drain_look_timer_.async_wait([this](const boost::system::error_code& error) {
            looking_at_drains_ = false;
            if (!error) {
                look_at_drains();
            }
        });
    }
    for (auto& [wait, result] : ended) {  // last: an answer may bring the next question
        wait.done(std::move(result));
    }
}

Status Control::set_announced(const Prefix& vip, bool announced) {
    const bool known = std::any_of(
        model_.services().begin(), model_.services().end(), [&](const ModelService& service) {
            const std::vector<Prefix>& vips = service.config.vip;
            return std::find(vips.begin(), vips.end(), vip) != vips.end();
        });
    if (!known) {
        return Error{"no service has the VIP " + vip.to_string() + "; `show services` lists them"};
    }
    if (announced) {
        routes_.withdrawn.erase(vip);
    } else {
        routes_.withdrawn.insert(vip);
    }
    spdlog::info("VIP {}: {}", vip.to_string(),
                 announced ? "announced again, as far as its backends allow" : "withdrawn by hand");
    routes_changed();
    return {};
}

Status Control::set_drained(bool drained) {
    if (!drained && ending_) {
        return Error{"dpdk-lb is about to end; start it again instead"};
    }
    if (routes_.drained != drained) {
        routes_.drained = drained;
        spdlog::info("{}", drained
                               ? "the load balancer is drained: it announces no VIP and goes on "
                                 "forwarding what still comes"
                               : "the load balancer is no longer drained");
        routing_.set_drained(drained);
        routes_changed();
    }
    return {};
}

// What `withdraw` and `drain` asked for, which no reload touches.
std::vector<std::string> Control::routes_by_hand() const {
    std::vector<std::string> lines;
    if (routes_.drained) {
        lines.emplace_back("the load balancer is drained");
    }
    for (const Prefix& vip : routes_.withdrawn) {
        lines.push_back("VIP " + vip.to_string() + " is withdrawn by hand");
    }
    return lines;
}

// A VIP that comes back one day is a new one.
void Control::forget_gone_vips() {
    std::erase_if(routes_.withdrawn, [&](const Prefix& vip) {
        return std::none_of(model_.services().begin(), model_.services().end(),
                            [&](const ModelService& service) {
                                const std::vector<Prefix>& vips = service.config.vip;
                                return std::find(vips.begin(), vips.end(), vip) != vips.end();
                            });
    });
}

// SIGTERM and `shutdown`: drained as by `drain`, then `drain_time` for the routers to turn away.
void Control::shutdown() {
    if (ending_) {
        spdlog::warn("asked again to end: not waiting for the drain");
        io_.stop();
        return;
    }
    ending_ = true;
    captures_.end_all("shutdown");
    static_cast<void>(set_drained(true));
    spdlog::info("draining for {} ms, then ending", config_.lb.drain_time.count());
    routing_.leave(config_.lb.drain_time, [this] { io_.stop(); });
}

// The neighbours keep the routes, and this host's successor takes the flows over by Maglev.
Status Control::hand_over() {
    if (ending_) {
        return Error{"dpdk-lb is about to end"};
    }
    if (Status leaving = routing_.hand_over([this] { io_.stop(); }); !leaving.ok()) {
        return leaving;
    }
    ending_ = true;
    captures_.end_all("shutdown");
    spdlog::info("ending for a successor: the BGP neighbours keep the routes");
    return {};
}

}  // namespace dlb
