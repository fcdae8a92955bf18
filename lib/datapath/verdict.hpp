// Verdict: what became of a packet. Each packet that a worker takes ends in exactly one, and each
// has a counter. Thread safety: constants.
#pragma once

#include <cstdint>
#include <string_view>

namespace dlb {

// X(Name, "name", Kind)
#define DLB_VERDICTS(X)                                    \
    X(Forwarded, "forwarded", Sent)                        \
    X(Replied, "replied", Sent)                            \
    X(EchoReplied, "echo_replied", Sent)                   \
    X(IcmpForwarded, "icmp_forwarded", Sent)               \
    X(FromKernel, "from_kernel", Sent)                     \
    X(Punted, "punted", Kept)                              \
    X(PuntedRouting, "punted_routing", Kept)               \
    X(PuntedNeighbor, "punted_neighbor", Kept)             \
    X(HandedOver, "handed_over", Kept)                     \
    X(AwaitsNeighbor, "awaits_neighbor", Kept)             \
    X(Truncated, "truncated", Dropped)                     \
    X(BadHeader, "bad_header", Dropped)                    \
    X(BadChecksum, "bad_checksum", Dropped)                \
    X(BadLength, "bad_length", Dropped)                    \
    X(BadExtension, "bad_extension", Dropped)              \
    X(Fragment, "fragment", Dropped)                       \
    X(FragmentOverlap, "fragment_overlap", Dropped)        \
    X(FragmentDuplicate, "fragment_duplicate", Dropped)    \
    X(FragmentTiny, "fragment_tiny", Dropped)              \
    X(FragmentTimeout, "fragment_timeout", Dropped)        \
    X(FragmentLimit, "fragment_limit", Dropped)            \
    X(OtherHost, "other_host", Dropped)                    \
    X(OtherVlan, "other_vlan", Dropped)                    \
    X(NoService, "no_service", Dropped)                    \
    X(NoBackend, "no_backend", Dropped)                    \
    X(BackendsFull, "backends_full", Dropped)              \
    X(BackendGone, "backend_gone", Dropped)                \
    X(ResetSent, "reset_sent", Dropped)                    \
    X(UnreachableSent, "unreachable_sent", Dropped)        \
    X(NewFlowLimit, "new_flow_limit", Dropped)             \
    X(NoFlow, "no_flow", Dropped)                          \
    X(NoSnatPort, "no_snat_port", Dropped)                 \
    X(FlowTableFull, "flow_table_full", Dropped)           \
    X(NoRoute, "no_route", Dropped)                        \
    X(NoNeighbor, "no_neighbor", Dropped)                  \
    X(TtlExpired, "ttl_expired", Dropped)                  \
    X(TtlExpiredReported, "ttl_expired_reported", Dropped) \
    X(TooBig, "too_big", Dropped)                          \
    X(TooBigReported, "too_big_reported", Dropped)         \
    X(NoHeadroom, "no_headroom", Dropped)                  \
    X(NoMbuf, "no_mbuf", Dropped)                          \
    X(IcmpMalformed, "icmp_malformed", Dropped)            \
    X(IcmpNoFlow, "icmp_no_flow", Dropped)                 \
    X(IcmpUnhandled, "icmp_unhandled", Dropped)            \
    X(NoTwin, "no_twin", Dropped)                          \
    X(PuntFull, "punt_full", Dropped)                      \
    X(PuntLimit, "punt_limit", Dropped)                    \
    X(RoutingFull, "routing_full", Dropped)                \
    X(RoutingLimit, "routing_limit", Dropped)              \
    X(NeighborFull, "neighbor_full", Dropped)              \
    X(NeighborLimit, "neighbor_limit", Dropped)            \
    X(HandoverFull, "handover_full", Dropped)              \
    X(InjectFull, "inject_full", Dropped)                  \
    X(TxFull, "tx_full", Dropped)

enum class Verdict : uint8_t {
#define DLB_VERDICT_NAME(name, text, kind) name,
    DLB_VERDICTS(DLB_VERDICT_NAME)
#undef DLB_VERDICT_NAME
};

// Sent: it left by a port. Kept: someone else has it now. Dropped: it is no more (reset_sent,
// unreachable_sent, too_big_reported: its sender was told).
enum class VerdictKind : uint8_t { Sent, Kept, Dropped };

inline constexpr std::string_view kVerdictNames[] = {
#define DLB_VERDICT_TEXT(name, text, kind) text,
    DLB_VERDICTS(DLB_VERDICT_TEXT)
#undef DLB_VERDICT_TEXT
};
inline constexpr VerdictKind kVerdictKinds[] = {
#define DLB_VERDICT_KIND(name, text, kind) VerdictKind::kind,
    DLB_VERDICTS(DLB_VERDICT_KIND)
#undef DLB_VERDICT_KIND
};
inline constexpr unsigned kVerdicts = sizeof(kVerdictKinds);

constexpr std::string_view to_string(Verdict verdict) {
    return kVerdictNames[static_cast<unsigned>(verdict)];
}
constexpr VerdictKind kind_of(Verdict verdict) {
    return kVerdictKinds[static_cast<unsigned>(verdict)];
}

}  // namespace dlb
