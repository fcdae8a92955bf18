// What each message does in each state: RFC 4271 §8.2.2, from OpenSent on, and §6.8.
#include <algorithm>

#include "bgp/session.hpp"

namespace dlb::bgp {
namespace {

// RFC 4724 §5 takes a new connection for the end of the established one. A collision can look
// the same for a round trip or two, so only what comes later than this is taken for a restart.
constexpr std::chrono::seconds kCollisionWindow{1};

// RFC 6608 §3: which message was not expected.
Notification unexpected(StateError state, const Message& message) {
    return {state, Bytes{static_cast<uint8_t>(message.type)}};
}

// RFC 4271 §6.8, RFC 6286 §2.3: whether the connection that we opened is the one to keep.
bool keeps_ours(const Open& ours, const Open& theirs) {
    return std::pair(ours.identifier, ours.as) > std::pair(theirs.identifier, theirs.as);
}

}  // namespace

void Session::received(TimePoint now, LinkId id, View bytes) {
    Link* link = find(id);
    if (link == nullptr || link->state == State::Connect) {
        return;
    }
    link->framer.append(bytes);
    for (;;) {
        const auto next = link->framer.next();
        if (!next) {
            fail(now, *link, next.error());
            return;
        }
        if (!next.value() || !handle(now, *link, *next.value())) {
            return;
        }
    }
}

bool Session::handle(TimePoint now, Link& link, const Message& message) {
    if (message.type == MessageType::Notification) {
        return heard_notification(now, link, message.body);
    }
    switch (link.state) {
        case State::OpenSent:
            return in_open_sent(now, link, message);
        case State::OpenConfirm:
            return in_open_confirm(now, link, message);
        case State::Established:
            return in_established(now, link, message);
        default:
            return true;
    }
}

bool Session::heard_notification(TimePoint now, Link& link, View body) {
    ++heard_.notifications;
    drop(now, link, ended(link, Ended::By::Neighbor, decode_notification(body)));
    return false;
}

bool Session::in_open_sent(TimePoint now, Link& link, const Message& message) {
    if (message.type != MessageType::Open) {
        return fail(now, link, unexpected(StateError::InOpenSent, message));
    }
    ++heard_.opens;
    auto open = decode_open(message.body);
    if (!open) {
        return fail(now, link, open.error());
    }
    return take_open(now, link, std::move(open.value()));
}

bool Session::take_open(TimePoint now, Link& link, Open open) {
    link.theirs = std::move(open);
    their_open_ = link.theirs;
    our_open_ = link.offered;
    if (auto error = check_open(*link.offered, *link.theirs, config_.remote_as)) {
        return fail(now, link, *error);
    }
    if (!survives_collision(now, link)) {
        return false;
    }
    link.agreed = negotiate(*link.offered, *link.theirs);
    link.framer.set_limit(link.agreed.receive.limit);
    link.state = State::OpenConfirm;
    arm_hold(now, link);
    send_keepalive(now, link);
    return true;
}

// Upon an OPEN: closes what RFC 4271 §6.8 has lose. Whether `link` is still there.
bool Session::survives_collision(TimePoint now, Link& link) {
    for (Link& other : links_) {
        if (&other == &link || other.state < State::OpenConfirm) {
            continue;  // the other's OPEN will bring it up again
        }
        if (other.state == State::Established) {
            const bool restarted = !link.ours && other.agreed.restarts && established_at_ &&
                                   link.opened - *established_at_ >= kCollisionWindow;
            if (!restarted) {
                return fail(now, link, Cease::Collision);
            }
            drop(now, other, std::nullopt);  // RFC 4724 §5: and without a NOTIFICATION
            return true;
        }
        const bool ours_wins = keeps_ours(*link.offered, *link.theirs);
        Link& loser = link.ours == other.ours || link.ours == ours_wins ? other : link;
        const bool survives = &loser != &link;
        fail(now, loser, Cease::Collision);
        return survives;
    }
    return true;
}

bool Session::in_open_confirm(TimePoint now, Link& link, const Message& message) {
    if (message.type != MessageType::Keepalive) {
        return fail(now, link, unexpected(StateError::InOpenConfirm, message));
    }
    ++heard_.keepalives;
    enter_established(now, link);
    return true;
}

void Session::enter_established(TimePoint now, Link& link) {
    link.state = State::Established;
    arm_hold(now, link);
    negotiated_ = link.agreed;
    our_open_ = link.offered;
    their_open_ = link.theirs;
    established_at_ = now;
    retry_at_ = TimePoint::max();
    // A connection of ours that has got nowhere yet is not needed any more.
    for (auto other = links_.begin(); other != links_.end();) {
        Link& rest = *other++;
        if (rest.state == State::Connect) {
            actions_.push_back(action::Close{rest.id});
            links_.remove_if([&rest](const Link& one) { return &one == &rest; });
        }
    }
    actions_.push_back(action::Up{link.id});
}

bool Session::in_established(TimePoint now, Link& link, const Message& message) {
    switch (message.type) {
        case MessageType::Update:
            return take_update(now, link, message.body);
        case MessageType::Keepalive:
            ++heard_.keepalives;
            arm_hold(now, link);
            return true;
        case MessageType::RouteRefresh:
            return take_refresh(now, link, message.body);
        default:
            return fail(now, link, unexpected(StateError::InEstablished, message));
    }
}

bool Session::take_update(TimePoint now, Link& link, View body) {
    ++heard_.updates;
    arm_hold(now, link);
    auto update = decode_update(body, link.agreed.receive);
    if (!update) {
        return fail(now, link, update.error());
    }
    treated_as_withdraw_ += update.value().treated_as_withdraw ? 1 : 0;
    attributes_discarded_ += static_cast<uint64_t>(
        std::count_if(update.value().faults.begin(), update.value().faults.end(),
                      [](const AttributeFault& fault) { return fault.remedy == Remedy::Discard; }));
    actions_.push_back(action::Routes{std::move(update.value())});
    return true;
}

bool Session::take_refresh(TimePoint now, Link& link, View body) {
    ++heard_.refreshes;
    const auto refresh = decode_route_refresh(body);
    if (!refresh) {
        return fail(now, link, refresh.error());
    }
    if (!refresh.value()) {
        return true;
    }
    const auto family = unicast_family(refresh.value()->family);
    // RFC 2918 §4: one of a family that was not agreed upon is ignored.
    if (family && link.agreed.refresh && link.agreed.send.families[*family]) {
        actions_.push_back(action::Refresh{*refresh.value()});
    }
    return true;
}

}  // namespace dlb::bgp
