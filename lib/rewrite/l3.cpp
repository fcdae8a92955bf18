#include "rewrite/l3.hpp"

namespace dlb {

void trim_to_ip(rte_mbuf* mbuf, const PacketMeta& meta) {
    rte_pktmbuf_adj(mbuf, meta.l3_offset);
    const uint32_t padding = rte_pktmbuf_pkt_len(mbuf) - meta.l3_length;
    if (padding != 0) {
        rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(padding));
    }
}

bool decrement_hop_limit(rte_mbuf* mbuf, Family family) {
    auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
    if (family == Family::V6) {
        if (reinterpret_cast<rte_ipv6_hdr*>(ip)->hop_limits <= 1) {
            return false;
        }
        decrement_hop_limit_of<V6>(ip);
        return true;
    }
    if (reinterpret_cast<rte_ipv4_hdr*>(ip)->time_to_live <= 1) {
        return false;
    }
    decrement_hop_limit_of<V4>(ip);
    return true;
}

template <typename F>
void translate(rte_mbuf* mbuf, const PacketMeta& meta, const FlowKey<F>& to) {
    auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
    uint8_t* l4 = meta.fragment_offset != 0 ? nullptr : ip + meta.l4_offset - meta.l3_offset;
    translate_at<F>(ip, l4, meta.protocol, to);
}

template void translate<V4>(rte_mbuf*, const PacketMeta&, const FlowKey<V4>&);
template void translate<V6>(rte_mbuf*, const PacketMeta&, const FlowKey<V6>&);

}  // namespace dlb
