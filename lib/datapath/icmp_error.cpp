#include "datapath/icmp_error.hpp"

#include <cstddef>
#include <cstring>

#include <rte_ip.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

constexpr size_t kIcmpChecksum = 2;  // its place in the message
constexpr size_t kUdpChecksum = 6;
constexpr size_t kTcpChecksum = 16;
constexpr size_t kIpv4Checksum = 10;

uint16_t load16(const uint8_t* at) {
    uint16_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}
void store16(uint8_t* at, uint16_t word) {
    std::memcpy(at, &word, sizeof word);
}

uint16_t message_length(const PacketMeta& meta) {
    return static_cast<uint16_t>(meta.l3_offset + meta.l3_length - meta.l4_offset);
}

template <typename F>
uint16_t message_checksum(const uint8_t* packet, const PacketMeta& meta) {
    const uint8_t* message = packet + meta.l4_offset - meta.l3_offset;
    return F::kFamily == Family::V4
               ? checksum(message, message_length(meta))
               : transport_checksum<F>(load_addresses<F>(packet), kProtocolIcmpv6, message,
                                       message_length(meta));
}

// Sets source and destination in an IP header. Gives the difference for what covers them.
template <typename F>
ChecksumDelta replace_addresses(uint8_t* header, const AddressPair<F>& to) {
    uint8_t* addresses = header + kAddressesOffset<F>;
    ChecksumDelta delta;
    delta.replace_bytes(addresses, &to, sizeof to);
    std::memcpy(addresses, &to, sizeof to);
    if (F::kFamily == Family::V4) {
        store16(header + kIpv4Checksum, delta.apply(load16(header + kIpv4Checksum)));
    }
    return delta;
}

// The quoted packet, as it would be had its sender sent it so. Its checksums are updated, not made
// anew: the sum of what is not quoted is not known.
template <typename F>
void replace_quoted(uint8_t* ip, const PacketMeta& quoted, const FlowKey<F>& to) {
    ChecksumDelta delta = replace_addresses<F>(ip, {to.source, to.destination});
    const size_t l4 = quoted.l4_offset - quoted.l3_offset;
    const size_t there = quoted.l3_length - l4;
    uint8_t* transport = ip + l4;
    delta.replace16(load16(transport), to.source_port);
    delta.replace16(load16(transport + 2), to.destination_port);
    store16(transport, to.source_port);
    store16(transport + 2, to.destination_port);
    if (quoted.protocol == kProtocolUdp) {
        uint8_t* sum = transport + kUdpChecksum;
        store16(sum, delta.apply_udp(load16(sum)));
    } else if (there >= kTcpChecksum + sizeof(uint16_t)) {
        uint8_t* sum = transport + kTcpChecksum;
        store16(sum, delta.apply(load16(sum)));
    }
}

}  // namespace

bool is_icmp_intact(const uint8_t* packet, const PacketMeta& meta) {
    return (meta.family == Family::V4 ? message_checksum<V4>(packet, meta)
                                      : message_checksum<V6>(packet, meta)) == 0;
}

template <typename F>
void translate_error(rte_mbuf* mbuf, const PacketMeta& meta, const PacketMeta& quoted,
                     const AddressPair<F>& outer, const FlowKey<F>& inner) {
    auto* packet = rte_pktmbuf_mtod(mbuf, uint8_t*);
    replace_addresses<F>(packet, outer);
    replace_quoted<F>(packet + quoted.l3_offset - meta.l3_offset, quoted, inner);
    // The message was right as it came, so that no damage is hidden here.
    uint8_t* sum = packet + meta.l4_offset - meta.l3_offset + kIcmpChecksum;
    store16(sum, 0);
    store16(sum, message_checksum<F>(packet, meta));
}

template void translate_error<V4>(rte_mbuf*, const PacketMeta&, const PacketMeta&,
                                  const AddressPair<V4>&, const FlowKey<V4>&);
template void translate_error<V6>(rte_mbuf*, const PacketMeta&, const PacketMeta&,
                                  const AddressPair<V6>&, const FlowKey<V6>&);

}  // namespace dlb
