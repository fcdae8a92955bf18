#include "bgp/bfd_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace dlb {
namespace {

using std::chrono::microseconds;

constexpr microseconds kShortest = std::chrono::milliseconds(10);
constexpr microseconds kLongest = std::chrono::hours(1);  // of what 32 bits can say, 71 min

Result<void> check_interval(const char* name, microseconds interval) {
    if (interval < kShortest || interval > kLongest) {
        return Error{std::string("BFD: ") + name + " of " + std::to_string(interval.count()) +
                     " us: give 10 ms to 1 h"};
    }
    return {};
}

}  // namespace

Result<void> BfdSettings::check() const {
    if (auto checked = check_interval("a transmit interval", min_tx); !checked) {
        return checked;
    }
    if (auto checked = check_interval("a receive interval", min_rx); !checked) {
        return checked;
    }
    if (multiplier == 0) {
        return Error{"BFD: a multiplier of 0: give 1 to 255"};
    }
    return {};
}

BfdSession::BfdSession(uint32_t discriminator, const BfdSettings& settings, Draw draw, BfdTime now)
    : discriminator_(discriminator),
      settings_(settings),
      draw_(std::move(draw)),
      since_(now),
      offered_{std::max(settings.min_tx, kBfdSlow), settings.min_rx},
      in_force_(offered_),
      last_sent_(now) {
    assert(discriminator != 0 && settings.check().ok());
    // The first packet at any time of the first interval: sessions made together do not stay so.
    scheduled_interval_ = tx_interval();
    next_send_ = now + microseconds(draw_(static_cast<uint32_t>(scheduled_interval_.count())));
}

BfdTime BfdSession::deadline() const {
    return last_received_ ? std::min(next_send_, *last_received_ + detection_time()) : next_send_;
}

BfdActions BfdSession::on_timer(BfdTime now) {
    BfdActions actions;
    if (last_received_ && now >= *last_received_ + detection_time()) {
        forget_remote();
        if (state_ == BfdState::Init || state_ == BfdState::Up) {  // §6.8.4
            enter(BfdState::Down, BfdDiagnostic::DetectionTimeExpired, now, actions);
        }
        reschedule(now);
    }
    if (actions.change || now >= next_send_) {
        send_now(now, actions);
    }
    return actions;
}

// §6.8.6 from "Set bfd.RemoteDiscr to the value of My Discriminator" on.
BfdActions BfdSession::on_packet(const BfdPacket& packet, BfdTime now) {
    BfdActions actions;
    learn(packet);
    if (packet.final && polling_ && poll_sent_) {
        finish_poll(now);
    }
    if (state_ == BfdState::AdminDown) {
        actions.verdict = BfdVerdict::AdminDown;
        reschedule(now);
        return actions;
    }
    advance(packet, now, actions);
    ++received_;
    last_received_ = now;
    if (packet.poll) {
        actions.send = make_packet(true);  // between the periodic ones, whatever their interval
    } else if (actions.change) {
        send_now(now, actions);
        return actions;
    }
    reschedule(now);
    return actions;
}

void BfdSession::learn(const BfdPacket& packet) {
    remote_discriminator_ = packet.my_discriminator;
    remote_state_ = packet.state;
    remote_diagnostic_ = packet.diagnostic;
    remote_demand_ = packet.demand;
    remote_multiplier_ = packet.multiplier;
    remote_min_tx_ = packet.desired_min_tx;
    remote_min_rx_ = packet.required_min_rx;
}

// The state machine of §6.2, as §6.8.6 words it.
void BfdSession::advance(const BfdPacket& packet, BfdTime now, BfdActions& actions) {
    const BfdState received = packet.state;
    if (received == BfdState::AdminDown) {
        if (state_ != BfdState::Down) {
            enter(BfdState::Down, BfdDiagnostic::NeighborSignaledDown, now, actions);
        }
        return;
    }
    switch (state_) {
        case BfdState::Down:
            if (received == BfdState::Down) {
                enter(BfdState::Init, diagnostic_, now, actions);
            } else if (received == BfdState::Init) {
                enter(BfdState::Up, BfdDiagnostic::None, now, actions);
            }
            break;
        case BfdState::Init:
            if (received == BfdState::Init || received == BfdState::Up) {
                enter(BfdState::Up, BfdDiagnostic::None, now, actions);
            }
            break;
        case BfdState::Up:
            if (received == BfdState::Down) {
                enter(BfdState::Down, BfdDiagnostic::NeighborSignaledDown, now, actions);
            }
            break;
        case BfdState::AdminDown:
            break;  // on_packet() let it be
    }
}

void BfdSession::enter(BfdState state, BfdDiagnostic diagnostic, BfdTime now, BfdActions& actions) {
    const BfdState before = std::exchange(state_, state);
    diagnostic_ = diagnostic;
    since_ = now;
    if (state == BfdState::Up) {
        ++ups_;
    } else if (before == BfdState::Up) {
        ++downs_;
        last_down_ = diagnostic;
    }
    actions.change = BfdChange{before, state, remote_state_, diagnostic, remote_diagnostic_};
    adopt_settings(now);
}

