// split_packet(): fragments of an IP packet that is too long for its link (RFC 791 §3.2, RFC 8200
// §4.5).
//
// Fragments are copies in mbufs of one segment each, from the packet's own pool: chained or shared
// mbufs are not for every device. Shape: mbufs begin with the IP header (see trim_to_ip()). Thread
// safety: each mbuf belongs to one thread. Units: MTU in bytes of the IP packet.
#pragma once

#include <array>
#include <cstdint>

#include <rte_mbuf.h>

#include "datapath/verdict.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct FragmentList {
    static constexpr unsigned kMost = 32;
    std::array<rte_mbuf*, kMost> mbufs;
    unsigned count = 0;
};

// Splits a packet longer than `mtu`: `earlier` gets all fragments but the last, which `mbuf`
// becomes. `identification`: of an IPv6 packet's fragments; those of IPv4 have the packet's own.
// Forwarded: done. TooBig, NoMbuf: it cannot be; the packet is as it was. DF is not looked at.
// IPv6: for packets of our own making alone, without extension headers.
Verdict split_packet(rte_mbuf* mbuf, Family family, uint16_t mtu, uint32_t identification,
                     FragmentList& earlier);

void free_fragments(FragmentList& fragments);

// Takes DF off an IPv4 packet and gives it an identification.
void allow_fragments(rte_mbuf* mbuf, uint16_t identification);

}  // namespace dlb
