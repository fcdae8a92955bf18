#include "lb/outer_header.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>

#include <rte_ether.h>
#include <rte_gre.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

constexpr uint8_t kGueLength = 4;

// The IP protocol that follows the outer IP header; 0: the inner packet's.
uint8_t protocol_of(Mode mode) {
    return mode == Mode::Ipip ? 0 : mode == Mode::Gre ? IPPROTO_GRE : IPPROTO_UDP;
}

template <typename Header>
void append(OuterHeader& outer, const Header& header) {
    std::memcpy(outer.bytes.data() + outer.length, &header, sizeof header);
    outer.length = static_cast<uint8_t>(outer.length + sizeof header);
}

void append_ip(OuterHeader& outer, const IpAddress& source, const IpAddress& destination,
               uint8_t protocol) {
    if (source.is_v4()) {
        rte_ipv4_hdr ip{};
        ip.version_ihl = 0x45;
        ip.time_to_live = OuterHeader::kHopLimit;
        ip.next_proto_id = protocol;
        ip.src_addr = source.v4_word();
        ip.dst_addr = destination.v4_word();
        ip.hdr_checksum = checksum(&ip, sizeof ip);
        append(outer, ip);
    } else {
        rte_ipv6_hdr ip{};
        ip.vtc_flow = Be32(0x60000000).raw();
        ip.proto = protocol;
        ip.hop_limits = OuterHeader::kHopLimit;
        std::memcpy(ip.src_addr, source.bytes().data(), sizeof ip.src_addr);
        std::memcpy(ip.dst_addr, destination.bytes().data(), sizeof ip.dst_addr);
        append(outer, ip);
    }
    outer.ip_length = outer.length;
}

void type_at(OuterHeader& outer, OuterHeader::TypeField field, size_t offset) {
    outer.type_field = field;
    outer.type_offset = static_cast<uint8_t>(offset);
}

// RFC 7348 §5. The inner source is locally administered, and ends like the outer source's address.
void append_vxlan(OuterHeader& outer, const IpAddress& source, const Tunnel& tunnel) {
    rte_vxlan_hdr vxlan{};
    vxlan.vx_flags = Be32(0x08000000).raw();
    vxlan.vx_vni = Be32(tunnel.vni << 8).raw();
    append(outer, vxlan);
    rte_ether_hdr ethernet{};
    std::memcpy(ethernet.dst_addr.addr_bytes, tunnel.mac.bytes.data(), tunnel.mac.bytes.size());
    ethernet.src_addr.addr_bytes[0] = 0x02;
    std::memcpy(ethernet.src_addr.addr_bytes + 2, source.bytes().data() + source.size() - 4, 4);
    append(outer, ethernet);
    type_at(outer, OuterHeader::TypeField::EtherType, outer.length - sizeof ethernet.ether_type);
}

// RFC 8200 §8.1. Its flow bits are zero, and so is all else that is the packet's.
uint16_t sum_of_udp(const OuterHeader& outer) {
    constexpr size_t kAddresses = offsetof(rte_ipv6_hdr, src_addr);
    return fold_checksum(
        sum_bytes(outer.bytes.data() + kAddresses, outer.ip_length - kAddresses) +
        Be16(IPPROTO_UDP).raw() +
        sum_bytes(outer.bytes.data() + outer.ip_length, size_t{outer.length} - outer.ip_length));
}

}  // namespace

uint16_t default_tunnel_port(Mode mode) {
    switch (mode) {
        case Mode::Gue:
            return 6080;
        case Mode::Fou:
            return 8285;  // flannel's udp backend
        case Mode::Vxlan:
            return 8472;  // flannel and Linux's own default
        default:
            return 0;
    }
}

OuterHeader make_outer_header(const IpAddress& source, const IpAddress& destination,
                              const Tunnel& tunnel) {
    assert(source.family() == destination.family());
    OuterHeader outer;
    outer.family = source.family();
    outer.flow_bits = std::min<uint8_t>(tunnel.flow_bits, 32);
    append_ip(outer, source, destination, protocol_of(tunnel.mode));
    switch (tunnel.mode) {
        case Mode::Gre:
            append(outer, rte_gre_hdr{});  // RFC 2784 §2.1: no checksum, version 0
            type_at(outer, OuterHeader::TypeField::EtherType, outer.ip_length + 2U);
            return outer;
        case Mode::Gue:
        case Mode::Fou:
        case Mode::Vxlan: {
            rte_udp_hdr udp{};
            udp.dst_port = Be16(tunnel.port).raw();
            append(outer, udp);
            outer.udp = true;
            break;
        }
        default:
            type_at(outer, OuterHeader::TypeField::IpProtocol,
                    source.is_v4() ? offsetof(rte_ipv4_hdr, next_proto_id)
                                   : offsetof(rte_ipv6_hdr, proto));
            return outer;
    }
    if (tunnel.mode == Mode::Gue) {
        // Variant 0, no private or optional fields: only the second byte, the inner protocol,
        // differs.
        append(outer, std::array<uint8_t, kGueLength>{});
        type_at(outer, OuterHeader::TypeField::IpProtocol, outer.length - kGueLength + 1U);
    } else if (tunnel.mode == Mode::Vxlan) {
        append_vxlan(outer, source, tunnel);
    }
    outer.udp_sum = outer.family == Family::V6 ? sum_of_udp(outer) : 0;
    return outer;
}

}  // namespace dlb
