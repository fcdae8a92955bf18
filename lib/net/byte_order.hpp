// BigEndian<T>: a number as it stands in a packet. No silent conversion in either direction.
// Thread safety: a plain value.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

namespace dlb {

template <std::unsigned_integral T>
constexpr T byte_swap(T value) {
    if constexpr (sizeof(T) == 2) {
        return __builtin_bswap16(value);
    } else if constexpr (sizeof(T) == 4) {
        return __builtin_bswap32(value);
    } else if constexpr (sizeof(T) == 8) {
        return __builtin_bswap64(value);
    } else {
        return value;
    }
}

template <std::unsigned_integral T>
class BigEndian {
  public:
    constexpr BigEndian() = default;
    constexpr explicit BigEndian(T host)
        : raw_(std::endian::native == std::endian::little ? byte_swap(host) : host) {}
    static constexpr BigEndian from_raw(T network_order) {
        BigEndian value;
        value.raw_ = network_order;
        return value;
    }
    constexpr T host() const {
        return std::endian::native == std::endian::little ? byte_swap(raw_) : raw_;
    }
    constexpr T raw() const { return raw_; }  // as it lies in the packet
    friend constexpr bool operator==(BigEndian, BigEndian) = default;

  private:
    T raw_ = 0;
};

using Be16 = BigEndian<uint16_t>;
using Be32 = BigEndian<uint32_t>;

}  // namespace dlb
