// ICMP and ICMPv6 as a VIP speaks them: answers to echo, and "too big for the way on".
//
// Shape: mbufs begin with the IP header (see trim_to_ip()). The mbuf is reused for the answer.
// Errors: false where the packet cannot be answered; it is then as it was, or short of room.
// Thread safety: each mbuf belongs to one thread.
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

#include "net/parse.hpp"

namespace dlb {

// Turns an echo request into its reply (RFC 792; RFC 4443 §4.2).
void make_echo_reply(rte_mbuf* mbuf, const PacketMeta& meta);

// Turns a packet into the message to its sender that only `mtu` bytes fit: "fragmentation needed"
// (RFC 1191 §4), for packets with DF, or "packet too big" (RFC 4443 §3.2). It comes from the
// packet's own destination, the VIP.
bool make_too_big(rte_mbuf* mbuf, const PacketMeta& meta, uint16_t mtu);

}  // namespace dlb
