// What packets of our own making have in common: they take the place of the packet that they
// answer, in its mbuf. Thread safety: each mbuf belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include <rte_mbuf.h>

#include "net/flow_key.hpp"

namespace dlb {

inline constexpr uint8_t kAnswerHopLimit = 64;  // RFC 1700's IP default TTL

template <typename F>
inline constexpr uint32_t kIpHeaderSize = F::kFamily == Family::V4 ? 20 : 40;

// The bytes of source and destination, which lie behind each other, in an IP header.
template <typename F>
inline constexpr size_t kAddressesOffset = F::kFamily == Family::V4 ? 12 : 8;

template <typename F>
struct AddressPair {
    typename F::Address source;
    typename F::Address destination;
};

template <typename F>
AddressPair<F> load_addresses(const void* ip_header) {
    const auto* addresses = static_cast<const uint8_t*>(ip_header) + kAddressesOffset<F>;
    return {load_address<F>(addresses), load_address<F>(addresses + F::kAddressSize)};
}

// Cuts the mbuf to its first `length` bytes. False: they are not all in its first segment.
bool cut_packet(rte_mbuf* mbuf, uint32_t length);

// Writes an IP header without options; `payload`: bytes behind it. IPv4: DF set, as no answer is
// long.
template <typename F>
void fill_ip_header(void* header, const AddressPair<F>& addresses, uint8_t protocol,
                    uint16_t payload);

// The checksum of `length` bytes with the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1), the
// checksum field being zero.
template <typename F>
uint16_t transport_checksum(const AddressPair<F>& addresses, uint8_t protocol, const void* bytes,
                            uint16_t length);

}  // namespace dlb
