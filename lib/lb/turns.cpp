#include "lb/turns.hpp"

#include <algorithm>
#include <numeric>

namespace dlb {

std::vector<uint16_t> make_turns(std::span<const uint32_t> weights) {
    uint64_t divisor = 0;
    uint64_t sum = 0;
    for (const uint32_t weight : weights) {
        divisor = std::gcd(divisor, uint64_t{weight});
        sum += weight;
    }
    std::vector<uint64_t> shares;
    uint64_t highest = 0;
    uint64_t length = 0;
    for (const uint32_t weight : weights) {
        const bool exact = sum / divisor <= kMostTurns;
        shares.push_back(exact ? weight / divisor
                               : std::max<uint64_t>(weight * kMostTurns / sum, 1));
        highest = std::max(highest, shares.back());
        length += shares.back();
    }
    std::vector<uint16_t> turns;
    turns.reserve(length);
    std::vector<uint64_t> credit(shares.size(), 0);
    while (turns.size() < length) {
        for (size_t i = 0; i < shares.size(); ++i) {
            credit[i] += shares[i];
            if (credit[i] >= highest) {
                credit[i] -= highest;
                turns.push_back(static_cast<uint16_t>(i));
            }
        }
    }
    return turns;
}

}  // namespace dlb
