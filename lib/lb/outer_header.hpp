// OuterHeader: all that a tunnel puts before a packet, but for what differs from packet to packet.
//
//   ipip   IP
//   gre    IP, GRE of 4 bytes (RFC 2784)
//   gue    IP, UDP, GUE variant 0 of 4 bytes (draft-ietf-intarea-gue)
//   fou    IP, UDP
//   vxlan  IP, UDP, VXLAN (RFC 7348), Ethernet
//
// Shapes: bytes as they go on the wire, with TOS or traffic class, lengths, identification, DF, UDP
// source port, UDP checksum, the source address's flow bits and the inner packet's type zero, and
// an IPv4 checksum that is right for that, so that the packet path adds only the difference. Thread
// safety: plain values.
#pragma once

#include <array>
#include <cstdint>

#include "lb/types.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct OuterHeader {
    static constexpr uint8_t kHopLimit = 64;  // RFC 1700's IP default TTL

    // How the header says what is inside: by an IP protocol number (4, 41) of one byte, or an
    // EtherType of two.
    enum class TypeField : uint8_t { None, IpProtocol, EtherType };

    std::array<uint8_t, 70> bytes{};  // the longest: VXLAN over IPv6
    uint8_t length = 0;               // 0: no tunnel
    uint8_t ip_length = 0;            // 20 or 40; the UDP header, if there is one, follows
    bool udp = false;
    TypeField type_field = TypeField::None;
    uint8_t type_offset = 0;
    Family family = Family::V4;
    uint8_t flow_bits = 0;  // the last bits of the source address, up to 32, tell flows apart
    // Of UDP over IPv6: the one's complement sum of pseudo header, UDP header and what follows,
    // with the fields that differ from packet to packet zero.
    uint16_t udp_sum = 0;
};

struct Tunnel {
    Mode mode = Mode::Ipip;
    uint16_t port = 0;  // of UDP; host byte order
    uint32_t vni = 0;   // vxlan
    MacAddress mac{};   // vxlan: the inner destination
    // The last bits of the source that are the flow's, so that a backend's NIC, which may look no
    // deeper, spreads the tunnel's packets. As in Katran; more than 32 are 32.
    uint8_t flow_bits = 0;
};

// The UDP port of gue, fou and vxlan where none is given; 0 for other modes.
uint16_t default_tunnel_port(Mode mode);

// REQUIRES: source and destination are of one family; the mode is a tunnel; the source's flow bits
// are zero.
OuterHeader make_outer_header(const IpAddress& source, const IpAddress& destination,
                              const Tunnel& tunnel = {});

}  // namespace dlb
