// The life of a flow as the packets that pass us tell it.
//
// In tunnel and direct modes only the client's half is seen, so a state is what that half implies.
// Source: RFC 9293 §3.3.2, reduced as in IPVS's one-way tables.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/parse.hpp"

namespace dlb {

enum class FlowState : uint8_t {
    Free,       // no flow
    Handshake,  // SYN seen, no ACK yet
    Joined,     // first seen in the middle, by one packet
    Established,
    HalfClosed,  // the backend has closed, the client not yet: it still has to be heard
    Fin,         // the client has closed
    Closed,      // RST seen
    UdpNew,      // one packet seen
    Udp,
    ClientNew,  // no flow but where a client's flows go (persistence); none of them has come to
                // life
    Client,
};
inline constexpr unsigned kFlowStates = 11;

constexpr std::string_view to_string(FlowState state) {
    constexpr std::string_view kNames[kFlowStates] = {
        "free",   "handshake", "joined", "established", "half_closed", "fin",
        "closed", "udp_new",   "udp",    "client_new",  "client"};
    return kNames[static_cast<unsigned>(state)];
}

// Counts towards a backend's active connections.
constexpr bool is_active(FlowState state) {
    return state == FlowState::Handshake || state == FlowState::Joined ||
           state == FlowState::Established || state == FlowState::HalfClosed ||
           state == FlowState::UdpNew || state == FlowState::Udp;
}

// One packet made it, and a forged source can send one: such flows have a quota of the table.
constexpr bool is_half_open(FlowState state) {
    return state == FlowState::Handshake || state == FlowState::Joined ||
           state == FlowState::UdpNew || state == FlowState::ClientNew;
}

// A note of where a client's flows go.
constexpr bool is_client(FlowState state) {
    return state == FlowState::ClientNew || state == FlowState::Client;
}

// SYN alone: the client opens a connection.
constexpr bool is_opening(uint8_t protocol, uint8_t tcp_flags) {
    return protocol != kProtocolTcp || (tcp_flags & (kTcpSyn | kTcpAck | kTcpRst)) == kTcpSyn;
}

// A client that opens its connection anew, after the old one was closed.
constexpr bool reopens(FlowState state, uint8_t tcp_flags) {
    return is_opening(kProtocolTcp, tcp_flags) &&
           (state == FlowState::HalfClosed || state == FlowState::Fin ||
            state == FlowState::Closed);
}

constexpr FlowState first_state(uint8_t protocol, uint8_t tcp_flags) {
    if (protocol != kProtocolTcp) {
        return FlowState::UdpNew;
    }
    if ((tcp_flags & kTcpRst) != 0) {
        return FlowState::Closed;
    }
    if ((tcp_flags & kTcpFin) != 0) {
        return FlowState::Fin;
    }
    // Without a SYN it is a flow that another load balancer, or an earlier life of this one, began.
    return (tcp_flags & kTcpSyn) != 0 ? FlowState::Handshake : FlowState::Joined;
}

// `from_client`: the direction of the packet.
constexpr FlowState next_state(FlowState state, uint8_t tcp_flags, bool from_client) {
    if (state == FlowState::Udp || state == FlowState::UdpNew) {
        return from_client ? FlowState::Udp : state;  // an answer proves nothing about the client
    }
    if ((tcp_flags & kTcpRst) != 0) {
        return FlowState::Closed;
    }
    if ((tcp_flags & kTcpFin) != 0) {
        if (state == FlowState::Closed || state == FlowState::Fin) {
            return state;
        }
        return from_client ? FlowState::Fin : FlowState::HalfClosed;
    }
    if (state == FlowState::Joined) {
        return FlowState::Established;
    }
    // Only the client's ACK ends the handshake: a backend's SYN-ACK proves nothing about the
    // client.
    if (state == FlowState::Handshake && from_client && (tcp_flags & kTcpSyn) == 0 &&
        (tcp_flags & kTcpAck) != 0) {
        return FlowState::Established;
    }
    return state;
}

}  // namespace dlb
