// Session: the state machine of RFC 4271 §8 with one neighbour, over as many connections as a
// collision makes. Pure: events and the time go in, actions come out; it knows no socket and no
// clock.
//
//   session.start(now); for (Action& action : session.take_actions()) …
//
// Differences from §8.2.2, both within what it allows: after a failure the machine goes back to
// Active rather than Idle, so that a neighbour which connects is always heard (what damps is the
// wait before a connection of our own); and DelayOpen is not used.
//
// Thread safety: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bgp/negotiation.hpp"
#include "bgp/update.hpp"

namespace dlb::bgp {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

enum class State : uint8_t { Idle, Connect, Active, OpenSent, OpenConfirm, Established };
const char* name_of(State state);

struct SessionConfig {
    uint32_t local_as = 0;
    uint32_t remote_as = 0;
    uint32_t router_id = 0;                       // host byte order; not 0
    std::chrono::seconds hold_time{9};            // offered; 0 or at least 3
    bool passive = false;                         // never connects
    Capabilities capabilities;                    // offered
    std::chrono::milliseconds retry_first{1000};  // before a connection is tried again, doubled …
    std::chrono::milliseconds retry_limit{30000};  // … up to this; both × 0.75 to 1
    std::chrono::milliseconds connect_timeout{10000};
};

// A connection's number; never used again.
using LinkId = uint32_t;

struct Ended {
    enum class By : uint8_t { Us, Neighbor, Transport };
    By by = By::Transport;
    std::optional<Notification> notification;  // sent or received
    std::string transport;                     // "Connection refused"; "" with a notification
    State state = State::Idle;                 // in which it ended
    std::optional<uint32_t> their_as;          // as their OPEN said
};

namespace action {
struct Connect {
    LinkId link;
};
struct Send {
    LinkId link;
    Bytes bytes;
};
struct Close {  // once all is sent
    LinkId link;
};
struct Up {
    LinkId link;
};
struct Down {};  // was up before
struct Routes {
    Update update;
};
struct Refresh {
    RouteRefresh refresh;
};
}  // namespace action

using Action = std::variant<action::Connect, action::Send, action::Close, action::Up, action::Down,
                            action::Routes, action::Refresh>;

struct MessageCounts {
    uint64_t opens = 0;
    uint64_t updates = 0;
    uint64_t notifications = 0;
    uint64_t keepalives = 0;
    uint64_t refreshes = 0;
    uint64_t total() const { return opens + updates + notifications + keepalives + refreshes; }
};

class Session {
  public:
    // `jitter` gives numbers from 0.75 to 1 (RFC 4271 §10).
    Session(SessionConfig config, std::function<double()> jitter);

    void start(TimePoint now);
    // Ends with a NOTIFICATION; wrapped into a hard reset where a Cease would else be survived (RFC
    // 8538 §3).
    void stop(TimePoint now, const Notification& notification);
    // Ends without one, so that a helper keeps the routes (RFC 4724 §4).
    void abandon(TimePoint now);

    void connected(TimePoint now, LinkId link);
    // Also for one that was connected: FIN, a reset, an error.
    void disconnected(TimePoint now, LinkId link, const std::string& why);
    // The neighbour connected. nullopt: refused, close it.
    std::optional<LinkId> accepted(TimePoint now);
    void received(TimePoint now, LinkId link, View bytes);
    // Some of what was sent left for the kernel; `rest` bytes wait.
    void wrote(TimePoint now, LinkId link, size_t rest);
    // To be called at deadline(), or whenever.
    void tick(TimePoint now);
    TimePoint deadline() const;  // TimePoint::max(): none

    // REQUIRES: state() == Established. An UPDATE or ROUTE-REFRESH.
    void send(TimePoint now, Bytes message);

    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    // What is offered from the next OPEN on.
    void set_capabilities(Capabilities capabilities) {
        config_.capabilities = std::move(capabilities);
    }

    State state() const;
    const SessionConfig& config() const { return config_; }
    const Negotiated& negotiated() const { return negotiated_; }  // of the last session that was up
    const std::optional<Open>& their_open() const { return their_open_; }
    const std::optional<Open>& our_open() const { return our_open_; }
    const std::optional<Ended>& last_error() const { return last_error_; }
    uint64_t errors() const { return errors_; }  // how often last_error() changed
    std::optional<TimePoint> established_at() const { return established_at_; }
    // Of the connection that is furthest; max(): not running.
    TimePoint hold_deadline() const;
    TimePoint keepalive_deadline() const;
    TimePoint retry_at() const { return retry_at_; }
    const MessageCounts& sent() const { return sent_; }
    const MessageCounts& heard() const { return heard_; }
    uint64_t flaps() const { return flaps_; }  // how often an established session ended
    uint64_t treated_as_withdraw() const { return treated_as_withdraw_; }
    uint64_t attributes_discarded() const { return attributes_discarded_; }

  private:
    struct Link {
        LinkId id;
        bool ours;  // we connected
        State state = State::Connect;
        TimePoint opened;
        Framer framer{};
        std::optional<Open> offered{};
        std::optional<Open> theirs{};
        Negotiated agreed{};
        TimePoint hold = TimePoint::max();
        TimePoint keepalive = TimePoint::max();
        TimePoint send_hold = TimePoint::max();
        bool blocked = false;  // something waits to be written
    };
    using Links = std::list<Link>;

    Link* find(LinkId id);
    Link* established();
    const Link* furthest() const;
    void transmit(TimePoint now, Link& link, Bytes bytes);
    void send_open(TimePoint now, Link& link);
    void send_keepalive(TimePoint now, Link& link);
    void arm_keepalive(TimePoint now, Link& link);
    void arm_hold(TimePoint now, Link& link);
    // Each returns whether the link is still there.
    bool handle(TimePoint now, Link& link, const Message& message);
    bool in_open_sent(TimePoint now, Link& link, const Message& message);
    bool in_open_confirm(TimePoint now, Link& link, const Message& message);
    bool in_established(TimePoint now, Link& link, const Message& message);
    bool take_open(TimePoint now, Link& link, Open open);
    bool take_update(TimePoint now, Link& link, View body);
    bool take_refresh(TimePoint now, Link& link, View body);
    bool survives_collision(TimePoint now, Link& link);
    void enter_established(TimePoint now, Link& link);
    bool fail(TimePoint now, Link& link, const Notification& notification);
    bool heard_notification(TimePoint now, Link& link, View body);
    void drop(TimePoint now, Link& link, std::optional<Ended> why);
    bool expire(TimePoint now, Link& link);
    void connect_if_due(TimePoint now);
    void schedule_retry(TimePoint now);
    Ended ended(const Link& link, Ended::By by, std::optional<Notification> notification,
                std::string transport = "") const;

    SessionConfig config_;
    std::function<double()> jitter_;
    bool started_ = false;
    Links links_;
    LinkId next_link_ = 1;
    TimePoint retry_at_ = TimePoint::max();
    unsigned failures_ = 0;  // since a session stayed up
    std::vector<Action> actions_;

    Negotiated negotiated_;
    std::optional<Open> our_open_;
    std::optional<Open> their_open_;
    std::optional<Ended> last_error_;
    std::optional<TimePoint> established_at_;
    MessageCounts sent_;
    MessageCounts heard_;
    uint64_t flaps_ = 0;
    uint64_t errors_ = 0;
    uint64_t treated_as_withdraw_ = 0;
    uint64_t attributes_discarded_ = 0;
};

}  // namespace dlb::bgp
