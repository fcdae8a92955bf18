// OuterHeader: the IP header that a tunnel puts around a packet, but for what differs from packet
// to packet.
//
// Shapes: header bytes as they go on the wire, with length, TOS or traffic class, identification
// and DF zero, and an IPv4 checksum that is right for that, so that the packet path adds only the
// difference. Thread safety: a plain value.
#pragma once

#include <array>
#include <cstdint>

#include "net/ip_address.hpp"

namespace dlb {

struct OuterHeader {
    static constexpr uint8_t kHopLimit = 64;  // RFC 1700's IP default TTL

    std::array<uint8_t, 40> bytes{};
    uint8_t length = 0;  // 20 or 40; 0: no tunnel
    Family family = Family::V4;
};

// `protocol` 0: IPIP, chosen for each packet: 4 for IPv4 inside (RFC 2003), 41 for IPv6 inside (RFC
// 2473, 4213). REQUIRES: source and destination are of one family.
OuterHeader make_outer_header(const IpAddress& source, const IpAddress& destination,
                              uint8_t protocol);

}  // namespace dlb
