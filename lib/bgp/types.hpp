// What all of BGP speaks in: address families (RFC 4760), a value a family, a prefix with its path.
// Thread safety: plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

#include "net/ip_address.hpp"

namespace dlb::bgp {

constexpr uint16_t kAsTrans = 23456;  // RFC 6793 §9: stands for an AS that two bytes cannot hold

// As numbered by IANA; families that the speaker does not speak occur in what others send.
struct AfiSafi {
    uint16_t afi = 0;
    uint8_t safi = 0;
    friend auto operator<=>(const AfiSafi&, const AfiSafi&) = default;
};

constexpr uint16_t afi_of(Family family) {
    return family == Family::V4 ? 1 : 2;
}
constexpr AfiSafi unicast(Family family) {
    return {afi_of(family), 1};
}
constexpr std::optional<Family> unicast_family(AfiSafi family) {
    if (family == unicast(Family::V4)) {
        return Family::V4;
    }
    if (family == unicast(Family::V6)) {
        return Family::V6;
    }
    return std::nullopt;
}
constexpr Family kFamilies[] = {Family::V4, Family::V6};

// One T for IPv4 unicast and one for IPv6 unicast.
template <typename T>
struct PerFamily {
    T v4{};
    T v6{};
    constexpr T& operator[](Family family) { return family == Family::V4 ? v4 : v6; }
    constexpr const T& operator[](Family family) const { return family == Family::V4 ? v4 : v6; }
    friend bool operator==(const PerFamily&, const PerFamily&) = default;
};

struct Nlri {
    Prefix prefix;
    uint32_t path_id = 0;  // RFC 7911; 0 where it is not negotiated
    friend auto operator<=>(const Nlri&, const Nlri&) = default;
};

}  // namespace dlb::bgp
