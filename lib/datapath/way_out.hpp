// Where a packet leaves, and whether it fits there. Part of Forwarder.
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "datapath/next_hops.hpp"
#include "datapath/tables.hpp"
#include "net/byte_order.hpp"

namespace dlb {

inline constexpr unsigned kLeastMtuOfIpv6 = 1280;  // RFC 8200 §5

// The next hop to an address; `room` is for one that has no place in the tables.
template <typename F>
const NextHop& hop_to(const DataplaneTables& tables, const typename F::Address& destination,
                      NextHop& room) {
    const NextHop* hop = tables.hops.find<F>(destination);
    if (hop != nullptr) {
        return *hop;
    }
    room = tables.hops.lookup(to_ip_address(destination));
    return room;
}

inline bool has_df(const rte_mbuf* mbuf) {
    return (rte_pktmbuf_mtod(mbuf, const rte_ipv4_hdr*)->fragment_offset &
            Be16(RTE_IPV4_HDR_DF_FLAG).raw()) != 0;
}

// Whether a packet fits the way out with `overhead` bytes of a tunnel before it, or may be split to
// fit. Of IPv6 only a tunnel's packet may, where the tunnel leaves less room than IPv6 is promised
// (RFC 2473 §7.1 (b), RFC 4213 §3.2.1). `mbuf`: at its IP header.
template <typename F>
bool fits_or_splits(const rte_mbuf* mbuf, const NextHop& hop, unsigned overhead = 0) {
    const uint32_t length = rte_pktmbuf_pkt_len(mbuf);
    if (hop.state == NextHop::State::NoRoute || length + overhead <= hop.mtu) {
        return true;
    }
    return F::kFamily == Family::V4 ? !has_df(mbuf) : overhead != 0 && length <= kLeastMtuOfIpv6;
}

}  // namespace dlb
