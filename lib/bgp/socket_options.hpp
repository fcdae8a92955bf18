// What a BGP connection's socket is set to before it is used.
// Errors: one line with the system's words, never with a password.
// Thread safety: one thread.
#pragma once

#include <chrono>
#include <string>

#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb::bgp {

struct SocketRules {
    std::string password;       // RFC 2385; empty: none
    bool ttl_security = false;  // RFC 5082
    unsigned multihop = 1;
    bool internal = false;  // iBGP: any distance
    std::chrono::seconds hold_time{9};
};

// TCP_NODELAY, TCP_USER_TIMEOUT, the class of service of routing (RFC 4594 §3.1: CS6), and how far
// packets go and may come.
Result<void> set_rules(int socket, Family family, const SocketRules& rules);

// Whoever speaks from `who` has to sign with the password. Twice for one prefix replaces the first.
Result<void> set_password(int socket, const Prefix& who, const std::string& password);

// A listener's answer to a connection request has this hop limit: 255, where a neighbour's GTSM
// looks at it.
Result<void> set_hop_limit(int socket, Family family, int hops);

}  // namespace dlb::bgp
