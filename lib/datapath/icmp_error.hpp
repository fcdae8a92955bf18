// ICMP errors about a flow, on their way to the one whose packet they quote: outside and inside
// they name it as that end of the flow knows it (RFC 5508 §4.2, §4.3).
//
// Shape: translate_error() works on an mbuf that begins with the IP header (see trim_to_ip()); the
// offsets of `meta` and `quoted` are the frame's. Thread safety: each mbuf belongs to one thread.
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

#include "datapath/answer.hpp"
#include "net/flow_key.hpp"
#include "net/parse.hpp"

namespace dlb {

// Whether the ICMP checksum is right (RFC 792; RFC 4443 §2.3). `packet`: at the IP header.
bool is_icmp_intact(const uint8_t* packet, const PacketMeta& meta);

// Sets the addresses outside, and addresses and ports of the quoted packet, with the checksums of
// both as far as they are there. REQUIRES: the checksum is right; quoted.has_ports.
template <typename F>
void translate_error(rte_mbuf* mbuf, const PacketMeta& meta, const PacketMeta& quoted,
                     const AddressPair<F>& outer, const FlowKey<F>& inner);

}  // namespace dlb
