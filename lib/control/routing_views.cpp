// Routing: the looking glass.
#include <algorithm>
#include <iterator>

#include "control/bgp_peers.hpp"
#include "control/routing.hpp"

namespace dlb {

namespace {

double seconds(std::chrono::milliseconds time) {
    return std::chrono::duration<double>(time).count();
}

std::optional<double> seconds(const std::optional<std::chrono::milliseconds>& time) {
    return time ? std::optional(seconds(*time)) : std::nullopt;
}

BgpMessageCounts counts_of(const bgp::MessageCounts& counts) {
    return {counts.opens, counts.updates, counts.notifications, counts.keepalives,
            counts.refreshes};
}

BgpNeighborStatus neighbor_status(const bgp::PeerState& peer) {
    BgpNeighborStatus status;
    status.address = peer.address;
    status.asn = peer.asn;
    status.dynamic = peer.dynamic;
    status.state = bgp::name_of(peer.state);
    status.uptime_s = static_cast<double>(peer.uptime.count());
    status.hold_time_s = static_cast<double>(peer.hold_time.count());
    status.keepalive_s = seconds(peer.keepalive);
    status.hold_left_s = seconds(peer.hold_left);
    status.retry_in_s = seconds(peer.retry_in);
    status.router_id = peer.router_id;
    status.offered = peer.offered;
    status.received = peer.received;
    status.last_error = peer.last_error;
    status.likely_cause = peer.likely_cause;
    status.messages_sent = counts_of(peer.sent);
    status.messages_received = counts_of(peer.heard);
    status.flaps = peer.flaps;
    status.treated_as_withdraw = peer.treated_as_withdraw;
    status.attributes_discarded = peer.attributes_discarded;
    status.routes_announced = peer.routes_announced;
    status.routes_refused = peer.routes_refused;
    status.routes_received = peer.routes_heard;
    status.routes_not_kept = peer.routes_not_kept;
    return status;
}

std::vector<std::string> words_of(const std::vector<bgp::Community>& communities,
                                  const std::vector<bgp::LargeCommunity>& large) {
    std::vector<std::string> words;
    std::transform(communities.begin(), communities.end(), std::back_inserter(words),
                   bgp::describe_community);
    std::transform(large.begin(), large.end(), std::back_inserter(words),
                   [](const bgp::LargeCommunity& community) { return bgp::describe(community); });
    return words;
}

std::string word(bgp::Origin origin) {
    switch (origin) {
        case bgp::Origin::Igp:
            return "igp";
        case bgp::Origin::Egp:
            return "egp";
        case bgp::Origin::Incomplete:
            return "incomplete";
    }
    return "";
}

bool is_up(const bgp::Peer& peer) {
    return peer.session().state() == bgp::State::Established;
}

// Adds what has become of the route with this neighbour.
void add_neighbor(BgpRouteStatus& status, const bgp::Peer& peer) {
    const auto& entries = peer.routes_out().entries();
    const auto found = entries.find(status.prefix);
    if (!is_up(peer) || found == entries.end()) {
        return;
    }
    const IpAddress& neighbor = peer.config().address;
    if (found->second.standing == bgp::AdjRibOut::Standing::Refused) {
        status.refused.push_back({neighbor, found->second.refusal});
    } else if (found->second.told && found->second.wanted) {
        std::string next_hop;
        if (const auto& outlook = peer.routes_out().outlook()) {
            const Result<IpAddress> own = bgp::next_hop_for(status.prefix.family(), *outlook);
            next_hop = own.ok() ? own.value().to_string() : "";
        }
        status.announced_to.push_back({neighbor, std::move(next_hop)});
    }
}

}  // namespace

BgpStatus Routing::status() const {
    BgpStatus status;
    if (!speaker_) {
        return status;
    }
    status.enabled = true;
    status.asn = config_.asn;
    status.router_id = config_.router_id;
    status.phase = leaving_ || drained_ ? "draining" : restarting_ ? "restarting" : "running";
    for (const bgp::PeerState& peer : speaker_->state()) {
        status.neighbors.push_back(neighbor_status(peer));
        status.neighbors.back().bfd = bfd_->status(peer.address);
    }
    for (const BgpNeighborConfig& neighbor : config_.neighbors) {
        const bool waits = neighbor.prefix &&
                           std::none_of(status.neighbors.begin(), status.neighbors.end(),
                                        [&](const BgpNeighborStatus& there) {
                                            return neighbor_of(config_, there.address) == &neighbor;
                                        });
        if (waits) {
            status.waiting.push_back(neighbor.prefix->to_string());
        }
    }
    status.refused_connections = speaker_->refused_connections();
    return status;
}

std::vector<BgpRouteStatus> Routing::routes(const LbModel& model) const {
    std::vector<BgpRouteStatus> routes;
    if (!speaker_) {
        return routes;
    }
    std::map<Prefix, std::vector<std::string>> services;
    for (const ModelService& service : model.services()) {
        for (const Prefix& vip : service.config.vip) {
            auto& names = services[carrier_of(vip, config_.aggregate)];
            if (names.empty() || names.back() != service.config.name) {
                names.push_back(service.config.name);
            }
        }
    }
    for (const auto& [prefix, wish] : plan_) {
        BgpRouteStatus& status = routes.emplace_back();
        status.prefix = prefix;
        status.aggregate = wish.aggregate;
        status.services = services[prefix];
        status.reason = wish.reason;
        const auto held = speaker_->routes().entries().find(prefix);
        if (held != speaker_->routes().entries().end()) {
            status.communities =
                words_of(held->second.route->communities, held->second.route->large_communities);
            if (held->second.route->graceful_shutdown) {
                status.communities.push_back(bgp::describe_community(bgp::kGracefulShutdown));
            }
        }
        speaker_->visit([&](const bgp::Peer& peer, bool) { add_neighbor(status, peer); });
        if (status.reason.empty() && status.announced_to.empty()) {
            status.reason = why_not_announced(prefix);
        }
    }
    return routes;
}

std::optional<std::vector<BgpReceivedRoute>> Routing::received(const IpAddress& neighbor) const {
    const bgp::Peer* peer = speaker_ ? speaker_->find(neighbor) : nullptr;
    if (peer == nullptr) {
        return std::nullopt;
    }
    std::vector<BgpReceivedRoute> routes;
    for (const auto& [nlri, route] : peer->routes_in().routes()) {
        const bgp::Attributes& attributes = *route.attributes;
        BgpReceivedRoute& entry = routes.emplace_back();
        entry.prefix = nlri.prefix;
        entry.path_id = nlri.path_id;
        entry.next_hop = attributes.next_hop ? attributes.next_hop->to_string() : "";
        entry.as_path = bgp::describe(attributes.as_path);
        entry.origin = word(attributes.origin);
        entry.med = attributes.med;
        entry.local_preference = attributes.local_preference;
        entry.communities = words_of(attributes.communities, attributes.large_communities);
    }
    return routes;
}

bool Routing::is_announced(const Prefix& vip) const {
    if (!speaker_) {
        return false;
    }
    const Prefix carrier = carrier_of(vip, config_.aggregate);
    bool told = false;
    speaker_->visit([&](const bgp::Peer& peer, bool) {
        if (!told && is_up(peer)) {
            const auto& entries = peer.routes_out().entries();
            const auto found = entries.find(carrier);
            told = found != entries.end() && found->second.told && found->second.wanted;
        }
    });
    return told;
}

std::string Routing::why_not_announced(const Prefix& vip) const {
    if (is_announced(vip)) {
        return "";
    }
    const Prefix carrier = carrier_of(vip, config_.aggregate);
    const auto wish = plan_.find(carrier);
    if (wish != plan_.end() && !wish->second.wanted()) {
        return wish->second.reason;
    }
    if (!speaker_) {
        return "BGP is not enabled";
    }
    if (!out_.contains(carrier)) {
        return "its tables are not in all workers yet";
    }
    bool up = false;
    std::string refusal;
    speaker_->visit([&](const bgp::Peer& peer, bool) {
        const auto& entries = peer.routes_out().entries();
        const auto found = entries.find(carrier);
        if (is_up(peer)) {
            up = true;
            if (found != entries.end() && !found->second.refusal.empty()) {
                refusal = found->second.refusal;
            }
        }
    });
    return !up               ? "no BGP session is established"
           : refusal.empty() ? "on its way to the neighbours"
                             : refusal;
}

Result<void> Routing::reset(const IpAddress& neighbor) {
    if (Result<void> enabled = check_enabled(); !enabled) {
        return enabled;
    }
    return speaker_->reset(neighbor, "reset by the operator of " + name_);
}

Result<void> Routing::refresh(const IpAddress& neighbor) {
    if (Result<void> enabled = check_enabled(); !enabled) {
        return enabled;
    }
    const bgp::Peer* peer = speaker_->find(neighbor);
    Result<void> asked;
    bool any = false;
    for (const Family family : bgp::kFamilies) {
        if (peer == nullptr || peer->config().families[family]) {
            asked = speaker_->request_refresh(neighbor, family);
            any = any || asked.ok();
        }
    }
    return any ? Result<void>() : asked;
}

}  // namespace dlb
