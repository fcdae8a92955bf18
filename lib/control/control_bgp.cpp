// Control: routes, and what may be asked of BGP.
#include <chrono>

#include "control/control.hpp"

namespace dlb {

namespace {

constexpr std::chrono::milliseconds kAfterWithdrawal{1};

}  // namespace

// Withdrawals at once, announcements when the workers have the tables.
void Control::routes_changed() {
    routing_.update(model_, routes_, false);
    if (routes_due_) {
        return;
    }
    routes_due_ = true;
    settled([this] {
        routes_due_ = false;
        routing_.update(model_, routes_, true);
    });
}

// Verdicts of health checks: what they take away is withdrawn first, then the tables are made. A
// thousand services take some milliseconds, in which this thread would not carry the withdrawal
// from the kernel's twin to a worker.
void Control::health_changed() {
    if (!health_.mark(model_)) {
        return;
    }
    routing_.update(model_, routes_, false);
    if (build_due_) {
        return;
    }
    build_due_ = true;
    build_timer_.expires_after(kAfterWithdrawal);
    build_timer_.async_wait([this](const boost::system::error_code& error) {
        build_due_ = false;
        if (!error) {
            use_snapshot(build(model_, snapshot_.get()));
        }
    });
}

std::vector<VipStatus> Control::vip_status(const ModelService& service) const {
    std::vector<VipStatus> status;
    for (const Prefix& vip : service.config.vip) {
        std::string why = routing_.why_not_announced(vip);
        status.push_back({vip, why.empty(), std::move(why)});
    }
    return status;
}

BgpStatus Control::bgp() const {
    return routing_.status();
}

std::vector<BgpRouteStatus> Control::bgp_routes() const {
    return routing_.routes(model_);
}

std::optional<std::vector<BgpReceivedRoute>> Control::bgp_received(
    const IpAddress& neighbor) const {
    return routing_.received(neighbor);
}

Status Control::reset_bgp(const IpAddress& neighbor) {
    return routing_.reset(neighbor);
}

Status Control::refresh_bgp(const IpAddress& neighbor) {
    return routing_.refresh(neighbor);
}

}  // namespace dlb
