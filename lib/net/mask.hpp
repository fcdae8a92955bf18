// mask_address(): the first `length` bits of an address in network byte order, the rest cleared.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "net/byte_order.hpp"
#include "net/flow_key.hpp"

namespace dlb {

inline uint32_t mask_address(uint32_t address, unsigned length) {
    return length == 0 ? 0 : address & Be32(~0U << (32 - std::min(length, 32U))).raw();
}

inline Ipv6Words mask_address(const Ipv6Words& address, unsigned length) {
    const auto mask = [](unsigned bits) {
        return bits == 0 ? uint64_t{0} : BigEndian<uint64_t>(~uint64_t{0} << (64 - bits)).raw();
    };
    return {{address.words[0] & mask(std::min(length, 64U)),
             address.words[1] & mask(length > 64 ? length - 64 : 0)}};
}

}  // namespace dlb
