// ICMP and ICMPv6 as a VIP speaks them: answers to echo, and errors about packets that we cannot
// pass on.
//
// Shape: mbufs begin with the IP header (see trim_to_ip()). The mbuf is reused for the answer.
// Errors: false where the packet may not or cannot be answered; it is then as it was, or short of
// room. Thread safety: each mbuf belongs to one thread.
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

#include "net/ip_address.hpp"
#include "net/parse.hpp"

namespace dlb {

// Turns an echo request into its reply (RFC 792; RFC 4443 §4.2).
void make_echo_reply(rte_mbuf* mbuf, const PacketMeta& meta);

inline constexpr unsigned kIcmpHeaderSize = 8;

struct IcmpError {
    uint8_t type = 0;
    uint8_t code = 0;
    uint32_t rest = 0;  // of the header, host byte order
};

// Only `mtu` bytes fit: "fragmentation needed" (RFC 1191 §4), "packet too big" (RFC 4443 §3.2).
constexpr IcmpError too_big(Family family, uint16_t mtu) {
    return family == Family::V4 ? IcmpError{3, 4, mtu} : IcmpError{2, 0, mtu};
}
// The hop limit was exceeded in transit (RFC 792, RFC 4443 §3.3).
constexpr IcmpError time_exceeded(Family family) {
    return family == Family::V4 ? IcmpError{11, 0, 0} : IcmpError{3, 0, 0};
}
// Nobody listens there (RFC 792, RFC 4443 §3.1).
constexpr IcmpError port_unreachable(Family family) {
    return family == Family::V4 ? IcmpError{3, 3, 0} : IcmpError{1, 4, 0};
}

// Whether this type is an error message rather than a query. RFC 1122 §3.2.2; RFC 4443 §2.1, and
// RFC 4861's redirect, which counts as one (RFC 4443 §2.4 (e)).
constexpr bool is_icmp_error(Family family, uint8_t type) {
    return family == Family::V4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12
                                : type < 128 || type == 137;
}

// The errors that are passed on to those whose packets they are about: unreachable, time exceeded,
// parameter problem; packet too big. Source quench and redirects are not (RFC 6633, RFC 1812
// §5.2.7.2).
constexpr bool is_forwarded_error(Family family, uint8_t type) {
    return family == Family::V4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

// Turns a packet into the error to its sender. It comes from the packet's own destination, the VIP,
// or from `source`, of the packet's family. False where no error may be sent (RFC 1122 §3.2.2,
// RFC 4443 §2.4 (e)): about an ICMP error, about a fragment that is not the first, about what was
// sent to many, and to an address that is no host's.
bool make_icmp_error(rte_mbuf* mbuf, const PacketMeta& meta, const IcmpError& error,
                     const IpAddress* source = nullptr);

}  // namespace dlb
