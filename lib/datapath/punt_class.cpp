#include "datapath/punt_class.hpp"

#include <cstring>

#include "net/byte_order.hpp"
#include "net/flow_key.hpp"

namespace dlb {

namespace {

constexpr size_t kUdpHeader = 8;
// RFC 5880 §4.1
constexpr size_t kBfdMyDiscriminator = 4;
constexpr size_t kBfdYourDiscriminator = 8;
constexpr size_t kBfdLeast = 24;

constexpr size_t kEthernetSource = 6;
constexpr size_t kEtherType = 12;

bool is_arp(const uint8_t* frame, size_t size, const PacketMeta& meta) {
    const size_t at = kEtherType + (meta.tagged ? 4 : 0);
    return meta.status == ParseStatus::NotIp && size >= at + 2 && frame[at] == 0x08 &&
           frame[at + 1] == 0x06;
}

// RFC 4861 §4: router and neighbour solicitations and advertisements. §7.1: a hop limit of 255, or
// the kernel drops them.
bool is_discovery(const uint8_t* frame, const PacketMeta& meta) {
    return meta.status == ParseStatus::Ok && meta.family == Family::V6 &&
           meta.protocol == kProtocolIcmpv6 && !meta.fragment && meta.icmp_type >= 133 &&
           meta.icmp_type <= 136 && frame[meta.l3_offset + 7] == 255;
}

struct Ends {
    IpAddress source, destination;
    uint8_t hop_limit = 0;
};

Ends ends_of(const uint8_t* frame, const PacketMeta& meta) {
    const uint8_t* ip = frame + meta.l3_offset;
    if (meta.family == Family::V4) {
        return {to_ip_address(load_address<V4>(ip + 12)), to_ip_address(load_address<V4>(ip + 16)),
                ip[8]};
    }
    return {to_ip_address(load_address<V6>(ip + 8)), to_ip_address(load_address<V6>(ip + 24)),
            ip[7]};
}

// Ports in network byte order, from the peer's side: it is the source.
uint64_t session_key(const IpAddress& peer, const IpAddress& own, uint16_t peer_port,
                     uint16_t own_port, uint8_t protocol) {
    FlowKey<V6> key;  // room for both families
    key.source = load_address<V6>(peer.bytes().data());
    key.destination = load_address<V6>(own.bytes().data());
    key.source_port = peer_port;
    key.destination_port = own_port;
    key.protocol = protocol;
    key.zero[0] = static_cast<uint8_t>(peer.family());
    return key.hash();
}

// A discriminator of ours stands where the ports do: the peer's are its own choice.
uint64_t bfd_key(const IpAddress& peer, const IpAddress& own, const uint8_t* discriminator) {
    uint16_t halves[2];
    std::memcpy(halves, discriminator, sizeof halves);
    return session_key(peer, own, halves[0], halves[1], kProtocolUdp);
}

bool is_bfd_port(uint16_t port) {
    return port == kBfdSingleHopPort || port == kBfdMultihopPort;
}

bool is_whole_transport(const PacketMeta& meta) {
    return meta.status == ParseStatus::Ok && meta.has_ports && !meta.fragment;
}

// A BFD packet's first byte; null: it is too short for one.
const uint8_t* bfd_of(const uint8_t* frame, size_t size, const PacketMeta& meta) {
    const size_t at = meta.l4_offset + kUdpHeader;
    const size_t end = meta.l3_offset + size_t{meta.l3_length};
    return end <= size && at + kBfdLeast <= end ? frame + at : nullptr;
}

uint32_t hash_of(const IpAddress& address) {
    return static_cast<uint32_t>(XXH3_64bits(address.bytes().data(), address.bytes().size()));
}

PuntKind session_or(const KnownSessions* known, uint64_t key, PuntKind otherwise) {
    const int slot = known == nullptr ? -1 : known->find(key);
    return slot < 0 ? otherwise : PuntKind{PuntClass::Session, static_cast<uint32_t>(slot)};
}

PuntKind classify_tcp(const Ends& ends, const PacketMeta& meta, const RoutingPeer& peer,
                      const RoutingPeers& peers, const KnownSessions* known) {
    if (Be16::from_raw(meta.destination_port).host() != peers.listen_port() &&
        Be16::from_raw(meta.source_port).host() != peer.port) {
        return {};
    }
    const bool syn = (meta.tcp_flags & kTcpSyn) != 0;
    const bool ack = (meta.tcp_flags & kTcpAck) != 0;
    const PuntKind opening{PuntClass::TcpOpening, hash_of(ends.source)};
    if (syn && !ack) {
        return opening;  // in a connection that exists it would only be challenged
    }
    const PuntKind unknown{PuntClass::TcpUnknown, opening.share};
    return session_or(known,
                      session_key(ends.source, ends.destination, meta.source_port,
                                  meta.destination_port, kProtocolTcp),
                      unknown);
}

PuntKind classify_bfd(const uint8_t* frame, size_t size, const PacketMeta& meta, const Ends& ends,
                      const KnownSessions* known) {
    const uint16_t port = Be16::from_raw(meta.destination_port).host();
    const uint8_t* bfd = bfd_of(frame, size, meta);
    // RFC 5881 §5: a single hop's packets with less are dropped by the session anyway.
    if (!is_bfd_port(port) || bfd == nullptr ||
        (port == kBfdSingleHopPort && ends.hop_limit != 255)) {
        return {};
    }
    return session_or(known, bfd_key(ends.source, ends.destination, bfd + kBfdYourDiscriminator),
                      {PuntClass::BfdOpening, hash_of(ends.source)});
}

}  // namespace

PuntKind classify_punt(const uint8_t* frame, size_t size, const PacketMeta& meta,
                       const RoutingPeers* peers, const KnownSessions* known) {
    if (is_arp(frame, size, meta) || is_discovery(frame, meta)) {
        return {PuntClass::Neighbor,
                static_cast<uint32_t>(XXH3_64bits(frame + kEthernetSource, 6))};
    }
    if (peers == nullptr || !is_whole_transport(meta)) {
        return {};
    }
    const Ends ends = ends_of(frame, meta);
    const RoutingPeer* peer = peers->find(ends.source);
    if (peer == nullptr || ends.hop_limit < peer->least_hop_limit) {
        return {};
    }
    return meta.protocol == kProtocolTcp ? classify_tcp(ends, meta, *peer, *peers, known)
                                         : classify_bfd(frame, size, meta, ends, known);
}

KernelFrame classify_kernel_frame(const uint8_t* frame, size_t size, const PacketMeta& meta,
                                  const RoutingPeers* peers) {
    KernelFrame kind;
    kind.neighbor = is_arp(frame, size, meta) || is_discovery(frame, meta);
    if (peers == nullptr || !is_whole_transport(meta)) {
        return kind;
    }
    const Ends ends = ends_of(frame, meta);
    const RoutingPeer* peer = peers->find(ends.destination);
    if (peer == nullptr) {
        return kind;
    }
    const uint16_t source_port = Be16::from_raw(meta.source_port).host();
    const uint16_t destination_port = Be16::from_raw(meta.destination_port).host();
    if (meta.protocol == kProtocolTcp) {
        kind.routing = source_port == peers->listen_port() || destination_port == peer->port;
        // A RST answers what is of no connection, a SYN with ACK what may be a stranger's; a SYN
        // without, and all else, is of a connection that our kernel keeps.
        const bool answer = (meta.tcp_flags & kTcpRst) != 0 ||
                            (meta.tcp_flags & (kTcpSyn | kTcpAck)) == (kTcpSyn | kTcpAck);
        if (kind.routing && !answer) {
            kind.session = session_key(ends.destination, ends.source, meta.destination_port,
                                       meta.source_port, kProtocolTcp);
        }
    } else if (const uint8_t* bfd = bfd_of(frame, size, meta);
               bfd != nullptr && is_bfd_port(destination_port)) {
        kind.routing = true;
        kind.session = bfd_key(ends.destination, ends.source, bfd + kBfdMyDiscriminator);
    }
    return kind;
}

}  // namespace dlb
