// Routing: BGP and BFD of this load balancer: what is announced follows the model and the
// operators' wishes.
//
// A route goes out once the workers have the tables behind it; it is withdrawn before anything
// else is done about what took it away. Thread safety: one thread, which runs the io_context.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/speaker.hpp"
#include "config/config.hpp"
#include "control/bfd_watch.hpp"
#include "control/bgp_status.hpp"
#include "control/route_plan.hpp"
#include "net/result.hpp"

namespace dlb {

class Routing {
  public:
    struct Host {
        // Whether a backend's check has had no result yet.
        std::function<bool(const ModelService&, const ModelBackend&)> unchecked;
        // update() would do something else now.
        std::function<void()> changed;
    };

    Routing(boost::asio::io_context& io, Host host);
    ~Routing();

    // Listens, connects and starts BFD, where [bgp] is enabled. Errors: an address that cannot be
    // bound, no thread.
    Result<void> start(const LbConfig& lb, const BgpConfig& bgp);
    // After a reload: neighbours come, go and change, and so do the routes' attributes with the
    // next update(). Errors: what could not be done; the rest was.
    Result<void> reconfigure(const LbConfig& lb, const BgpConfig& bgp);

    // Makes what is announced follow. `in_workers`: all workers have the model's tables; until then
    // nothing new is announced.
    void update(const LbModel& model, const RouteIntent& intent, bool in_workers);
    void tick();  // each second

    // The load balancer is drained, or no longer: the graceful-shutdown community first (RFC 8326),
    // and after the grace update() withdraws.
    void set_drained(bool drained);
    // For good. `done` once all routes are withdrawn, `time` has passed and every neighbour has
    // been told; at once where there is no BGP but the time.
    void leave(std::chrono::milliseconds time, std::function<void()> done);
    // For a successor: neighbours keep the routes. Errors: graceful restart is off.
    Result<void> hand_over(std::function<void()> done);

    bool enabled() const { return speaker_ != nullptr; }
    BgpStatus status() const;
    std::vector<BgpRouteStatus> routes(const LbModel& model) const;
    std::optional<std::vector<BgpReceivedRoute>> received(const IpAddress& neighbor) const;
    Result<void> reset(const IpAddress& neighbor);
    Result<void> refresh(const IpAddress& neighbor);
    // Why no neighbour has the VIP; "": one has.
    std::string why_not_announced(const Prefix& vip) const;
    bool is_announced(const Prefix& vip) const;

  private:
    unsigned count_usable(const ModelService& service, bool announced) const;
    void withdraw_unwanted();
    void announce_wanted();
    void finish_restart(const LbModel& model);
    void sync_bfd();
    void bfd_failed(const IpAddress& neighbor, const std::string& why);
    std::chrono::milliseconds grace() const;
    void await_left(std::function<void()> done);
    Result<void> check_enabled() const;

    boost::asio::io_context& io_;
    Host host_;
    BgpConfig config_;
    std::string name_;           // of the load balancer
    std::string handover_file_;  // tells a successor that it is one
    std::chrono::milliseconds drain_time_{0};
    std::unique_ptr<bgp::Speaker> speaker_;  // null: BGP is off
    std::unique_ptr<BfdWatch> bfd_;
    bgp::RouteOptions options_;                // of the routes that are out
    RoutePlan plan_;                           // of the last update()
    std::map<Prefix, bgp::RouteOptions> out_;  // what the speaker was told
    bool restarting_ = false;                  // the first routes are not complete yet
    bool leaving_ = false;
    bool drained_ = false;
    bool in_grace_ = false;  // drained, and not yet withdrawn
    boost::asio::steady_timer grace_timer_;
    boost::asio::steady_timer leave_timer_;
    std::chrono::steady_clock::time_point restart_until_{};
};

}  // namespace dlb