BfdActions BfdSession::set_admin_down(bool down, BfdTime now) {
    BfdActions actions;
    if (down == (state_ == BfdState::AdminDown)) {
        return actions;
    }
    polling_ = poll_sent_ = poll_again_ = false;  // no Final is looked at while AdminDown
    if (down) {
        last_received_.reset();
        enter(BfdState::AdminDown, BfdDiagnostic::AdministrativelyDown, now, actions);
    } else {
        // What the peer said in the meantime came without rules: begin as a new session does.
        forget_remote();
        enter(BfdState::Down, BfdDiagnostic::None, now, actions);
    }
    send_now(now, actions);
    return actions;
}

void BfdSession::change(const BfdSettings& settings, BfdTime now) {
    assert(settings.check().ok());
    settings_ = settings;  // the multiplier goes with the next packet, without a poll: §6.8.12
    adopt_settings(now);
}

// §6.8.3. What cannot wait for the peer to know is in force at once, the rest with its Final.
void BfdSession::adopt_settings(BfdTime now) {
    const bool up = state_ == BfdState::Up;
    const Intervals wanted{up ? settings_.min_tx : std::max(settings_.min_tx, kBfdSlow),
                           settings_.min_rx};
    const bool changed = wanted != offered_;
    offered_ = wanted;
    if (up) {
        in_force_.tx = std::min(in_force_.tx, wanted.tx);
        in_force_.rx = std::max(in_force_.rx, wanted.rx);
    } else {
        in_force_ = wanted;
    }
    if (changed) {
        start_poll();
    }
    reschedule(now);
}

// §6.5: P goes into the periodic packets, none is sent for it alone.
void BfdSession::start_poll() {
    if (remote_discriminator_ == 0 || state_ == BfdState::AdminDown) {
        return;  // nobody to answer: the first packets say it all
    }
    poll_again_ = polling_ && poll_sent_;
    polling_ = true;
}

void BfdSession::finish_poll(BfdTime now) {
    poll_sent_ = false;
    if (std::exchange(poll_again_, false)) {
        return;
    }
    polling_ = false;
    in_force_ = offered_;
    reschedule(now);
}

// §6.8.1, bfd.RemoteDiscr: zero again once a detection time has passed in silence.
void BfdSession::forget_remote() {
    remote_discriminator_ = 0;
    remote_state_ = BfdState::Down;
    remote_demand_ = false;
    remote_min_rx_ = microseconds(1);
    last_received_.reset();
    polling_ = poll_sent_ = poll_again_ = false;
}

BfdPacket BfdSession::make_packet(bool final) {
    ++sent_;
    BfdPacket packet;
    packet.diagnostic = diagnostic_;
    packet.state = state_;
    packet.final = final;
    packet.poll = polling_ && !final;
    poll_sent_ = poll_sent_ || packet.poll;
    packet.multiplier = settings_.multiplier;
    packet.my_discriminator = discriminator_;
    packet.your_discriminator = remote_discriminator_;
    packet.desired_min_tx = offered_.tx;
    packet.required_min_rx = offered_.rx;
    return packet;
}

void BfdSession::send_now(BfdTime now, BfdActions& actions) {
    actions.send = make_packet(false);
    last_sent_ = now;
    scheduled_interval_ = microseconds(0);  // draw anew
    reschedule(now);
}

// §6.8.7. Without demand mode of our own: nothing periodic is sent to a peer that wants none, by
// an interval of zero or, both sides being Up, by its demand mode, but for polls.
bool BfdSession::transmits() const {
    const bool demanded = remote_demand_ && state_ == BfdState::Up && remote_state_ == BfdState::Up;
    return remote_min_rx_ != microseconds(0) && (!demanded || polling_);
}

microseconds BfdSession::tx_interval() const {
    return std::max(in_force_.tx, remote_min_rx_);
}

microseconds BfdSession::detection_time() const {
    return remote_multiplier_ * std::max(in_force_.rx, remote_min_tx_);
}

microseconds BfdSession::draw_interval() {
    const int64_t interval = tx_interval().count();
    const int64_t longest = settings_.multiplier == 1 ? interval * 90 / 100 : interval;
    const int64_t shortest = (interval * 75 + 99) / 100;
    return microseconds(shortest + draw_(static_cast<uint32_t>(longest - shortest + 1)));
}

// The next periodic packet, anew from the last one where the interval is another than before: one
// that became shorter counts at once (§6.8.3), even when that time has passed already.
void BfdSession::reschedule(BfdTime now) {
    if (!transmits()) {
        next_send_ = BfdTime::max();
        scheduled_interval_ = microseconds(0);
    } else if (scheduled_interval_ != tx_interval()) {
        scheduled_interval_ = tx_interval();
        next_send_ = std::max(now, last_sent_ + draw_interval());
    }
}

BfdSessionStatus BfdSession::status() const {
    BfdSessionStatus status;
    status.state = state_;
    status.remote_state = remote_state_;
    status.diagnostic = diagnostic_;
    status.remote_diagnostic = remote_diagnostic_;
    status.last_down = last_down_;
    status.discriminator = discriminator_;
    status.remote_discriminator = remote_discriminator_;
    status.settings = settings_;
    status.remote_min_tx = remote_min_tx_;
    status.remote_min_rx = remote_min_rx_;
    status.remote_multiplier = remote_multiplier_;
    status.tx_interval = transmits() ? tx_interval() : microseconds(0);
    status.detection_time = detection_time();
    status.polling = polling_;
    status.ups = ups_;
    status.downs = downs_;
    status.sent = sent_;
    status.received = received_;
    status.since = since_;
    return status;
}

}  // namespace dlb
