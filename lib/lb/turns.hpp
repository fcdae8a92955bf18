// make_turns(): the order in which wrr serves its members.
//
// In each round a member earns its weight and takes a turn for each time its credit reaches the
// highest weight, so that turns of heavy and light members mix; over one pass each has exactly its
// weight's share (IPVS's wrr gives the same numbers). Weights whose sum, by their common divisor,
// exceeds kMostTurns are scaled down to it, each to 1 at least. Thread safety: a pure function.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dlb {

inline constexpr uint64_t kMostTurns = 65536;

// Indices into `weights`. REQUIRES: every weight > 0; at most 65535 of them.
std::vector<uint16_t> make_turns(std::span<const uint32_t> weights);

}  // namespace dlb
