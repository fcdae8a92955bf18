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
inline unsigned l2_length(const uint8_t* frame, const FastPort& port, uint16_t& type) {
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

// Whether a transport header of `room` bytes with its data is whole.
inline bool is_whole(const uint8_t* l4, uint8_t protocol, size_t room) {
    if (protocol == kProtocolTcp) {
        const size_t header = (l4[12] >> 4) * 4U;
        return room >= 20 && header >= 20 && header <= room;
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

bool rewrites(Mode mode) {
    return mode == Mode::Nat || mode == Mode::Fnat;
}

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

// These three are the bodies of loops, and called nowhere else.
template <typename F>
[[gnu::always_inline]] inline bool FastPath::look_in(const LbSnapshot& lb, const FastPort& port,
                                                     const rte_mbuf* mbuf, const uint8_t* ip,
                                                     size_t room, FastPacket& packet) {
    using Header = Ip<F>;
    constexpr unsigned kLeast = Header::kHeader + 8;
    if (room < kLeast || !Header::is_plain(ip) || ip[Header::kHopLimit] <= 1) {
        return false;
    }
    const size_t length = Header::length(ip);
    const uint8_t* l4 = ip + Header::kHeader;
    const uint8_t protocol = ip[Header::kProtocol];
    if (length < kLeast || length > room || !Header::is_intact(ip, mbuf) ||
        !is_whole(l4, protocol, length - Header::kHeader)) {
        return false;
    }
    FlowKey<F>& key = packet.key<F>();
    key = load_key<F>(ip, l4, protocol);
    packet.hash = key.hash();
    const ServiceEntry* service =
        services<F>().find(lb, key.destination, key.destination_port, protocol);
    if (service == nullptr || !service->sticky || service->persistence_ms != 0 ||
        !can_be_source(key.source)) {
        return false;
    }
    if (self_.count > 1 && !is_brought_to_owner<F>(*service, *port.queues, protocol) &&
        flow_owner<F>(*service, key, *port.queues, self_.count).value_or(self_.id) != self_.id) {
        return false;
    }
    packet.service = service;
    packet.protocol = protocol;
    packet.tcp_flags = protocol == kProtocolTcp ? l4[13] : 0;
    packet.length = static_cast<uint16_t>(length);
    return true;
}

inline FastPacket::Kind FastPath::kind_of(const LbSnapshot& lb, const FastPort& port,
                                          const rte_mbuf* mbuf, FastPacket& packet) {
    const size_t size = rte_pktmbuf_data_len(mbuf);
    if (mbuf->nb_segs != 1 || size < sizeof(rte_ether_hdr) + Ip<V4>::kHeader + 8) {
        return FastPacket::Kind::General;
    }
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    uint16_t type = 0;
    const unsigned l2 = l2_length(frame, port, type);
    packet.l2_length = static_cast<uint8_t>(l2);
    if (l2 == 0) {
        return FastPacket::Kind::General;
    }
    if (type == Be16(RTE_ETHER_TYPE_IPV4).raw() &&
        look_in<V4>(lb, port, mbuf, frame + l2, size - l2, packet)) {
        return FastPacket::Kind::V4;
    }
    if (type == Be16(RTE_ETHER_TYPE_IPV6).raw() &&
        look_in<V6>(lb, port, mbuf, frame + l2, size - l2, packet)) {
        return FastPacket::Kind::V6;
    }
    return FastPacket::Kind::General;
}

void FastPath::look(const LbSnapshot& lb, const FastPort& port, rte_mbuf* const* mbufs,
                    unsigned count, FastPacket* packets) {
    for (unsigned i = 0; i < count; ++i) {
        packets[i].kind = kind_of(lb, port, mbufs[i], packets[i]);
    }
    for (unsigned i = 0; i < count; ++i) {
        if (packets[i].kind == FastPacket::Kind::V4) {
            flows_.prefetch<V4>(packets[i].hash);
        } else if (packets[i].kind == FastPacket::Kind::V6) {
            flows_.prefetch<V6>(packets[i].hash);
        }
    }
}

template <typename F>
void FastPath::describe_in(const FastPort& port, const FastPacket& fast, Packet& packet) {
    PacketMeta& meta = packet.meta;
    meta = PacketMeta{};
    meta.status = ParseStatus::Ok;
    meta.family = F::kFamily;
    meta.protocol = fast.protocol;
    meta.tcp_flags = fast.tcp_flags;
    meta.has_ports = true;
    meta.tagged = port.vlan != 0;
    meta.vlan = port.vlan;
    meta.l3_offset = fast.l2_length;
    meta.l4_offset = static_cast<uint16_t>(fast.l2_length + Ip<F>::kHeader);
    meta.l3_length = fast.length;
    packet.key<F>() = fast.key<F>();
    meta.source_port = fast.key<F>().source_port;
    meta.destination_port = fast.key<F>().destination_port;
    packet.hash = fast.hash;
    packet.quoted.status = ParseStatus::NotIp;
    packet.local = false;
    packet.cls = PacketClass::Request;
    packet.service = fast.service;
}

void FastPath::describe(const FastPort& port, const FastPacket& fast, Packet& packet) {
    fast.kind == FastPacket::Kind::V4 ? describe_in<V4>(port, fast, packet)
                                      : describe_in<V6>(port, fast, packet);
}

void FastPath::prefetch_entries(FastPacket* packets, unsigned count) const {
    for (FastPacket* packet = packets; packet != packets + count; ++packet) {
        if (packet->kind == FastPacket::Kind::V4) {
            packet->entry = flows_.table<V4>().prefetch_entry(packet->hash);
        } else if (packet->kind == FastPacket::Kind::V6) {
            packet->entry = flows_.table<V6>().prefetch_entry(packet->hash);
        }
    }
}

// A new flow will be found by its replies as well: the bucket for that, if the scheduler and the
// SNAT pool do what is to be expected.
template <typename F>
void FastPath::prefetch_reply(const DataplaneTables& tables, const FastPacket& packet) const {
    const ServiceEntry& service = *packet.service;
    const MaglevView& table = service.maglev_of(F::kFamily);
    if (service.scheduler != SchedulerKind::Maglev || table.size == 0) {
        return;
    }
    const BackendEntry& backend =
        tables.lb->backends[table.ids[table.slots[hash_share(packet.hash, table.size)]].slot()];
    const FlowKey<F>& key = packet.key<F>();
    FlowKey<F> reply = key.reversed();
    reply.source = raw_address<F>(backend.address);
    reply.source_port = backend.port != 0 ? backend.port : key.destination_port;
    if (service.mode == Mode::Fnat) {
        const std::vector<uint16_t>& slots = service.snat_slots(F::kFamily);
        if (slots.empty()) {
            return;
        }
        const uint16_t slot = slots[packet.hash % slots.size()];
        reply.destination = raw_address<F>(tables.lb->snat_addresses[slot]);
        reply.destination_port =
            Be16(tables.snat_pools[self_.id][slot]->foresee(packet.protocol)).raw();
    }
    flows_.prefetch<F>(reply_hash_of(reply.hash()));
}

template <typename F>
inline void FastPath::prefetch_backend(const DataplaneTables& tables, FastPacket& packet) const {
    const ServiceEntry& service = *packet.service;
    if (packet.entry == FlowTable<F>::kNone) {
        packet.entry = flows_.table<F>().prefetch_entry_elsewhere(packet.hash);
        if (packet.entry == FlowTable<F>::kNone && needs_flow(service)) {
            prefetch_reply<F>(tables, packet);
        }
        return;
    }
    const BackendId id = BackendId::from_value(flows_.table<F>().entry(packet.entry).backend);
    tables.hops.prefetch_way(id);
    counters_.prefetch(id);
    if (!rewrites(service.mode) && id.slot() < tables.lb->backends.size()) {
        const auto* outer = reinterpret_cast<const uint8_t*>(&tables.lb->backends[id.slot()].outer);
        rte_prefetch0(outer);
        rte_prefetch0(outer + RTE_CACHE_LINE_SIZE);
    }
}

void FastPath::prefetch_backends(const DataplaneTables& tables, FastPacket* packets,
                                 unsigned count) const {
    for (FastPacket* packet = packets; packet != packets + count; ++packet) {
        if (packet->kind == FastPacket::Kind::V4) {
            prefetch_backend<V4>(tables, *packet);
        } else if (packet->kind == FastPacket::Kind::V6) {
            prefetch_backend<V6>(tables, *packet);
        }
    }
}

// The packet's flow, where the packet changes nothing but its time.
template <typename F>
inline FlowEntry<F>* FastPath::find_steady(const FastPacket& packet) {
    if ((packet.tcp_flags & kChanges) != 0) {
        return nullptr;
    }
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
void FastPath::encapsulate_in(rte_mbuf* mbuf, const FastPacket& packet, const OuterHeader& outer) {
    PacketMeta meta;
    meta.family = F::kFamily;
    meta.protocol = packet.protocol;
    meta.has_ports = true;
    meta.l4_offset = Ip<F>::kHeader;
    encapsulate(mbuf, meta, outer, {forwarder_.next_identification(), packet.hash});
}

template <typename F>
[[gnu::always_inline]] inline bool FastPath::forward_in(const DataplaneTables& tables,
                                                        rte_mbuf* mbuf, const FastPacket& packet,
                                                        uint32_t now_ms, uint16_t& port) {
    const ServiceEntry& service = *packet.service;
    FlowEntry<F>* entry = find_steady<F>(packet);
    if (entry == nullptr) {
        return false;
    }
    const BackendId backend = BackendId::from_value(entry->backend);
    const BackendWay* way = tables.hops.find_way(backend);
    if (way == nullptr || way->service != service.slot || packet.length > way->room ||
        rte_pktmbuf_headroom(mbuf) + unsigned{packet.l2_length} <
            unsigned{way->tunnel_length} + way->l2_length) {
        return false;
    }
    entry->expires = now_ms + service.timeout_ms[static_cast<unsigned>(entry->state)];

    mbuf->data_off = static_cast<uint16_t>(mbuf->data_off + packet.l2_length);
    mbuf->data_len = packet.length;
    mbuf->pkt_len = packet.length;
    auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
    Family family = F::kFamily;
    if (rewrites(service.mode)) {
        FlowKey<F> to = packet.key<F>();
        to.destination = load_address<F>(way->address.data());
        to.destination_port = way->backend_port != 0 ? way->backend_port : to.destination_port;
        if (entry->snat_port != 0) {
            to.source = raw_address<F>(tables.lb->snat_addresses[entry->snat_slot]);
            to.source_port = entry->snat_port;
        }
        translate_at<F>(ip, ip + Ip<F>::kHeader, packet.protocol, to, one_hop_less<F>(ip));
    } else {
        decrement_hop_limit_of<F>(ip);
        if (way->tunnel_length != 0) {
            encapsulate_in<F>(mbuf, packet, tables.lb->backends[backend.slot()].outer);
            family = way->tunnel_family;
        }
    }
    push_ethernet(mbuf, way->l2, way->l2_length, family);

    BackendCounters& by_backend = counters_.of(backend);
    by_backend.packets.add(1);
    by_backend.bytes.add(packet.length);
    port = way->hop_port;
    return true;
}

namespace {

// Packets of one service one after the other are counted at once.
class ServiceRun {
  public:
    explicit ServiceRun(TableCounters& counters) : counters_(counters) {}
    ~ServiceRun() { count(); }
    void add(const FastPacket& packet) {
        if (packet.service != service_) {
            count();
            service_ = packet.service;
            packets_ = bytes_ = 0;
        }
        ++packets_;
        bytes_ += packet.length;
    }

  private:
    void count() {
        if (service_ != nullptr) {
            ServiceCounters& counters = counters_.of_service(service_->slot);
            counters.packets.add(packets_);
            counters.bytes.add(bytes_);
        }
    }
    TableCounters& counters_;
    const ServiceEntry* service_ = nullptr;
    uint64_t packets_ = 0;
    uint64_t bytes_ = 0;
};

}  // namespace

unsigned FastPath::forward(const DataplaneTables& tables, rte_mbuf* const* mbufs,
                           const FastPacket* packets, unsigned count, uint32_t now_ms,
                           uint16_t* ports) {
    ServiceRun run(counters_);
    for (unsigned i = 0; i < count; ++i) {
        const FastPacket& packet = packets[i];
        const bool ready = packet.kind == FastPacket::Kind::V4
                               ? forward_in<V4>(tables, mbufs[i], packet, now_ms, ports[i])
                               : packet.kind == FastPacket::Kind::V6 &&
                                     forward_in<V6>(tables, mbufs[i], packet, now_ms, ports[i]);
        if (!ready) {
            return i;
        }
        run.add(packet);
    }
    return count;
}

}  // namespace dlb
