#include "datapath/fast_path.hpp"

#include <cstddef>

#include "datapath/flow_keys.hpp"
#include "datapath/plain_ip.hpp"
#include "rewrite/l3.hpp"
#include "rewrite/tunnel.hpp"

namespace dlb {

using plain::Ip;

namespace {

constexpr uint8_t kChanges = kTcpFin | kTcpSyn | kTcpRst;

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

static_assert(offsetof(ServiceEntry, max_new_flows) <= RTE_CACHE_LINE_SIZE);

// Takes off the Ethernet header, and the padding.
void strip_to_ip(rte_mbuf* mbuf, const FastPacket& packet) {
    mbuf->data_off = static_cast<uint16_t>(mbuf->data_off + packet.l2_length);
    mbuf->data_len = packet.length;
    mbuf->pkt_len = packet.length;
}

bool rewrites(Mode mode) {
    return mode == Mode::Nat || mode == Mode::Fnat;
}

}  // namespace

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
    counters_.prefetch_service(service.slot);
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

    strip_to_ip(mbuf, packet);
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

template <typename F>
inline bool FastPath::reply_in(const DataplaneTables& tables, rte_mbuf* mbuf,
                               const FastPacket& packet, uint16_t& port) {
    const FlowKey<F>& key = packet.key<F>();
    const NextHop* hop = tables.hops.find<F>(key.destination);
    if (hop == nullptr || hop->state != NextHop::State::Ready || packet.length > hop->mtu ||
        rte_pktmbuf_headroom(mbuf) + unsigned{packet.l2_length} < hop->l2_length) {
        return false;
    }
    const ReplyEntry<F>* reply;
    if constexpr (F::kFamily == Family::V4) {
        reply = packet.reply4;
    } else {
        reply = packet.reply6;
    }
    strip_to_ip(mbuf, packet);
    FlowKey<F> to = key;
    to.source = reply->vip;
    to.source_port = reply->vip_port != 0 ? reply->vip_port : key.source_port;
    auto* ip = rte_pktmbuf_mtod(mbuf, uint8_t*);
    translate_at<F>(ip, ip + Ip<F>::kHeader, packet.protocol, to, one_hop_less<F>(ip));
    push_ethernet(mbuf, hop->l2, hop->l2_length, F::kFamily);
    counters_.of_service(reply->service).replies.add(1);
    port = hop->port;
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
                           FastSent* sent) {
    using Kind = FastPacket::Kind;
    ServiceRun run(counters_);
    for (unsigned i = 0; i < count; ++i) {
        const FastPacket& packet = packets[i];
        uint16_t& port = sent[i].port;
        const bool request = packet.kind == Kind::V4 || packet.kind == Kind::V6;
        const bool ready =
            packet.kind == Kind::V4   ? forward_in<V4>(tables, mbufs[i], packet, now_ms, port)
            : packet.kind == Kind::V6 ? forward_in<V6>(tables, mbufs[i], packet, now_ms, port)
            : packet.kind == Kind::Reply4
                ? reply_in<V4>(tables, mbufs[i], packet, port)
                : packet.kind == Kind::Reply6 && reply_in<V6>(tables, mbufs[i], packet, port);
        if (!ready) {
            return i;
        }
        sent[i].verdict = request ? Verdict::Forwarded : Verdict::Replied;
        if (request) {
            run.add(packet);
        }
    }
    return count;
}

}  // namespace dlb
