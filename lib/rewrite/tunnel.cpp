#include "rewrite/tunnel.hpp"

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

constexpr uint16_t kDontFragment = Be16(0x4000).raw();

// In pieces of 16 bytes, the last of which may lie over the one before: no call, no loop of bytes.
void copy_header(uint8_t* header, const OuterHeader& outer) {
    constexpr unsigned kPiece = 16;  // no header is shorter
    const unsigned last = outer.length - kPiece;
    for (unsigned at = 0; at < last; at += kPiece) {
        std::memcpy(header + at, outer.bytes.data() + at, kPiece);
    }
    std::memcpy(header + last, outer.bytes.data() + last, kPiece);
}

struct Inner {
    Family family;
    uint8_t traffic_class;
    bool dont_fragment;
};

Inner read_inner(const uint8_t* packet, Family family) {
    if (family == Family::V4) {
        const auto* ip = reinterpret_cast<const rte_ipv4_hdr*>(packet);
        return {family, ip->type_of_service, (ip->fragment_offset & kDontFragment) != 0};
    }
    const auto* ip = reinterpret_cast<const rte_ipv6_hdr*>(packet);
    return {family, static_cast<uint8_t>(Be32::from_raw(ip->vtc_flow).host() >> 20), true};
}

// The sum of the inner packet. A transport checksum makes its segment and pseudo header add up to
// all ones, so the segment is as good as the pseudo header inverted and need not be read ("local
// checksum offload" in Linux). Where the checksum is wrong the outer one comes out wrong too:
// damage stays visible.
uint64_t sum_inner(const uint8_t* packet, size_t length, const PacketMeta& meta) {
    const size_t l4 = meta.l4_offset - meta.l3_offset;
    const size_t segment = length - l4;
    bool covered = false;
    if (meta.has_ports && meta.protocol == kProtocolTcp) {
        covered = true;
    } else if (meta.has_ports) {
        const auto* udp = reinterpret_cast<const rte_udp_hdr*>(packet + l4);
        covered = udp->dgram_cksum != 0 && Be16::from_raw(udp->dgram_len).host() == segment;
    }
    if (!covered) {
        return sum_bytes(packet, length);
    }
    // The addresses are in both and cancel out.
    const size_t before = meta.family == Family::V4 ? 12 : 8;
    const size_t behind = meta.family == Family::V4 ? 20 : 40;
    const uint64_t pseudo =
        uint64_t{Be16(meta.protocol).raw()} + Be16(static_cast<uint16_t>(segment)).raw();
    return sum_bytes(packet, before) + sum_bytes(packet + behind, l4 - behind) +
           static_cast<uint16_t>(~fold_checksum(pseudo));
}

// Writes what the header says of the packet inside. Gives what that adds to the sum over it: in
// each header the field is the second byte of a word, or a word.
uint16_t fill_type(uint8_t* header, const OuterHeader& outer, Family inner) {
    const bool v4 = inner == Family::V4;
    if (outer.type_field == OuterHeader::TypeField::IpProtocol) {
        // RFC 2003: 4; RFC 2473, 4213: 41.
        const uint8_t protocol = v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
        header[outer.type_offset] = protocol;
        return Be16(protocol).raw();
    }
    if (outer.type_field == OuterHeader::TypeField::EtherType) {
        const uint16_t type = Be16(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6).raw();
        std::memcpy(header + outer.type_offset, &type, sizeof type);
        return type;
    }
    return 0;
}

// REQUIRES: the header has flow bits. They are zero in the template. Gives what they add to the
// sum.
uint64_t fill_source(uint8_t* header, const OuterHeader& outer, uint64_t flow_hash) {
    const unsigned end = outer.family == Family::V4 ? 16 : 24;
    const uint32_t bits = Be32(tunnel_source_bits(flow_hash, outer.flow_bits)).raw();
    uint32_t word;
    std::memcpy(&word, outer.bytes.data() + end - sizeof word, sizeof word);
    word |= bits;
    std::memcpy(header + end - sizeof word, &word, sizeof word);
    return bits;
}

