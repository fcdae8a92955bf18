#include "datapath/icmp.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <rte_ether.h>
#include <rte_ip.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

constexpr uint8_t kHopLimit = 64;
constexpr uint16_t kDontFragment = Be16(0x4000).raw();

struct __attribute__((packed)) IcmpHeader {  // it lies at any address
    uint8_t type;
    uint8_t code;
    uint16_t checksum;
    uint32_t rest;
};
static_assert(sizeof(IcmpHeader) == 8);

// Cuts the mbuf to its first `length` bytes. False: they are not all in its first segment.
bool cut(rte_mbuf* mbuf, uint32_t length) {
    const uint32_t excess = rte_pktmbuf_pkt_len(mbuf) - length;
    return mbuf->nb_segs == 1 && (excess == 0 || rte_pktmbuf_trim(mbuf, excess) == 0);
}

void fill_ipv4(rte_ipv4_hdr* ip, uint32_t source, uint32_t destination, uint16_t total) {
    *ip = rte_ipv4_hdr{};
    ip->version_ihl = 0x45;
    ip->total_length = Be16(total).raw();
    ip->fragment_offset = kDontFragment;
    ip->time_to_live = kHopLimit;
    ip->next_proto_id = kProtocolIcmp;
    ip->src_addr = source;
    ip->dst_addr = destination;
    ip->hdr_checksum = checksum(ip, sizeof *ip);
}

// RFC 8200 §8.1
uint16_t icmpv6_checksum(const rte_ipv6_hdr* ip, const void* payload, uint16_t length) {
    const uint64_t sum = sum_bytes(ip->src_addr, 32) + Be32(length).raw() +
                         Be32(kProtocolIcmpv6).raw() + sum_bytes(payload, length);
    return static_cast<uint16_t>(~fold_checksum(sum));
}

bool make_too_big_ipv4(rte_mbuf* mbuf, uint16_t mtu) {
    const auto* original = rte_pktmbuf_mtod(mbuf, const rte_ipv4_hdr*);
    if ((original->fragment_offset & kDontFragment) == 0) {
        return false;
    }
    const uint32_t client = original->src_addr;
    const uint32_t vip = original->dst_addr;
    // RFC 1812 §4.3.2.3: as much of it as fits in 576 bytes.
    constexpr uint32_t kQuoted = 576 - sizeof(rte_ipv4_hdr) - sizeof(IcmpHeader);
    const uint32_t quoted = std::min(rte_pktmbuf_pkt_len(mbuf), kQuoted);
    if (!cut(mbuf, quoted)) {
        return false;
    }
    auto* icmp = reinterpret_cast<IcmpHeader*>(rte_pktmbuf_prepend(mbuf, sizeof(IcmpHeader)));
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(rte_pktmbuf_prepend(mbuf, sizeof(rte_ipv4_hdr)));
    if (icmp == nullptr || ip == nullptr) {
        return false;
    }
    *icmp = {3, 4, 0, Be32(mtu).raw()};
    const size_t length = sizeof(IcmpHeader) + quoted;
    icmp->checksum = checksum(icmp, length);
    fill_ipv4(ip, vip, client, static_cast<uint16_t>(sizeof *ip + length));
    return true;
}

bool make_too_big_ipv6(rte_mbuf* mbuf, uint16_t mtu) {
    // RFC 4443 §3.2: as much of it as fits in the least MTU of IPv6.
    constexpr uint32_t kQuoted = 1280 - sizeof(rte_ipv6_hdr) - sizeof(IcmpHeader);
    const rte_ipv6_hdr original = *rte_pktmbuf_mtod(mbuf, const rte_ipv6_hdr*);
    const uint32_t quoted = std::min(rte_pktmbuf_pkt_len(mbuf), kQuoted);
    if (!cut(mbuf, quoted)) {
        return false;
    }
    auto* icmp = reinterpret_cast<IcmpHeader*>(rte_pktmbuf_prepend(mbuf, sizeof(IcmpHeader)));
    auto* ip = reinterpret_cast<rte_ipv6_hdr*>(rte_pktmbuf_prepend(mbuf, sizeof(rte_ipv6_hdr)));
    if (icmp == nullptr || ip == nullptr) {
        return false;
    }
    const auto length = static_cast<uint16_t>(sizeof(IcmpHeader) + quoted);
    *ip = rte_ipv6_hdr{};
    ip->vtc_flow = Be32(0x60000000).raw();
    ip->payload_len = Be16(length).raw();
    ip->proto = kProtocolIcmpv6;
    ip->hop_limits = kHopLimit;
    std::memcpy(ip->src_addr, original.dst_addr, sizeof ip->src_addr);
    std::memcpy(ip->dst_addr, original.src_addr, sizeof ip->dst_addr);
    *icmp = {2, 0, 0, Be32(mtu).raw()};
    icmp->checksum = icmpv6_checksum(ip, icmp, length);
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
        ip->time_to_live = kHopLimit;
        ip->hdr_checksum = 0;
        ip->hdr_checksum = checksum(ip, (ip->version_ihl & 0x0fU) * 4U);
        icmp->type = 0;
    } else {
        auto* ip = rte_pktmbuf_mtod(mbuf, rte_ipv6_hdr*);
        std::swap(ip->src_addr, ip->dst_addr);
        ip->hop_limits = kHopLimit;
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

bool make_too_big(rte_mbuf* mbuf, const PacketMeta& meta, uint16_t mtu) {
    return meta.family == Family::V4 ? make_too_big_ipv4(mbuf, mtu) : make_too_big_ipv6(mbuf, mtu);
}

}  // namespace dlb
