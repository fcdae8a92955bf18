#include "control/routing.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "control/bgp_peers.hpp"
#include "control/handover_file.hpp"

namespace dlb {

namespace {

using std::chrono::milliseconds;

// How long a neighbour that does not read may hold up the end.
constexpr std::chrono::seconds kFarewell{2};
// Routers turn to other paths within some 100 ms of the community.
constexpr milliseconds kLongestGrace{1000};
// Checks that have no result by then have none soon.
constexpr std::chrono::seconds kLongestRestart{30};

}  // namespace

Routing::Routing(boost::asio::io_context& io, Host host)
    : io_(io), host_(std::move(host)), grace_timer_(io), leave_timer_(io) {}

Routing::~Routing() = default;

Result<void> Routing::start(const LbConfig& lb, const BgpConfig& bgp) {
    name_ = lb.name;
    drain_time_ = lb.drain_time;
    handover_file_ = handover_file_of(lb.socket);
    const bool successor = take_handover(handover_file_);
    if (!bgp.enabled) {
        return {};
    }
    config_ = bgp;
    bgp::SpeakerConfig config = speaker_of(bgp);
    restarting_ = successor && bgp.graceful_restart.enabled;
    config.restarted = restarting_;
    config.routes_complete = !restarting_;
    restart_until_ = std::chrono::steady_clock::now() +
                     std::min<milliseconds>(bgp.graceful_restart.restart_time / 2, kLongestRestart);
    auto speaker = std::make_unique<bgp::Speaker>(
        io_, std::move(config), [](const std::string& line) { spdlog::info("{}", line); });
    if (Result<void> started = speaker->start(); !started) {
        return Error{"BGP: " + started.error() +
                     "; stop the BGP daemon that has it, or set bgp.listen to another address, or "
                     "to \"\" to connect only"};
    }
    try {
        bfd_ = std::make_unique<BfdWatch>(
            io_, [this](const IpAddress& who, const std::string& why) { bfd_failed(who, why); });
    } catch (const std::system_error& error) {
        return Error{std::string("BFD has no thread: ") + error.what()};
    }
    speaker_ = std::move(speaker);
    spdlog::info("BGP: AS {}, router id {}, {} neighbours{}", bgp.asn, bgp.router_id.to_string(),
                 bgp.neighbors.size(), restarting_ ? ", taking over from a predecessor" : "");
    sync_bfd();
    return {};
}

Result<void> Routing::reconfigure(const LbConfig& lb, const BgpConfig& bgp) {
    drain_time_ = lb.drain_time;
    if (!speaker_) {
        return {};
    }
    config_ = bgp;
    const bgp::SpeakerConfig wanted = speaker_of(bgp);
    Result<void> first_error;
    const auto note = [&](Result<void> done) {
        if (!done.ok() && first_error.ok()) {
            first_error = std::move(done);
        }
    };
    std::vector<IpAddress> gone;
    std::set<IpAddress> stay;
    speaker_->visit([&](const bgp::Peer& peer, bool dynamic) {
        if (dynamic) {
            return;
        }
        const bool same = std::find(wanted.peers.begin(), wanted.peers.end(), peer.config()) !=
                          wanted.peers.end();
        if (same) {
            stay.insert(peer.config().address);
        } else {
            gone.push_back(peer.config().address);
        }
    });
    for (const IpAddress& address : gone) {
        note(speaker_->remove_neighbor(address));
    }
    note(speaker_->set_dynamic(wanted.dynamic));
    for (const bgp::PeerConfig& peer : wanted.peers) {
        if (!stay.contains(peer.address)) {
            note(speaker_->add_neighbor(peer));
        }
    }
    sync_bfd();
    return first_error;
}

// Backends that were never checked do not bring a route out; but a route that is out is not
// withdrawn for a new check that has no result yet.
unsigned Routing::count_usable(const ModelService& service, bool announced) const {
    unsigned count = 0;
    for (const ModelBackend& backend : service.backends) {
        if (backend.takes_new_flows() && (announced || !host_.unchecked(service, backend))) {
            ++count;
            if (count >= service.config.min_backends) {
                break;
            }
        }
    }
    return count;
}

void Routing::update(const LbModel& model, const RouteIntent& intent, bool in_workers) {
    RouteIntent effective = intent;
    effective.drained = intent.drained && !in_grace_;
    plan_ = plan_routes(
        model.services(), effective, config_,
        [this](const ModelService& service, bool out) { return count_usable(service, out); },
        [this](const Prefix& prefix) { return out_.contains(prefix); });
    if (!speaker_) {
        return;
    }
    withdraw_unwanted();
    if (in_workers && !leaving_) {
        options_ = route_options_of(config_);
        announce_wanted();
        finish_restart(model);
    }
}

void Routing::withdraw_unwanted() {
    std::erase_if(out_, [this](const auto& entry) {
        const auto wish = plan_.find(entry.first);
        if (wish != plan_.end() && wish->second.wanted()) {
            return false;
        }
        speaker_->withdraw(entry.first);
        spdlog::info("{} is withdrawn: {}", entry.first.to_string(),
                     wish == plan_.end() ? "no service has it" : wish->second.reason);
        return true;
    });
}

void Routing::announce_wanted() {
    for (const auto& [prefix, wish] : plan_) {
        if (!wish.wanted()) {
            continue;
        }
        const auto [entry, fresh] = out_.try_emplace(prefix, options_);
        if (!fresh && entry->second == options_) {
            continue;
        }
        speaker_->announce(prefix, options_);
        if (fresh) {
            spdlog::info("{} is announced", prefix.to_string());
        } else {
            entry->second = options_;
            speaker_->withdraw(prefix);  // the holder with the options of before
        }
    }
}

// RFC 4724 §4.1: End-of-RIB only once the first routes are known; before, neighbours keep the
// predecessor's.
void Routing::finish_restart(const LbModel& model) {
    if (!restarting_) {
        return;
    }
    const bool unknown = std::any_of(
        model.services().begin(), model.services().end(), [this](const ModelService& service) {
            return std::any_of(
                service.backends.begin(), service.backends.end(),
                [&](const ModelBackend& backend) { return host_.unchecked(service, backend); });
        });
    if (unknown && std::chrono::steady_clock::now() < restart_until_) {
        return;
    }
    restarting_ = false;
    speaker_->routes_complete();
    spdlog::info("BGP: the routes of this restart are complete: {} announced", out_.size());
}

void Routing::sync_bfd() {
    std::map<IpAddress, BfdWatch::Wish> wanted;
    const auto want = [&](const IpAddress& address) {
        const BgpNeighborConfig* neighbor = neighbor_of(config_, address);
        if (neighbor != nullptr && neighbor->bfd.enabled) {
            wanted.insert(
                {address, {bfd_peer_of(*neighbor, address), bfd_settings_of(neighbor->bfd)}});
        }
    };
    speaker_->visit([&](const bgp::Peer& peer, bool) { want(peer.config().address); });
    bfd_->sync(wanted);
}

// RFC 5882 §4.2; the neighbour, should it hear it, is told why (RFC 9384).
void Routing::bfd_failed(const IpAddress& neighbor, const std::string& why) {
    const bgp::Peer* peer = speaker_->find(neighbor);
    if (peer == nullptr || peer->session().state() != bgp::State::Established) {
        return;
    }
    spdlog::warn("BGP neighbour {}: the session ends, since BFD is down: {}", neighbor.to_string(),
                 why);
    static_cast<void>(speaker_->reset(neighbor, bgp::Notification(bgp::Cease::BfdDown)));
}

void Routing::tick() {
    if (!speaker_) {
        return;
    }
    sync_bfd();  // neighbours of a prefix come and go
    bfd_->refresh();
    if (restarting_) {
        host_.changed();
    }
}

milliseconds Routing::grace() const {
    return std::min(drain_time_ / 2, kLongestGrace);
}

void Routing::set_drained(bool drained) {
    if (!speaker_ || drained == drained_) {
        return;
    }
    drained_ = drained;
    in_grace_ = drained;
    speaker_->set_graceful_shutdown(drained);
    grace_timer_.cancel();
    if (!drained) {
        return;
    }
    grace_timer_.expires_after(grace());
    grace_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && in_grace_) {
            in_grace_ = false;
            host_.changed();
        }
    });
}

