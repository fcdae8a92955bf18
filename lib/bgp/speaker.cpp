#include "bgp/speaker.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

namespace dlb::bgp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Result<void> check_peer(const std::string& name, const PeerConfig& peer) {
    if (peer.asn == 0) {
        return Error{"neighbour " + name + " needs an asn"};
    }
    const auto hold = peer.hold_time.count();
    if (hold != 0 && (hold < 3 || hold > 65535)) {
        return Error{"neighbour " + name + ": hold_time is 0s, or 3s to 65535s"};
    }
    if (peer.multihop < 1 || peer.multihop > 255) {
        return Error{"neighbour " + name + ": multihop is 1 to 255"};
    }
    if (!peer.families.v4 && !peer.families.v6) {
        return Error{"neighbour " + name + " needs a family: ipv4-unicast or ipv6-unicast"};
    }
    return {};
}

Result<void> check_dynamic(const SpeakerConfig& speaker,
                           const std::vector<DynamicConfig>& entries) {
    for (const DynamicConfig& dynamic : entries) {
        if (auto good = check_peer(dynamic.prefix.to_string(), dynamic.peer); !good) {
            return good;
        }
        if (speaker.listen.empty()) {
            return Error{"neighbours by prefix (" + dynamic.prefix.to_string() +
                         ") connect here: set listen"};
        }
    }
    return {};
}

}  // namespace

Speaker::Speaker(asio::io_context& io, SpeakerConfig config, Log log)
    : io_(io),
      config_(std::move(config)),
      log_(std::move(log)),
      listeners_(
          io, [this](tcp::socket socket, const IpAddress& from) { take(std::move(socket), from); }),
      drain_timer_(io) {}

Speaker::~Speaker() {
    *alive_ = false;
    listeners_.close();
    for (auto& [address, peer] : peers_) {
        leaving_.push_back(peer);
    }
    for (const auto& peer : leaving_) {
        peer->on_log = nullptr;
        peer->on_quiet = nullptr;
    }
}

Result<void> Speaker::check() const {
    if (config_.asn == 0 || config_.router_id == 0) {
        return Error{"BGP needs an asn and a router_id that are not 0"};
    }
    for (const PeerConfig& peer : config_.peers) {
        if (auto good = check_peer(peer.address.to_string(), peer); !good) {
            return good;
        }
    }
    return check_dynamic(config_, config_.dynamic);
}

Result<void> Speaker::start() {
    if (auto good = check(); !good) {
        return good;
    }
    TcpListeners::Keys keys;
    for (const DynamicConfig& dynamic : config_.dynamic) {
        keys.emplace_back(dynamic.prefix, dynamic.peer.password);
    }
    for (const PeerConfig& peer : config_.peers) {
        keys.emplace_back(Prefix::host(peer.address), peer.password);
    }
    for (const Endpoint& endpoint : config_.listen) {
        if (auto listening = listeners_.listen(endpoint, keys); !listening) {
            listeners_.close();
            return listening;
        }
    }
    for (const PeerConfig& peer : config_.peers) {
        if (auto added = add_neighbor(peer); !added) {
            listeners_.close();
            return added;
        }
    }
    return {};
}

Result<void> Speaker::add_neighbor(const PeerConfig& config) {
    if (auto good = check_peer(config.address.to_string(), config); !good) {
        return good;
    }
    if (peers_.contains(config.address)) {
        return Error{"neighbour " + config.address.to_string() + " is there already"};
    }
    if (!config.password.empty()) {
        if (auto set = listeners_.set_key(Prefix::host(config.address), config.password); !set) {
            return set;
        }
    }
    const auto peer = peers_[config.address] = make_peer(config, false);
    peer->with([](Peer& p, TimePoint now) { p.start(now); });
    return {};
}

