#include "datapath/flow_engine.hpp"

#include <algorithm>

namespace dlb {

namespace {

// The 5-tuple of this flow's replies as its backend sends them.
template <typename F>
FlowKey<F> reply_key(const LbSnapshot& snapshot, const FlowEntry<F>& entry,
                     const BackendEntry& backend) {
    FlowKey<F> key;
    key.source = raw_address<F>(backend.address);
    key.source_port = backend.port != 0 ? backend.port : entry.destination_port;
    const bool snat = entry.snat_port != 0;
    key.destination =
        snat ? raw_address<F>(snapshot.snat_addresses[entry.snat_slot]) : entry.source;
    key.destination_port = snat ? entry.snat_port : entry.source_port;
    key.protocol = entry.protocol;
    return key;
}

uint32_t reply_hash_of(uint64_t hash) {
    const auto word = static_cast<uint32_t>(hash);
    return word == 0 ? 1 : word;
}

// Whether no reply finds its way back without the flow.
bool needs_flow(const ServiceEntry& service) {
    return service.mode == Mode::Fnat || service.stateful_replies;
}

// Who has to go first when room is needed: the lower the earlier.
unsigned rank(FlowState state) {
    switch (state) {
        case FlowState::Closed:
        case FlowState::Fin:
            return 0;
        case FlowState::Handshake:
            return 1;
        case FlowState::HalfClosed:
        case FlowState::Udp:
            return 2;
        default:
            return 3;
    }
}

template <typename F>
bool goes_before(const FlowEntry<F>& a, const FlowEntry<F>& b) {
    return rank(a.state) != rank(b.state) ? rank(a.state) < rank(b.state)
                                          : static_cast<int32_t>(a.expires - b.expires) < 0;
}

}  // namespace

FlowEngine::FlowEngine(unsigned worker, uint32_t capacity, const Allocate& allocate,
                       WorkerCounters& counters, TableCounters& by_table)
    : worker_(worker),
      capacity_(capacity),
      v4_(capacity, allocate),
      v6_(capacity, allocate),
      counters_(counters),
      by_table_(by_table) {}

template <>
FlowTable<V4>& FlowEngine::table<V4>() {
    return v4_;
}
template <>
FlowTable<V6>& FlowEngine::table<V6>() {
    return v6_;
}
template <>
const FlowTable<V4>& FlowEngine::table<V4>() const {
    return v4_;
}
template <>
const FlowTable<V6>& FlowEngine::table<V6>() const {
    return v6_;
}

template <typename F>
void FlowEngine::set_state(FlowEntry<F>& entry, FlowState state) {
    const int change = int{is_active(state)} - int{is_active(entry.state)};
    entry.state = state;
    if (change != 0) {
        auto& active = by_table_.of(BackendId::from_value(entry.backend)).active;
        active.set(active.get() + static_cast<uint32_t>(change));
    }
}

template <typename F>
void FlowEngine::close_flow(const DataplaneTables& tables, uint32_t index) {
    FlowEntry<F>& entry = table<F>().entry(index);
    const BackendId id = BackendId::from_value(entry.backend);
    // A gone backend's counters may already be another's.
    if (by_table_.find(id) != nullptr) {
        set_state(entry, FlowState::Closed);
        auto& flows = by_table_.of(id).flows;
        flows.set(flows.get() - 1);
    }
    if (entry.snat_port != 0) {
        tables.snat_pools[worker_][entry.snat_slot]->give_back(
            entry.protocol, Be16::from_raw(entry.snat_port).host());
    }
    table<F>().erase(index);
}

// The entry's backend, while it can still serve this packet's service.
template <typename F>
const BackendEntry* FlowEngine::live_backend(const LbSnapshot& snapshot, const FlowEntry<F>& entry,
                                             const Packet& packet) const {
    const BackendEntry* backend = snapshot.find_backend(BackendId::from_value(entry.backend));
    if (backend == nullptr || backend->service != packet.service->slot ||
        reopens(entry.state, packet.meta.tcp_flags)) {
        return nullptr;
    }
    return backend;
}

template <typename F>
FlowEngine::Path<F> FlowEngine::path_of(const DataplaneTables& tables, const FlowEntry<F>& entry,
                                        bool known) const {
    Path<F> path;
    path.known = known;
    if (entry.snat_port != 0) {
        path.snat_address = raw_address<F>(tables.lb->snat_addresses[entry.snat_slot]);
        path.snat_port = entry.snat_port;
    }
    return path;
}

template <typename F>
FlowEngine::Path<F> FlowEngine::find_path(const DataplaneTables& tables, Packet& packet,
                                          uint32_t now_ms) {
    const LbSnapshot& lb = *tables.lb;
    const ServiceEntry& service = *packet.service;
    if (!service.sticky) {
        packet.backend = schedule(lb, service, F::kFamily, packet.hash);
        Path<F> path;
        path.failure = packet.backend == nullptr ? Verdict::NoBackend : Verdict::Forwarded;
        return path;
    }
    FlowTable<F>& flows = table<F>();
    const uint32_t index = flows.find(packet.key<F>(), packet.hash);
    if (index == FlowTable<F>::kNone) {
        return open_flow<F>(tables, packet, now_ms);
    }
    FlowEntry<F>& entry = flows.entry(index);
    packet.backend = live_backend<F>(lb, entry, packet);
    if (packet.backend == nullptr) {
        close_flow<F>(tables, index);
        counters_.flows_rescheduled.add(1);
        return open_flow<F>(tables, packet, now_ms);
    }
    // It is from a time when its replies could be told without it.
    if (entry.reply_hash == 0 && needs_flow(service) &&
        !index_reply<F>(tables, index, *packet.backend)) {
        return open_flow<F>(tables, packet, now_ms);
    }
    const FlowState state = next_state(entry.state, packet.meta.tcp_flags, true);
    if (state != entry.state) {
        set_state(entry, state);
    }
    entry.expires = now_ms + service.timeout_ms[static_cast<unsigned>(state)];
    return path_of<F>(tables, entry, true);
}

// Erases the least worthy flow among those that share this hash's bucket. Established ones go only
// when `required`.
template <typename F>
bool FlowEngine::make_room(const DataplaneTables& tables, uint64_t hash, bool required) {
    FlowTable<F>& flows = table<F>();
    uint32_t victim = FlowTable<F>::kNone;
    flows.for_each_rival(hash, [&](uint32_t index) {
        if (victim == FlowTable<F>::kNone || goes_before(flows.entry(index), flows.entry(victim))) {
            victim = index;
        }
    });
    if (victim == FlowTable<F>::kNone || (!required && rank(flows.entry(victim).state) > 0)) {
        return false;
    }
    close_flow<F>(tables, victim);
    counters_.flows_evicted.add(1);
    return true;
}

template <typename F>
uint32_t FlowEngine::make_entry(const DataplaneTables& tables, const Packet& packet,
                                bool required) {
    FlowTable<F>& flows = table<F>();
    const FlowKey<F>& key = packet.key<F>();
    uint32_t index = count() < capacity_ ? flows.insert(key, packet.hash) : FlowTable<F>::kNone;
    if (index == FlowTable<F>::kNone && make_room<F>(tables, packet.hash, required)) {
        index = flows.insert(key, packet.hash);
    }
    // Full, and nobody in its own buckets could go: the other family may have taken all.
    if (index == FlowTable<F>::kNone && required && count() >= capacity_) {
        v4_.count() > v6_.count() ? evict_one<V4>(tables) : evict_one<V6>(tables);
        index = flows.insert(key, packet.hash);
    }
    return index;
}

// Erases the least worthy of the next few flows of the table.
template <typename F>
void FlowEngine::evict_one(const DataplaneTables& tables) {
    constexpr uint32_t kLookedAt = 16;
    constexpr uint32_t kMostSteps = 256;  // over free entries too: a packet waits for this
    const FlowTable<F>& flows = table<F>();
    const uint32_t most = std::min(flows.used(), kMostSteps);
    uint32_t victim = FlowTable<F>::kNone;
    for (uint32_t seen = 0, steps = 0; seen < kLookedAt && steps < most; ++steps) {
        eviction_cursor_ = eviction_cursor_ + 1 < flows.used() ? eviction_cursor_ + 1 : 0;
        const FlowEntry<F>& entry = flows.entry(eviction_cursor_);
        if (entry.state != FlowState::Free) {
            ++seen;
            victim = victim == FlowTable<F>::kNone || goes_before(entry, flows.entry(victim))
                         ? eviction_cursor_
                         : victim;
        }
    }
    if (victim != FlowTable<F>::kNone) {
        close_flow<F>(tables, victim);
        counters_.flows_evicted.add(1);
    }
}

template <typename F>
bool FlowEngine::take_snat_port(const DataplaneTables& tables, const Packet& packet,
                                uint32_t index) {
    const std::vector<uint16_t>& slots = packet.service->snat_slots(F::kFamily);
    FlowEntry<F>& entry = table<F>().entry(index);
    for (size_t tried = 0; tried < slots.size(); ++tried) {
        const uint16_t slot = slots[(packet.hash + tried) % slots.size()];
        const uint16_t port = tables.snat_pools[worker_][slot]->take(packet.meta.protocol);
        if (port != 0) {
            entry.snat_slot = slot;
            entry.snat_port = Be16(port).raw();
            return true;
        }
    }
    return false;
}

// Makes replies find the entry. False: it had to go to make room.
template <typename F>
bool FlowEngine::index_reply(const DataplaneTables& tables, uint32_t index,
                             const BackendEntry& backend) {
    FlowTable<F>& flows = table<F>();
    const uint32_t hash =
        reply_hash_of(reply_key<F>(*tables.lb, flows.entry(index), backend).hash());
    while (!flows.index_reply(index, hash)) {
        if (!make_room<F>(tables, hash, true)) {
            break;
        }
        if (flows.entry(index).state == FlowState::Free) {  // it was the victim itself
            return false;
        }
    }
    return true;
}

template <typename F>
FlowEngine::Path<F> FlowEngine::open_flow(const DataplaneTables& tables, Packet& packet,
                                          uint32_t now_ms) {
    const LbSnapshot& lb = *tables.lb;
    const ServiceEntry& service = *packet.service;
    Path<F> path;
    packet.backend = schedule(lb, service, F::kFamily, packet.hash);
    if (packet.backend == nullptr) {
        path.failure = Verdict::NoBackend;
        return path;
    }
    const bool snat = service.mode == Mode::Fnat;
    const bool required = needs_flow(service);
    const uint32_t index = make_entry<F>(tables, packet, required);
    if (index == FlowTable<F>::kNone) {
        if (required) {
            path.failure = Verdict::FlowTableFull;
        } else {
            // Every member of the group hashes alike, so the flow is served all the same.
            counters_.flows_stateless.add(1);
        }
        return path;
    }
    FlowEntry<F>& entry = table<F>().entry(index);
    entry.backend = packet.backend->id.value();
    by_table_.of(packet.backend->id).flows.add(1);
    const FlowState state = first_state(packet.meta.protocol, packet.meta.tcp_flags);
    set_state(entry, state);
    entry.expires = now_ms + service.timeout_ms[static_cast<unsigned>(state)];
    if (snat && !take_snat_port<F>(tables, packet, index)) {
        close_flow<F>(tables, index);
        path.failure = Verdict::NoSnatPort;
        return path;
    }
    if (required && !index_reply<F>(tables, index, *packet.backend)) {
        path.failure = Verdict::FlowTableFull;
        return path;
    }
    by_table_.of(packet.backend->id).new_flows.add(1);
    by_table_.of_service(service.slot).new_flows.add(1);
    return path_of<F>(tables, entry, false);
}

template <typename F>
uint32_t FlowEngine::find_reply(const LbSnapshot& snapshot, const Packet& packet) const {
    return table<F>().find_reply(reply_hash_of(packet.hash), [&](const FlowEntry<F>& entry) {
        const BackendEntry* backend = snapshot.find_backend(BackendId::from_value(entry.backend));
        return backend != nullptr && reply_key<F>(snapshot, entry, *backend) == packet.key<F>();
    });
}

template <typename F>
const FlowEntry<F>* FlowEngine::peek_reply(const LbSnapshot& snapshot, const Packet& packet) const {
    const uint32_t index = find_reply<F>(snapshot, packet);
    return index == FlowTable<F>::kNone ? nullptr : &table<F>().entry(index);
}

template <typename F>
FlowEngine::ReplyPath<F> FlowEngine::find_reply_path(const DataplaneTables& tables, Packet& packet,
                                                     uint32_t now_ms) {
    const LbSnapshot& lb = *tables.lb;
    const FlowKey<F>& key = packet.key<F>();
    const bool nat = packet.cls == PacketClass::NatReply;
    ReplyPath<F> path;
    path.to = key;
    if (!nat || packet.reply<F>()->ambiguous) {
        const uint32_t index = find_reply<F>(lb, packet);
        if (index != FlowTable<F>::kNone) {
            FlowEntry<F>& entry = table<F>().entry(index);
            packet.backend = lb.find_backend(BackendId::from_value(entry.backend));
            packet.service = &lb.service_of(*packet.backend);
            const FlowState state = next_state(entry.state, packet.meta.tcp_flags, false);
            if (state != entry.state) {
                set_state(entry, state);
            }
            entry.expires = now_ms + packet.service->timeout_ms[static_cast<unsigned>(state)];
            path.to.source = entry.destination;
            path.to.source_port = entry.destination_port;
            path.to.destination = entry.source;
            path.to.destination_port = entry.source_port;
            return path;
        }
        if (!nat || !packet.reply<F>()->has_default) {
            path.failure = Verdict::NoFlow;
            return path;
        }
    }
    const ReplyEntry<F>& reply = *packet.reply<F>();
    packet.backend = lb.find_backend(reply.backend);
    path.to.source = reply.vip;
    path.to.source_port = reply.vip_port != 0 ? reply.vip_port : key.source_port;
    return path;
}

template <typename F>
const BackendEntry* FlowEngine::peek(const LbSnapshot& snapshot, const Packet& packet,
                                     bool& known) const {
    known = false;
    if (packet.service->sticky) {
        const uint32_t index = table<F>().find(packet.key<F>(), packet.hash);
        if (index != FlowTable<F>::kNone) {
            const BackendEntry* backend =
                live_backend<F>(snapshot, table<F>().entry(index), packet);
            if (backend != nullptr) {
                known = true;
                return backend;
            }
        }
    }
    return schedule(snapshot, *packet.service, F::kFamily, packet.hash);
}

void FlowEngine::sweep(const DataplaneTables& tables, uint32_t now_ms, uint32_t slice) {
    v4_.sweep(now_ms, slice, [&](uint32_t index) {
        close_flow<V4>(tables, index);
        counters_.flows_expired.add(1);
    });
    v6_.sweep(now_ms, slice, [&](uint32_t index) {
        close_flow<V6>(tables, index);
        counters_.flows_expired.add(1);
    });
}

#define DLB_INSTANTIATE(F)                                                                    \
    template FlowEngine::Path<F> FlowEngine::find_path<F>(const DataplaneTables&, Packet&,    \
                                                          uint32_t);                          \
    template FlowEngine::ReplyPath<F> FlowEngine::find_reply_path<F>(const DataplaneTables&,  \
                                                                     Packet&, uint32_t);      \
    template const BackendEntry* FlowEngine::peek<F>(const LbSnapshot&, const Packet&, bool&) \
        const;                                                                                \
    template const FlowEntry<F>* FlowEngine::peek_reply<F>(const LbSnapshot&, const Packet&) const;
DLB_INSTANTIATE(V4)
DLB_INSTANTIATE(V6)
#undef DLB_INSTANTIATE

}  // namespace dlb
