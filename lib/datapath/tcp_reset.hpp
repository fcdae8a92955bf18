// make_tcp_reset(): the answer of a host that knows nothing of the connection (RFC 9293 §3.10.7.1).
//
// Shape: the mbuf begins with the IP header (see trim_to_ip()) and is reused for the answer.
// Thread safety: each mbuf belongs to one thread.
#pragma once

#include <rte_mbuf.h>

#include "net/parse.hpp"

namespace dlb {

// Turns a TCP packet into the reset that answers it, from its destination to its source. False: it
// is a reset itself, no TCP, or from or to an address that is no host's; it is then as it was.
bool make_tcp_reset(rte_mbuf* mbuf, const PacketMeta& meta);

}  // namespace dlb