Result<void> Speaker::remove_neighbor(const IpAddress& neighbor) {
    const auto found = peers_.find(neighbor);
    if (found == peers_.end()) {
        return Error{"no BGP neighbour " + neighbor.to_string()};
    }
    const auto peer = found->second;
    peers_.erase(found);
    leaving_.push_back(peer);
    peer->with([](Peer& p, TimePoint now) { p.stop(now, Cease::PeerDeconfigured); });
    asio::post(io_, [this, alive = alive_] {
        if (*alive) {
            forget_quiet();
        }
    });
    return peer->peer().config().password.empty() ? Result<void>()
                                                  : listeners_.set_key(Prefix::host(neighbor), "");
}

Result<void> Speaker::set_dynamic(std::vector<DynamicConfig> dynamic) {
    if (auto good = check_dynamic(config_, dynamic); !good) {
        return good;
    }
    const auto before = std::exchange(config_.dynamic, std::move(dynamic));
    for (const DynamicConfig& entry : before) {
        const bool keyed = std::any_of(
            config_.dynamic.begin(), config_.dynamic.end(), [&](const DynamicConfig& now) {
                return now.prefix == entry.prefix && !now.peer.password.empty();
            });
        if (!keyed && !entry.peer.password.empty()) {
            static_cast<void>(listeners_.set_key(entry.prefix, ""));
        }
    }
    std::vector<IpAddress> leaving;
    for (const auto& [address, peer] : peers_) {
        if (!peer->dynamic()) {
            continue;
        }
        const DynamicConfig* now = dynamic_of(address);
        PeerConfig wanted = now == nullptr ? PeerConfig{} : now->peer;
        wanted.address = address;
        wanted.passive = true;
        if (now == nullptr || wanted != peer->peer().config()) {
            leaving.push_back(address);
        }
    }
    for (const IpAddress& address : leaving) {
        static_cast<void>(remove_neighbor(address));
    }
    Result<void> set;
    for (const DynamicConfig& entry : config_.dynamic) {
        if (!entry.peer.password.empty() && set.ok()) {
            set = listeners_.set_key(entry.prefix, entry.peer.password);
        }
    }
    return set;
}

void Speaker::take(tcp::socket socket, const IpAddress& from) {
    const auto found = peers_.find(from);
    const auto peer = found != peers_.end() ? found->second : add_dynamic(from);
    if (!peer) {
        ++refused_;
        return;  // the socket closes
    }
    peer->accept(std::move(socket));
}

const DynamicConfig* Speaker::dynamic_of(const IpAddress& from) const {
    const DynamicConfig* best = nullptr;
    for (const DynamicConfig& dynamic : config_.dynamic) {
        if (dynamic.prefix.contains(from) &&
            (best == nullptr || dynamic.prefix.length() > best->prefix.length())) {
            best = &dynamic;
        }
    }
    return best;
}

std::shared_ptr<TcpPeer> Speaker::add_dynamic(const IpAddress& from) {
    const DynamicConfig* best = dynamic_of(from);
    if (best == nullptr) {
        return nullptr;
    }
    const auto there = std::count_if(peers_.begin(), peers_.end(), [&](const auto& entry) {
        return entry.second->dynamic() && best->prefix.contains(entry.first);
    });
    if (static_cast<size_t>(there) >= best->limit) {
        return nullptr;
    }
    PeerConfig config = best->peer;
    config.address = from;
    config.passive = true;
    const auto peer = make_peer(std::move(config), true);
    peers_[from] = peer;
    peer->with([](Peer& p, TimePoint now) { p.start(now); });
    return peer;
}

std::shared_ptr<TcpPeer> Speaker::make_peer(PeerConfig config, bool dynamic) {
    const IpAddress address = config.address;
    auto jitter = [this] { return std::uniform_real_distribution<double>(0.75, 1)(random_); };
    auto peer = std::make_shared<TcpPeer>(io_, config_, std::move(config), routes_, dynamic,
                                          std::move(jitter));
    peer->on_log = [this, address](const std::string& line) {
        if (log_) {
            log_("BGP neighbour " + address.to_string() + ": " + line);
        }
    };
    peer->on_quiet = [this, alive = alive_] {
        asio::post(io_, [this, alive] {
            if (*alive) {
                forget_quiet();
                check_quiet();
            }
        });
    };
    return peer;
}

