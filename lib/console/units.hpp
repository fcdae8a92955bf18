// Numbers as people read them: bytes in powers of 1024, rates in powers of 1000, durations in
// words. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace dlb {

std::string human_bytes(uint64_t bytes);                       // "512 B", "1.5 KiB", "112.3 TiB"
std::string human_rate(double rate, const std::string& unit);  // "0 pps", "14.88 Mpps"
std::string human_duration(double seconds);                    // "7s", "3h 5m", "12d 4h"

}  // namespace dlb
