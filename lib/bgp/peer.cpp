#include "bgp/peer.hpp"

#include <algorithm>
#include <utility>

#include "bgp/message.hpp"

namespace dlb::bgp {
namespace {

// UPDATEs are made while no more than this waits for the kernel. The rest stays in the Adj-RIB-Out,
// where changes merge.
constexpr size_t kBacklog = 256 << 10;

SessionConfig session_config(const SpeakerConfig& speaker, const PeerConfig& peer) {
    SessionConfig config;
    config.local_as = speaker.asn;
    config.remote_as = peer.asn;
    config.router_id = speaker.router_id;
    config.hold_time = peer.hold_time;
    config.passive = peer.passive;
    config.capabilities = capabilities_for(speaker, peer, Stage::First);
    config.retry_first = peer.retry_first;
    config.retry_limit = peer.retry_limit;
    config.connect_timeout = peer.connect_timeout;
    return config;
}

}  // namespace

Capabilities capabilities_for(const SpeakerConfig& speaker, const PeerConfig& peer, Stage stage) {
    Capabilities offered;
    offered.route_refresh = offered.enhanced_refresh = offered.extended_message = true;
    offered.as4 = speaker.asn;
    GracefulRestart restart;
    // R: this process has restarted. F: what it forwarded went on being forwarded, which holds for
    // every later session of the same process, and for the first one only after an upgrade.
    const GracefulRestartConfig& times = speaker.graceful_restart;
    restart.restarted = (stage == Stage::First && speaker.restarted) || stage == Stage::Leaving;
    restart.notification = true;
    restart.time = stage == Stage::Leaving || peer.passive ? times.time
                                                           : std::min(times.time, times.crash_time);
    for (const Family family : kFamilies) {
        if (!peer.families[family]) {
            continue;
        }
        offered.families.push_back(unicast(family));
        restart.families.push_back({unicast(family), stage != Stage::First || speaker.restarted});
        if (peer.add_path) {
            offered.add_path.push_back({unicast(family), kAddPathReceive | kAddPathSend});
        }
    }
    if (speaker.graceful_restart.enabled) {
        offered.graceful_restart = restart;
    }
    if (peer.extended_next_hop && peer.families.v4) {
        offered.extended_next_hop = {{unicast(Family::V4), afi_of(Family::V6)}};
    }
    return offered;
}

Peer::Peer(const SpeakerConfig& speaker, PeerConfig config, const RouteTable& routes,
           Transport& transport, std::function<double()> jitter)
    : speaker_(speaker),
      config_(std::move(config)),
      transport_(transport),
      session_(session_config(speaker, config_), std::move(jitter)),
      in_(config_.routes_kept) {
    out_.set_complete(speaker.routes_complete);
    for (const auto& [prefix, entry] : routes.entries()) {
        out_.announce(prefix, for_this_peer(entry.route));
    }
}

void Peer::start(TimePoint now) {
    session_.start(now);
    pump(now);
}

void Peer::stop(TimePoint now, const Notification& notification) {
    session_.stop(now, notification);
    pump(now);
}

void Peer::abandon(TimePoint now) {
    session_.abandon(now);
    pump(now);
}

void Peer::reopen(TimePoint now) {
    session_.set_capabilities(capabilities_for(speaker_, config_, Stage::Leaving));
    session_.abandon(now);
    session_.start(now);
    pump(now);
}

bool Peer::knows_all() const {
    return link_ && session_.state() == State::Established && out_.synchronized() &&
           transport_.backlog(*link_) == 0;
}

void Peer::connected(TimePoint now, LinkId link) {
    session_.connected(now, link);
    pump(now);
}

void Peer::disconnected(TimePoint now, LinkId link, const std::string& why) {
    session_.disconnected(now, link, why);
    pump(now);
}

std::optional<LinkId> Peer::accepted(TimePoint now) {
    return session_.accepted(now);
}

void Peer::received(TimePoint now, LinkId link, View bytes) {
    session_.received(now, link, bytes);
    pump(now);
}

void Peer::wrote(TimePoint now, LinkId link, size_t rest) {
    session_.wrote(now, link, rest);
    pump(now);
}

void Peer::tick(TimePoint now) {
    session_.tick(now);
    pump(now);
}

void Peer::announce(const Prefix& prefix, const RoutePtr& route) {
    out_.announce(prefix, for_this_peer(route));
}

void Peer::withdraw(const Prefix& prefix) {
    out_.withdraw(prefix);
}

void Peer::set_complete(TimePoint now) {
    out_.set_complete(true);
    pump(now);
}

Result<void> Peer::request_refresh(TimePoint now, Family family) {
    if (session_.state() != State::Established) {
        return Error{"no session with " + config_.address.to_string() + " is up"};
    }
    if (!session_.negotiated().refresh || !session_.negotiated().receive.families[family]) {
        return Error{config_.address.to_string() + " does not offer to send " +
                     describe(unicast(family)) + " routes again"};
    }
    session_.send(now, encode_route_refresh({unicast(family), RefreshKind::Request}));
    pump(now);
    return {};
}

RoutePtr Peer::for_this_peer(const RoutePtr& route) const {
    if (config_.prepend == 0) {
        return route;
    }
    RouteOptions options = *route;
    options.prepend += config_.prepend;
    return std::make_shared<const RouteOptions>(std::move(options));
}

void Peer::pump(TimePoint now) {
    if (std::exchange(pumping_, true)) {
        return;  // on_change led back here; the loop below goes on
    }
    do {
        for (Action& action : session_.take_actions()) {
            perform(action);
        }
    } while (flush(now));
    pumping_ = false;
}

// Hands what is pending to the session; whether that made actions.
bool Peer::flush(TimePoint now) {
    if (!link_ || session_.state() != State::Established || !out_.has_pending() ||
        transport_.backlog(*link_) >= kBacklog) {
        return false;
    }
    for (Bytes& message : out_.next_messages()) {
        session_.send(now, std::move(message));
    }
    if (first_ && out_.synchronized()) {
        first_ = false;
        session_.set_capabilities(capabilities_for(speaker_, config_, Stage::Later));
    }
    return true;
}

void Peer::perform(Action& action) {
    if (const auto* connect = std::get_if<action::Connect>(&action)) {
        transport_.connect(connect->link);
    } else if (auto* send = std::get_if<action::Send>(&action)) {
        transport_.send(send->link, std::move(send->bytes));
    } else if (const auto* close = std::get_if<action::Close>(&action)) {
        transport_.close(close->link);
    } else if (const auto* begun = std::get_if<action::Up>(&action)) {
        up(begun->link);
    } else if (std::holds_alternative<action::Down>(action)) {
        down();
    } else if (const auto* routes = std::get_if<action::Routes>(&action)) {
        for (const Nlri& nlri : routes->update.announced) {
            ++prefixes_heard_[nlri.prefix.family()];
        }
        in_.apply(routes->update);
    } else if (const auto* refresh = std::get_if<action::Refresh>(&action)) {
        const Family family = *unicast_family(refresh->refresh.family);
        if (refresh->refresh.kind == RefreshKind::Begin) {
            in_.begin_refresh(family);
        } else if (refresh->refresh.kind == RefreshKind::End) {
            in_.end_refresh(family);
        } else {
            out_.refresh(family, session_.negotiated().enhanced_refresh);
        }
    }
}

void Peer::up(LinkId link) {
    link_ = link;
    Outlook outlook;
    outlook.local_as = speaker_.asn;
    outlook.format = session_.negotiated().send;
    outlook.local_address = transport_.local_address(link);
    outlook.next_hop = config_.next_hop;
    out_.session_up(outlook);
    in_.clear();
    if (on_change) {
        on_change(true);
    }
}

void Peer::down() {
    link_.reset();
    out_.session_down();
    in_.clear();
    if (on_change) {
        on_change(false);
    }
}

}  // namespace dlb::bgp
