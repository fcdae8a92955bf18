#include "datapath/fast_path.hpp"

#include <cstring>

#include <rte_ether.h>

#include "datapath/flow_keys.hpp"
#include "net/byte_order.hpp"
#include "net/checksum.hpp"
#include "net/host_address.hpp"
#include "rewrite/l3.hpp"
#include "rewrite/tunnel.hpp"

namespace dlb {

namespace {

template <typename T>
T load(const uint8_t* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}
uint16_t load_be16(const uint8_t* bytes) {
    return Be16::from_raw(load<uint16_t>(bytes)).host();
}

constexpr uint64_t kMacMask = Be16(1).raw() == 1 ? ~uint64_t{0xffff} : 0x0000ffffffffffffU;
constexpr uint8_t kChanges = kTcpFin | kTcpSyn | kTcpRst;

// The length of the headers before IP; 0: the frame is not for us, or not plain.
unsigned l2_length(const uint8_t* frame, const FastPort& port, uint16_t& type) {
    const uint64_t mac = load<uint64_t>(frame) & kMacMask;
    const bool ours = port.any_mac ? (frame[0] & 1) == 0 : mac == port.mac;
    if (!ours) {
        return 0;
    }
    type = load<uint16_t>(frame + 12);
    if (port.vlan == 0) [[likely]] {
        return sizeof(rte_ether_hdr);
    }
    const bool tagged =
        type == Be16(RTE_ETHER_TYPE_VLAN).raw() && (load_be16(frame + 14) & 0x0fff) == port.vlan;
    type = load<uint16_t>(frame + 16);
    return tagged ? sizeof(rte_ether_hdr) + 4 : 0;
}

// Whether a transport header of `room` bytes with its data is whole, and changes no flow.
bool is_steady(const uint8_t* l4, uint8_t protocol, size_t room) {
    if (protocol == kProtocolTcp) {
        const size_t header = (l4[12] >> 4) * 4U;
        return room >= 20 && header >= 20 && header <= room && (l4[13] & kChanges) == 0;
    }
    const uint16_t length = load_be16(l4 + 4);
    return protocol == kProtocolUdp && room >= 8 && length >= 8 && length <= room;
}

// Packets without SYN, FIN and RST leave these as they are, see next_state().
constexpr unsigned kSteadyStates = 1U << static_cast<unsigned>(FlowState::Established) |
                                   1U << static_cast<unsigned>(FlowState::HalfClosed) |
                                   1U << static_cast<unsigned>(FlowState::Fin) |
                                   1U << static_cast<unsigned>(FlowState::Closed) |
                                   1U << static_cast<unsigned>(FlowState::Udp);
static_assert(next_state(FlowState::Established, kTcpAck, true) == FlowState::Established &&
              next_state(FlowState::HalfClosed, kTcpAck, true) == FlowState::HalfClosed &&
              next_state(FlowState::Fin, kTcpAck, true) == FlowState::Fin &&
              next_state(FlowState::Closed, kTcpAck, true) == FlowState::Closed &&
              next_state(FlowState::Udp, 0, true) == FlowState::Udp);

template <typename F>
struct Ip;
template <>
struct Ip<V4> {
    static constexpr unsigned kHeader = 20, kHopLimit = 8, kProtocol = 9, kSource = 12;
    static size_t length(const uint8_t* ip) { return load_be16(ip + 2); }
    // No options, no fragment (RFC 791 §3.1).
    static bool is_plain(const uint8_t* ip) {
        return ip[0] == 0x45 && (load<uint16_t>(ip + 6) & Be16(0x3fff).raw()) == 0;
    }
    static bool is_intact(const uint8_t* ip, const rte_mbuf* mbuf) {
        return (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD ||
               checksum(ip, kHeader) == 0;
    }
};
template <>
struct Ip<V6> {
    static constexpr unsigned kHeader = 40, kHopLimit = 7, kProtocol = 6, kSource = 8;
    static size_t length(const uint8_t* ip) { return kHeader + size_t{load_be16(ip + 4)}; }
    static bool is_plain(const uint8_t* ip) { return (ip[0] >> 4) == 6; }
    static bool is_intact(const uint8_t*, const rte_mbuf*) { return true; }
};

// As whole words: the hash reads them back at once.
template <typename F>
FlowKey<F> load_key(const uint8_t* ip, const uint8_t* l4, uint8_t protocol) {
    static_assert(Be16(1).raw() != 1, "little endian");
    FlowKey<F> key;
    const uint64_t rest = load<uint32_t>(l4) | uint64_t{protocol} << 32;
    std::memcpy(static_cast<void*>(&key), ip + Ip<F>::kSource, 2 * F::kAddressSize);
    std::memcpy(reinterpret_cast<uint8_t*>(&key) + 2 * F::kAddressSize, &rest, sizeof rest);
    return key;
}

}  // namespace

template <typename F>
bool FastPath::look_in(const LbSnapshot& lb, const FastPort& port, const rte_mbuf* mbuf,
                       const uint8_t* ip, size_t room, FastPacket& packet) {
    using Header = Ip<F>;
    constexpr unsigned kLeast = Header::kHeader + 8;
    if (room < kLeast || !Header::is_plain(ip) || ip[Header::kHopLimit] <= 1) {
        return false;
    }
    const size_t length = Header::length(ip);
    const uint8_t* l4 = ip + Header::kHeader;
    const uint8_t protocol = ip[Header::kProtocol];
    if (length < kLeast || length > room || !Header::is_intact(ip, mbuf) ||
        !is_steady(l4, protocol, length - Header::kHeader)) {
        return false;
    }
    FlowKey<F>& key = packet.key<F>();
    key = load_key<F>(ip, l4, protocol);
    packet.hash = key.hash();
    flows_.prefetch<F>(packet.hash);
    const ServiceEntry* service =
        services<F>().find(lb, key.destination, key.destination_port, protocol);
    if (service == nullptr || !service->sticky || service->persistence_ms != 0 ||
        !can_be_source(key.source)) {
        return false;
    }
    if (self_.count > 1 &&
        flow_owner<F>(*service, key, *port.queues, self_.count).value_or(self_.id) != self_.id) {
        return false;
    }
    packet.service = service;
    packet.protocol = protocol;
    packet.length = static_cast<uint16_t>(length);
    return true;
}

void FastPath::look(const LbSnapshot& lb, const FastPort& port, const rte_mbuf* mbuf,
                    FastPacket& packet) {
    packet.kind = FastPacket::Kind::General;
    const size_t size = rte_pktmbuf_data_len(mbuf);
    if (mbuf->nb_segs != 1 || size < sizeof(rte_ether_hdr) + Ip<V4>::kHeader + 8) {
        return;
    }
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    uint16_t type = 0;
    const unsigned l2 = l2_length(frame, port, type);
    if (l2 == 0) {
        return;
    }
    packet.l2_length = static_cast<uint8_t>(l2);
    if (type == Be16(RTE_ETHER_TYPE_IPV4).raw()) {
        if (look_in<V4>(lb, port, mbuf, frame + l2, size - l2, packet)) {
            packet.kind = FastPacket::Kind::V4;
        }
    } else if (type == Be16(RTE_ETHER_TYPE_IPV6).raw()) {
        if (look_in<V6>(lb, port, mbuf, frame + l2, size - l2, packet)) {
            packet.kind = FastPacket::Kind::V6;
        }
    }
}

void FastPath::prefetch_entry(FastPacket& packet) const {
    if (packet.kind == FastPacket::Kind::V4) {
        packet.entry = flows_.table<V4>().prefetch_entry(packet.hash);
    } else if (packet.kind == FastPacket::Kind::V6) {
        packet.entry = flows_.table<V6>().prefetch_entry(packet.hash);
    }
}

template <typename F>
void FastPath::prefetch_backend_in(const DataplaneTables& tables, uint32_t entry) const {
    if (entry == FlowTable<F>::kNone) {
        return;
    }
    const BackendId id = BackendId::from_value(flows_.table<F>().entry(entry).backend);
    if (id.slot() >= tables.lb->backends.size()) {
        return;
    }
    const auto* backend = reinterpret_cast<const uint8_t*>(&tables.lb->backends[id.slot()]);
    for (size_t at = 0; at < sizeof(BackendEntry); at += RTE_CACHE_LINE_SIZE) {
        rte_prefetch0(backend + at);
    }
    counters_.prefetch(id);
    tables.hops.prefetch(id);
}

void FastPath::prefetch_backend(const DataplaneTables& tables, const FastPacket& packet) const {
    if (packet.kind == FastPacket::Kind::V4) {
        prefetch_backend_in<V4>(tables, packet.entry);
    } else if (packet.kind == FastPacket::Kind::V6) {
        prefetch_backend_in<V6>(tables, packet.entry);
    }
}

// The packet's flow, where the packet changes nothing but its time.
template <typename F>
FlowEntry<F>* FastPath::find_steady(const FastPacket& packet) {
    FlowTable<F>& flows = flows_.table<F>();
    uint32_t index = packet.entry;
    if (index == FlowTable<F>::kNone || !flows.holds(index, packet.key<F>())) {
        index = flows.find(packet.key<F>(), packet.hash);
        if (index == FlowTable<F>::kNone) {
            return nullptr;
        }
    }
    FlowEntry<F>& entry = flows.entry(index);
    const bool steady = (kSteadyStates >> static_cast<unsigned>(entry.state) & 1) != 0;
    return steady && (entry.reply_hash != 0 || !needs_flow(*packet.service)) ? &entry : nullptr;
}

template <typename F>
int FastPath::forward_in(const DataplaneTables& tables, rte_mbuf* mbuf, const FastPacket& packet,
                         uint32_t now_ms) {
    const ServiceEntry& service = *packet.service;
    FlowEntry<F>* entry = find_steady<F>(packet);
    if (entry == nullptr) {
        return kGeneralWay;
    }
    const BackendEntry* backend = serving_backend(*tables.lb, entry->backend, service);
    if (backend == nullptr) {
        return kGeneralWay;
    }
    const NextHop& hop = tables.hops.of_backend(backend->id);
    const OuterHeader& outer = backend->outer;
    if (hop.state != NextHop::State::Ready || packet.length + unsigned{outer.length} > hop.mtu ||
        rte_pktmbuf_headroom(mbuf) + unsigned{packet.l2_length} <
            unsigned{outer.length} + hop.l2_length) {
        return kGeneralWay;
    }
    entry->expires = now_ms + service.timeout_ms[static_cast<unsigned>(entry->state)];

    mbuf->data_off = static_cast<uint16_t>(mbuf->data_off + packet.l2_length);
    mbuf->data_len = packet.length;
    mbuf->pkt_len = packet.length;
    auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
    decrement_hop_limit_of<F>(ip);
    Family family = F::kFamily;
    if (service.mode == Mode::Nat || service.mode == Mode::Fnat) {
        FlowKey<F> to = packet.key<F>();
        to.destination = raw_address<F>(backend->address);
        to.destination_port = backend->port != 0 ? backend->port : to.destination_port;
        if (entry->snat_port != 0) {
            to.source = raw_address<F>(tables.lb->snat_addresses[entry->snat_slot]);
            to.source_port = entry->snat_port;
        }
        translate_at<F>(ip, ip + Ip<F>::kHeader, packet.protocol, to);
    } else if (outer.length != 0) {
        PacketMeta meta;
        meta.family = F::kFamily;
        meta.protocol = packet.protocol;
        meta.has_ports = true;
        meta.l4_offset = Ip<F>::kHeader;
        encapsulate(mbuf, meta, outer, {forwarder_.next_identification(), packet.hash});
        family = outer.family;
    }
    push_ethernet(mbuf, hop.l2, hop.l2_length, family);

    BackendCounters& by_backend = counters_.of(backend->id);
    by_backend.packets.add(1);
    by_backend.bytes.add(packet.length);
    ServiceCounters& by_service = counters_.of_service(service.slot);
    by_service.packets.add(1);
    by_service.bytes.add(packet.length);
    return hop.port;
}

int FastPath::forward(const DataplaneTables& tables, rte_mbuf* mbuf, const FastPacket& packet,
                      uint32_t now_ms) {
    return packet.kind == FastPacket::Kind::V4 ? forward_in<V4>(tables, mbuf, packet, now_ms)
                                               : forward_in<V6>(tables, mbuf, packet, now_ms);
}

}  // namespace dlb
