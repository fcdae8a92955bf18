#include "control/bfd_watch.hpp"

#include <algorithm>
#include <cctype>

#include <spdlog/spdlog.h>

namespace dlb {

namespace {

double milliseconds(std::chrono::microseconds time) {
    return static_cast<double>(time.count()) / 1000;
}

std::string word(BfdState state) {
    switch (state) {
        case BfdState::AdminDown:
            return "admin_down";
        case BfdState::Down:
            return "down";
        case BfdState::Init:
            return "init";
        case BfdState::Up:
            return "up";
    }
    return "";
}

bool same_peer(const BfdPeer& a, const BfdPeer& b) {
    return a.remote == b.remote && a.local == b.local && a.interface == b.interface &&
           a.multihop == b.multihop && a.minimum_hop_limit == b.minimum_hop_limit;
}

}  // namespace

BfdWatch::BfdWatch(boost::asio::io_context& io,
                   std::function<void(const IpAddress&, const std::string&)> failed)
    : failed_(std::move(failed)),
      thread_(io.get_executor(), [this](const BfdEvent& event) { note(event); }) {}

void BfdWatch::note(const BfdEvent& event) {
    const std::string who = event.peer.remote.to_string();
    const std::string why(to_string(event.change.diagnostic));
    if (event.failed()) {
        spdlog::warn("BFD neighbour {}: down: {}", who, why);
        failed_(event.peer.remote, why);
    } else {
        spdlog::info("BFD neighbour {}: {}", who, to_string(event.change.after));
    }
    refresh();
}

void BfdWatch::start(const IpAddress& neighbor, const std::shared_ptr<Session>& session) {
    session->answered = false;
    thread_.add(session->wish.peer, session->wish.settings,
                [this, neighbor, session](const Result<uint32_t>& added) {
                    session->answered = true;
                    const auto found = sessions_.find(neighbor);
                    const bool wanted = found != sessions_.end() && found->second == session;
                    if (!added.ok()) {
                        if (session->error != added.error()) {  // each second anew
                            spdlog::error("BFD neighbour {}: {}", neighbor.to_string(),
                                          added.error());
                        }
                        session->error = added.error();
                    } else if (wanted) {
                        session->error.clear();
                        session->id = added.value();
                    } else {
                        thread_.remove(added.value());  // no longer wanted when it came
                    }
                });
}

void BfdWatch::sync(const std::map<IpAddress, Wish>& wanted) {
    std::erase_if(sessions_, [&](const auto& entry) {
        const auto& [neighbor, session] = entry;
        const auto wish = wanted.find(neighbor);
        const bool stays = wish != wanted.end() &&
                           same_peer(wish->second.peer, session->wish.peer) &&
                           (session->id || wish->second.settings == session->wish.settings);
        if (!stays && session->id) {
            thread_.remove(*session->id);
        }
        return !stays;
    });
    for (const auto& [neighbor, wish] : wanted) {
        const auto found = sessions_.find(neighbor);
        if (found == sessions_.end()) {
            const auto session = sessions_[neighbor] = std::make_shared<Session>();
            session->wish = wish;
            start(neighbor, session);
        } else if (!found->second->id) {
            if (found->second->answered) {
                start(neighbor, found->second);
            }
        } else if (wish.settings != found->second->wish.settings) {
            found->second->wish.settings = wish.settings;
            thread_.change(*found->second->id, wish.settings);
        }
    }
}

void BfdWatch::refresh() {
    thread_.report([this](BfdReport report) {
        real_time_ = report.real_time;
        for (BfdStatus& status : report.sessions) {
            for (auto& [neighbor, session] : sessions_) {
                if (session->id == status.id) {
                    session->last = std::move(status);
                    break;
                }
            }
        }
    });
}

std::optional<BgpBfdStatus> BfdWatch::status(const IpAddress& neighbor) const {
    const auto found = sessions_.find(neighbor);
    if (found == sessions_.end()) {
        return std::nullopt;
    }
    const Session& session = *found->second;
    BgpBfdStatus status;
    status.state = session.error.empty() ? "down" : "failed";
    status.error = session.error;
    status.real_time = real_time_;
    if (!session.last) {
        return status;
    }
    const BfdSessionStatus& last = session.last->session;
    status.state = word(last.state);
    status.remote_state = word(last.remote_state);
    status.diagnostic = last.last_down == BfdDiagnostic::None ? "" : to_string(last.last_down);
    status.error = session.last->last_send_error;
    if (last.state == BfdState::Up) {
        status.up_s = std::chrono::duration<double>(BfdTime::clock::now() - last.since).count();
    }
    status.tx_interval_ms = milliseconds(last.tx_interval);
    status.rx_interval_ms = milliseconds(std::max(last.settings.min_rx, last.remote_min_tx));
    status.detection_ms = milliseconds(last.detection_time);
    status.flaps = last.downs;
    status.sent = last.sent;
    status.received = last.received;
    for (const auto count : session.last->received) {
        status.dropped += count;
    }
    status.dropped -= std::min(status.dropped, last.received);
    return status;
}

}  // namespace dlb
