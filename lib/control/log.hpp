// The daemon's log: one line an event on standard error, and the latest lines kept for `show log`.
//
// Text, or with log_format = "json" an object a line; where standard error is the journal, each
// line has its priority in front and text has no time of its own (sd-daemon(3)). Messages stay one
// line whatever they hold. Alike messages (log_limit.hpp) are rate-limited once the start-up is
// over. Thread safety: any thread but workers.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace dlb {

void start_log(const LbConfig& lb);
// The level and format of `lb`, from now on.
void set_log(const LbConfig& lb);

// While one lives, alike messages are logged in full: those of one answer belong together. Once in
// ten seconds; else as usual.
class LogInFull {
  public:
    LogInFull();
    ~LogInFull();
    LogInFull(const LogInFull&) = delete;
    LogInFull& operator=(const LogInFull&) = delete;

  private:
    bool granted_;
};

// From now on alike messages are limited: what goes wrong at start-up is always told.
void limit_log();
// Tells how many were suppressed, once their interval is over. To be called every second or so.
void tick_log();

// The last `lines` lines as text, oldest first.
std::vector<std::string> recent_log(unsigned lines);

}  // namespace dlb
