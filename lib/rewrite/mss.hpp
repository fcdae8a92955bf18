// clamp_mss(): a bound on what a TCP connection's ends send in one segment (RFC 9293 §3.7.1).
//
// Shape: the mbuf begins with the IP header (see l3.hpp). Thread safety: each mbuf belongs to one
// thread. Units: `most` in bytes of TCP payload.
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

#include "net/parse.hpp"

namespace dlb {

// Lowers the MSS option of a SYN or SYN-ACK to `most`, with the TCP checksum; never raises it, and
// adds none. Options that are malformed end the search. REQUIRES: meta.has_ports, if it is TCP.
void clamp_mss(rte_mbuf* mbuf, const PacketMeta& meta, uint16_t most);

}  // namespace dlb