void Routing::leave(milliseconds time, std::function<void()> done) {
    leave_timer_.expires_after(time);
    leave_timer_.async_wait([this, done](const boost::system::error_code& error) {
        if (error) {
            return;
        }
        if (!speaker_) {
            return done();
        }
        leaving_ = true;
        in_grace_ = false;
        await_left(done);
        speaker_->drain({milliseconds(0), milliseconds(0)}, name_ + " ends: drained",
                        [this] { leave_timer_.cancel(); });
    });
}

// `done` as soon as leave_timer_ is cancelled, or when it has run out.
void Routing::await_left(std::function<void()> done) {
    leave_timer_.expires_after(kFarewell);
    leave_timer_.async_wait([done = std::move(done)](const boost::system::error_code& error) {
        if (!error) {
            spdlog::warn("BGP: not every neighbour has taken the farewell");
        }
        done();
    });
}

Result<void> Routing::check_enabled() const {
    if (!speaker_) {
        return Error{"BGP is not enabled; give the file a [bgp]"};
    }
    return {};
}

Result<void> Routing::hand_over(std::function<void()> done) {
    if (Result<void> enabled = check_enabled(); !enabled) {
        return enabled;
    }
    if (!config_.graceful_restart.enabled) {
        return Error{"the neighbours would drop the routes: bgp.graceful_restart is off"};
    }
    if (Result<void> written =
            write_handover(handover_file_, config_.graceful_restart.restart_time);
        !written) {
        return written;
    }
    leaving_ = true;
    await_left(std::move(done));
    speaker_->upgrade([this] { leave_timer_.cancel(); });
    return {};
}

}  // namespace dlb