// Neighbours by prefix that are gone, and those that were removed.
void Speaker::forget_quiet() {
    std::erase_if(leaving_, [](const auto& peer) { return peer->quiet(); });
    std::erase_if(
        peers_, [](const auto& entry) { return entry.second->dynamic() && entry.second->quiet(); });
}

void Speaker::announce(const Prefix& prefix, RouteOptions options) {
    if (routes_.add(prefix, std::move(options))) {
        tell(prefix);
    }
}

void Speaker::tell(const Prefix& prefix) {
    const RoutePtr route = routes_.entries().at(prefix).route;
    for (auto& [address, peer] : peers_) {
        peer->with([&](Peer& p, TimePoint) { p.announce(prefix, route); });
    }
    send_soon();
}

void Speaker::withdraw(const Prefix& prefix) {
    if (!routes_.remove(prefix)) {
        return;
    }
    for (auto& [address, peer] : peers_) {
        peer->with([&](Peer& p, TimePoint) { p.withdraw(prefix); });
    }
    send_soon();
}

void Speaker::withdraw_all() {
    const auto all = routes_.entries();
    routes_.clear();
    for (auto& [address, peer] : peers_) {
        peer->with([&](Peer& p, TimePoint) {
            for (const auto& [prefix, entry] : all) {
                p.withdraw(prefix);
            }
        });
    }
    send_soon();
}

// At the end of what the control thread does now: a reload's changes share their UPDATEs.
void Speaker::send_soon() {
    if (std::exchange(sending_soon_, true)) {
        return;
    }
    asio::post(io_, [this, alive = alive_] {
        if (!*alive) {
            return;
        }
        sending_soon_ = false;
        for (auto& [address, peer] : peers_) {
            peer->with([](Peer& p, TimePoint now) { p.pump(now); });
        }
    });
}

void Speaker::routes_complete() {
    config_.routes_complete = true;
    for (auto& [address, peer] : peers_) {
        peer->with([](Peer& p, TimePoint now) { p.set_complete(now); });
    }
}

void Speaker::set_graceful_shutdown(bool on) {
    if (!routes_.set_graceful_shutdown(on)) {
        return;
    }
    for (const auto& [prefix, entry] : routes_.entries()) {
        tell(prefix);
    }
}

Result<void> Speaker::request_refresh(const IpAddress& neighbor, Family family) {
    const auto found = peers_.find(neighbor);
    if (found == peers_.end()) {
        return Error{"no BGP neighbour " + neighbor.to_string()};
    }
    return found->second->with(
        [family](Peer& peer, TimePoint now) { return peer.request_refresh(now, family); });
}

Result<void> Speaker::reset(const IpAddress& neighbor, const std::string& text) {
    return reset(neighbor, cease_with_text(Cease::AdministrativeReset, text));
}

Result<void> Speaker::reset(const IpAddress& neighbor, const Notification& notification) {
    const auto found = peers_.find(neighbor);
    if (found == peers_.end()) {
        return Error{"no BGP neighbour " + neighbor.to_string()};
    }
    found->second->with([&](Peer& peer, TimePoint now) {
        peer.stop(now, notification);
        peer.start(now);
    });
    return {};
}

std::vector<PeerState> Speaker::state() const {
    std::vector<PeerState> states;
    const TimePoint now = Clock::now();
    for (const auto& [address, peer] : peers_) {
        states.push_back(state_of(peer->peer(), config_.asn, peer->dynamic(), now));
    }
    return states;
}

void Speaker::visit(const std::function<void(const Peer& peer, bool dynamic)>& look) const {
    for (const auto& [address, peer] : peers_) {
        look(peer->peer(), peer->dynamic());
    }
}

const Peer* Speaker::find(const IpAddress& neighbor) const {
    const auto found = peers_.find(neighbor);
    return found == peers_.end() ? nullptr : &found->second->peer();
}

}  // namespace dlb::bgp
