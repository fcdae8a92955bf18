// HealthTarget: one backend under check: when each check starts, and what has come of them.
//
// Checks of one backend start at most one interval apart, and at least 0.9 of one (jitter); while
// it is failing but not yet down, min(interval, timeout) apart, so that the last of `fall` checks
// has ended timeout × fall after the first one's start. Two never run at once. Thread safety: that
// of the io_context, which one thread runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "health/probe.hpp"
#include "health/state.hpp"
#include "lb/service_config.hpp"

namespace dlb {

class HealthTarget;

class HealthObserver {
  public:
    // After each check; `change` is None for most. Not to destroy the target.
    virtual void checked(HealthTarget& target, bool was_usable, HealthState::Change change) = 0;

  protected:
    ~HealthObserver() = default;
};

class HealthTarget : public std::enable_shared_from_this<HealthTarget> {
  public:
    using Clock = std::chrono::steady_clock;

    HealthTarget(ProbeContext& context, HealthObserver& observer, std::string service,
                 const Endpoint& backend);

    // Starts checking, the first time after `delay`; with other settings, starts anew with what is
    // known kept.
    void start(std::shared_ptr<const HealthConfig> config, ProbeSpec spec,
               std::chrono::nanoseconds delay);
    void stop();
    bool runs_with(const HealthConfig& config, const ProbeSpec& spec) const;

    const std::string& service() const { return service_; }
    const Endpoint& backend() const { return backend_; }
    HealthType type() const { return spec_.type; }
    const HealthState& state() const { return state_; }
    const ProbeResult& last() const { return last_; }
    uint64_t checks() const { return checks_; }
    uint64_t failures() const { return failures_; }
    std::chrono::nanoseconds duration() const { return duration_; }
    Clock::time_point changed() const { return changed_; }
    Clock::time_point ended() const { return ended_; }  // the last check; zero: never

  private:
    void plan(Clock::time_point when);
    void plan_next();
    void begin();
    void expire();
    void finish(ProbeResult result);
    void end_probe();

    ProbeContext& context_;
    HealthObserver& observer_;
    const std::string service_;
    const Endpoint backend_;
    std::shared_ptr<const HealthConfig> config_;
    ProbeSpec spec_;
    // The next start, or the end of the check that runs; a turn is over when turn_ has gone on.
    boost::asio::steady_timer timer_;
    uint64_t turn_ = 0;
    std::shared_ptr<Probe> probe_;  // null: none runs
    HealthState state_;
    ProbeResult last_;
    uint64_t starts_ = 0, checks_ = 0, failures_ = 0;
    std::chrono::nanoseconds duration_{0};
    Clock::time_point started_, ended_, changed_;
};

}  // namespace dlb
