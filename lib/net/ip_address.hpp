// IpAddress, Prefix, Endpoint, MacAddress: value types for IPv4 and IPv6 alike.
//
// Shapes: addresses are kept in network byte order; ports and prefix lengths in host byte order.
// Errors: parse() returns nullopt for anything inet_pton(3) would not take whole.
// Thread safety: plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dlb {

enum class Family : uint8_t { V4 = 4, V6 = 6 };

// An IPv4 address occupies the first 4 bytes; the other 12 are zero.
class IpAddress {
  public:
    constexpr IpAddress() = default;  // 0.0.0.0

    static IpAddress v4(uint32_t network_order);
    static constexpr IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
        IpAddress address;
        address.bytes_[0] = a;
        address.bytes_[1] = b;
        address.bytes_[2] = c;
        address.bytes_[3] = d;
        return address;
    }
    static IpAddress v6(const uint8_t (&network_order)[16]);
    static IpAddress v6(const std::array<uint8_t, 16>& network_order);
    static std::optional<IpAddress> parse(std::string_view text);

    constexpr Family family() const { return family_; }
    constexpr bool is_v4() const { return family_ == Family::V4; }
    constexpr bool is_v6() const { return family_ == Family::V6; }
    constexpr unsigned bits() const { return is_v4() ? 32 : 128; }
    constexpr unsigned size() const { return is_v4() ? 4 : 16; }  // bytes
    constexpr const std::array<uint8_t, 16>& bytes() const { return bytes_; }
    uint32_t v4_word() const {  // network byte order; REQUIRES: is_v4()
        uint32_t word;
        std::memcpy(&word, bytes_.data(), sizeof word);
        return word;
    }
    bool is_unspecified() const;
    bool is_multicast() const;
    bool is_link_local() const;     // 169.254.0.0/16, fe80::/10
    std::string to_string() const;  // RFC 5952 for IPv6

    friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

  private:
    Family family_ = Family::V4;
    std::array<uint8_t, 16> bytes_{};
};

// Invariant: no bit after `length` is set in `address`.
class Prefix {
  public:
    Prefix() = default;
    // Clears the bits after `length`. REQUIRES: length <= address.bits().
    Prefix(const IpAddress& address, unsigned length);
    static Prefix host(const IpAddress& address) { return {address, address.bits()}; }
    // "10.0.0.0/8", or an address alone for a host. Host bits after the length are refused.
    static std::optional<Prefix> parse(std::string_view text);

    const IpAddress& address() const { return address_; }
    unsigned length() const { return length_; }
    Family family() const { return address_.family(); }
    bool is_host() const { return length_ == address_.bits(); }
    bool contains(const IpAddress& address) const;
    bool overlaps(const Prefix& other) const;
    std::string to_string() const;  // a host prefix prints without its length

    friend auto operator<=>(const Prefix&, const Prefix&) = default;

  private:
    IpAddress address_;
    uint8_t length_ = 32;
};

// An address on a link with the length of its subnet: "10.0.0.106/24". Host bits are kept.
struct InterfaceAddress {
    IpAddress address;
    unsigned prefix_length = 32;

    static std::optional<InterfaceAddress> parse(std::string_view text);
    Prefix subnet() const { return {address, prefix_length}; }
    std::string to_string() const;
    friend auto operator<=>(const InterfaceAddress&, const InterfaceAddress&) = default;
};

struct Endpoint {
    IpAddress address;
    uint16_t port = 0;  // host byte order

    // "10.0.0.1:80", "[2001:db8::1]:80"
    static std::optional<Endpoint> parse(std::string_view text);
    std::string to_string() const;
    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

struct MacAddress {
    std::array<uint8_t, 6> bytes{};

    static std::optional<MacAddress> parse(std::string_view text);  // "02:00:00:00:00:01"
    bool is_zero() const { return bytes == std::array<uint8_t, 6>{}; }
    bool is_multicast() const { return (bytes[0] & 1) != 0; }
    std::string to_string() const;
    friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

}  // namespace dlb

template <>
struct std::hash<dlb::IpAddress> {
    size_t operator()(const dlb::IpAddress& address) const noexcept;
};

template <>
struct std::hash<dlb::Endpoint> {
    size_t operator()(const dlb::Endpoint& endpoint) const noexcept;
};
