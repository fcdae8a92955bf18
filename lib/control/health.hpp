// HealthMonitor: has the model's backends checked, and the model follow what the checks say.
//
// Sockets of checks are the kernel's: its routes lead them over the ports' twins, as they lead what
// else this machine sends there; those with inside_tunnel go as TunnelChecks says. Thread safety:
// the control thread's; `changed` is called from a handler of its own on the io_context.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/api.hpp"
#include "control/tunnel_checks.hpp"
#include "health/checker.hpp"
#include "lb/model.hpp"

namespace dlb {

class HealthMonitor {
  public:
    struct Events {
        // Verdicts have come that are to be published; those of one turn of the loop come as one
        // call.
        std::function<void()> changed;
        // Backends that were as good as up had their first result, and are. Now and then.
        std::function<void()> known = nullptr;
    };
    // `tunnels`: for checks with inside_tunnel, which need it.
    HealthMonitor(boost::asio::io_context& io, Events events, TunnelChecks* tunnels = nullptr);
    ~HealthMonitor();

    // Checks the backends of the model, and those alone, and tells the model which of them are
    // down. Before each snapshot is made: edits forget it. True where the model said otherwise.
    bool sync(LbModel& model);
    // The latter alone: enough where the model is as it was and verdicts have come.
    bool mark(LbModel& model) const;

    // In the model's order.
    std::vector<HealthStatus> status(const LbModel& model) const;
    // "none", "unknown", "up", "down", "damped", "panic"
    std::string word(const ServiceConfig& service, const BackendConfig& backend) const;
    // Has a check that had no result yet.
    bool is_unchecked(const ServiceConfig& service, const BackendConfig& backend) const;

  private:
    void note_change(const HealthTarget& target, HealthState::Change change);
    void note_panic(const std::string& service, bool panic, unsigned down, unsigned backends);
    void note_not_run(const HealthTarget& target);
    void call_soon();
    void call_known_soon();

    boost::asio::io_context& io_;
    Events events_;
    boost::asio::steady_timer known_timer_;
    bool known_due_ = false;
    TunnelChecks* tunnels_;
    HealthChecker checker_;
    std::shared_ptr<bool> pending_;  // a call of changed_ is on its way; goes with us
    std::chrono::steady_clock::time_point complained_{};
};

}  // namespace dlb
