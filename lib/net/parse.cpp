#include "net/parse.hpp"

#include <algorithm>
#include <cstring>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

constexpr unsigned kMaxExtensionHeaders = 8;

uint16_t read_be16(const uint8_t* bytes) {
    return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

template <typename Header>
const Header* header_at(const uint8_t* data, size_t offset) {
    return reinterpret_cast<const Header*>(data + offset);
}

// A header that ends behind the packet: an error, or what makes a first fragment tiny.
ParseStatus cut_short(PacketMeta& meta, ParseStatus error) {
    meta.tiny_fragment = meta.fragment;
    return meta.fragment ? ParseStatus::Ok : error;
}

// RFC 9293 §3.1: the data offset is at least 5 words and lies within the segment.
ParseStatus parse_tcp(const uint8_t* data, size_t end, PacketMeta& meta) {
    if (end - meta.l4_offset < sizeof(rte_tcp_hdr)) {
        return cut_short(meta, ParseStatus::BadLength);
    }
    const auto* tcp = header_at<rte_tcp_hdr>(data, meta.l4_offset);
    const size_t header_length = (tcp->data_off >> 4) * 4U;
    if (header_length < sizeof(rte_tcp_hdr)) {
        return ParseStatus::BadLength;
    }
    if (header_length > end - meta.l4_offset) {
        return cut_short(meta, ParseStatus::BadLength);
    }
    meta.source_port = tcp->src_port;
    meta.destination_port = tcp->dst_port;
    meta.tcp_flags = tcp->tcp_flags;
    meta.has_ports = !meta.fragment;
    return ParseStatus::Ok;
}

// RFC 768: the length counts the header too. Zero is for jumbograms only (RFC 2675), which we do
// not take. A first fragment's is the whole datagram's.
ParseStatus parse_udp(const uint8_t* data, size_t end, PacketMeta& meta) {
    if (end - meta.l4_offset < sizeof(rte_udp_hdr)) {
        return cut_short(meta, ParseStatus::BadLength);
    }
    const auto* udp = header_at<rte_udp_hdr>(data, meta.l4_offset);
    const uint16_t length = Be16::from_raw(udp->dgram_len).host();
    if (length < sizeof(rte_udp_hdr) || (length > end - meta.l4_offset && !meta.fragment)) {
        return ParseStatus::BadLength;
    }
    meta.source_port = udp->src_port;
    meta.destination_port = udp->dst_port;
    meta.has_ports = !meta.fragment;
    return ParseStatus::Ok;
}

ParseStatus parse_transport(const uint8_t* data, size_t end, PacketMeta& meta) {
    switch (meta.protocol) {
        case kProtocolTcp:
            return parse_tcp(data, end, meta);
        case kProtocolUdp:
            return parse_udp(data, end, meta);
        case kProtocolIcmp:
        case kProtocolIcmpv6:
            if (meta.fragment) {
                return ParseStatus::Ok;
            }
            if (end - meta.l4_offset < 8) {
                return ParseStatus::BadLength;
            }
            meta.icmp_type = data[meta.l4_offset];
            return ParseStatus::Ok;
        default:
            return ParseStatus::Ok;
    }
}

// Takes note of a fragment. `begin`, `end`: its part of the datagram in the frame; `headers`: what
// the headers before it add to the whole's length; `offset`: in units of 8 bytes.
ParseStatus note_fragment(size_t begin, size_t end, size_t headers, uint16_t offset, bool more,
                          PacketMeta& meta) {
    const size_t length = end - begin;
    meta.fragment = true;
    meta.fragment_offset = static_cast<uint16_t>(offset * 8);
    meta.fragment_length = static_cast<uint16_t>(length);
    meta.more_fragments = more;
    // RFC 791 §3.2, RFC 8200 §4.5: all but the last are whole units of 8 bytes, and the whole is no
    // longer than its length field can say.
    const bool fits = headers + meta.fragment_offset + length <= UINT16_MAX;
    return length != 0 && fits && (!more || length % 8 == 0) ? ParseStatus::Ok
                                                             : ParseStatus::BadLength;
}

ParseStatus parse_ipv4_fragment(const uint8_t* data, size_t end, PacketMeta& meta) {
    const auto* ip = header_at<rte_ipv4_hdr>(data, meta.l3_offset);
    const uint16_t field = Be16::from_raw(ip->fragment_offset).host();
    meta.identification = ip->packet_id;
    const ParseStatus status =
        note_fragment(meta.l4_offset, end, size_t{meta.l4_offset} - meta.l3_offset, field & 0x1fff,
                      (field & 0x2000) != 0, meta);
    if (status != ParseStatus::Ok) {
        return status;
    }
    if (meta.fragment_offset == 0) {
        return parse_transport(data, end, meta);
    }
    meta.tiny_fragment = meta.protocol == kProtocolTcp && meta.fragment_offset == 8;  // RFC 3128
    return ParseStatus::Ok;
}

// RFC 791 §3.1
ParseStatus read_ipv4_header(const uint8_t* data, size_t size, PacketMeta& meta) {
    meta.family = Family::V4;
    if (size - meta.l3_offset < sizeof(rte_ipv4_hdr)) {
        return ParseStatus::Truncated;
    }
    const auto* ip = header_at<rte_ipv4_hdr>(data, meta.l3_offset);
    const size_t header_length = (ip->version_ihl & 0x0fU) * 4U;
    const uint16_t total_length = Be16::from_raw(ip->total_length).host();
    if ((ip->version_ihl >> 4) != 4 || header_length < sizeof(rte_ipv4_hdr) ||
        total_length < header_length) {
        return ParseStatus::BadHeader;
    }
    if (header_length > size - meta.l3_offset) {
        return ParseStatus::Truncated;
    }
    meta.l3_length = total_length;
    meta.l4_offset = static_cast<uint16_t>(meta.l3_offset + header_length);
    meta.protocol = ip->next_proto_id;
    return ParseStatus::Ok;
}

ParseStatus parse_ipv4(const uint8_t* data, size_t size, ParseOptions options, PacketMeta& meta) {
    const ParseStatus status = read_ipv4_header(data, size, meta);
    if (status != ParseStatus::Ok) {
        return status;
    }
    if (meta.l3_length > size - meta.l3_offset) {
        return ParseStatus::Truncated;
    }
    const auto* ip = header_at<rte_ipv4_hdr>(data, meta.l3_offset);
    if (options.verify_ipv4_checksum && checksum(ip, meta.l4_offset - meta.l3_offset) != 0) {
        return ParseStatus::BadChecksum;
    }
    const size_t end = meta.l3_offset + size_t{meta.l3_length};
    if ((Be16::from_raw(ip->fragment_offset).host() & 0x3fff) != 0) {  // MF or an offset
        return parse_ipv4_fragment(data, end, meta);
    }
    return parse_transport(data, end, meta);
}

// RFC 8200 §4.5. Ok with `fragment` still false: an atomic one, which is a whole packet (RFC 6946).
ParseStatus parse_fragment_header(const uint8_t* data, size_t offset, size_t end,
                                  PacketMeta& meta) {
    if (meta.fragment) {
        return ParseStatus::BadExtension;  // a fragment in a fragment
    }
    if (end - offset < 8) {
        return ParseStatus::Truncated;
    }
    const uint16_t field = read_be16(data + offset + 2);
    if ((field & 0xfff9) == 0) {
        return ParseStatus::Ok;
    }
    std::memcpy(&meta.identification, data + offset + 4, sizeof meta.identification);
    const size_t before = offset - meta.l3_offset - sizeof(rte_ipv6_hdr);
    return note_fragment(offset + 8, end, before, static_cast<uint16_t>(field >> 3),
                         (field & 1) != 0, meta);
}

// Of a quoted packet only this counts: later fragments have no ports.
constexpr uint16_t kLaterFragmentV4 = 0x1fff;
constexpr uint16_t kLaterFragmentV6 = 0xfff8;

ParseStatus quoted_fragment_header(const uint8_t* data, size_t offset, size_t end,
                                   PacketMeta& meta) {
    if (end - offset < 8) {
        return ParseStatus::Truncated;
    }
    meta.fragment = (read_be16(data + offset + 2) & kLaterFragmentV6) != 0;
    return ParseStatus::Ok;
}

// Walks the chain of RFC 8200 §4, a later fragment's up to its part of the datagram. Sets protocol,
// l4_offset and what there is to say of a fragment.
ParseStatus walk_extensions(const uint8_t* data, size_t end, uint8_t next, bool quoted,
                            PacketMeta& meta) {
    size_t offset = meta.l3_offset + sizeof(rte_ipv6_hdr);
    for (unsigned count = 0; count <= kMaxExtensionHeaders; ++count) {
        meta.protocol = next;
        meta.l4_offset = static_cast<uint16_t>(offset);
        switch (next) {
            case IPPROTO_HOPOPTS:
                if (count != 0) {
                    return ParseStatus::BadExtension;  // §4.1: only right after the IPv6 header
                }
                break;
            case IPPROTO_ROUTING:
                // §4.4: with segments left, the destination is not the one the checksum covers.
                if (end - offset < 8) {
                    return cut_short(meta, ParseStatus::Truncated);
                }
                if (data[offset + 3] != 0) {
                    return ParseStatus::BadExtension;
                }
                break;
            case IPPROTO_DSTOPTS:
                break;
            case IPPROTO_FRAGMENT:
                if (const ParseStatus status = quoted
                                                   ? quoted_fragment_header(data, offset, end, meta)
                                                   : parse_fragment_header(data, offset, end, meta);
                    status != ParseStatus::Ok) {
                    return status;
                }
                next = data[offset];
                offset += 8;
                if (quoted ? meta.fragment : meta.fragment_offset != 0) {
                    meta.protocol = next;
                    meta.l4_offset = static_cast<uint16_t>(offset);
                    return ParseStatus::Ok;
                }
                continue;
            default:
                return ParseStatus::Ok;
        }
        if (end - offset < 8) {
            return cut_short(meta, ParseStatus::Truncated);
        }
        const size_t length = (data[offset + 1] + 1U) * 8U;
        if (length > end - offset) {
            return cut_short(meta, ParseStatus::Truncated);
        }
        next = data[offset];
        offset += length;
    }
    return ParseStatus::BadExtension;
}

// RFC 8200 §3
ParseStatus read_ipv6_header(const uint8_t* data, size_t size, PacketMeta& meta) {
    meta.family = Family::V6;
    if (size - meta.l3_offset < sizeof(rte_ipv6_hdr)) {
        return ParseStatus::Truncated;
    }
    const auto* ip = header_at<rte_ipv6_hdr>(data, meta.l3_offset);
    if ((data[meta.l3_offset] >> 4) != 6) {
        return ParseStatus::BadHeader;
    }
    const size_t total = sizeof(rte_ipv6_hdr) + Be16::from_raw(ip->payload_len).host();
    if (total > UINT16_MAX) {
        return ParseStatus::Truncated;
    }
    meta.l3_length = static_cast<uint16_t>(total);
    meta.protocol = ip->proto;
    return ParseStatus::Ok;
}

ParseStatus parse_ipv6(const uint8_t* data, size_t size, PacketMeta& meta) {
    ParseStatus status = read_ipv6_header(data, size, meta);
    if (status != ParseStatus::Ok) {
        return status;
    }
    if (meta.l3_length > size - meta.l3_offset) {
        return ParseStatus::Truncated;
    }
    const size_t end = meta.l3_offset + size_t{meta.l3_length};
    status = walk_extensions(data, end, meta.protocol, false, meta);
    const bool done = meta.fragment_offset != 0 || meta.tiny_fragment;
    return status == ParseStatus::Ok && !done ? parse_transport(data, end, meta) : status;
}

// The first 8 bytes of a transport header are all that a quote must have (RFC 792).
ParseStatus read_quoted_transport(const uint8_t* data, size_t end, PacketMeta& meta) {
    if (meta.fragment) {
        return ParseStatus::Ok;
    }
    if (end < meta.l4_offset + size_t{8}) {
        return ParseStatus::Truncated;
    }
    if (meta.protocol == kProtocolTcp || meta.protocol == kProtocolUdp) {
        const auto* udp = header_at<rte_udp_hdr>(data, meta.l4_offset);
        meta.source_port = udp->src_port;
        meta.destination_port = udp->dst_port;
        meta.has_ports = true;
    }
    return ParseStatus::Ok;
}

ParseStatus read_quoted(const uint8_t* data, size_t size, Family family, PacketMeta& meta) {
    const bool v4 = family == Family::V4;
    ParseStatus status =
        v4 ? read_ipv4_header(data, size, meta) : read_ipv6_header(data, size, meta);
    if (status != ParseStatus::Ok) {
        return status;
    }
    const size_t end = std::min<size_t>(size, meta.l3_offset + size_t{meta.l3_length});
    if (v4) {
        const auto* ip = header_at<rte_ipv4_hdr>(data, meta.l3_offset);
        meta.fragment = (Be16::from_raw(ip->fragment_offset).host() & kLaterFragmentV4) != 0;
    } else {
        status = walk_extensions(data, end, meta.protocol, true, meta);
    }
    meta.l3_length = static_cast<uint16_t>(end - meta.l3_offset);
    return status == ParseStatus::Ok ? read_quoted_transport(data, end, meta) : status;
}

}  // namespace

