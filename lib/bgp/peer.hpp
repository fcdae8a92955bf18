// Peer: one neighbour. Its Session, what it is told and what it tells. Pure but for the Transport.
// Thread safety: one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "bgp/adj_rib_in.hpp"
#include "bgp/adj_rib_out.hpp"
#include "bgp/config.hpp"
#include "bgp/route_table.hpp"
#include "bgp/session.hpp"
#include "bgp/transport.hpp"

namespace dlb::bgp {

class Peer {
  public:
    // `routes` are announced from the first session on. The references outlive the Peer.
    Peer(const SpeakerConfig& speaker, PeerConfig config, const RouteTable& routes,
         Transport& transport, std::function<double()> jitter);

    void start(TimePoint now);
    void stop(TimePoint now, const Notification& notification);
    void abandon(TimePoint now);  // without a NOTIFICATION: for a restart
    // The same, and begins anew as one that has restarted and may take its time to do so again.
    void reopen(TimePoint now);
    bool knows_all() const;  // the neighbour was sent every route, and the kernel has all of it

    // Events of the transport.
    void connected(TimePoint now, LinkId link);
    void disconnected(TimePoint now, LinkId link, const std::string& why);
    std::optional<LinkId> accepted(TimePoint now);  // nullopt: refused
    // Also to be called after accepted(), once the transport knows the link.
    void pump(TimePoint now);
    void received(TimePoint now, LinkId link, View bytes);
    void wrote(TimePoint now, LinkId link, size_t rest);
    void tick(TimePoint now);
    TimePoint deadline() const { return session_.deadline(); }

    // Sent with the next pump(), so that changes made together share UPDATEs.
    void announce(const Prefix& prefix, const RoutePtr& route);
    void withdraw(const Prefix& prefix);
    void set_complete(TimePoint now);
    // Asks the neighbour for its routes again (RFC 2918). Errors: not up, or not offered by it.
    Result<void> request_refresh(TimePoint now, Family family);

    const PeerConfig& config() const { return config_; }
    const Session& session() const { return session_; }
    const AdjRibOut& routes_out() const { return out_; }
    const AdjRibIn& routes_in() const { return in_; }
    uint64_t updates_for(Family family) const { return prefixes_heard_[family]; }
    bool idle() const { return !link_ && session_.state() <= State::Active; }

    // Whether a session came up (true) or ended.
    std::function<void(bool up)> on_change;

  private:
    void perform(Action& action);
    void up(LinkId link);
    void down();
    bool flush(TimePoint now);
    RoutePtr for_this_peer(const RoutePtr& route) const;

    const SpeakerConfig& speaker_;
    PeerConfig config_;
    Transport& transport_;
    Session session_;
    AdjRibOut out_;
    AdjRibIn in_;
    std::optional<LinkId> link_;  // of the established session
    bool first_ = true;           // no session was complete yet
    bool pumping_ = false;
    PerFamily<uint64_t> prefixes_heard_;
};

}  // namespace dlb::bgp
