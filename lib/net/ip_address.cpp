#include "net/ip_address.hpp"

#include <charconv>
#include <cstdio>

#include <arpa/inet.h>

#include "net/xxh.hpp"

namespace dlb {

namespace {

// A whole decimal number up to `max`; no sign, no space.
std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > max || text.empty()) {
        return std::nullopt;
    }
    return value;
}

// Clears all bits after the first `length` ones.
IpAddress masked(const IpAddress& address, unsigned length) {
    std::array<uint8_t, 16> bytes = address.bytes();
    for (unsigned i = 0; i < address.size(); ++i) {
        const unsigned keep = length <= i * 8 ? 0 : std::min(8U, length - i * 8);
        bytes[i] = static_cast<uint8_t>(bytes[i] & (0xff00U >> keep));
    }
    return address.is_v4() ? IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3])
                           : IpAddress::v6(bytes);
}

struct AddressAndLength {
    IpAddress address;
    unsigned length;
};

std::optional<AddressAndLength> parse_slashed(std::string_view text) {
    const size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    if (slash == std::string_view::npos) {
        return AddressAndLength{*address, address->bits()};
    }
    const auto length = parse_number(text.substr(slash + 1), address->bits());
    if (!length) {
        return std::nullopt;
    }
    return AddressAndLength{*address, *length};
}

}  // namespace

IpAddress IpAddress::v4(uint32_t network_order) {
    IpAddress address;
    std::memcpy(address.bytes_.data(), &network_order, sizeof network_order);
    return address;
}

IpAddress IpAddress::v6(const uint8_t (&network_order)[16]) {
    return v6(std::to_array(network_order));
}

IpAddress IpAddress::v6(const std::array<uint8_t, 16>& network_order) {
    IpAddress address;
    address.family_ = Family::V6;
    address.bytes_ = network_order;
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string terminated(text);
    if (terminated.size() != std::strlen(terminated.c_str())) {
        return std::nullopt;
    }
    IpAddress address;
    if (inet_pton(AF_INET, terminated.c_str(), address.bytes_.data()) == 1) {
        return address;
    }
    address = IpAddress();
    address.family_ = Family::V6;
    if (inet_pton(AF_INET6, terminated.c_str(), address.bytes_.data()) == 1) {
        return address;
    }
    return std::nullopt;
}

bool IpAddress::is_unspecified() const {
    return bytes_ == std::array<uint8_t, 16>{};
}

bool IpAddress::is_multicast() const {
    return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

bool IpAddress::is_link_local() const {
    return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                   : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
    return text;
}

Prefix::Prefix(const IpAddress& address, unsigned length)
    : address_(masked(address, length)), length_(static_cast<uint8_t>(length)) {}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const auto parsed = parse_slashed(text);
    if (!parsed) {
        return std::nullopt;
    }
    const Prefix prefix(parsed->address, parsed->length);
    if (prefix.address() != parsed->address) {
        return std::nullopt;
    }
    return prefix;
}

bool Prefix::contains(const IpAddress& address) const {
    return address.family() == family() && masked(address, length_) == address_;
}

bool Prefix::overlaps(const Prefix& other) const {
    return length_ <= other.length_ ? contains(other.address_) : other.contains(address_);
}

std::string Prefix::to_string() const {
    return is_host() ? address_.to_string()
                     : address_.to_string() + "/" + std::to_string(unsigned{length_});
}

std::optional<InterfaceAddress> InterfaceAddress::parse(std::string_view text) {
    const auto parsed = parse_slashed(text);
    if (!parsed) {
        return std::nullopt;
    }
    return InterfaceAddress{parsed->address, parsed->length};
}

std::string InterfaceAddress::to_string() const {
    return address.to_string() + "/" + std::to_string(prefix_length);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    const auto address = IpAddress::parse(host);
    const auto port = parse_number(text.substr(colon + 1), 65535);
    if (!address || !port || address->is_v6() != bracketed) {
        return std::nullopt;
    }
    return Endpoint{*address, static_cast<uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
    const std::string host = address.to_string();
    return (address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
    MacAddress mac;
    if (text.size() != 17) {
        return std::nullopt;
    }
    for (size_t i = 0; i < 6; ++i) {
        const char* digits = text.data() + i * 3;
        const auto [end, error] = std::from_chars(digits, digits + 2, mac.bytes[i], 16);
        if (error != std::errc{} || end != digits + 2 || (i < 5 && digits[2] != ':')) {
            return std::nullopt;
        }
    }
    return mac;
}

std::string MacAddress::to_string() const {
    char text[18];
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                  bytes[3], bytes[4], bytes[5]);
    return text;
}

}  // namespace dlb

size_t std::hash<dlb::IpAddress>::operator()(const dlb::IpAddress& address) const noexcept {
    return XXH3_64bits_withSeed(address.bytes().data(), address.size(), address.size());
}

size_t std::hash<dlb::Endpoint>::operator()(const dlb::Endpoint& endpoint) const noexcept {
    return XXH3_64bits_withSeed(endpoint.address.bytes().data(), 16, endpoint.port);
}
