#include "health/target.hpp"

#include <algorithm>
#include <random>

namespace dlb {

namespace {

// Thousands of rows of checks that started together drift apart.
std::chrono::nanoseconds jittered(std::chrono::nanoseconds interval, double least) {
    static thread_local std::minstd_rand random{std::random_device{}()};
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        interval * std::uniform_real_distribution<double>(least, 1.0)(random));
}

constexpr double kLeastInterval = 0.9;

}  // namespace

HealthTarget::HealthTarget(ProbeContext& context, HealthObserver& observer, std::string service,
                           const Endpoint& backend)
    : context_(context),
      observer_(observer),
      service_(std::move(service)),
      backend_(backend),
      timer_(context.io()),
      changed_(Clock::now()) {}

void HealthTarget::start(std::shared_ptr<const HealthConfig> config, ProbeSpec spec,
                         std::chrono::nanoseconds delay) {
    stop();
    config_ = std::move(config);
    spec_ = std::move(spec);
    plan(Clock::now() + delay);
}

void HealthTarget::stop() {
    ++turn_;
    timer_.cancel();
    end_probe();
}

bool HealthTarget::runs_with(const HealthConfig& config, const ProbeSpec& spec) const {
    return config_ != nullptr && *config_ == config && spec_ == spec;
}

void HealthTarget::plan(Clock::time_point when) {
    timer_.expires_at(when);
    timer_.async_wait([weak = weak_from_this(), turn = ++turn_](const auto& error) {
        const auto self = weak.lock();
        if (!error && self != nullptr && self->turn_ == turn) {
            self->begin();
        }
    });
}

void HealthTarget::plan_next() {
    const Clock::time_point now = Clock::now();
    Clock::time_point next;
    if (state_.falling()) {
        next = started_ + std::min(config_->interval, config_->timeout);
    } else {
        // The first checks come close together where backends are few; the second spread out.
        next = started_ + jittered(config_->interval, starts_ == 1 ? 0.0 : kLeastInterval);
    }
    plan(std::max(next, now));
}

void HealthTarget::begin() {
    started_ = Clock::now();
    ++starts_;
    timer_.expires_at(started_ + config_->timeout);
    timer_.async_wait([weak = weak_from_this(), turn = ++turn_](const auto& error) {
        const auto self = weak.lock();
        if (!error && self != nullptr && self->turn_ == turn) {
            self->expire();
        }
    });
    probe_ =
        start_probe(context_, spec_, [weak = weak_from_this(), turn = turn_](ProbeResult result) {
            const auto self = weak.lock();
            if (self != nullptr && self->turn_ == turn) {
                self->finish(std::move(result));
            }
        });
}

void HealthTarget::expire() {
    finish(probe_->timed_out(config_->timeout));
}

void HealthTarget::end_probe() {
    if (probe_ != nullptr) {
        probe_->cancel();
        probe_.reset();
    }
}

void HealthTarget::finish(ProbeResult result) {
    end_probe();
    ended_ = Clock::now();
    duration_ = ended_ - started_;
    last_ = std::move(result);
    const bool was_usable = state_.usable();
    auto change = HealthState::Change::None;
    if (last_.outcome != ProbeOutcome::NotRun) {
        const bool passed = last_.outcome == ProbeOutcome::Passed;
        ++checks_;
        failures_ += passed ? 0 : 1;
        change = state_.note(passed, config_->rise, config_->fall, ended_);
        if (change != HealthState::Change::None) {
            changed_ = ended_;
        }
    }
    plan_next();
    observer_.checked(*this, was_usable, change);
}

}  // namespace dlb
