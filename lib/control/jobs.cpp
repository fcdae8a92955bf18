#include "control/jobs.hpp"

#include <algorithm>

namespace dlb {

namespace {

constexpr uint32_t kFlowsPerStep = 64;

template <typename F>
Endpoint make_endpoint(const typename F::Address& address, uint16_t port) {
    return {to_ip_address(address), Be16::from_raw(port).host()};
}

Endpoint endpoint_of(const BackendEntry& backend, uint16_t requested_port) {
    return {backend.address,
            Be16::from_raw(backend.port != 0 ? backend.port : requested_port).host()};
}

template <typename F>
FlowRow make_row(const LbSnapshot& lb, const Worker& worker, const FlowEntry<F>& entry) {
    FlowRow row{};
    row.worker = worker.identity().id;
    row.protocol = entry.protocol;
    row.client = make_endpoint<F>(entry.source, entry.source_port);
    row.vip = make_endpoint<F>(entry.destination, entry.destination_port);
    row.service = UINT32_MAX;
    const BackendEntry* backend = lb.find_backend(BackendId::from_value(entry.backend));
    if (backend != nullptr) {
        row.backend = endpoint_of(*backend, entry.destination_port);
        row.service = backend->service;
    }
    if (entry.snat_port != 0) {
        row.snat =
            Endpoint{lb.snat_addresses[entry.snat_slot], Be16::from_raw(entry.snat_port).host()};
    }
    row.state = entry.state;
    row.expires_ms = has_come(entry.expires, worker.now_ms()) ? 0 : entry.expires - worker.now_ms();
    return row;
}

}  // namespace

ListFlowsJob::ListFlowsJob(std::optional<uint32_t> service, uint32_t limit)
    : service_(service), limit_(limit) {
    rows_.reserve(limit);
}

template <typename F>
bool ListFlowsJob::step_family(const Worker& worker, const DataplaneTables& tables) {
    const FlowTable<F>& flows = worker.flows().table<F>();
    const uint32_t end = std::min(cursor_ + kFlowsPerStep, flows.used());
    for (; cursor_ < end && rows_.size() < limit_; ++cursor_) {
        const FlowEntry<F>& entry = flows.entry(cursor_);
        if (entry.state == FlowState::Free || is_client(entry.state)) {
            continue;
        }
        const FlowRow row = make_row<F>(*tables.lb, worker, entry);
        if (!service_ || row.service == *service_) {
            rows_.push_back(row);
        }
    }
    return cursor_ >= flows.used();
}

bool ListFlowsJob::step(const Worker& worker, const DataplaneTables& tables) {
    if (rows_.size() >= limit_) {
        return true;
    }
    if (second_family_) {
        return step_family<V6>(worker, tables) || rows_.size() >= limit_;
    }
    if (step_family<V4>(worker, tables)) {
        second_family_ = true;
        cursor_ = 0;
    }
    return false;
}

void ExplainJob::finish(const NextHop& hop, Verdict verdict) {
    decision_.hop = hop;
    decision_.hop_asked = true;
    decision_.verdict = hop.state == NextHop::State::Ready        ? verdict
                        : hop.state == NextHop::State::Unresolved ? Verdict::AwaitsNeighbor
                                                                  : Verdict::NoRoute;
}

// The reply of a flow that this worker has.
template <typename F>
bool ExplainJob::decide_by_flow(const Worker& worker, const DataplaneTables& tables,
                                const Packet& packet) {
    const FlowEntry<F>* entry = worker.flows().peek_reply<F>(*tables.lb, packet);
    if (entry == nullptr) {
        return false;
    }
    const BackendEntry& backend = *tables.lb->find_backend(BackendId::from_value(entry->backend));
    decision_.cls = packet.cls;
    decision_.known_flow = true;
    decision_.service = backend.service;
    decision_.backend = endpoint_of(backend, packet.key<F>().source_port);
    decision_.translated_source = make_endpoint<F>(entry->destination, entry->destination_port);
    decision_.translated_destination = make_endpoint<F>(entry->source, entry->source_port);
    finish(tables.hops.lookup(decision_.translated_destination->address), Verdict::Replied);
    return true;
}

template <typename F>
void ExplainJob::decide_reply(const Worker& worker, const DataplaneTables& tables,
                              const Packet& packet) {
    const bool fnat = packet.cls == PacketClass::FnatReply;
    if ((fnat || packet.reply<F>()->ambiguous) && decide_by_flow<F>(worker, tables, packet)) {
        return;
    }
    if (fnat) {
        decision_.verdict = packet.local ? Verdict::Punted : Verdict::NoFlow;
        return;
    }
    const ReplyEntry<F>& reply = *packet.reply<F>();
    decision_.service = reply.service;
    const BackendEntry* backend = tables.lb->find_backend(reply.backend);
    if (backend != nullptr) {
        decision_.backend = endpoint_of(*backend, packet.key<F>().source_port);
    }
    if (reply.ambiguous && !reply.has_default) {
        decision_.verdict = Verdict::NoFlow;
        return;
    }
    decision_.translated_source = make_endpoint<F>(
        reply.vip, reply.vip_port != 0 ? reply.vip_port : packet.key<F>().source_port);
    finish(tables.hops.lookup(to_ip_address(packet.key<F>().destination)), Verdict::Replied);
}

template <typename F>
void ExplainJob::decide(const Worker& worker, const DataplaneTables& tables) {
    Packet packet;
    packet.meta.status = ParseStatus::Ok;
    packet.meta.family = F::kFamily;
    packet.meta.protocol = static_cast<uint8_t>(query_.protocol);
    packet.meta.has_ports = true;
    packet.meta.source_port = Be16(query_.source.port).raw();
    packet.meta.destination_port = Be16(query_.destination.port).raw();
    packet.handed_over = true;
    FlowKey<F>& key = packet.key<F>();
    key = FlowKey<F>{};
    key.source = raw_address<F>(query_.source.address);
    key.destination = raw_address<F>(query_.destination.address);
    key.source_port = packet.meta.source_port;
    key.destination_port = packet.meta.destination_port;
    key.protocol = packet.meta.protocol;
    packet.hash = key.hash();
    classify<F>(*tables.lb, worker.identity(), packet);
    decision_.cls = packet.cls;
    decision_.verdict = packet.verdict;
    if (packet.cls == PacketClass::NatReply || packet.cls == PacketClass::FnatReply) {
        decide_reply<F>(worker, tables, packet);
    } else if (packet.cls == PacketClass::Request) {
        decision_.service = packet.service->slot;
        // A packet in the middle of the flow that there is, or else the first of a new one.
        packet.meta.tcp_flags = worker.flows().peek_flow<F>(packet) != nullptr ? kTcpAck : kTcpSyn;
        const auto peek = worker.flows().peek<F>(*tables.lb, packet, worker.now_ms());
        decision_.known_flow = peek.known;
        decision_.persistent = peek.persistent;
        decision_.stateless = peek.stateless && packet.service->sticky;
        const unsigned self = worker.identity().id;
        decision_.owner =
            flow_owner<F>(*packet.service, key, worker.queues(0), worker.identity().count)
                .value_or(self) == self;
        if (peek.failure != Verdict::Forwarded) {
            decision_.refusal = peek.failure;
            decision_.verdict =
                Forwarder::answer_to(*packet.service, peek.failure, packet.meta.protocol);
            return;
        }
        decision_.backend = endpoint_of(*peek.backend, key.destination_port);
        finish(tables.hops.of_backend(peek.backend->id), Verdict::Forwarded);
    } else if (packet.cls == PacketClass::Punt) {
        decision_.verdict = Verdict::Punted;
    }
}

bool ExplainJob::step(const Worker& worker, const DataplaneTables& tables) {
    if (query_.source.address.is_v4()) {
        decide<V4>(worker, tables);
    } else {
        decide<V6>(worker, tables);
    }
    return true;
}

void JobRunner::run(Jobs jobs, std::function<void(Jobs&)> done) {
    std::vector<bool> posted(jobs.size(), false);
    batches_.push_back({std::move(jobs), std::move(posted), std::move(done)});
    poll();
}

void JobRunner::poll() {
    while (!batches_.empty()) {
        Batch& batch = batches_.front();
        bool finished = true;
        for (unsigned worker = 0; worker < batch.jobs.size(); ++worker) {
            if (!batch.posted[worker]) {
                batch.posted[worker] = workers_.worker(worker).post(batch.jobs[worker].get());
            }
            finished = finished && batch.posted[worker] && batch.jobs[worker]->done();
        }
        if (!finished) {
            return;
        }
        Batch ended = std::move(batch);
        batches_.erase(batches_.begin());
        ended.done(ended.jobs);
    }
}

}  // namespace dlb
