// FlowKey<F>: the 5-tuple as it stands in the packet, and its hash.
//
// Addresses and ports are raw network-order words; nothing is swapped on the packet path.
// Source of the hash: XXH3 64 bit (xxHash 0.8), seed 0, over the key's bytes, so that each member
// of a group of load balancers, and each tool with an xxHash library, comes to the same value.
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <cstring>

#include "net/ip_address.hpp"
#include "net/xxh.hpp"

namespace dlb {

struct V4 {
    using Address = uint32_t;  // network byte order
    static constexpr Family kFamily = Family::V4;
    static constexpr unsigned kAddressSize = 4;
};

struct Ipv6Words {
    uint64_t words[2];  // network byte order
    friend bool operator==(const Ipv6Words&, const Ipv6Words&) = default;
};

struct V6 {
    using Address = Ipv6Words;
    static constexpr Family kFamily = Family::V6;
    static constexpr unsigned kAddressSize = 16;
};

template <typename F>
inline typename F::Address load_address(const void* bytes) {
    typename F::Address address;
    std::memcpy(&address, bytes, sizeof address);
    return address;
}

// REQUIRES: address.family() == F::kFamily.
template <typename F>
inline typename F::Address raw_address(const IpAddress& address) {
    return load_address<F>(address.bytes().data());
}

inline IpAddress to_ip_address(uint32_t address) {
    return IpAddress::v4(address);
}
inline IpAddress to_ip_address(const Ipv6Words& address) {
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &address, sizeof address);
    return IpAddress::v6(bytes);
}

// 16 bytes for IPv4, 40 for IPv6, without padding that is not set.
template <typename F>
struct FlowKey {
    typename F::Address source{};
    typename F::Address destination{};
    uint16_t source_port = 0;       // network byte order
    uint16_t destination_port = 0;  // network byte order
    uint8_t protocol = 0;
    uint8_t zero[3] = {};

    // The same flow the other way.
    FlowKey reversed() const {
        return {destination, source, destination_port, source_port, protocol, {}};
    }
    [[gnu::always_inline]] uint64_t hash() const { return XXH3_64bits(this, sizeof *this); }
    friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey<V4>) == 16 && sizeof(FlowKey<V6>) == 40);

// An even share of [0, n) by the hash's upper half, without a division.
inline uint32_t hash_share(uint64_t hash, uint32_t n) {
    return static_cast<uint32_t>(((hash >> 32) * n) >> 32);
}

}  // namespace dlb
