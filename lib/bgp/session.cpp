// Session's life: start and stop, connections that come and go, timers. What messages do is in
// session_messages.cpp.
#include "bgp/session.hpp"

#include <algorithm>

namespace dlb::bgp {
namespace {

using std::chrono::duration_cast;

// RFC 4271 §8.2.2: "A HoldTimer value of 4 minutes is suggested" until the OPEN is there.
constexpr std::chrono::minutes kOpenWait{4};
// RFC 9687 §6: longer than the hold time; this, where that is off.
constexpr std::chrono::minutes kSendHold{8};

bool ends_for_good(const Notification& notification) {
    return notification.is(Cease::AdministrativeShutdown) ||
           notification.is(Cease::PeerDeconfigured);
}

}  // namespace

const char* name_of(State state) {
    static constexpr const char* kNames[] = {"Idle",     "Connect",     "Active",
                                             "OpenSent", "OpenConfirm", "Established"};
    return kNames[static_cast<size_t>(state)];
}

Session::Session(SessionConfig config, std::function<double()> jitter)
    : config_(std::move(config)), jitter_(std::move(jitter)) {}

void Session::start(TimePoint now) {
    if (started_) {
        return;
    }
    started_ = true;
    failures_ = 0;
    retry_at_ = config_.passive ? TimePoint::max() : now;
    connect_if_due(now);
}

void Session::stop(TimePoint now, const Notification& notification) {
    started_ = false;
    retry_at_ = TimePoint::max();
    while (!links_.empty()) {
        Link& link = links_.front();
        if (link.state == State::Connect) {
            drop(now, link, std::nullopt);
            continue;
        }
        const bool wrap = link.state == State::Established && link.agreed.notification_restarts &&
                          ends_for_good(notification);
        fail(now, link, wrap ? hard_reset(notification) : notification);
    }
}

void Session::abandon(TimePoint now) {
    started_ = false;
    retry_at_ = TimePoint::max();
    while (!links_.empty()) {
        drop(now, links_.front(), std::nullopt);
    }
}

void Session::connected(TimePoint now, LinkId id) {
    Link* link = find(id);
    if (link != nullptr && link->state == State::Connect) {
        send_open(now, *link);
    }
}

void Session::disconnected(TimePoint now, LinkId id, const std::string& why) {
    if (Link* link = find(id)) {
        drop(now, *link, ended(*link, Ended::By::Transport, std::nullopt, why));
    }
}

std::optional<LinkId> Session::accepted(TimePoint now) {
    if (!started_) {
        return std::nullopt;  // RFC 4271 §8.2.2, Idle: refuses all
    }
    for (Link& link : links_) {
        if (link.ours) {
            continue;
        }
        if (link.state == State::OpenConfirm) {
            return std::nullopt;
        }
        if (link.state == State::OpenSent) {
            // The neighbour has said nothing on it yet, and begins anew.
            drop(now, link, std::nullopt);
            break;
        }
    }
    links_.push_back(Link{.id = next_link_++, .ours = false, .opened = now});
    send_open(now, links_.back());
    return links_.back().id;
}

void Session::wrote(TimePoint now, LinkId id, size_t rest) {
    Link* link = find(id);
    if (link == nullptr) {
        return;
    }
    link->blocked = rest > 0;
    link->send_hold = TimePoint::max();
    if (link->blocked) {
        const auto hold = link->agreed.hold_time;
        link->send_hold = now + (hold.count() > 0 ? 2 * hold : std::chrono::seconds(kSendHold));
    }
}

void Session::tick(TimePoint now) {
    // A link that goes may take others with it, so the walk begins again after one.
    bool again = true;
    while (again) {
        again = std::any_of(links_.begin(), links_.end(),
                            [&](Link& link) { return !expire(now, link); });
    }
    connect_if_due(now);
}

// Whether the link is still there.
bool Session::expire(TimePoint now, Link& link) {
    if (now >= link.send_hold) {
        return fail(now, link, Notification(ErrorCode::SendHoldExpired, 0));  // RFC 9687 §3
    }
    if (now >= link.hold) {
        if (link.state == State::Connect) {
            drop(now, link, ended(link, Ended::By::Transport, std::nullopt, "no answer"));
            return false;
        }
        return fail(now, link, Notification(ErrorCode::HoldTimerExpired, 0));  // RFC 4271 §6.5
    }
    if (now >= link.keepalive) {
        // Behind what cannot be written, one more would only add to what waits.
        if (!link.blocked) {
            send_keepalive(now, link);
        } else {
            arm_keepalive(now, link);
        }
    }
    return true;
}

TimePoint Session::deadline() const {
    TimePoint first = retry_at_;
    for (const Link& link : links_) {
        first = std::min({first, link.hold, link.keepalive, link.send_hold});
    }
    return first;
}

void Session::send(TimePoint now, Bytes message) {
    Link* link = established();
    if (link != nullptr) {
        transmit(now, *link, std::move(message));
    }
}

State Session::state() const {
    if (!started_) {
        return State::Idle;
    }
    const Link* link = furthest();
    return link == nullptr ? State::Active : link->state;
}

TimePoint Session::hold_deadline() const {
    const Link* link = furthest();
    return link == nullptr ? TimePoint::max() : link->hold;
}

TimePoint Session::keepalive_deadline() const {
    const Link* link = furthest();
    return link == nullptr ? TimePoint::max() : link->keepalive;
}

Session::Link* Session::find(LinkId id) {
    const auto found = std::find_if(links_.begin(), links_.end(),
                                    [id](const Link& link) { return link.id == id; });
    return found == links_.end() ? nullptr : &*found;
}

Session::Link* Session::established() {
    const auto found = std::find_if(links_.begin(), links_.end(), [](const Link& link) {
        return link.state == State::Established;
    });
    return found == links_.end() ? nullptr : &*found;
}

const Session::Link* Session::furthest() const {
    const auto found =
        std::max_element(links_.begin(), links_.end(),
                         [](const Link& a, const Link& b) { return a.state < b.state; });
    return found == links_.end() ? nullptr : &*found;
}

void Session::transmit(TimePoint now, Link& link, Bytes bytes) {
    switch (static_cast<MessageType>(bytes[18])) {
        case MessageType::Open:
            ++sent_.opens;
            break;
        case MessageType::Update:
            ++sent_.updates;
            break;
        case MessageType::Notification:
            ++sent_.notifications;
            break;
        case MessageType::Keepalive:
            ++sent_.keepalives;
            break;
        case MessageType::RouteRefresh:
            ++sent_.refreshes;
            break;
    }
    if (!link.blocked) {
        wrote(now, link.id, bytes.size());
    }
    actions_.push_back(action::Send{link.id, std::move(bytes)});
}

void Session::send_open(TimePoint now, Link& link) {
    Open open;
    open.as = config_.local_as;
    open.hold_time = config_.hold_time;
    open.identifier = config_.router_id;
    open.capabilities = config_.capabilities;
    link.offered = open;
    link.state = State::OpenSent;
    link.hold = now + kOpenWait;
    transmit(now, link, encode_open(open));
}

void Session::send_keepalive(TimePoint now, Link& link) {
    arm_keepalive(now, link);
    transmit(now, link, encode_keepalive());
}

void Session::arm_keepalive(TimePoint now, Link& link) {
    const auto interval = link.agreed.keepalive_interval();
    link.keepalive = interval.count() > 0
                         ? now + duration_cast<Clock::duration>(interval * jitter_())
                         : TimePoint::max();
}

void Session::arm_hold(TimePoint now, Link& link) {
    const auto hold = link.agreed.hold_time;
    link.hold = hold.count() > 0 ? now + hold : TimePoint::max();
}

Ended Session::ended(const Link& link, Ended::By by, std::optional<Notification> notification,
                     std::string transport) const {
    Ended why;
    why.by = by;
    why.notification = std::move(notification);
    why.transport = std::move(transport);
    why.state = link.state;
    if (link.theirs) {
        why.their_as = link.theirs->as;
    }
    return why;
}

// Sends the NOTIFICATION and closes: RFC 4271 §6.
bool Session::fail(TimePoint now, Link& link, const Notification& notification) {
    transmit(now, link, encode_notification(notification));
    drop(now, link, ended(link, Ended::By::Us, notification));
    return false;
}

void Session::drop(TimePoint now, Link& link, std::optional<Ended> why) {
    const bool was_up = link.state == State::Established;
    const LinkId id = link.id;
    links_.remove_if([id](const Link& other) { return other.id == id; });
    actions_.push_back(action::Close{id});
    // The loser of a collision is no error while there is a winner.
    const bool lost =
        why && why->notification && why->notification->is(Cease::Collision) && !links_.empty();
    if (why && !lost) {
        last_error_ = std::move(why);
        ++errors_;
    }
    if (was_up) {
        if (established_at_ && now - *established_at_ >= config_.retry_limit) {
            failures_ = 0;  // it stayed up, so this is news
        }
        established_at_.reset();
        ++flaps_;
        actions_.push_back(action::Down{});
    }
    const bool trying =
        std::any_of(links_.begin(), links_.end(), [](const Link& other) { return other.ours; });
    if (started_ && !trying && retry_at_ == TimePoint::max()) {
        schedule_retry(now);
    }
}

void Session::schedule_retry(TimePoint now) {
    if (config_.passive) {
        return;
    }
    const auto doubled = config_.retry_first * (1U << std::min(failures_, 16U));
    ++failures_;
    retry_at_ =
        now + duration_cast<Clock::duration>(std::min(doubled, config_.retry_limit) * jitter_());
}

void Session::connect_if_due(TimePoint now) {
    if (!started_ || config_.passive || now < retry_at_) {
        return;
    }
    const bool busy = std::any_of(links_.begin(), links_.end(), [](const Link& link) {
        return link.ours || link.state >= State::OpenConfirm;
    });
    retry_at_ = TimePoint::max();
    if (busy) {
        return;  // its end brings the next try
    }
    links_.push_back(Link{.id = next_link_++, .ours = true, .opened = now});
    links_.back().hold = now + config_.connect_timeout;
    actions_.push_back(action::Connect{links_.back().id});
}

}  // namespace dlb::bgp
