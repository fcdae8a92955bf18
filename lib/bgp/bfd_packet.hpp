// The BFD control packet (RFC 5880 §4.1), and the reception rules that need no session (§6.8.6).
//
// Shapes: intervals are microseconds, 32 bits wide on the wire; discriminators in host byte order.
// Errors: each packet that is not taken has a BfdVerdict of its own, which is counted.
// Thread safety: pure functions and plain values.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/routing_ports.hpp"

namespace dlb {

enum class BfdState : uint8_t { AdminDown = 0, Down = 1, Init = 2, Up = 3 };

// RFC 5880 §4.1. A peer may send others, up to 31: those are kept as they are.
enum class BfdDiagnostic : uint8_t {
    None = 0,
    DetectionTimeExpired = 1,
    EchoFailed = 2,
    NeighborSignaledDown = 3,
    ForwardingPlaneReset = 4,
    PathDown = 5,
    ConcatenatedPathDown = 6,
    AdministrativelyDown = 7,
    ReverseConcatenatedPathDown = 8,
};

// X(Name, "name"): what became of a received packet, in the order in which the rules are asked.
#define DLB_BFD_VERDICTS(X)                       \
    X(Accepted, "accepted")                       \
    X(Truncated, "truncated")                     \
    X(BadVersion, "bad_version")                  \
    X(BadLength, "bad_length")                    \
    X(LengthBeyondPayload, "beyond_payload")      \
    X(ZeroMultiplier, "zero_multiplier")          \
    X(Multipoint, "multipoint")                   \
    X(ZeroDiscriminator, "zero_discriminator")    \
    X(UnknownDiscriminator, "unknown_session")    \
    X(StateWithoutSession, "state_needs_session") \
    X(UnknownPeer, "unknown_peer")                \
    X(BadHopLimit, "bad_hop_limit")               \
    X(Authentication, "authentication")           \
    X(AdminDown, "admin_down")

enum class BfdVerdict : uint8_t {
#define DLB_BFD_VERDICT_NAME(name, text) name,
    DLB_BFD_VERDICTS(DLB_BFD_VERDICT_NAME)
#undef DLB_BFD_VERDICT_NAME
};
inline constexpr std::string_view kBfdVerdictNames[] = {
#define DLB_BFD_VERDICT_TEXT(name, text) text,
    DLB_BFD_VERDICTS(DLB_BFD_VERDICT_TEXT)
#undef DLB_BFD_VERDICT_TEXT
};
inline constexpr size_t kBfdVerdicts = std::size(kBfdVerdictNames);

using BfdCounters = std::array<uint64_t, kBfdVerdicts>;  // by BfdVerdict

std::string_view to_string(BfdState state);            // as in the RFC: "AdminDown", "Up"
std::string_view to_string(BfdDiagnostic diagnostic);  // "control detection time expired"
constexpr std::string_view to_string(BfdVerdict verdict) {
    return kBfdVerdictNames[static_cast<size_t>(verdict)];
}

inline constexpr size_t kBfdPacketSize = 24;                     // bytes, without authentication
inline constexpr uint16_t kBfdFirstSourcePort = 49152;           // RFC 5881 §4, to 65535
inline constexpr std::chrono::microseconds kBfdSlow{1'000'000};  // at least, until Up: §6.8.3

struct BfdPacket {
    BfdDiagnostic diagnostic = BfdDiagnostic::None;
    BfdState state = BfdState::Down;
    bool poll = false;
    bool final = false;
    bool control_plane_independent = false;
    bool authentication = false;
    bool demand = false;
    uint8_t multiplier = 0;
    uint32_t my_discriminator = 0;
    uint32_t your_discriminator = 0;
    std::chrono::microseconds desired_min_tx{0};
    std::chrono::microseconds required_min_rx{0};
    std::chrono::microseconds required_min_echo_rx{0};

    friend bool operator==(const BfdPacket&, const BfdPacket&) = default;
};

// REQUIRES: intervals fit 32 bits, and no authentication section is wanted.
std::array<uint8_t, kBfdPacketSize> encode(const BfdPacket& packet);

// Reads the payload of a UDP datagram by the rules of §6.8.6 that come before the session is
// looked up. `packet` is set when the answer is Accepted. Reads nothing outside `payload`.
BfdVerdict decode(std::span<const uint8_t> payload, BfdPacket& packet);

}  // namespace dlb
