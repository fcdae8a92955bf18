#include "datapath/forwarder.hpp"

#include <rte_ip.h>

#include "datapath/tcp_reset.hpp"
#include "net/byte_order.hpp"
#include "rewrite/l3.hpp"
#include "rewrite/tunnel.hpp"

namespace dlb {

namespace {

// Whether the sender wants to be told what fits rather than see the packet fragmented.
bool forbids_fragments(const rte_mbuf* mbuf, Family family) {
    return family == Family::V6 || (rte_pktmbuf_mtod(mbuf, const rte_ipv4_hdr*)->fragment_offset &
                                    Be16(RTE_IPV4_HDR_DF_FLAG).raw()) != 0;
}

}  // namespace

Outcome Forwarder::send(rte_mbuf* mbuf, const NextHop& hop, Family family, Verdict verdict) {
    if (hop.state == NextHop::State::NoRoute) {
        return {Verdict::NoRoute};
    }
    // A reply that came by a port with a larger MTU: longer frames than the link's are nobody's.
    if (rte_pktmbuf_pkt_len(mbuf) > hop.mtu) {
        return {Verdict::TooBig};
    }
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

template <typename F>
Outcome Forwarder::send_to_address(const DataplaneTables& tables, Packet& packet,
                                   const typename F::Address& destination, Verdict verdict) {
    const NextHop* hop = tables.hops.find<F>(destination);
    if (hop != nullptr) {
        return send(packet.mbuf, *hop, F::kFamily, verdict);
    }
    return send(packet.mbuf, tables.hops.lookup(to_ip_address(destination)), F::kFamily, verdict);
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
    return send_to_address<F>(tables, packet, sender, report.told);
}

template <typename F>
Outcome Forwarder::report_ttl_expired(const DataplaneTables& tables, Packet& packet,
                                      uint32_t now_ms) {
    return report<F>(tables, packet,
                     {time_exceeded(F::kFamily), Verdict::TtlExpiredReported, Verdict::TtlExpired},
                     now_ms);
}

// No backend takes the packet: what `overflow` says.
template <typename F>
Outcome Forwarder::refuse(const DataplaneTables& tables, Packet& packet, Verdict failure,
                          uint32_t now_ms) {
    const bool overflow = failure == Verdict::NoBackend || failure == Verdict::BackendsFull ||
                          failure == Verdict::BackendGone;
    if (!overflow || packet.service->overflow == Overflow::Drop) {
        return {failure};
    }
    if (packet.meta.protocol != kProtocolTcp) {
        return report<F>(tables, packet,
                         {port_unreachable(F::kFamily), Verdict::UnreachableSent, failure}, now_ms);
    }
    if (packet.meta.fragment || !make_tcp_reset(packet.mbuf, packet.meta)) {
        return {failure};
    }
    return send_to_address<F>(tables, packet, packet.key<F>().source, Verdict::ResetSent);
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
    if (hop.state != NextHop::State::NoRoute && length + backend.outer.length > hop.mtu) {
        const auto fits = static_cast<uint16_t>(hop.mtu - backend.outer.length);
        return forbids_fragments(mbuf, F::kFamily)
                   ? report<F>(
                         tables, packet,
                         {too_big(F::kFamily, fits), Verdict::TooBigReported, Verdict::TooBig},
                         now_ms)
                   : Outcome{Verdict::TooBig};
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
            break;
        }
        case Mode::Dr:  // the packet goes as it is, to the backend's own MAC
            break;
        default:
            if (!encapsulate(mbuf, packet.meta, backend.outer, {identification_++, packet.hash})) {
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
    translate<F>(packet.mbuf, packet.meta, path.to);
    ServiceCounters& by_service = counters_.of_service(packet.service->slot);
    by_service.replies.add(1);
    return send_to_address<F>(tables, packet, path.to.destination, Verdict::Replied);
}

template <typename F>
Outcome Forwarder::answer_echo(const DataplaneTables& tables, Packet& packet) {
    trim_to_ip(packet.mbuf, packet.meta);
    make_echo_reply(packet.mbuf, packet.meta);
    return send_to_address<F>(tables, packet, packet.key<F>().source, Verdict::EchoReplied);
}

template <typename F>
Outcome Forwarder::handle_family(const DataplaneTables& tables, Packet& packet, uint32_t now_ms) {
    switch (packet.cls) {
        case PacketClass::Request:
            return forward_request<F>(tables, packet, now_ms);
        case PacketClass::Echo:
            return answer_echo<F>(tables, packet);
        default:
            return forward_reply<F>(tables, packet, now_ms);
    }
}

Outcome Forwarder::handle(const DataplaneTables& tables, Packet& packet, uint32_t now_ms) {
    return packet.meta.family == Family::V4 ? handle_family<V4>(tables, packet, now_ms)
                                            : handle_family<V6>(tables, packet, now_ms);
}

}  // namespace dlb
