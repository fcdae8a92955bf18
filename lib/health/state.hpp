// HealthState: what a row of checks says of one backend: rise, fall, and damping.
//
// Damping follows BGP's (RFC 2439): each fall from up adds kPenalty, which halves each kHalfLife.
// At kSuppress the backend is damped: it stays out of use, whatever its checks say, until the
// penalty has decayed below kReuse. So a backend that goes down four times within about 50 seconds
// rests for up to kLongestRest from its last fall. Thread safety: a plain value; the clock is the
// caller's.
#pragma once

#include <chrono>
#include <cstdint>

namespace dlb {

class HealthState {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr double kPenalty = 1000;
    static constexpr double kSuppress = 3000;
    static constexpr double kReuse = 1000;
    static constexpr double kCeiling = 4000;
    static constexpr std::chrono::seconds kHalfLife{60};
    static constexpr std::chrono::seconds kLongestRest{120};  // from kCeiling to kReuse

    enum class Level : uint8_t { Unknown, Up, Down };
    enum class Change : uint8_t {
        None,
        Up,      // in use again
        Down,    // out of use
        Damped,  // down, and from now on held
        Held,    // well again, and held down by damping
        Known,   // well at its first good check; in use before, too
    };

    // Takes one check's result.
    Change note(bool passed, uint16_t rise, uint16_t fall, Time now);

    Level level() const { return level_; }
    bool damped() const { return damped_; }
    // Unknown is usable: a backend is believed in until `fall` checks have failed.
    bool usable() const { return level_ != Level::Down && !damped_; }
    bool falling() const { return level_ != Level::Down && failed_in_row_ > 0; }
    uint32_t passed_in_row() const { return passed_in_row_; }
    uint32_t failed_in_row() const { return failed_in_row_; }
    double penalty(Time now) const;

  private:
    Change note_pass(uint16_t rise, Time now);
    Change note_failure(uint16_t fall, Time now);

    Level level_ = Level::Unknown;
    bool damped_ = false;
    uint32_t passed_in_row_ = 0;
    uint32_t failed_in_row_ = 0;
    double penalty_ = 0;  // at penalty_time_
    Time penalty_time_;
};

// Whether so many backends of a service are down that all are kept. `threshold`: a share from 0 to
// 1; 0: never.
inline bool is_panic(unsigned down, unsigned backends, double threshold) {
    return threshold > 0 && static_cast<double>(down) > threshold * backends;
}

}  // namespace dlb