// The template's checksum is for its own bytes. What is set here is zero there, so that the sum
// grows by it (RFC 1624 §3); `added` is what is set elsewhere. Nothing is read back that was just
// written: in another width that would stall.
void finish_ipv4(uint8_t* header, const OuterHeader& outer, const Inner& inner, uint16_t length,
                 uint16_t identification, uint64_t added) {
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(header);
    uint16_t before;
    std::memcpy(&before, outer.bytes.data() + offsetof(rte_ipv4_hdr, hdr_checksum), sizeof before);
    ip->type_of_service = inner.traffic_class;
    ip->total_length = Be16(length).raw();
    added += uint64_t{Be16(inner.traffic_class).raw()} + Be16(length).raw();
    if (inner.dont_fragment) {
        ip->fragment_offset =
            kDontFragment;  // RFC 6864 §4.1: the identification means nothing then
        added += kDontFragment;
    } else {
        ip->packet_id = Be16(identification).raw();
        added += Be16(identification).raw();
    }
    ip->hdr_checksum =
        static_cast<uint16_t>(~fold_checksum(added + static_cast<uint16_t>(~before)));
}

void finish_ipv6(uint8_t* header, const Inner& inner, uint16_t payload) {
    auto* ip = reinterpret_cast<rte_ipv6_hdr*>(header);
    ip->vtc_flow = Be32(0x60000000U | uint32_t{inner.traffic_class} << 20).raw();
    ip->payload_len = Be16(payload).raw();
}

// `added`: what is set elsewhere and covered by the checksum, with the packet inside.
void finish_udp(uint8_t* header, const OuterHeader& outer, uint16_t length, uint64_t added,
                uint64_t flow_hash) {
    auto* udp = reinterpret_cast<rte_udp_hdr*>(header + outer.ip_length);
    const uint16_t port = Be16(tunnel_source_port(flow_hash)).raw();
    udp->src_port = port;
    udp->dgram_len = Be16(length).raw();
    if (outer.family == Family::V4) {
        return;
    }
    // The length is in the pseudo header and in UDP's.
    const uint64_t sum = uint64_t{outer.udp_sum} + port + 2 * uint64_t{Be16(length).raw()} + added;
    const auto value = static_cast<uint16_t>(~fold_checksum(sum));
    udp->dgram_cksum = value == 0 ? 0xffff : value;
}

}  // namespace

bool encapsulate(rte_mbuf* mbuf, const PacketMeta& meta, const OuterHeader& outer,
                 const TunnelPacket& packet) {
    const auto* inner_packet = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const uint32_t length = rte_pktmbuf_pkt_len(mbuf);
    const Inner inner = read_inner(inner_packet, meta.family);
    auto* header = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(mbuf, outer.length));
    if (header == nullptr) {
        return false;
    }
    copy_header(header, outer);
    const uint16_t type = fill_type(header, outer, inner.family);
    const uint64_t source = outer.flow_bits != 0 ? fill_source(header, outer, packet.flow_hash) : 0;
    const auto total = static_cast<uint16_t>(length + outer.length);
    if (outer.family == Family::V4) {
        const bool in_ip = outer.type_offset < outer.ip_length;
        finish_ipv4(header, outer, inner, total, packet.identification,
                    source + (in_ip ? type : 0));
    } else {
        finish_ipv6(header, inner, static_cast<uint16_t>(total - outer.ip_length));
    }
    if (outer.udp) {
        const uint64_t sum = outer.family == Family::V6 ? sum_inner(inner_packet, length, meta) : 0;
        finish_udp(header, outer, static_cast<uint16_t>(total - outer.ip_length),
                   source + type + sum, packet.flow_hash);
    }
    return true;
}

}  // namespace dlb
