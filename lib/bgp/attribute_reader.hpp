// Path attributes off the wire, with the error handling of RFC 7606.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bgp/attributes.hpp"
#include "bgp/notification.hpp"
#include "bgp/types.hpp"

namespace dlb::bgp {

// How UPDATEs of one direction of a session are written.
struct UpdateFormat {
    bool internal = false;  // iBGP
    bool as4 = true;
    PerFamily<bool> families{true, true};  // negotiated
    PerFamily<bool> add_path;
    bool extended_next_hop = false;  // IPv4 routes with an IPv6 next hop, RFC 8950
    size_t limit = 4096;             // bytes of a message
};

// RFC 7606 §2, by rising severity.
enum class Remedy : uint8_t { Discard, TreatAsWithdraw, Reset };

struct AttributeFault {
    Remedy remedy;
    uint8_t type = 0;  // the attribute's; 0: the list itself
    std::string what;
};

struct AttributesRead {
    Attributes attributes;
    std::vector<Nlri> reached;    // MP_REACH_NLRI
    std::vector<Nlri> withdrawn;  // MP_UNREACH_NLRI
    std::optional<AfiSafi> mp_reach;
    std::optional<AfiSafi> mp_unreach;
    bool has_mp_next_hop = false;
    bool has_origin = false;
    bool has_as_path = false;
    bool has_next_hop = false;
    bool only_mp_unreach = true;  // no other attribute stood there
    std::vector<AttributeFault> faults;
};

// Errors: only what RFC 7606 leaves a session reset; the rest is in `faults`.
Decoded<AttributesRead> read_attributes(View bytes, const UpdateFormat& format);

}  // namespace dlb::bgp
