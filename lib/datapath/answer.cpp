#include "datapath/answer.hpp"

#include <cstring>

#include <rte_ip.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

bool cut_packet(rte_mbuf* mbuf, uint32_t length) {
    const uint32_t excess = rte_pktmbuf_pkt_len(mbuf) - length;
    return mbuf->nb_segs == 1 &&
           (excess == 0 || rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(excess)) == 0);
}

template <>
void fill_ip_header<V4>(void* header, const AddressPair<V4>& addresses, uint8_t protocol,
                        uint16_t payload) {
    rte_ipv4_hdr ip{};
    ip.version_ihl = 0x45;
    ip.total_length = Be16(static_cast<uint16_t>(sizeof ip + payload)).raw();
    ip.fragment_offset = Be16(RTE_IPV4_HDR_DF_FLAG).raw();
    ip.time_to_live = kAnswerHopLimit;
    ip.next_proto_id = protocol;
    ip.src_addr = addresses.source;
    ip.dst_addr = addresses.destination;
    ip.hdr_checksum = checksum(&ip, sizeof ip);
    std::memcpy(header, &ip, sizeof ip);
}

template <>
void fill_ip_header<V6>(void* header, const AddressPair<V6>& addresses, uint8_t protocol,
                        uint16_t payload) {
    rte_ipv6_hdr ip{};
    ip.vtc_flow = Be32(0x60000000).raw();
    ip.payload_len = Be16(payload).raw();
    ip.proto = protocol;
    ip.hop_limits = kAnswerHopLimit;
    std::memcpy(ip.src_addr, &addresses.source, sizeof ip.src_addr);
    std::memcpy(ip.dst_addr, &addresses.destination, sizeof ip.dst_addr);
    std::memcpy(header, &ip, sizeof ip);
}

template <typename F>
uint16_t transport_checksum(const AddressPair<F>& addresses, uint8_t protocol, const void* bytes,
                            uint16_t length) {
    static_assert(sizeof addresses == 2 * F::kAddressSize);
    const uint64_t sum = sum_bytes(&addresses, sizeof addresses) + Be16(length).raw() +
                         Be16(protocol).raw() + sum_bytes(bytes, length);
    return static_cast<uint16_t>(~fold_checksum(sum));
}
template uint16_t transport_checksum<V4>(const AddressPair<V4>&, uint8_t, const void*, uint16_t);
template uint16_t transport_checksum<V6>(const AddressPair<V6>&, uint8_t, const void*, uint16_t);

}  // namespace dlb
