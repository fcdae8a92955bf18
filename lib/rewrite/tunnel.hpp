// encapsulate(): a tunnel's header before an IP packet in an mbuf.
//
// Shape: as in l3.hpp, the mbuf's data begins with the IP header and ends with the packet. Errors:
// false where there is no room before it; the packet is then as it was. Thread safety: each mbuf
// belongs to one thread.
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

#include "lb/outer_header.hpp"
#include "net/parse.hpp"

namespace dlb {

// What differs from packet to packet and cannot be read from it.
struct TunnelPacket {
    uint16_t identification = 0;  // of an outer IPv4 header without DF; host byte order
    uint64_t flow_hash = 0;       // spreads the outer UDP source port or source address
};

// The outer TOS or traffic class is the inner one's, ECN included (RFC 6040 §4.1, normal mode); DF
// is the inner one's (RFC 2003 §3.1) and set for IPv6 inside. The UDP source port is a function of
// the flow, from the dynamic range (RFC 7348 §5). The UDP checksum is zero over IPv4 and right over
// IPv6 (RFC 8200 §8.1): Linux's tunnels refuse a zero there unless told otherwise. Where the header
// has flow bits, the source address ends in tunnel_source_bits().
bool encapsulate(rte_mbuf* mbuf, const PacketMeta& meta, const OuterHeader& outer,
                 const TunnelPacket& packet);

// The UDP source port of a flow's tunnel packets; host byte order.
constexpr uint16_t tunnel_source_port(uint64_t flow_hash) {
    return static_cast<uint16_t>(0xc000U | (flow_hash >> 40 & 0x3fff));
}

// What a flow's tunnel packets have in the last `bits` of their source address. Neither all zeros
// nor all ones where there is another choice: these are a subnet's own (RFC 1122 §3.2.1.3, RFC 4291
// §2.6.1). REQUIRES: 0 < bits <= 32.
constexpr uint32_t tunnel_source_bits(uint64_t flow_hash, unsigned bits) {
    const uint64_t all = uint64_t{1} << bits;
    const uint64_t hash = flow_hash & UINT32_MAX;
    return static_cast<uint32_t>(bits == 1 ? hash >> 31 : 1 + (hash * (all - 2) >> 32));
}

}  // namespace dlb
