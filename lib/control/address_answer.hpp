// ARP and neighbour discovery for addresses that are ours but not the kernel's: VIPs on the link,
// SNAT addresses.
//
// Source: RFC 826, RFC 5227 §3, RFC 4861 §7.2.
// Thread safety: a pure function but for the frame.
#pragma once

#include <functional>

#include <rte_mbuf.h>

#include "lb/snapshot.hpp"
#include "net/ip_address.hpp"

namespace dlb {

// If the frame asks for an address that `is_ours`, turns it into the answer, with `mac` for the
// address, and gives true. A VLAN tag stays as it is.
bool answer_address_query(rte_mbuf* mbuf, const std::function<bool(const IpAddress&)>& is_ours,
                          const MacAddress& mac);
// The same for the VIPs and SNAT addresses of a snapshot.
bool answer_address_query(rte_mbuf* mbuf, const LbSnapshot& snapshot, const MacAddress& mac);

// Fills an empty mbuf with the frame that tells a link that `mac` has `address` now: an ARP
// announcement to all, or an unsolicited neighbour advertisement to all nodes (§7.2.6).
void make_address_announcement(rte_mbuf* mbuf, const IpAddress& address, const MacAddress& mac);

}  // namespace dlb
