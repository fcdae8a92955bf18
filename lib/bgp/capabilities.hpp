// Capabilities (RFC 5492): what one side says in its OPEN, and what follows from both.
// Thread safety: pure functions on plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bgp/bytes.hpp"
#include "bgp/notification.hpp"
#include "bgp/types.hpp"

namespace dlb::bgp {

// RFC 4724 §3, RFC 8538 §2.
struct GracefulRestart {
    struct Entry {
        AfiSafi family;
        bool forwarding = false;  // F: the forwarding state was preserved
        friend bool operator==(const Entry&, const Entry&) = default;
    };
    bool restarted = false;        // R
    bool notification = false;     // N
    std::chrono::seconds time{0};  // 0 to 4095
    std::vector<Entry> families;   // may be empty: a peer that helps and keeps nothing itself
    friend bool operator==(const GracefulRestart&, const GracefulRestart&) = default;
};

enum AddPathMode : uint8_t { kAddPathReceive = 1, kAddPathSend = 2 };  // RFC 7911 §4; 3: both

struct AddPath {
    AfiSafi family;
    uint8_t mode = 0;
    friend bool operator==(const AddPath&, const AddPath&) = default;
};

struct ExtendedNextHop {  // RFC 8950 §4
    AfiSafi family;
    uint16_t next_hop_afi = 0;
    friend bool operator==(const ExtendedNextHop&, const ExtendedNextHop&) = default;
};

struct Capabilities {
    std::vector<AfiSafi> families;  // RFC 4760 §8
    bool route_refresh = false;     // RFC 2918
    bool enhanced_refresh = false;  // RFC 7313
    bool extended_message = false;  // RFC 8654
    std::optional<uint32_t> as4;    // RFC 6793: the AS itself
    std::optional<GracefulRestart> graceful_restart;
    std::vector<AddPath> add_path;
    std::vector<ExtendedNextHop> extended_next_hop;
    std::vector<uint8_t> others;  // codes of those that are not known here

    bool has(AfiSafi family) const;
    uint8_t add_path_mode(AfiSafi family) const;
    friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

// The value of one optional parameter: (code, length, value)*.
Bytes encode_capabilities(const Capabilities& capabilities);

// Adds what one optional parameter holds: some speakers send one parameter a capability.
// Errors: 2/0 where a length does not fit.
std::optional<Notification> decode_capabilities(View parameter, Capabilities& capabilities);

// "ipv4-unicast ipv6-unicast refresh as4 graceful-restart(120s,R,N,ipv4-unicast:F) …"
std::string describe(const Capabilities& capabilities);
std::string describe(AfiSafi family);

}  // namespace dlb::bgp
