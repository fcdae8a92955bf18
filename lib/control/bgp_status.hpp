// What the console and the metrics may know of BGP and BFD, as plain values.
//
// Units: counters are totals since start. Thread safety: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/ip_address.hpp"

namespace dlb {

struct BgpMessageCounts {
    uint64_t opens = 0, updates = 0, notifications = 0, keepalives = 0, refreshes = 0;
    uint64_t total() const { return opens + updates + notifications + keepalives + refreshes; }
};

// The BFD session that watches a neighbour.
struct BgpBfdStatus {
    std::string state;         // "up", "down", "init", "admin_down"; "failed": it could not start
    std::string remote_state;  // as the neighbour says
    std::string diagnostic;    // why it last left up (RFC 5880 §4.1): "" for none
    std::string error;         // why it could not start, or the last error of sending; "": none
    double up_s = 0;           // how long it has been up
    double tx_interval_ms = 0;
    double rx_interval_ms = 0;  // what the neighbour sends at
    double detection_ms = 0;    // without a packet for so long the neighbour is gone
    uint64_t flaps = 0;         // how often it left up
    uint64_t sent = 0, received = 0, dropped = 0;  // packets
    bool real_time = false;                        // its thread has a real-time priority
};

struct BgpNeighborStatus {
    IpAddress address;
    uint32_t asn = 0;
    bool dynamic = false;  // found by a prefix
    std::string state;     // "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"
    double uptime_s = 0;   // of the session that is up
    double hold_time_s = 0;  // negotiated; 0 where none is up
    double keepalive_s = 0;
    std::optional<double> hold_left_s;   // until the session ends unless a message comes
    std::optional<double> retry_in_s;    // until the next attempt to connect
    std::optional<IpAddress> router_id;  // the neighbour's
    std::string offered, received;       // capabilities, ours and the neighbour's; "": no OPEN yet
    std::string last_error, likely_cause;  // "": none
    BgpMessageCounts messages_sent, messages_received;
    uint64_t flaps = 0;
    uint64_t treated_as_withdraw = 0, attributes_discarded = 0;  // UPDATEs, attributes (RFC 7606)
    uint64_t routes_announced = 0;                               // that it was told
    uint64_t routes_refused = 0;   // that cannot be announced to it, as show bgp routes says
    uint64_t routes_received = 0;  // and kept
    uint64_t routes_not_kept = 0;  // beyond the bound
    std::optional<BgpBfdStatus> bfd;
};

struct BgpStatus {
    bool enabled = false;
    uint32_t asn = 0;
    std::optional<IpAddress> router_id;
    std::string
        phase;  // "running", "draining", "restarting" (before the first routes are complete)
    std::vector<BgpNeighborStatus> neighbors;  // by address
    std::vector<std::string> waiting;  // prefixes of [[bgp.neighbor]] without a neighbour now
    uint64_t refused_connections = 0;  // from strangers
};

// A prefix that is announced, or that is not, and why.
struct BgpRouteStatus {
    struct Sent {
        IpAddress neighbor;
        std::string next_hop;  // "" where none is known
    };
    struct Refused {
        IpAddress neighbor;
        std::string reason;
    };
    Prefix prefix;
    bool aggregate = false;
    std::vector<std::string> services;     // that want it
    std::vector<std::string> communities;  // "65021:100", "65021:1:2", "graceful-shutdown"
    std::vector<Sent> announced_to;        // neighbours that were told
    std::vector<Refused> refused;          // sessions over which it cannot go
    std::string reason;                    // why it is announced to nobody at all; "": it is wanted
};

// A route that a neighbour announced. It is looked at, and nothing else.
struct BgpReceivedRoute {
    Prefix prefix;
    uint32_t path_id = 0;
    std::string next_hop;
    std::string as_path;  // "65001 65002 {65003}"
    std::string origin;   // "igp", "egp", "incomplete"
    std::optional<uint32_t> med, local_preference;
    std::vector<std::string> communities;
};

}  // namespace dlb
