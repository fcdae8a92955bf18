// The looking glass: what is known of a neighbour, as plain values.
// Thread safety: plain values and pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "bgp/peer.hpp"

namespace dlb::bgp {

struct PeerState {
    IpAddress address;
    uint32_t asn = 0;
    bool dynamic = false;
    State state = State::Idle;
    std::chrono::seconds uptime{0};     // of the session that is up
    std::chrono::seconds hold_time{0};  // negotiated; 0 where none is up
    std::chrono::milliseconds keepalive{0};
    std::optional<std::chrono::milliseconds> hold_left;
    std::optional<std::chrono::milliseconds> retry_in;
    std::optional<IpAddress> router_id;  // the neighbour's
    std::string offered;                 // capabilities, ours; "" before the first OPEN
    std::string received;                // the neighbour's
    std::string last_error;              // "" : none yet
    std::string likely_cause;
    MessageCounts sent;
    MessageCounts heard;
    uint64_t flaps = 0;
    uint64_t treated_as_withdraw = 0;  // UPDATEs, RFC 7606
    uint64_t attributes_discarded = 0;
    size_t routes_announced = 0;
    size_t routes_refused = 0;  // by us, for this session: see routes_out()
    size_t routes_heard = 0;    // and kept
    uint64_t routes_not_kept = 0;
};

PeerState state_of(const Peer& peer, uint32_t local_as, bool dynamic, TimePoint now);

}  // namespace dlb::bgp
