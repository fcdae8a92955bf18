// PacketBuilder: the frames that tests put in and expect out, made without the code under test.
//
//   const Bytes frame = PacketBuilder().vlan(7).ipv4("10.0.0.1", "10.1.1.1").tcp(1000, 80, kSyn)
//                           .payload("x").build();
//
// Lengths and checksums come out right unless a with_…() says otherwise. The checksum code is its
// own: byte pairs added in host order, folded at each step. Thread safety: a plain value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>

namespace dlb::test {

using Bytes = std::vector<uint8_t>;

inline constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10;

inline void put16(Bytes& bytes, size_t at, unsigned value) {
    bytes[at] = static_cast<uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<uint8_t>(value);
}
inline void put32(Bytes& bytes, size_t at, uint32_t value) {
    put16(bytes, at, value >> 16);
    put16(bytes, at + 2, value & 0xffff);
}
inline unsigned get16(const Bytes& bytes, size_t at) {
    return bytes.at(at) << 8 | bytes.at(at + 1);
}

// The one's complement sum of [begin, end), added to `sum`.
inline unsigned plain_sum(const Bytes& bytes, size_t begin, size_t end, unsigned sum = 0) {
    for (size_t i = begin; i < end; ++i) {
        sum += (i - begin) % 2 == 0 ? bytes[i] << 8 : bytes[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}
// RFC 1071: 0 when the bytes hold a right checksum.
inline unsigned plain_checksum(const Bytes& bytes, size_t begin, size_t end, unsigned sum = 0) {
    return ~plain_sum(bytes, begin, end, sum) & 0xffff;
}

inline Bytes address_bytes(const std::string& text) {
    Bytes bytes(text.find(':') == std::string::npos ? 4 : 16);
    if (inet_pton(bytes.size() == 4 ? AF_INET : AF_INET6, text.c_str(), bytes.data()) != 1) {
        std::abort();
    }
    return bytes;
}

// The pseudo header's part of a transport checksum (RFC 9293 §3.1, RFC 8200 §8.1).
inline unsigned pseudo_sum(const Bytes& source, const Bytes& destination, uint8_t protocol,
                           size_t length) {
    unsigned sum = plain_sum(source, 0, source.size());
    sum = plain_sum(destination, 0, destination.size(), sum);
    const Bytes tail = {
        0, 0, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0, 0, 0, protocol};
    return plain_sum(tail, 0, tail.size(), sum);
}

class PacketBuilder {
  public:
    PacketBuilder& ethernet(Bytes destination, Bytes source) {
        destination_mac_ = std::move(destination);
        source_mac_ = std::move(source);
        return *this;
    }
    PacketBuilder& vlan(uint16_t id, unsigned priority = 0) {
        vlans_.push_back(static_cast<uint16_t>(priority << 13 | id));
        return *this;
    }
    PacketBuilder& ipv4(const std::string& source, const std::string& destination) {
        source_ = address_bytes(source);
        destination_ = address_bytes(destination);
        return *this;
    }
    PacketBuilder& ipv6(const std::string& source, const std::string& destination) {
        return ipv4(source, destination);
    }
    PacketBuilder& ttl(uint8_t hops) { return set(hops_, hops); }
    PacketBuilder& tos(uint8_t traffic_class) { return set(tos_, traffic_class); }
    PacketBuilder& flow_label(uint32_t label) { return set(flow_label_, label); }
    PacketBuilder& identification(uint16_t number) { return set(identification_, number); }
    PacketBuilder& dont_fragment() { return set(fragment_field_, uint16_t{0x4000}); }
    // IPv4: `offset` in units of 8 bytes.
    PacketBuilder& fragment(uint16_t offset, bool more) {
        return set(fragment_field_, static_cast<uint16_t>((more ? 0x2000 : 0) | offset));
    }
    // IPv4 options; filled up with zeros (end of list) to whole words.
    PacketBuilder& options(Bytes bytes) {
        bytes.resize((bytes.size() + 3) / 4 * 4);
        return set(options_, std::move(bytes));
    }

    // IPv6 extension headers, in the order of the calls. `units`: of 8 bytes beyond the first.
    PacketBuilder& extension(uint8_t type, uint8_t units = 0) {
        Bytes body(8 + units * 8, 0);
        body[1] = units;
        body[2] = 1;  // PadN over the rest
        body[3] = static_cast<uint8_t>(body.size() - 4);
        extensions_.push_back({type, std::move(body)});
        return *this;
    }
    PacketBuilder& hop_by_hop(uint8_t units = 0) { return extension(0, units); }
    PacketBuilder& destination_options(uint8_t units = 0) { return extension(60, units); }
    PacketBuilder& routing(uint8_t segments_left, uint8_t units = 2) {
        extension(43, units);
        extensions_.back().body[2] = 4;
        extensions_.back().body[3] = segments_left;
        return *this;
    }
    PacketBuilder& fragment_header(uint16_t offset, bool more, uint32_t id = 1) {
        Bytes body(8, 0);
        put16(body, 2, static_cast<unsigned>(offset << 3 | (more ? 1 : 0)));
        put32(body, 4, id);
        extensions_.push_back({44, std::move(body)});
        return *this;
    }

    PacketBuilder& tcp(uint16_t source, uint16_t destination, uint8_t flags = kAck) {
        return transport(6, ports(source, destination, 20), 16)
            .set_byte(12, 0x50)
            .set_byte(13, flags);
    }
    PacketBuilder& tcp_options(const Bytes& bytes) {
        transport_.insert(transport_.end(), bytes.begin(), bytes.end());
        return set_byte(12, static_cast<uint8_t>(transport_.size() / 4 << 4));
    }
    PacketBuilder& udp(uint16_t source, uint16_t destination) {
        return transport(17, ports(source, destination, 8), 6);
    }
    // ICMP, or ICMPv6 with IPv6 addresses. `rest`: the second word (identifier and sequence).
    PacketBuilder& icmp(uint8_t type, uint8_t code = 0, uint32_t rest = 0) {
        Bytes header(8, 0);
        header[0] = type;
        header[1] = code;
        put32(header, 4, rest);
        return transport(is_v4() ? 1 : 58, std::move(header), 2);
    }
    PacketBuilder& protocol(uint8_t number) { return transport(number, {}, std::nullopt); }
    PacketBuilder& payload(std::string_view text) {
        return set(payload_, Bytes(text.begin(), text.end()));
    }
    PacketBuilder& payload(Bytes bytes) { return set(payload_, std::move(bytes)); }
    PacketBuilder& padding(size_t size) { return set(padding_, size); }

    // Lies.
    PacketBuilder& with_ether_type(uint16_t type) { return set(lie_ether_type_, type); }
    PacketBuilder& with_version(uint8_t version) { return set(lie_version_, version); }
    PacketBuilder& with_ihl(uint8_t words) { return set(lie_ihl_, words); }
    // IPv4's total length, IPv6's payload length.
    PacketBuilder& with_ip_length(uint16_t length) { return set(lie_ip_length_, length); }
    PacketBuilder& with_ip_checksum(uint16_t sum) { return set(lie_ip_checksum_, sum); }
    PacketBuilder& with_l4_checksum(uint16_t sum) { return set(lie_l4_checksum_, sum); }
    PacketBuilder& with_udp_length(uint16_t length) { return set(lie_udp_length_, length); }
    PacketBuilder& with_data_offset(uint8_t words) {
        return set_byte(12, static_cast<uint8_t>(words << 4));
    }

    bool is_v4() const { return source_.size() == 4; }
    // The whole frame with its padding.
    Bytes build() const {
        Bytes frame = build_ethernet();
        append(frame, build_ip());
        frame.resize(frame.size() + padding_, 0xee);
        return frame;
    }
    Bytes build_ethernet() const {
        Bytes header = destination_mac_;
        append(header, source_mac_);
        for (const uint16_t tag : vlans_) {
            append(header, {0x81, 0x00, static_cast<uint8_t>(tag >> 8), static_cast<uint8_t>(tag)});
        }
        const unsigned type = lie_ether_type_.value_or(is_v4() ? 0x0800 : 0x86dd);
        append(header, {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type)});
        return header;
    }
    Bytes build_ip() const {
        Bytes l4 = build_transport();
        Bytes packet = is_v4() ? build_ipv4_header(l4.size()) : build_ipv6_headers(l4.size());
        append(packet, l4);
        return packet;
    }

  private:
    struct Extension {
        uint8_t type;
        Bytes body;
    };

    template <typename T, typename V>
    PacketBuilder& set(T& field, V value) {
        field = std::move(value);
        return *this;
    }
    PacketBuilder& set_byte(size_t at, uint8_t value) {
        transport_.at(at) = value;
        return *this;
    }
    PacketBuilder& transport(uint8_t number, Bytes header, std::optional<size_t> checksum_at) {
        protocol_ = number;
        transport_ = std::move(header);
        checksum_at_ = checksum_at;
        return *this;
    }
    static void append(Bytes& to, const Bytes& from) {
        to.insert(to.end(), from.begin(), from.end());
    }
    static Bytes ports(uint16_t source, uint16_t destination, size_t size) {
        Bytes header(size, 0);
        put16(header, 0, source);
        put16(header, 2, destination);
        if (size == 20) {
            put32(header, 4, 0x01020304);  // sequence number
            put32(header, 8, 0x05060708);  // acknowledgment
            put16(header, 14, 0xfaf0);     // window
        }
        return header;
    }

    Bytes build_transport() const {
        Bytes l4 = transport_;
        append(l4, payload_);
        if (protocol_ == 17 && checksum_at_) {
            put16(l4, 4, lie_udp_length_.value_or(static_cast<uint16_t>(l4.size())));
        }
        if (checksum_at_) {
            unsigned pseudo = pseudo_sum(source_, destination_, protocol_, l4.size());
            pseudo = protocol_ == 1 ? 0 : pseudo;
            unsigned sum = plain_checksum(l4, 0, l4.size(), pseudo);
            sum = protocol_ == 17 && sum == 0 ? 0xffff : sum;  // RFC 768
            put16(l4, *checksum_at_, lie_l4_checksum_.value_or(static_cast<uint16_t>(sum)));
        }
        return l4;
    }
    Bytes build_ipv4_header(size_t payload_size) const {
        Bytes header(20, 0);
        append(header, options_);
        const unsigned words = lie_ihl_.value_or(static_cast<uint8_t>(header.size() / 4));
        const size_t total = header.size() + payload_size;
        header[0] = static_cast<uint8_t>(lie_version_.value_or(4) << 4 | words);
        header[1] = tos_;
        put16(header, 2, lie_ip_length_.value_or(static_cast<uint16_t>(total)));
        put16(header, 4, identification_);
        put16(header, 6, fragment_field_);
        header[8] = hops_;
        header[9] = protocol_;
        std::copy(source_.begin(), source_.end(), header.begin() + 12);
        std::copy(destination_.begin(), destination_.end(), header.begin() + 16);
        const unsigned sum = plain_checksum(header, 0, header.size());
        put16(header, 10, lie_ip_checksum_.value_or(static_cast<uint16_t>(sum)));
        return header;
    }
    Bytes build_ipv6_headers(size_t payload_size) const {
        Bytes header(40, 0);
        put32(header, 0,
              uint32_t{lie_version_.value_or(6)} << 28 | uint32_t{tos_} << 20 | flow_label_);
        header[6] = extensions_.empty() ? protocol_ : extensions_.front().type;
        header[7] = hops_;
        std::copy(source_.begin(), source_.end(), header.begin() + 8);
        std::copy(destination_.begin(), destination_.end(), header.begin() + 24);
        for (size_t i = 0; i < extensions_.size(); ++i) {
            Bytes body = extensions_[i].body;
            body[0] = i + 1 < extensions_.size() ? extensions_[i + 1].type : protocol_;
            append(header, body);
        }
        const size_t length = header.size() - 40 + payload_size;
        put16(header, 4, lie_ip_length_.value_or(static_cast<uint16_t>(length)));
        return header;
    }

    Bytes destination_mac_ = {0x02, 0, 0, 0, 0, 0xaa};
    Bytes source_mac_ = {0x02, 0, 0, 0, 0, 0xbb};
    std::vector<uint16_t> vlans_;
    Bytes source_ = {10, 0, 0, 1};
    Bytes destination_ = {10, 0, 0, 2};
    uint8_t hops_ = 64;
    uint8_t tos_ = 0;
    uint32_t flow_label_ = 0;
    uint16_t identification_ = 0x1234;
    uint16_t fragment_field_ = 0;
    Bytes options_;
    std::vector<Extension> extensions_;
    uint8_t protocol_ = 59;  // no next header
    Bytes transport_;
    std::optional<size_t> checksum_at_;
    Bytes payload_;
    size_t padding_ = 0;
    std::optional<uint16_t> lie_ether_type_, lie_ip_length_, lie_ip_checksum_, lie_l4_checksum_;
    std::optional<uint16_t> lie_udp_length_;
    std::optional<uint8_t> lie_version_, lie_ihl_;
};

}  // namespace dlb::test
