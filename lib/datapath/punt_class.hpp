// What a packet for the kernel is worth to us: routing control, neighbour discovery, or the rest.
//
// Thread safety: pure functions but for the KnownSessions that they read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "datapath/known_sessions.hpp"
#include "datapath/routing_peers.hpp"
#include "net/parse.hpp"

namespace dlb {

enum class PuntClass : uint8_t {
    Ordinary,
    Neighbor,    // ARP, and IPv6 neighbour discovery
    Session,     // of a TCP connection or a BFD session that our kernel takes part in
    TcpOpening,  // a neighbour's SYN
    TcpUnknown,  // BGP from a neighbour's address, but of no connection that we know
    BfdOpening,  // BFD that does not name our discriminator
};

constexpr bool is_routing(PuntClass cls) {
    return cls >= PuntClass::Session;
}

struct PuntKind {
    PuntClass cls = PuntClass::Ordinary;
    // Session: its slot. Else a hash of who sent it, so that one does not use up the others' share.
    uint32_t share = 0;
};

// A frame as parse() found it. `peers`, `known`: null for none.
PuntKind classify_punt(const uint8_t* frame, size_t size, const PacketMeta& meta,
                       const RoutingPeers* peers, const KnownSessions* known);

// A frame that our kernel sends.
struct KernelFrame {
    bool routing = false;   // BGP or BFD to a neighbour
    bool neighbor = false;  // ARP, neighbour discovery
    // What its answers will have; none: of no conversation, as a RST, or a SYN's answer.
    std::optional<uint64_t> session;
};
KernelFrame classify_kernel_frame(const uint8_t* frame, size_t size, const PacketMeta& meta,
                                  const RoutingPeers* peers);

}  // namespace dlb
