// The ports of routing protocols, in host byte order.
// Thread safety: constants.
#pragma once

#include <cstdint>

namespace dlb {

inline constexpr uint16_t kBgpPort = 179;
inline constexpr uint16_t kBfdSingleHopPort = 3784;  // RFC 5881 §4
inline constexpr uint16_t kBfdMultihopPort = 4784;   // RFC 5883 §5

}  // namespace dlb
