#include "control/tunnel_checks.hpp"

#include "control/address_answer.hpp"
#include "net/byte_order.hpp"
#include "rewrite/l3.hpp"
#include "rewrite/tunnel.hpp"

namespace dlb {

namespace {

uint32_t number_of(const ProbePort& port) {
    return uint32_t{port.family == Family::V6} << 24 | uint32_t{port.protocol} << 16 | port.port;
}

template <typename F>
FlowKey<F> key_of(const uint8_t* frame, const PacketMeta& meta) {
    constexpr size_t kSource = F::kFamily == Family::V4 ? 12 : 8;
    const uint8_t* addresses = frame + meta.l3_offset + kSource;
    FlowKey<F> key;
    key.source = load_address<F>(addresses);
    key.destination = load_address<F>(addresses + F::kAddressSize);
    key.source_port = meta.source_port;
    key.destination_port = meta.destination_port;
    key.protocol = meta.protocol;
    return key;
}

IpAddress destination_of(const uint8_t* frame, const PacketMeta& meta) {
    return meta.family == Family::V4 ? to_ip_address(key_of<V4>(frame, meta).destination)
                                     : to_ip_address(key_of<V6>(frame, meta).destination);
}

uint64_t flow_hash(const uint8_t* frame, const PacketMeta& meta) {
    return meta.family == Family::V4 ? key_of<V4>(frame, meta).hash()
                                     : key_of<V6>(frame, meta).hash();
}

}  // namespace

const NextHop* lead_to_backend(rte_mbuf* mbuf, const PacketMeta& meta,
                               const DataplaneTables& tables, BackendId backend,
                               uint16_t identification) {
    const BackendEntry* entry = tables.lb->find_backend(backend);
    if (entry == nullptr) {
        return nullptr;
    }
    const NextHop& hop = tables.hops.of_backend(backend);
    if (hop.state == NextHop::State::NoRoute || meta.l3_length + entry->outer.length > hop.mtu) {
        return nullptr;
    }
    const uint64_t hash = flow_hash(rte_pktmbuf_mtod(mbuf, const uint8_t*), meta);
    trim_to_ip(mbuf, meta);
    if (entry->outer.length != 0 &&
        !encapsulate(mbuf, meta, entry->outer, {identification, hash})) {
        return nullptr;
    }
    return &hop;
}

TunnelWay::Start TunnelChecks::start(BackendId backend, Family family) const {
    const DataplaneTables& tables = tables_();
    const BackendEntry* entry = tables.lb->find_backend(backend);
    if (entry == nullptr) {
        return {{ProbeOutcome::NotRun, "the backend is new to the tables"}, "", {}};
    }
    const NextHop& hop = tables.hops.of_backend(backend);
    if (hop.state == NextHop::State::NoRoute) {
        return {{ProbeOutcome::Failed, "no route to " + entry->address.to_string()}, "", {}};
    }
    const auto by = [&](uint16_t port) -> Start {
        const IpAddress* own = tables.hops.own_address(port, family);
        if (own == nullptr || !ports_[port].tap) {
            return {};
        }
        return {{ProbeOutcome::Passed, ""}, ports_[port].config.tap, *own};
    };
    // The backend's own port first: that is where its answers come in.
    Start found = by(hop.port);
    for (uint16_t port = 0; port < ports_.size() && found.device.empty(); ++port) {
        found = by(port);
    }
    if (found.device.empty()) {
        found.refusal.reason = family == Family::V4
                                   ? "no port with a tap has an IPv4 address to ask from"
                                   : "no port with a tap has an IPv6 address to ask from";
    }
    return found;
}

bool TunnelChecks::claim(const ProbePort& port, const IpAddress& vip, BackendId backend) {
    forget_old();
    const Claim wanted{backend, vip, std::nullopt};
    const auto [at, fresh] = claims_.try_emplace(number_of(port), wanted);
    Claim& claim = at->second;
    if (!fresh && (!claim.until || claim.backend != backend || claim.vip != vip)) {
        return false;
    }
    claim.until.reset();
    return true;
}

void TunnelChecks::release(const ProbePort& port) {
    const uint32_t number = number_of(port);
    const auto until = Clock::now() + kLinger;
    claims_.at(number).until = until;
    released_.emplace_back(until, number);
}

void TunnelChecks::forget_old() {
    const auto now = Clock::now();
    for (; !released_.empty() && released_.front().first <= now; released_.pop_front()) {
        const auto at = claims_.find(released_.front().second);
        // It may have been claimed again, and released later.
        if (at != claims_.end() && at->second.until == released_.front().first) {
            claims_.erase(at);
        }
    }
}

std::optional<BackendId> TunnelChecks::backend_of(const uint8_t* frame,
                                                  const PacketMeta& meta) const {
    uint16_t port = 0;
    const uint8_t icmp = meta.family == Family::V4 ? kProtocolIcmp : kProtocolIcmpv6;
    constexpr size_t kIdentifier = 4;  // RFC 792, RFC 4443 §4.1
    const uint8_t request = meta.family == Family::V4 ? 8 : 128;
    if (meta.has_ports) {
        port = Be16::from_raw(meta.source_port).host();
    } else if (meta.protocol == icmp && !meta.fragment && meta.icmp_type == request &&
               meta.l3_offset + meta.l3_length >= meta.l4_offset + kIdentifier + 2) {
        const uint8_t* identifier = frame + meta.l4_offset + kIdentifier;
        port = static_cast<uint16_t>(identifier[0] << 8 | identifier[1]);
    } else {
        return std::nullopt;
    }
    const auto at = claims_.find(number_of({meta.family, meta.protocol, port}));
    if (at == claims_.end() || (at->second.until && *at->second.until <= Clock::now()) ||
        at->second.vip != destination_of(frame, meta)) {
        return std::nullopt;
    }
    return at->second.backend;
}

TunnelChecks::Outcome TunnelChecks::take(rte_mbuf* mbuf, const MacAddress& mac) {
    if (vips_.empty() && claims_.empty()) {
        return {};
    }
    const auto is_checked = [this](const IpAddress& address) { return vips_.count(address) != 0; };
    if (answer_address_query(mbuf, is_checked, mac)) {
        return {Taken::Answer, nullptr, {}};
    }
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const PacketMeta meta = parse(frame, rte_pktmbuf_data_len(mbuf));
    if (meta.status != ParseStatus::Ok) {
        return {};
    }
    const std::optional<BackendId> backend = backend_of(frame, meta);
    if (!backend) {
        return {};
    }
    const DataplaneTables& tables = tables_();
    const NextHop* hop = lead_to_backend(mbuf, meta, tables, *backend, ++identification_);
    if (hop == nullptr) {
        return {Taken::Drop, nullptr, {}};
    }
    const auto version = *rte_pktmbuf_mtod(mbuf, const uint8_t*) >> 4;
    return {Taken::Packet, hop, version == 4 ? Family::V4 : Family::V6};
}

}  // namespace dlb
