// Rewrites of an IP packet in an mbuf: hop limit, addresses and ports, an Ethernet header before
// it.
//
// Shape: all but push_ethernet() work on an mbuf whose data begins with the IP header and ends with
// the IP packet (see trim_to_ip()), with IP and transport headers in its first segment. Errors:
// false where there is no room or the hop limit is used up; the packet is then as it was. Thread
// safety: each mbuf belongs to one thread.
#pragma once

#include <array>
#include <cstdint>

#include <rte_mbuf.h>

#include "net/flow_key.hpp"
#include "net/parse.hpp"

namespace dlb {

// Takes off the Ethernet header and the padding behind the IP packet. `meta` keeps its offsets in
// the frame.
void trim_to_ip(rte_mbuf* mbuf, const PacketMeta& meta);

// One hop less (RFC 1812 §5.3.1, RFC 8200 §3), with the IPv4 checksum. False: it would become zero.
bool decrement_hop_limit(rte_mbuf* mbuf, Family family);

// Sets both endpoints of a TCP or UDP packet to those of `to` (its protocol is not looked at): one
// function for both directions of NAT. Of a later fragment only the addresses; of a first one also
// the checksum, which stays right for the whole datagram, as no length changes. REQUIRES: TCP or
// UDP.
template <typename F>
void translate(rte_mbuf* mbuf, const PacketMeta& meta, const FlowKey<F>& to);

// Puts an Ethernet header, `length` bytes with its type still to set, before an IP packet of
// `family`.
bool push_ethernet(rte_mbuf* mbuf, const std::array<uint8_t, 18>& header, uint8_t length,
                   Family family);

}  // namespace dlb
