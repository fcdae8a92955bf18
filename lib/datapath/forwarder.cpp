#include "datapath/forwarder.hpp"

#include <algorithm>

#include "datapath/tcp_reset.hpp"
#include "datapath/way_out.hpp"
#include "rewrite/l3.hpp"
#include "rewrite/mss.hpp"
#include "rewrite/tunnel.hpp"

namespace dlb {

namespace {

Outcome make_ready(rte_mbuf* mbuf, const NextHop& hop, Family family, Verdict verdict) {
    if (hop.state == NextHop::State::Unresolved) {
        PacketNote& note = note_of(mbuf);
        note.kind = PacketNote::Kind::AwaitsNeighbor;
        note.port = hop.port;
        note.next_hop = hop.address;
        return {Verdict::AwaitsNeighbor};
    }
    if (!push_ethernet(mbuf, hop.l2, hop.l2_length, family)) {
        return {Verdict::NoHeadroom};
    }
    return {verdict, hop.port};
}

void clamp(const Packet& packet) {
    if (packet.service->mss_clamp != 0) {
        clamp_mss(packet.mbuf, packet.meta, packet.service->mss_clamp);
    }
}

}  // namespace

// Too long and here: whoever sent it lets it be fragmented (fits_or_splits()), or it is our own.
Outcome Forwarder::send(rte_mbuf* mbuf, const NextHop& hop, Family family, Verdict verdict) {
    if (hop.state == NextHop::State::NoRoute) {
        return {Verdict::NoRoute};
    }
    return rte_pktmbuf_pkt_len(mbuf) > hop.mtu ? send_fragments(mbuf, hop, family, verdict)
                                               : make_ready(mbuf, hop, family, verdict);
}

Outcome Forwarder::send_fragments(rte_mbuf* mbuf, const NextHop& hop, Family family,
                                  Verdict verdict) {
    if (family == Family::V4 && has_df(mbuf)) {
        return {Verdict::TooBig};
    }
    const Verdict split = split_packet(mbuf, family, hop.mtu, fragment_id_, fragments_);
    if (split != Verdict::Forwarded) {
        return {split};
    }
    ++fragment_id_;
    Outcome outcome = make_ready(mbuf, hop, family, verdict);
    for (unsigned i = 0; i < fragments_.count; ++i) {
        const Outcome ready = make_ready(fragments_.mbufs[i], hop, family, verdict);
        outcome = ready.verdict == outcome.verdict ? outcome : Outcome{Verdict::NoHeadroom};
    }
    if (outcome.verdict == Verdict::NoHeadroom) {
        free_fragments(fragments_);
        return outcome;
    }
    outcome.in_fragments = true;
    return outcome;
}

// The error comes from the address that the packet was sent to. That is a client's where a NAT
// backend replies: then from the port that the error leaves by (RFC 1812 §4.3.2.4).
template <typename F>
Outcome Forwarder::report(const DataplaneTables& tables, Packet& packet, const Report& report,
                          uint32_t now_ms) {
    if (now_ms != errors_at_ms_) {
        errors_at_ms_ = now_ms;
        errors_left_ = kErrorsPerMs;
    }
    const typename F::Address sender = packet.key<F>().source;
    const IpAddress* source = nullptr;
    if (packet.cls == PacketClass::NatReply) {
        const NextHop hop = tables.hops.lookup(to_ip_address(sender));
        source = tables.hops.own_address(hop.port, F::kFamily);
        if (source == nullptr) {
            return {report.untold};
        }
    }
    if (errors_left_ == 0 || !make_icmp_error(packet.mbuf, packet.meta, report.error, source)) {
        return {report.untold};
    }
    --errors_left_;
    NextHop room;
    return send(packet.mbuf, hop_to<F>(tables, sender, room), F::kFamily, report.told);
}

template <typename F>
Outcome Forwarder::report_ttl_expired(const DataplaneTables& tables, Packet& packet,
                                      uint32_t now_ms) {
    return report<F>(tables, packet,
                     {time_exceeded(F::kFamily), Verdict::TtlExpiredReported, Verdict::TtlExpired},
                     now_ms);
}

Verdict Forwarder::answer_to(const ServiceEntry& service, Verdict failure, uint8_t protocol) {
    const bool overflow = failure == Verdict::NoBackend || failure == Verdict::BackendsFull ||
                          failure == Verdict::BackendGone;
    if (!overflow || service.overflow == Overflow::Drop) {
        return failure;
    }
    return protocol == kProtocolTcp ? Verdict::ResetSent : Verdict::UnreachableSent;
}

// No backend takes the packet: what `overflow` says.
template <typename F>
Outcome Forwarder::refuse(const DataplaneTables& tables, Packet& packet, Verdict failure,
                          uint32_t now_ms) {
    const Verdict answer = answer_to(*packet.service, failure, packet.meta.protocol);
    if (answer == failure) {
        return {failure};
    }
    if (answer == Verdict::UnreachableSent) {
        return report<F>(tables, packet,
                         {port_unreachable(F::kFamily), Verdict::UnreachableSent, failure}, now_ms);
    }
    if (packet.meta.fragment || !make_tcp_reset(packet.mbuf, packet.meta)) {
        return {failure};
    }
    NextHop room;
    return send(packet.mbuf, hop_to<F>(tables, packet.key<F>().source, room), F::kFamily,
                Verdict::ResetSent);
}

// RFC 8200 §5: IPv6 is never told of less than its least MTU.
template <typename F>
Outcome Forwarder::report_too_big(const DataplaneTables& tables, Packet& packet, unsigned room,
                                  uint32_t now_ms) {
    const auto mtu =
        static_cast<uint16_t>(F::kFamily == Family::V6 ? std::max(room, kLeastMtuOfIpv6) : room);
    return report<F>(tables, packet,
                     {too_big(F::kFamily, mtu), Verdict::TooBigReported, Verdict::TooBig}, now_ms);
}

// Puts the backend's tunnel around the packet.
bool Forwarder::wrap(Packet& packet, const BackendEntry& backend, const NextHop& hop) {
    rte_mbuf* mbuf = packet.mbuf;
    if (!encapsulate(mbuf, packet.meta, backend.outer, {next_identification(), packet.hash})) {
        return false;
    }
    if (backend.outer.family == Family::V4 && packet.meta.family == Family::V6 &&
        rte_pktmbuf_pkt_len(mbuf) > hop.mtu) {
        allow_fragments(mbuf, next_identification());
    }
    return true;
}

template <typename F>
Outcome Forwarder::forward_request(const DataplaneTables& tables, Packet& packet, uint32_t now_ms) {
    trim_to_ip(packet.mbuf, packet.meta);
    if (!decrement_hop_limit(packet.mbuf, F::kFamily)) {
        return report_ttl_expired<F>(tables, packet, now_ms);
    }
    const auto path = flows_.find_path<F>(tables, packet, now_ms);
    if (path.failure != Verdict::Forwarded) {
        return refuse<F>(tables, packet, path.failure, now_ms);
    }
    const BackendEntry& backend = *packet.backend;
    rte_mbuf* mbuf = packet.mbuf;
    const uint32_t length = rte_pktmbuf_pkt_len(mbuf);
    const NextHop& hop = tables.hops.of_backend(backend.id);
    if (!fits_or_splits<F>(mbuf, hop, backend.outer.length)) {
        return report_too_big<F>(tables, packet, hop.mtu - unsigned{backend.outer.length}, now_ms);
    }
    Family family = F::kFamily;
    switch (packet.service->mode) {
        case Mode::Nat:
        case Mode::Fnat: {
            FlowKey<F> to = packet.key<F>();
            to.destination = raw_address<F>(backend.address);
            if (backend.port != 0) {
                to.destination_port = backend.port;
            }
            if (path.snat_port != 0) {
                to.source = path.snat_address;
                to.source_port = path.snat_port;
            }
            translate<F>(mbuf, packet.meta, to);
            clamp(packet);
            break;
        }
        case Mode::Dr:  // the packet goes as it is, to the backend's own MAC
            break;
        default:
            if (!wrap(packet, backend, hop)) {
                return {Verdict::NoHeadroom};
            }
            family = backend.outer.family;
            break;
    }
    const Outcome outcome = send(mbuf, hop, family, Verdict::Forwarded);
    if (kind_of(outcome.verdict) != VerdictKind::Dropped) {
        BackendCounters& by_backend = counters_.of(backend.id);
        by_backend.packets.add(1);
        by_backend.bytes.add(length);
        ServiceCounters& by_service = counters_.of_service(packet.service->slot);
        by_service.packets.add(1);
        by_service.bytes.add(length);
    }
    return outcome;
}

template <typename F>
Outcome Forwarder::forward_reply(const DataplaneTables& tables, Packet& packet, uint32_t now_ms) {
    const auto path = flows_.find_reply_path<F>(tables, packet, now_ms);
    if (path.failure != Verdict::Replied) {
        return {packet.local ? Verdict::Punted : path.failure};
    }
    trim_to_ip(packet.mbuf, packet.meta);
    if (!decrement_hop_limit(packet.mbuf, F::kFamily)) {
        return report_ttl_expired<F>(tables, packet, now_ms);
    }
    NextHop room;
    const NextHop& hop = hop_to<F>(tables, path.to.destination, room);
    if (!fits_or_splits<F>(packet.mbuf, hop)) {
        return report_too_big<F>(tables, packet, hop.mtu, now_ms);
    }
    translate<F>(packet.mbuf, packet.meta, path.to);
    clamp(packet);
    ServiceCounters& by_service = counters_.of_service(packet.service->slot);
    by_service.replies.add(1);
    return send(packet.mbuf, hop, F::kFamily, Verdict::Replied);
}

template <typename F>
Outcome Forwarder::answer_echo(const DataplaneTables& tables, Packet& packet) {
    trim_to_ip(packet.mbuf, packet.meta);
    make_echo_reply(packet.mbuf, packet.meta);
    NextHop room;
    return send(packet.mbuf, hop_to<F>(tables, packet.key<F>().source, room), F::kFamily,
                Verdict::EchoReplied);
}

template <typename F>
Outcome Forwarder::handle_family(const DataplaneTables& tables, Packet& packet, uint32_t now_ms) {
    switch (packet.cls) {
        case PacketClass::Request:
            return forward_request<F>(tables, packet, now_ms);
        case PacketClass::Echo:
            return answer_echo<F>(tables, packet);
        case PacketClass::ErrorToBackend:
            return error_to_backend<F>(tables, packet);
        case PacketClass::ErrorToClient:
            return error_to_client<F>(tables, packet);
        default:
            return forward_reply<F>(tables, packet, now_ms);
    }
}

Outcome Forwarder::handle(const DataplaneTables& tables, Packet& packet, uint32_t now_ms) {
    return packet.meta.family == Family::V4 ? handle_family<V4>(tables, packet, now_ms)
                                            : handle_family<V6>(tables, packet, now_ms);
}

}  // namespace dlb
