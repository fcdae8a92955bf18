#include "rewrite/mss.hpp"

#include <cstddef>
#include <cstring>

#include <rte_tcp.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

// RFC 9293 §3.1
constexpr uint8_t kEndOfOptions = 0;
constexpr uint8_t kNoOperation = 1;
constexpr uint8_t kMss = 2;
constexpr size_t kMssLength = 4;

// `at`: the value's place in the TCP header; words of a checksum begin at even places, and a value
// at an odd one counts with its bytes swapped (RFC 1071 §2 (B)).
void lower(uint8_t* tcp, size_t at, uint16_t most) {
    uint16_t before;
    std::memcpy(&before, tcp + at, sizeof before);
    if (Be16::from_raw(before).host() <= most) {
        return;
    }
    const uint16_t after = Be16(most).raw();
    std::memcpy(tcp + at, &after, sizeof after);
    ChecksumDelta delta;
    if (at % 2 == 0) {
        delta.replace16(before, after);
    } else {
        delta.replace16(byte_swap(before), byte_swap(after));
    }
    auto* header = reinterpret_cast<rte_tcp_hdr*>(tcp);
    header->cksum = delta.apply(header->cksum);
}

}  // namespace

void clamp_mss(rte_mbuf* mbuf, const PacketMeta& meta, uint16_t most) {
    if (meta.protocol != kProtocolTcp || (meta.tcp_flags & kTcpSyn) == 0) {
        return;
    }
    auto* tcp = rte_pktmbuf_mtod_offset(mbuf, uint8_t*, meta.l4_offset - meta.l3_offset);
    const size_t end = (reinterpret_cast<const rte_tcp_hdr*>(tcp)->data_off >> 4) * 4U;
    for (size_t at = sizeof(rte_tcp_hdr); at < end && tcp[at] != kEndOfOptions;) {
        if (tcp[at] == kNoOperation) {
            ++at;
            continue;
        }
        const size_t length = at + 1 < end ? tcp[at + 1] : 0;
        if (length < 2 || length > end - at) {
            return;
        }
        if (tcp[at] == kMss && length == kMssLength) {
            lower(tcp, at + 2, most);
        }
        at += length;
    }
}

}  // namespace dlb
