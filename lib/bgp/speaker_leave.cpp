// Speaker: how it leaves, for good or for a successor.
#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "bgp/speaker.hpp"

namespace dlb::bgp {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::chrono::milliseconds kReopenLook{50};
constexpr std::chrono::seconds kReopenLimit{5};

}  // namespace

void Speaker::drain(const DrainTimes& times, const std::string& text, std::function<void()> done) {
    set_graceful_shutdown(true);
    drain_timer_.expires_after(times.graceful);
    drain_timer_.async_wait([this, times, text, done, alive = alive_](const error_code& error) {
        if (error || !*alive) {
            return;
        }
        withdraw_all();
        drain_timer_.expires_after(times.settle);
        drain_timer_.async_wait([this, text, done, alive](const error_code& failed) {
            if (failed || !*alive) {
                return;
            }
            leave(done, [text](Peer& peer, TimePoint now) {
                peer.stop(now, cease_with_text(Cease::AdministrativeShutdown, text));
            });
        });
    });
}

void Speaker::upgrade(std::function<void()> done) {
    const GracefulRestartConfig& times = config_.graceful_restart;
    std::vector<IpAddress> reopened;
    for (auto& [address, peer] : peers_) {
        const Peer& each = peer->peer();
        const auto& theirs = each.session().their_open();
        if (each.session().state() == State::Established && !each.config().passive &&
            theirs->capabilities.graceful_restart && times.enabled &&
            times.crash_time < times.time) {
            reopened.push_back(address);
            peer->with([](Peer& p, TimePoint now) { p.reopen(now); });
        }
    }
    await_reopened(std::move(reopened), Clock::now() + kReopenLimit, std::move(done));
}

// A neighbour may refuse for a while, until it has noticed that the last connection is closed.
void Speaker::await_reopened(std::vector<IpAddress> peers, TimePoint until,
                             std::function<void()> done) {
    std::erase_if(peers, [this](const IpAddress& address) {
        const auto found = peers_.find(address);
        return found == peers_.end() || found->second->peer().knows_all();
    });
    if (peers.empty() || Clock::now() >= until) {
        for (const IpAddress& address : peers) {
            log_("BGP neighbour " + address.to_string() +
                 ": did not come again, and may drop the routes before a successor is there");
        }
        return abandon_all(std::move(done));
    }
    for (const IpAddress& address : peers) {
        const auto& peer = peers_.at(address);
        const State state = peer->peer().session().state();
        if (state == State::Idle || state == State::Active) {  // the last attempt failed
            peer->with([](Peer& p, TimePoint now) { p.reopen(now); });
        }
    }
    drain_timer_.expires_after(kReopenLook);
    drain_timer_.async_wait([this, peers, until, done, alive = alive_](const error_code& error) {
        if (!error && *alive) {
            await_reopened(peers, until, done);
        }
    });
}

void Speaker::abandon_all(std::function<void()> done) {
    leave(std::move(done), [](Peer& peer, TimePoint now) { peer.abandon(now); });
}

void Speaker::leave(std::function<void()> done,
                    const std::function<void(Peer&, TimePoint)>& farewell) {
    listeners_.close();
    left_ = std::move(done);
    for (auto& [address, peer] : peers_) {
        peer->with(farewell);
    }
    asio::post(io_, [this, alive = alive_] {
        if (*alive) {
            check_quiet();
        }
    });
}

void Speaker::check_quiet() {
    const bool quiet = std::all_of(peers_.begin(), peers_.end(),
                                   [](const auto& entry) { return entry.second->quiet(); });
    if (left_ && quiet && leaving_.empty()) {
        std::exchange(left_, nullptr)();
    }
}

}  // namespace dlb::bgp
