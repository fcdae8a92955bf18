// What a Speaker is told: values, validated where they come from (lib/config), but for what
// Speaker::start() names as an error.
// Thread safety: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bgp/capabilities.hpp"
#include "bgp/types.hpp"
#include "net/ip_address.hpp"

namespace dlb::bgp {

struct PeerConfig {
    IpAddress address;
    uint32_t asn = 0;
    uint16_t port = 179;
    std::optional<IpAddress> local_address;  // to connect from
    std::chrono::seconds hold_time{9};       // 0, or at least 3
    std::chrono::milliseconds retry_first{1000};
    std::chrono::milliseconds retry_limit{30000};
    std::chrono::milliseconds connect_timeout{10000};
    bool passive = false;
    std::string password;       // TCP MD5 (RFC 2385); empty: none. Never printed
    bool ttl_security = false;  // GTSM (RFC 5082)
    unsigned multihop = 1;      // hops; with ttl_security how far the neighbour may be
    PerFamily<bool> families{true, true};
    bool add_path = false;                         // RFC 7911, both directions
    bool extended_next_hop = false;                // RFC 8950
    PerFamily<std::optional<IpAddress>> next_hop;  // default: the connection's own address
    unsigned prepend = 0;         // times our AS is put before the path once more; eBGP
    size_t routes_kept = 10'000;  // of what the neighbour announces, to be looked at
    friend bool operator==(const PeerConfig&, const PeerConfig&) = default;
};

// Whoever connects from the prefix is a neighbour for as long as it stays connected.
struct DynamicConfig {
    Prefix prefix;
    PeerConfig peer;     // address and passive do not matter
    size_t limit = 256;  // neighbours at once
};

struct GracefulRestartConfig {
    bool enabled = true;
    std::chrono::seconds time{120};  // to keep the routes of one that left by upgrade()
    // To keep those of one that ended without a word: a neighbour cannot tell that from an upgrade,
    // so what it is offered while none is under way counts. Not for passive neighbours, which
    // upgrade() could not have come again.
    std::chrono::seconds crash_time{120};
};

struct SpeakerConfig {
    uint32_t asn = 0;
    uint32_t router_id = 0;        // host byte order; not 0
    std::vector<Endpoint> listen;  // empty: connects only
    GracefulRestartConfig graceful_restart;
    // This process takes over from one that left by upgrade(), and forwarding went on: the R and F
    // bits of the first OPENs (RFC 4724 §4.1).
    bool restarted = false;
    // Before routes_complete() is called no End-of-RIB is sent. true: as if it had been.
    bool routes_complete = true;
    std::vector<PeerConfig> peers;
    std::vector<DynamicConfig> dynamic;
};

enum class Stage : uint8_t {
    First,    // no session with this neighbour was complete yet
    Later,    // one was
    Leaving,  // upgrade() is under way
};
Capabilities capabilities_for(const SpeakerConfig& speaker, const PeerConfig& peer, Stage stage);

}  // namespace dlb::bgp
