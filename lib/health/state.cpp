#include "health/state.hpp"

#include <algorithm>
#include <cmath>

namespace dlb {

double HealthState::penalty(Time now) const {
    const std::chrono::duration<double> age = now - penalty_time_;
    return penalty_ * std::exp2(-age / kHalfLife);
}

HealthState::Change HealthState::note(bool passed, uint16_t rise, uint16_t fall, Time now) {
    return passed ? note_pass(rise, now) : note_failure(fall, now);
}

HealthState::Change HealthState::note_pass(uint16_t rise, Time now) {
    failed_in_row_ = 0;
    ++passed_in_row_;
    const bool rises =
        level_ == Level::Unknown || (level_ == Level::Down && passed_in_row_ >= rise);
    const bool first = level_ == Level::Unknown;
    const bool released = damped_ && penalty(now) < kReuse;
    if (rises) {
        level_ = Level::Up;
    }
    if (released) {
        damped_ = false;
    }
    if (level_ != Level::Up || !(rises || released)) {
        return Change::None;
    }
    if (first) {
        return Change::Known;
    }
    return damped_ ? Change::Held : Change::Up;
}

HealthState::Change HealthState::note_failure(uint16_t fall, Time now) {
    passed_in_row_ = 0;
    ++failed_in_row_;
    if (level_ == Level::Down || failed_in_row_ < fall) {
        return Change::None;
    }
    const bool was_up = level_ == Level::Up;
    const bool was_damped = damped_;
    level_ = Level::Down;
    if (was_up) {
        penalty_ = std::min(penalty(now) + kPenalty, kCeiling);
        penalty_time_ = now;
        damped_ = damped_ || penalty_ >= kSuppress;
    }
    return damped_ && !was_damped ? Change::Damped : Change::Down;
}

}  // namespace dlb
