#include "rewrite/l3.hpp"

#include <cstddef>
#include <cstring>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

template <typename Header>
Header* header_of(rte_mbuf* mbuf, size_t offset = 0) {
    return rte_pktmbuf_mtod_offset(mbuf, Header*, offset);
}

// The word at offset 8 of an IPv4 header: TTL and protocol.
uint16_t ttl_word(const rte_ipv4_hdr* ip) {
    uint16_t word;
    std::memcpy(&word, &ip->time_to_live, sizeof word);
    return word;
}

template <typename F>
struct IpHeader;

template <>
struct IpHeader<V4> {
    using Type = rte_ipv4_hdr;
    static uint8_t* source(Type* ip) { return reinterpret_cast<uint8_t*>(&ip->src_addr); }
};
template <>
struct IpHeader<V6> {
    using Type = rte_ipv6_hdr;
    static uint8_t* source(Type* ip) { return ip->src_addr; }
};

}  // namespace

void trim_to_ip(rte_mbuf* mbuf, const PacketMeta& meta) {
    rte_pktmbuf_adj(mbuf, meta.l3_offset);
    const uint32_t padding = rte_pktmbuf_pkt_len(mbuf) - meta.l3_length;
    if (padding != 0) {
        rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(padding));
    }
}

bool decrement_hop_limit(rte_mbuf* mbuf, Family family) {
    if (family == Family::V6) {
        auto* ip = header_of<rte_ipv6_hdr>(mbuf);
        if (ip->hop_limits <= 1) {
            return false;
        }
        --ip->hop_limits;
        return true;
    }
    auto* ip = header_of<rte_ipv4_hdr>(mbuf);
    if (ip->time_to_live <= 1) {
        return false;
    }
    const uint16_t before = ttl_word(ip);
    --ip->time_to_live;
    ChecksumDelta delta;
    delta.replace16(before, ttl_word(ip));
    ip->hdr_checksum = delta.apply(ip->hdr_checksum);
    return true;
}

template <typename F>
void translate(rte_mbuf* mbuf, const PacketMeta& meta, const FlowKey<F>& to) {
    auto* ip = header_of<typename IpHeader<F>::Type>(mbuf);
    // Source and destination lie behind each other, in the header and in the key.
    constexpr size_t kSize = 2 * F::kAddressSize;
    static_assert(offsetof(FlowKey<F>, destination) == F::kAddressSize);
    uint8_t* addresses = IpHeader<F>::source(ip);
    ChecksumDelta delta;
    delta.replace_bytes(addresses, &to, kSize);
    std::memcpy(addresses, &to, kSize);
    if constexpr (F::kFamily == Family::V4) {
        ip->hdr_checksum = delta.apply(ip->hdr_checksum);
    }
    if (meta.fragment_offset != 0) {
        return;  // the datagram's checksum is in its first fragment
    }
    const size_t l4 = meta.l4_offset - meta.l3_offset;
    if (meta.protocol == kProtocolTcp) {
        auto* tcp = header_of<rte_tcp_hdr>(mbuf, l4);
        delta.replace16(tcp->src_port, to.source_port);
        delta.replace16(tcp->dst_port, to.destination_port);
        tcp->src_port = to.source_port;
        tcp->dst_port = to.destination_port;
        tcp->cksum = delta.apply(tcp->cksum);
    } else {
        auto* udp = header_of<rte_udp_hdr>(mbuf, l4);
        delta.replace16(udp->src_port, to.source_port);
        delta.replace16(udp->dst_port, to.destination_port);
        udp->src_port = to.source_port;
        udp->dst_port = to.destination_port;
        udp->dgram_cksum = delta.apply_udp(udp->dgram_cksum);
    }
}

template void translate<V4>(rte_mbuf*, const PacketMeta&, const FlowKey<V4>&);
template void translate<V6>(rte_mbuf*, const PacketMeta&, const FlowKey<V6>&);

bool push_ethernet(rte_mbuf* mbuf, const std::array<uint8_t, 18>& header, uint8_t length,
                   Family family) {
    auto* ethernet = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(mbuf, length));
    if (ethernet == nullptr) {
        return false;
    }
    std::memcpy(ethernet, header.data(), length);
    const uint16_t type =
        Be16(family == Family::V4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6).raw();
    std::memcpy(ethernet + length - 2, &type, sizeof type);
    return true;
}

}  // namespace dlb
