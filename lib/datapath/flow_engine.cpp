#include "datapath/flow_engine.hpp"

#include "datapath/flow_keys.hpp"

namespace dlb {

namespace {

// A datagram's later fragments are no packets of their own to the flow's life.
FlowState state_after(FlowState state, const PacketMeta& meta, bool from_client) {
    return meta.fragment_offset != 0 ? state : next_state(state, meta.tcp_flags, from_client);
}

}  // namespace

FlowEngine::FlowEngine(WorkerIdentity self, uint32_t capacity, const Allocate& allocate,
                       WorkerCounters& counters, TableCounters& by_table)
    : self_(self),
      store_(self.id, capacity, allocate, counters, by_table),
      scheduler_(self.id, self.count),
      peers_{&by_table},
      counters_(counters),
      by_table_(by_table) {}

template <typename F>
FlowEngine::Fate FlowEngine::fate_of(const BackendEntry* serving, const FlowEntry<F>& entry,
                                     const Packet& packet) {
    if (serving != nullptr) {
        return reopens(entry.state, packet.meta.tcp_flags) ? Fate::BeginsAnew : Fate::GoesOn;
    }
    return is_opening(packet.meta.protocol, packet.meta.tcp_flags) ? Fate::BeginsAnew
                                                                   : Fate::BackendGone;
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
    const ServiceEntry& service = *packet.service;
    if (!service.sticky) {
        return serve_without_flow<F>(packet, plan_new<F>(*tables.lb, packet, now_ms));
    }
    FlowTable<F>& flows = store_.table<F>();
    const uint32_t index = flows.find(packet.key<F>(), packet.hash);
    if (index == FlowTable<F>::kNone) {
        return open_flow<F>(tables, packet, now_ms);
    }
    FlowEntry<F>& entry = flows.entry(index);
    packet.backend = serving_backend(*tables.lb, entry.backend, service);
    switch (fate_of<F>(packet.backend, entry, packet)) {
        case Fate::GoesOn:
            break;
        case Fate::BeginsAnew:
            store_.close<F>(tables, index);
            counters_.flows_rescheduled.add(1);
            return open_flow<F>(tables, packet, now_ms);
        case Fate::BackendGone:
            if (service.overflow == Overflow::Reset) {  // the client is told, and the flow over
                store_.set_state<F>(entry, FlowState::Closed);
                entry.expires =
                    now_ms + service.timeout_ms[static_cast<unsigned>(FlowState::Closed)];
            }
            return {.failure = Verdict::BackendGone};
    }
    // It is from a time when its replies could be told without it.
    if (entry.reply_hash == 0 && needs_flow(service) &&
        !index_reply<F>(tables, index, *packet.backend)) {
        return open_flow<F>(tables, packet, now_ms);
    }
    const FlowState state = state_after(entry.state, packet.meta, true);
    if (state != entry.state) {
        store_.set_state<F>(entry, state);
    }
    entry.expires = now_ms + service.timeout_ms[static_cast<unsigned>(state)];
    if (service.persistence_ms != 0) {
        note_client<F>(tables, packet, entry, false, now_ms);
    }
    return path_of<F>(tables, entry, true);
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
            FlowEntry<F>& entry = store_.table<F>().entry(index);
            packet.backend = lb.find_backend(BackendId::from_value(entry.backend));
            packet.service = &lb.service_of(*packet.backend);
            const FlowState state = state_after(entry.state, packet.meta, false);
            if (state != entry.state) {
                store_.set_state<F>(entry, state);
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
const FlowEntry<F>* FlowEngine::peek_flow(const Packet& packet) const {
    const uint32_t index = packet.service->sticky ? table<F>().find(packet.key<F>(), packet.hash)
                                                  : FlowTable<F>::kNone;
    return index == FlowTable<F>::kNone ? nullptr : &table<F>().entry(index);
}

template <typename F>
FlowEngine::Peek FlowEngine::peek(const LbSnapshot& snapshot, const Packet& packet,
                                  uint32_t now_ms) const {
    const FlowEntry<F>* entry = peek_flow<F>(packet);
    if (entry != nullptr) {
        const BackendEntry* backend = serving_backend(snapshot, entry->backend, *packet.service);
        const Fate fate = fate_of<F>(backend, *entry, packet);
        if (fate == Fate::GoesOn) {
            return {.backend = backend, .known = true};
        }
        if (fate == Fate::BackendGone) {
            return {.failure = Verdict::BackendGone, .known = true};
        }
    }
    const Plan plan = plan_new<F>(snapshot, packet, now_ms);
    return {.failure = plan.failure,
            .backend = plan.backend,
            .persistent = plan.persistent,
            .stateless = plan.stateless};
}

#define DLB_INSTANTIATE(F)                                                                    \
    template FlowEngine::Path<F> FlowEngine::path_of<F>(const DataplaneTables&,               \
                                                        const FlowEntry<F>&, bool) const;     \
    template FlowEngine::Path<F> FlowEngine::find_path<F>(const DataplaneTables&, Packet&,    \
                                                          uint32_t);                          \
    template FlowEngine::ReplyPath<F> FlowEngine::find_reply_path<F>(const DataplaneTables&,  \
                                                                     Packet&, uint32_t);      \
    template FlowEngine::Peek FlowEngine::peek<F>(const LbSnapshot&, const Packet&, uint32_t) \
        const;                                                                                \
    template const FlowEntry<F>* FlowEngine::peek_flow<F>(const Packet&) const;               \
    template const FlowEntry<F>* FlowEngine::peek_reply<F>(const LbSnapshot&, const Packet&) const;
DLB_INSTANTIATE(V4)
DLB_INSTANTIATE(V6)
#undef DLB_INSTANTIATE

}  // namespace dlb
