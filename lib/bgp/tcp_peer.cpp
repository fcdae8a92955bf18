#include "bgp/tcp_peer.hpp"

#include <utility>

#include "bgp/cause.hpp"

namespace dlb::bgp {

TcpPeer::TcpPeer(boost::asio::io_context& io, const SpeakerConfig& speaker, PeerConfig config,
                 const RouteTable& routes, bool dynamic, std::function<double()> jitter)
    : io_(io),
      timer_(io),
      local_as_(speaker.asn),
      dynamic_(dynamic),
      peer_(speaker, std::move(config), routes, *this, std::move(jitter)) {
    peer_.on_change = [this](bool up) {
        last_line_.clear();
        if (on_log) {
            on_log(up ? "is up, " + describe(peer_.session().their_open()->capabilities)
                      : std::string("is down"));
        }
    };
}

TcpPeer::~TcpPeer() {
    for (auto& [id, link] : std::exchange(links_, {})) {
        link->detach();
    }
}

SocketRules TcpPeer::rules() const {
    const PeerConfig& config = peer_.config();
    SocketRules rules;
    rules.password = config.password;
    rules.ttl_security = config.ttl_security;
    rules.multihop = config.multihop;
    rules.internal = config.asn == local_as_;
    rules.hold_time = config.hold_time;
    return rules;
}

std::shared_ptr<TcpLink> TcpPeer::make_link(LinkId id) {
    TcpLink::Events& events = *this;
    return std::make_shared<TcpLink>(io_, id, events);
}

void TcpPeer::accept(boost::asio::ip::tcp::socket socket) {
    const Family family = peer_.config().address.family();
    if (auto set = set_rules(socket.native_handle(), family, rules()); !set) {
        if (on_log) {
            on_log("a connection of its cannot be set up: " + set.error());
        }
        return;
    }
    with([&](Peer& peer, TimePoint now) {
        if (const auto id = peer.accepted(now)) {
            links_[*id] = make_link(*id);
            links_[*id]->adopt(std::move(socket));
        }
        peer.pump(now);
    });
}

void TcpPeer::connect(LinkId link) {
    links_[link] = make_link(link);
    links_[link]->connect({peer_.config().address, peer_.config().port},
                          peer_.config().local_address, rules());
}

void TcpPeer::send(LinkId link, Bytes bytes) {
    if (const auto found = links_.find(link); found != links_.end()) {
        found->second->send(std::move(bytes));
    }
}

void TcpPeer::close(LinkId link) {
    if (const auto found = links_.find(link); found != links_.end()) {
        found->second->close();
    }
}

size_t TcpPeer::backlog(LinkId link) const {
    const auto found = links_.find(link);
    return found == links_.end() ? 0 : found->second->backlog();
}

size_t TcpPeer::backlog() const {
    size_t sum = 0;
    for (const auto& [id, link] : links_) {
        sum += link->backlog();
    }
    return sum;
}

IpAddress TcpPeer::local_address(LinkId link) const {
    const auto found = links_.find(link);
    return found == links_.end() ? IpAddress() : found->second->local_address();
}

void TcpPeer::link_connected(LinkId link) {
    with([link](Peer& peer, TimePoint now) { peer.connected(now, link); });
}

void TcpPeer::link_received(LinkId link, View bytes) {
    with([link, bytes](Peer& peer, TimePoint now) { peer.received(now, link, bytes); });
}

void TcpPeer::link_wrote(LinkId link, size_t rest) {
    with([link, rest](Peer& peer, TimePoint now) { peer.wrote(now, link, rest); });
}

void TcpPeer::link_disconnected(LinkId link, const std::string& why) {
    with([link, &why](Peer& peer, TimePoint now) { peer.disconnected(now, link, why); });
}

void TcpPeer::link_closed(LinkId link) {
    links_.erase(link);
    if (links_.empty() && on_quiet) {
        on_quiet();
    }
}

void TcpPeer::settle() {
    log_error();
    const TimePoint deadline = peer_.deadline();
    if (deadline == armed_) {
        return;
    }
    armed_ = deadline;
    if (deadline == TimePoint::max()) {
        timer_.cancel();
        return;
    }
    timer_.expires_at(deadline);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self) {
            self->armed_ = TimePoint::max();
            self->with([](Peer& peer, TimePoint now) { peer.tick(now); });
        }
    });
}

// The same failure time and again is one line.
void TcpPeer::log_error() {
    if (peer_.session().errors() == errors_) {
        return;
    }
    errors_ = peer_.session().errors();
    const Ended& ended = *peer_.session().last_error();
    const std::string cause = likely_cause(ended, peer_.config(), local_as_);
    std::string line = describe(ended) + (cause.empty() ? "" : ": " + cause);
    if (line != last_line_ && on_log) {
        on_log(line);
    }
    last_line_ = std::move(line);
}

}  // namespace dlb::bgp
