#include "control/bgp_peers.hpp"

#include <algorithm>

namespace dlb {

namespace {

// What a router needs to have a session again within it, with a margin: FRR takes no connection for
// a second after one has ended.
constexpr std::chrono::seconds kCrashTime{2};
constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr float kBytesPerMbit = 1e6F / 8;

uint32_t host_order(const IpAddress& address) {
    const auto& bytes = address.bytes();
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

}  // namespace

bgp::PeerConfig peer_of(const BgpConfig& bgp, const BgpNeighborConfig& neighbor) {
    bgp::PeerConfig peer;
    if (neighbor.address) {
        peer.address = *neighbor.address;
    }
    peer.asn = neighbor.asn;
    peer.port = neighbor.port;
    peer.local_address = neighbor.local_address;
    peer.hold_time = neighbor.hold_time;
    // The first attempts follow soon, so that a router that restarts has the routes again at once.
    peer.retry_first = std::min(kFirstRetry, neighbor.connect_retry);
    peer.retry_limit = neighbor.connect_retry;
    peer.connect_timeout =
        std::max(neighbor.connect_retry, std::chrono::milliseconds(std::chrono::seconds(1)));
    peer.passive = neighbor.passive;
    peer.password = neighbor.password;
    peer.ttl_security = neighbor.ttl_security;
    peer.multihop = neighbor.multihop;
    peer.families = {neighbor.ipv4, neighbor.ipv6};
    peer.add_path = neighbor.add_path;
    peer.extended_next_hop = neighbor.extended_next_hop;
    peer.next_hop = {bgp.next_hop4, bgp.next_hop6};
    peer.prepend = neighbor.prepend;
    return peer;
}

bgp::DynamicConfig dynamic_of(const BgpConfig& bgp, const BgpNeighborConfig& neighbor) {
    bgp::DynamicConfig dynamic;
    dynamic.prefix = *neighbor.prefix;
    dynamic.peer = peer_of(bgp, neighbor);
    dynamic.peer.passive = true;
    return dynamic;
}

bgp::SpeakerConfig speaker_of(const BgpConfig& bgp) {
    bgp::SpeakerConfig speaker;
    speaker.asn = bgp.asn;
    speaker.router_id = host_order(bgp.router_id);
    speaker.listen = bgp.listen;
    speaker.graceful_restart = {bgp.graceful_restart.enabled, bgp.graceful_restart.restart_time,
                                kCrashTime};
    for (const BgpNeighborConfig& neighbor : bgp.neighbors) {
        if (neighbor.prefix) {
            speaker.dynamic.push_back(dynamic_of(bgp, neighbor));
        } else {
            speaker.peers.push_back(peer_of(bgp, neighbor));
        }
    }
    return speaker;
}

bgp::RouteOptions route_options_of(const BgpConfig& bgp) {
    bgp::RouteOptions options;
    for (const BgpCommunity& community : bgp.communities) {
        options.communities.push_back(uint32_t{community.asn} << 16 | community.value);
    }
    for (const BgpLargeCommunity& community : bgp.large_communities) {
        options.large_communities.push_back({community.global, community.local1, community.local2});
    }
    if (bgp.med != 0) {  // a route without one counts as 0 (RFC 4271 §9.1.2.2 c)
        options.med = bgp.med;
    }
    options.local_preference = bgp.local_preference;
    if (bgp.link_bandwidth_mbps != 0) {
        options.link_bandwidth = static_cast<float>(bgp.link_bandwidth_mbps) * kBytesPerMbit;
    }
    return options;
}

std::shared_ptr<const RoutingPeers> routing_peers_of(const BgpConfig& bgp) {
    if (!bgp.enabled) {
        return nullptr;
    }
    std::vector<RoutingPeer> peers;
    for (const BgpNeighborConfig& neighbor : bgp.neighbors) {
        RoutingPeer peer;
        peer.addresses = neighbor.address ? Prefix::host(*neighbor.address) : *neighbor.prefix;
        peer.port = neighbor.port;
        if (neighbor.ttl_security) {
            peer.least_hop_limit = RoutingPeer::least_hop_limit_for(neighbor.multihop);
        }
        peers.push_back(peer);
    }
    const uint16_t listen = bgp.listen.empty() ? kBgpPort : bgp.listen[0].port;
    return std::make_shared<const RoutingPeers>(std::move(peers), listen);
}

BfdPeer bfd_peer_of(const BgpNeighborConfig& neighbor, const IpAddress& address) {
    BfdPeer peer;
    peer.remote = address;
    peer.local = neighbor.local_address;
    peer.multihop = neighbor.multihop > 1;
    if (peer.multihop && neighbor.ttl_security) {  // BIRD sends with 64
        peer.minimum_hop_limit = static_cast<uint8_t>(256 - neighbor.multihop);
    }
    return peer;
}

BfdSettings bfd_settings_of(const BfdConfig& bfd) {
    BfdSettings settings;
    settings.min_tx = settings.min_rx = bfd.interval;
    settings.multiplier = static_cast<uint8_t>(bfd.multiplier);
    return settings;
}

const BgpNeighborConfig* neighbor_of(const BgpConfig& bgp, const IpAddress& address) {
    const BgpNeighborConfig* best = nullptr;
    for (const BgpNeighborConfig& neighbor : bgp.neighbors) {
        if (neighbor.address == address) {
            return &neighbor;
        }
        if (neighbor.prefix && neighbor.prefix->contains(address) &&
            (best == nullptr || neighbor.prefix->length() > best->prefix->length())) {
            best = &neighbor;
        }
    }
    return best;
}

}  // namespace dlb