PacketMeta parse_quoted(const uint8_t* data, size_t size, size_t offset, Family family) {
    PacketMeta meta;
    meta.l3_offset = static_cast<uint16_t>(offset);
    meta.status = offset > size ? ParseStatus::Truncated : read_quoted(data, size, family, meta);
    return meta;
}

PacketMeta parse(const uint8_t* data, size_t size, ParseOptions options) {
    PacketMeta meta;
    if (size < sizeof(rte_ether_hdr)) {
        meta.status = ParseStatus::Truncated;
        return meta;
    }
    size_t offset = sizeof(rte_ether_hdr);
    uint16_t type = read_be16(data + offset - 2);
    if (type == RTE_ETHER_TYPE_VLAN) {
        if (size < offset + sizeof(rte_vlan_hdr)) {
            meta.status = ParseStatus::Truncated;
            return meta;
        }
        meta.tagged = true;
        meta.vlan = read_be16(data + offset) & 0x0fff;
        type = read_be16(data + offset + 2);
        offset += sizeof(rte_vlan_hdr);
    }
    meta.l3_offset = static_cast<uint16_t>(offset);
    if (type == RTE_ETHER_TYPE_IPV4) {
        meta.status = parse_ipv4(data, size, options, meta);
    } else if (type == RTE_ETHER_TYPE_IPV6) {
        meta.status = parse_ipv6(data, size, meta);
    }
    return meta;
}

}  // namespace dlb
