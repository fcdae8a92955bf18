// parse(): one Ethernet frame → where its headers are and what it claims to be.
//
// Takes Ethernet with at most one VLAN tag (802.1Q), IPv4 with options, IPv6 with extension
// headers, TCP, UDP, ICMP and ICMPv6. Reads no byte outside [data, data + size), however the frame
// lies about itself. Thread safety: a pure function.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/ip_address.hpp"

namespace dlb {

enum class ParseStatus : uint8_t {
    Ok,
    NotIp,         // ARP, LLDP, …: the kernel's
    Truncated,     // the frame ends before what its headers promise
    BadHeader,     // version, header length or order that no correct sender makes
    BadChecksum,   // of the IPv4 header
    BadLength,     // of TCP or UDP
    BadExtension,  // an IPv6 header chain that we cannot see through
};

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpAck = 0x10;

struct PacketMeta {
    ParseStatus status = ParseStatus::NotIp;
    Family family = Family::V4;
    uint8_t protocol = 0;  // of the transport header; for a later fragment, what the datagram says
    uint8_t tcp_flags = 0;
    bool fragment = false;   // part of a datagram
    bool has_ports = false;  // a whole packet of TCP or UDP
    uint8_t icmp_type = 0;   // of a whole packet
    bool tagged = false;
    uint16_t vlan = 0;       // VLAN id of the tag; 0: none, or a priority tag
    uint16_t l3_offset = 0;  // bytes from the start of the frame
    uint16_t l4_offset = 0;  // a later fragment's: where its part of the datagram begins
    uint16_t l3_length = 0;  // of the IP packet with its header; the rest of the frame is padding
    // Network byte order. A datagram's first fragment has them too, and TCP's flags.
    uint16_t source_port = 0;
    uint16_t destination_port = 0;
    // Of fragments; bytes of the datagram. Zero for whole packets.
    uint16_t fragment_offset = 0;
    uint16_t fragment_length = 0;
    uint32_t identification = 0;  // as it stands in the packet; IPv4's has 16 bits
    bool more_fragments = false;
    // A first fragment without the whole transport header (RFC 1858 §3, RFC 7112 §5), so without
    // ports; or one that would lie over a TCP header's second half (RFC 3128).
    bool tiny_fragment = false;
};

struct ParseOptions {
    bool verify_ipv4_checksum = true;  // false where the device has seen to it
};

PacketMeta parse(const uint8_t* data, size_t size, ParseOptions options = {});

// The IP packet that an ICMP error quotes, at `offset` of [data, data + size) and to its end at
// most. It may be cut behind the first 8 bytes of its transport header (RFC 792), and changed on
// its way, so that its IPv4 checksum is not looked at. `fragment` is a later fragment, without
// ports; a first one has them. `l3_length` is what is there of the packet.
PacketMeta parse_quoted(const uint8_t* data, size_t size, size_t offset, Family family);

}  // namespace dlb
