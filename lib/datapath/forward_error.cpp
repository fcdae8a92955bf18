// Forwarder: ICMP errors about a service's flows. The flow is not changed: what a "too big" says is
// for its sender's TCP.
#include <optional>

#include "datapath/forwarder.hpp"
#include "datapath/icmp_error.hpp"
#include "datapath/way_out.hpp"
#include "rewrite/l3.hpp"

namespace dlb {

namespace {

const uint8_t* ip_packet(const Packet& packet) {
    return rte_pktmbuf_mtod_offset(packet.mbuf, const uint8_t*, packet.meta.l3_offset);
}

// The source that a fnat backend knows the client by; nullptr: there is no such flow.
template <typename F>
const FlowEntry<F>* find_snat(const FlowEngine& flows, const Packet& packet) {
    const FlowTable<F>& table = flows.table<F>();
    const uint32_t index = table.find(packet.key<F>(), packet.hash);
    return index == FlowTable<F>::kNone || table.entry(index).snat_port == 0 ? nullptr
                                                                             : &table.entry(index);
}

// The packet that the error quotes, as its backend sent it; and from where the error comes as the
// backend sees it: a fnat backend knows nothing but SNAT addresses.
template <typename F>
struct BackendView {
    FlowKey<F> sent;
    typename F::Address reporter;
};

template <typename F>
std::optional<BackendView<F>> view_of_backend(const LbSnapshot& lb, const FlowEngine& flows,
                                              const Packet& packet, const BackendEntry& backend) {
    BackendView<F> view{packet.quoted_key<F>(), load_addresses<F>(ip_packet(packet)).source};
    view.sent.source = raw_address<F>(backend.address);
    if (backend.port != 0) {
        view.sent.source_port = backend.port;
    }
    if (packet.service->mode == Mode::Fnat) {
        const FlowEntry<F>* flow = find_snat<F>(flows, packet);
        if (flow == nullptr) {
            return std::nullopt;
        }
        view.reporter = raw_address<F>(lb.snat_addresses[flow->snat_slot]);
        view.sent.destination = view.reporter;
        view.sent.destination_port = flow->snat_port;
    }
    return view;
}

}  // namespace

template <typename F>
Outcome Forwarder::error_to_backend(const DataplaneTables& tables, Packet& packet) {
    const BackendEntry* backend = flows_.backend_of_flow<F>(*tables.lb, packet);
    if (backend == nullptr) {
        return {Verdict::IcmpNoFlow};
    }
    const Mode mode = packet.service->mode;
    const bool translated = mode == Mode::Nat || mode == Mode::Fnat;
    std::optional<BackendView<F>> view;
    if (translated) {
        view = view_of_backend<F>(*tables.lb, flows_, packet, *backend);
        if (!view) {
            return {Verdict::IcmpNoFlow};
        }
    }
    if (!is_icmp_intact(ip_packet(packet), packet.meta)) {
        return {Verdict::BadChecksum};
    }
    trim_to_ip(packet.mbuf, packet.meta);
    if (!decrement_hop_limit(packet.mbuf, F::kFamily)) {
        return {Verdict::TtlExpired};  // there is no error about an error
    }
    const NextHop& hop = tables.hops.of_backend(backend->id);
    if (!fits_or_splits<F>(packet.mbuf, hop, backend->outer.length)) {
        return {Verdict::TooBig};
    }
    if (translated) {
        translate_error<F>(packet.mbuf, packet.meta, packet.quoted,
                           {view->reporter, view->sent.source}, view->sent);
    } else if (is_tunnel(mode) && !wrap(packet, *backend, hop)) {
        return {Verdict::NoHeadroom};
    }
    return send(packet.mbuf, hop, is_tunnel(mode) ? backend->outer.family : F::kFamily,
                Verdict::IcmpForwarded);
}

// What the client knows as the quoted packet's answer: VIP to client. As find_reply_path() finds
// it, but that the flow stays as it is.
template <typename F>
bool Forwarder::find_client(const LbSnapshot& lb, const Packet& packet, FlowKey<F>& to) const {
    to = packet.key<F>();
    const ReplyEntry<F>* reply = packet.reply<F>();
    if (reply == nullptr || reply->ambiguous) {
        const FlowEntry<F>* flow = flows_.peek_reply<F>(lb, packet);
        if (flow != nullptr) {
            to.source = flow->destination;
            to.source_port = flow->destination_port;
            to.destination = flow->source;
            to.destination_port = flow->source_port;
            return true;
        }
        if (reply == nullptr || !reply->has_default) {
            return false;
        }
    }
    to.source = reply->vip;
    to.source_port = reply->vip_port != 0 ? reply->vip_port : to.source_port;
    return true;
}

template <typename F>
Outcome Forwarder::error_to_client(const DataplaneTables& tables, Packet& packet) {
    FlowKey<F> to;
    if (!find_client<F>(*tables.lb, packet, to)) {
        return {packet.local ? Verdict::Punted : Verdict::IcmpNoFlow};
    }
    if (!is_icmp_intact(ip_packet(packet), packet.meta)) {
        return {Verdict::BadChecksum};
    }
    trim_to_ip(packet.mbuf, packet.meta);
    if (!decrement_hop_limit(packet.mbuf, F::kFamily)) {
        return {Verdict::TtlExpired};  // there is no error about an error
    }
    NextHop room;
    const NextHop& hop = hop_to<F>(tables, to.destination, room);
    if (!fits_or_splits<F>(packet.mbuf, hop)) {
        return {Verdict::TooBig};
    }
    translate_error<F>(packet.mbuf, packet.meta, packet.quoted, {to.source, to.destination},
                       to.reversed());
    return send(packet.mbuf, hop, F::kFamily, Verdict::IcmpForwarded);
}

#define DLB_INSTANTIATE(F)                                                            \
    template Outcome Forwarder::error_to_backend<F>(const DataplaneTables&, Packet&); \
    template Outcome Forwarder::error_to_client<F>(const DataplaneTables&, Packet&);
DLB_INSTANTIATE(V4)
DLB_INSTANTIATE(V6)
#undef DLB_INSTANTIATE

}  // namespace dlb
