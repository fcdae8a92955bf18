#include "lb/outer_header.hpp"

#include <cassert>
#include <cstring>

#include <rte_ip.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

OuterHeader make_outer_header(const IpAddress& source, const IpAddress& destination,
                              uint8_t protocol) {
    assert(source.family() == destination.family());
    OuterHeader outer;
    outer.family = source.family();
    if (source.is_v4()) {
        rte_ipv4_hdr ip{};
        ip.version_ihl = 0x45;
        ip.time_to_live = OuterHeader::kHopLimit;
        ip.next_proto_id = protocol;
        ip.src_addr = source.v4_word();
        ip.dst_addr = destination.v4_word();
        ip.hdr_checksum = checksum(&ip, sizeof ip);
        std::memcpy(outer.bytes.data(), &ip, sizeof ip);
        outer.length = sizeof ip;
    } else {
        rte_ipv6_hdr ip{};
        ip.vtc_flow = Be32(0x60000000).raw();
        ip.proto = protocol;
        ip.hop_limits = OuterHeader::kHopLimit;
        std::memcpy(ip.src_addr, source.bytes().data(), sizeof ip.src_addr);
        std::memcpy(ip.dst_addr, destination.bytes().data(), sizeof ip.dst_addr);
        std::memcpy(outer.bytes.data(), &ip, sizeof ip);
        outer.length = sizeof ip;
    }
    return outer;
}

}  // namespace dlb
