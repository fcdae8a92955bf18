// Which addresses can be one host's. Addresses are raw words as in flow_key.hpp.
// Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>

#include "net/byte_order.hpp"
#include "net/flow_key.hpp"

namespace dlb {

// Whether the address can be one host's, so that there is somebody to answer. RFC 1122 §3.2.1.3,
// RFC 1812 §5.3.7: a zero, loopback, multicast or broadcast address is no source; §3.2.2: nor may
// an ICMP error go to one.
inline bool can_be_source(uint32_t address) {
    const uint32_t host = Be32::from_raw(address).host();
    const uint32_t first = host >> 24;
    return first != 0 && first != 127 && (first & 0xf0) != 0xe0 && host != 0xffffffff;
}

// RFC 4291 §2.5.2, §2.5.3, §2.7: neither ::, ::1 nor multicast.
inline bool can_be_source(const Ipv6Words& address) {
    constexpr uint64_t kFirstByte = std::endian::native == std::endian::little ? 0 : 56;
    constexpr uint64_t kLastByte = 56 - kFirstByte;
    return ((address.words[0] >> kFirstByte) & 0xff) != 0xff &&
           (address.words[0] != 0 || (address.words[1] & ~(uint64_t{1} << kLastByte)) != 0);
}

}  // namespace dlb
