// Rewrites of an IP packet in an mbuf: hop limit, addresses and ports, an Ethernet header before
// it.
//
// Shape: all but push_ethernet() work on an mbuf whose data begins with the IP header and ends with
// the IP packet (see trim_to_ip()), with IP and transport headers in its first segment. Errors:
// false where there is no room or the hop limit is used up; the packet is then as it was. Thread
// safety: each mbuf belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"
#include "net/flow_key.hpp"
#include "net/parse.hpp"

namespace dlb {

// Takes off the Ethernet header and the padding behind the IP packet. `meta` keeps its offsets in
// the frame.
void trim_to_ip(rte_mbuf* mbuf, const PacketMeta& meta);

// One hop less (RFC 1812 §5.3.1, RFC 8200 §3), with the IPv4 checksum. False: it would become zero.
bool decrement_hop_limit(rte_mbuf* mbuf, Family family);
// The same by the packet's bytes. REQUIRES: it is more than one.
template <typename F>
inline void decrement_hop_limit_of(uint8_t* ip);
// The same, but for the IPv4 checksum: what it has to be changed by.
template <typename F>
inline ChecksumDelta one_hop_less(uint8_t* ip);

// Sets both endpoints of a TCP or UDP packet to those of `to` (its protocol is not looked at): one
// function for both directions of NAT. Of a later fragment only the addresses; of a first one also
// the checksum, which stays right for the whole datagram, as no length changes. REQUIRES: TCP or
// UDP.
template <typename F>
void translate(rte_mbuf* mbuf, const PacketMeta& meta, const FlowKey<F>& to);
// The same by the packet's bytes; `l4` is null for a later fragment. `header_delta`: what else has
// changed in the IP header.
template <typename F>
inline void translate_at(uint8_t* ip, uint8_t* l4, uint8_t protocol, const FlowKey<F>& to,
                         const ChecksumDelta& header_delta = {});

// Puts an Ethernet header, `length` bytes (14, or 18 with a tag) with its type still to set, before
// an IP packet of `family`.
inline bool push_ethernet(rte_mbuf* mbuf, const std::array<uint8_t, 18>& header, uint8_t length,
                          Family family);

template <typename F>
inline ChecksumDelta one_hop_less(uint8_t* ip) {
    ChecksumDelta delta;
    if constexpr (F::kFamily == Family::V6) {
        --reinterpret_cast<rte_ipv6_hdr*>(ip)->hop_limits;
    } else {
        auto* header = reinterpret_cast<rte_ipv4_hdr*>(ip);
        // TTL and protocol are one word. It is not read again once it is written: that would stall.
        uint16_t before;
        std::memcpy(&before, &header->time_to_live, sizeof before);
        const uint16_t after =
            Be16(static_cast<uint16_t>(Be16::from_raw(before).host() - 0x0100)).raw();
        std::memcpy(&header->time_to_live, &after, sizeof after);
        delta.replace16(before, after);
    }
    return delta;
}

template <typename F>
inline void decrement_hop_limit_of(uint8_t* ip) {
    const ChecksumDelta delta = one_hop_less<F>(ip);
    if constexpr (F::kFamily == Family::V4) {
        auto* header = reinterpret_cast<rte_ipv4_hdr*>(ip);
        header->hdr_checksum = delta.apply(header->hdr_checksum);
    }
}

template <typename F>
inline void translate_at(uint8_t* ip, uint8_t* l4, uint8_t protocol, const FlowKey<F>& to,
                         const ChecksumDelta& header_delta) {
    // Field by field, as the key was filled: a wider read of what was just written would stall.
    constexpr bool kV4 = F::kFamily == Family::V4;
    uint8_t* source =
        ip + (kV4 ? offsetof(rte_ipv4_hdr, src_addr) : offsetof(rte_ipv6_hdr, src_addr));
    uint8_t* destination = source + F::kAddressSize;
    ChecksumDelta delta;
    delta.replace_bytes(source, &to.source, F::kAddressSize);
    delta.replace_bytes(destination, &to.destination, F::kAddressSize);
    std::memcpy(source, &to.source, F::kAddressSize);
    std::memcpy(destination, &to.destination, F::kAddressSize);
    if constexpr (kV4) {
        auto* header = reinterpret_cast<rte_ipv4_hdr*>(ip);
        ChecksumDelta all = delta;
        all.add(header_delta);
        header->hdr_checksum = all.apply(header->hdr_checksum);
    }
    if (l4 == nullptr) {
        return;  // the datagram's checksum is in its first fragment
    }
    // TCP's ports lie where UDP's do.
    auto* udp = reinterpret_cast<rte_udp_hdr*>(l4);
    delta.replace16(udp->src_port, to.source_port);
    delta.replace16(udp->dst_port, to.destination_port);
    udp->src_port = to.source_port;
    udp->dst_port = to.destination_port;
    if (protocol == kProtocolTcp) {
        auto* tcp = reinterpret_cast<rte_tcp_hdr*>(l4);
        tcp->cksum = delta.apply(tcp->cksum);
    } else {
        udp->dgram_cksum = delta.apply_udp(udp->dgram_cksum);
    }
}

inline bool push_ethernet(rte_mbuf* mbuf, const std::array<uint8_t, 18>& header, uint8_t length,
                          Family family) {
    auto* ethernet = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(mbuf, length));
    if (ethernet == nullptr) {
        return false;
    }
    std::memcpy(ethernet, header.data(), 12);
    if (length != sizeof(rte_ether_hdr)) {
        std::memcpy(ethernet + 12, header.data() + 12, 4);
    }
    const uint16_t type =
        Be16(family == Family::V4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6).raw();
    std::memcpy(ethernet + length - 2, &type, sizeof type);
    return true;
}

}  // namespace dlb
