#include "datapath/icmp.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <rte_ip.h>

#include "datapath/answer.hpp"
#include "net/byte_order.hpp"
#include "net/checksum.hpp"
#include "net/host_address.hpp"

namespace dlb {

namespace {

struct __attribute__((packed)) IcmpHeader {  // it lies at any address
    uint8_t type;
    uint8_t code;
    uint16_t checksum;
    uint32_t rest;
};
static_assert(sizeof(IcmpHeader) == kIcmpHeaderSize);

// RFC 1812 §4.3.2.3: as much of the packet as fits in 576 bytes; RFC 4443 §3: in the least MTU of
// IPv6.
template <typename F>
constexpr uint32_t kMostQuoted = (F::kFamily == Family::V4 ? 576U : 1280U) - kIpHeaderSize<F> -
                                 sizeof(IcmpHeader);

template <typename F>
bool may_be_told(const PacketMeta& meta, const AddressPair<F>& addresses) {
    constexpr uint8_t kIcmp = F::kFamily == Family::V4 ? kProtocolIcmp : kProtocolIcmpv6;
    return can_be_source(addresses.source) && can_be_source(addresses.destination) &&
           !(meta.protocol == kIcmp && is_icmp_error(F::kFamily, meta.icmp_type)) &&
           meta.fragment_offset == 0;
}

template <typename F>
bool make_error(rte_mbuf* mbuf, const PacketMeta& meta, const IcmpError& error,
                const IpAddress* source) {
    constexpr bool kV4 = F::kFamily == Family::V4;
    const auto sent = load_addresses<F>(rte_pktmbuf_mtod(mbuf, const void*));
    const uint32_t quoted = std::min(rte_pktmbuf_pkt_len(mbuf), kMostQuoted<F>);
    if (!may_be_told<F>(meta, sent) || !cut_packet(mbuf, quoted)) {
        return false;
    }
    auto* icmp = reinterpret_cast<IcmpHeader*>(rte_pktmbuf_prepend(mbuf, sizeof(IcmpHeader)));
    void* ip = rte_pktmbuf_prepend(mbuf, kIpHeaderSize<F>);
    if (icmp == nullptr || ip == nullptr) {
        return false;
    }
    const AddressPair<F> back = {source == nullptr ? sent.destination : raw_address<F>(*source),
                                 sent.source};
    const auto length = static_cast<uint16_t>(sizeof(IcmpHeader) + quoted);
    *icmp = {error.type, error.code, 0, Be32(error.rest).raw()};
    icmp->checksum =
        kV4 ? checksum(icmp, length) : transport_checksum<F>(back, kProtocolIcmpv6, icmp, length);
    fill_ip_header<F>(ip, back, kV4 ? kProtocolIcmp : kProtocolIcmpv6, length);
    return true;
}

}  // namespace

void make_echo_reply(rte_mbuf* mbuf, const PacketMeta& meta) {
    auto* icmp = rte_pktmbuf_mtod_offset(mbuf, IcmpHeader*, meta.l4_offset - meta.l3_offset);
    uint16_t before;
    uint16_t after;
    std::memcpy(&before, icmp, sizeof before);
    if (meta.family == Family::V4) {
        auto* ip = rte_pktmbuf_mtod(mbuf, rte_ipv4_hdr*);
        const uint32_t client = ip->src_addr;
        ip->src_addr = ip->dst_addr;
        ip->dst_addr = client;
        ip->time_to_live = kAnswerHopLimit;
        ip->hdr_checksum = 0;
        ip->hdr_checksum = checksum(ip, (ip->version_ihl & 0x0fU) * 4U);
        icmp->type = 0;
    } else {
        auto* ip = rte_pktmbuf_mtod(mbuf, rte_ipv6_hdr*);
        std::swap(ip->src_addr, ip->dst_addr);
        ip->hop_limits = kAnswerHopLimit;
        icmp->type = 129;
    }
    // The pseudo header's sum does not change when its addresses trade places.
    std::memcpy(&after, icmp, sizeof after);
    ChecksumDelta delta;
    delta.replace16(before, after);
    icmp->checksum = delta.apply(icmp->checksum);
    // RFC 1624 gives -0 for a message of zeros alone, whose sum is +0. Only ICMP can be one: other
    // checksums cover a protocol or a version.
    if (meta.family == Family::V4 && icmp->checksum == 0) {
        const size_t length = meta.l3_offset + size_t{meta.l3_length} - meta.l4_offset;
        icmp->checksum = sum_bytes(icmp, length) == 0 ? 0xffff : 0;
    }
}

bool make_icmp_error(rte_mbuf* mbuf, const PacketMeta& meta, const IcmpError& error,
                     const IpAddress* source) {
    return meta.family == Family::V4 ? make_error<V4>(mbuf, meta, error, source)
                                     : make_error<V6>(mbuf, meta, error, source);
}

}  // namespace dlb
