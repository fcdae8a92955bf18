// LogLimit: how often alike messages may be logged.
//
// Alike are messages of one level that differ only in their quoted words and in words with a digit:
// addresses, counts, names. Thread safety: the caller's lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dlb {

// What alike messages have in common.
std::string log_template(std::string_view message);

class LogLimit {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr unsigned kBurst = 20;  // alike messages an interval
    static constexpr std::chrono::seconds kInterval{10};
    static constexpr size_t kMostTemplates = 1000;

    struct Suppressed {
        int level = 0;
        std::string example;  // the last message that was
        uint64_t count = 0;
    };

    // False: suppress this one.
    bool passes(int level, std::string_view message, Clock::time_point now);

    // What was suppressed in intervals that are over by `now`, each told once.
    std::vector<Suppressed> over(Clock::time_point now);

  private:
    struct Seen {
        Clock::time_point since;
        unsigned passed = 0;
        Suppressed suppressed;
    };

    std::unordered_map<std::string, Seen> seen_;
};

}  // namespace dlb
