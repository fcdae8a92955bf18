#include "datapath/tcp_reset.hpp"

#include <cstring>

#include <rte_tcp.h>

#include "datapath/answer.hpp"
#include "net/byte_order.hpp"
#include "net/host_address.hpp"

namespace dlb {

namespace {

// The sequence numbers that a segment takes: its data, and one each for SYN and FIN (RFC 9293
// §3.4).
uint32_t sequence_length(const rte_tcp_hdr& tcp, const PacketMeta& meta) {
    const unsigned segment = meta.l3_offset + unsigned{meta.l3_length} - meta.l4_offset;
    return segment - (tcp.data_off >> 4) * 4U + ((tcp.tcp_flags & kTcpSyn) != 0 ? 1 : 0) +
           ((tcp.tcp_flags & kTcpFin) != 0 ? 1 : 0);
}

rte_tcp_hdr reset_for(const rte_tcp_hdr& tcp, const PacketMeta& meta) {
    rte_tcp_hdr reset{};
    reset.src_port = tcp.dst_port;
    reset.dst_port = tcp.src_port;
    reset.data_off = sizeof reset / 4 << 4;
    if ((tcp.tcp_flags & kTcpAck) != 0) {
        reset.sent_seq = tcp.recv_ack;
        reset.tcp_flags = kTcpRst;
    } else {
        const uint32_t next = Be32::from_raw(tcp.sent_seq).host() + sequence_length(tcp, meta);
        reset.recv_ack = Be32(next).raw();
        reset.tcp_flags = kTcpRst | kTcpAck;
    }
    return reset;
}

template <typename F>
bool make_reset(rte_mbuf* mbuf, const PacketMeta& meta) {
    auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
    const auto sent = load_addresses<F>(ip);
    if (!can_be_source(sent.source) || !can_be_source(sent.destination)) {
        return false;
    }
    rte_tcp_hdr tcp;
    std::memcpy(&tcp, ip + meta.l4_offset - meta.l3_offset, sizeof tcp);
    // The packet has these headers at least: the answer fits in its place.
    if (!cut_packet(mbuf, kIpHeaderSize<F> + sizeof tcp)) {
        return false;
    }
    const AddressPair<F> back = {sent.destination, sent.source};
    rte_tcp_hdr reset = reset_for(tcp, meta);
    reset.cksum = transport_checksum<F>(back, kProtocolTcp, &reset, sizeof reset);
    fill_ip_header<F>(ip, back, kProtocolTcp, sizeof reset);
    std::memcpy(ip + kIpHeaderSize<F>, &reset, sizeof reset);
    return true;
}

}  // namespace

bool make_tcp_reset(rte_mbuf* mbuf, const PacketMeta& meta) {
    if (!meta.has_ports || meta.protocol != kProtocolTcp || (meta.tcp_flags & kTcpRst) != 0) {
        return false;
    }
    return meta.family == Family::V4 ? make_reset<V4>(mbuf, meta) : make_reset<V6>(mbuf, meta);
}

}  // namespace dlb
