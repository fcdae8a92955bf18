// What FastPath's parts know of plain headers. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <rte_mbuf.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"
#include "net/flow_key.hpp"

namespace dlb::plain {

template <typename T>
inline T load(const uint8_t* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}
inline uint16_t load_be16(const uint8_t* bytes) {
    return Be16::from_raw(load<uint16_t>(bytes)).host();
}

template <typename F>
struct Ip;
template <>
struct Ip<V4> {
    static constexpr unsigned kHeader = 20, kHopLimit = 8, kProtocol = 9, kSource = 12;
    static size_t length(const uint8_t* ip) { return load_be16(ip + 2); }
    // No options, no fragment (RFC 791 §3.1).
    static bool is_plain(const uint8_t* ip) {
        return ip[0] == 0x45 && (load<uint16_t>(ip + 6) & Be16(0x3fff).raw()) == 0;
    }
    static bool is_intact(const uint8_t* ip, const rte_mbuf* mbuf) {
        return (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD ||
               checksum(ip, kHeader) == 0;
    }
};
template <>
struct Ip<V6> {
    static constexpr unsigned kHeader = 40, kHopLimit = 7, kProtocol = 6, kSource = 8;
    static size_t length(const uint8_t* ip) { return kHeader + size_t{load_be16(ip + 4)}; }
    static bool is_plain(const uint8_t* ip) { return (ip[0] >> 4) == 6; }
    static bool is_intact(const uint8_t*, const rte_mbuf*) { return true; }
};

}  // namespace dlb::plain
