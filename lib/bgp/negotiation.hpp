// What two OPENs agree upon.
// Thread safety: pure functions.
#pragma once

#include <chrono>
#include <optional>

#include "bgp/attribute_reader.hpp"
#include "bgp/message.hpp"

namespace dlb::bgp {

struct Negotiated {
    std::chrono::seconds hold_time{0};  // 0: neither KEEPALIVEs nor a hold timer
    UpdateFormat send;
    UpdateFormat receive;
    bool refresh = false;                // we may ask, and answer
    bool enhanced_refresh = false;       // RFC 7313
    bool restarts = false;               // the neighbour sent the graceful-restart capability
    bool notification_restarts = false;  // RFC 8538: both set the N bit

    std::chrono::milliseconds keepalive_interval() const {  // RFC 4271 §4.4, §10
        return std::chrono::milliseconds(hold_time) / 3;
    }
};

// Errors: 2/2 another AS than `remote_as`, 2/3 our own identifier, 2/7 no family in common.
std::optional<Notification> check_open(const Open& ours, const Open& theirs, uint32_t remote_as);

Negotiated negotiate(const Open& ours, const Open& theirs);

}  // namespace dlb::bgp
