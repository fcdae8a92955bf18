#include "bgp/cause.hpp"

namespace dlb::bgp {
namespace {

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

std::string no_answer(const PeerConfig& peer) {
    std::string cause =
        peer.password.empty()
            ? "the neighbour may want a TCP MD5 password, which looks just like this"
            : "the TCP MD5 password may differ from the neighbour's, which looks "
              "just like this";
    if (peer.ttl_security) {
        cause += "; with ttl_security, so does a neighbour farther than multihop = " +
                 std::to_string(peer.multihop);
    } else {
        cause += "; so does one that has GTSM (ttl_security) on while we have not";
    }
    return cause + "; or a firewall drops port " + std::to_string(peer.port);
}

std::string transport_cause(const Ended& ended, const PeerConfig& peer) {
    const std::string& what = ended.transport;
    if (contains(what, "refused")) {
        return "no BGP speaker listens at port " + std::to_string(peer.port) + " there";
    }
    if (contains(what, "no answer") || contains(what, "timed out")) {
        return ended.state == State::Established
                   ? "the neighbour acknowledges nothing any more: its machine or the way there "
                     "is down"
                   : no_answer(peer);
    }
    if (contains(what, "unreachable") || contains(what, "No route")) {
        return "no route or no neighbour entry for " + peer.address.to_string();
    }
    if (ended.state == State::OpenSent) {
        return "it hangs up before its OPEN: it may not know this address as a neighbour, or its "
               "neighbour is shut down";
    }
    return ended.state == State::Established ? "the neighbour's speaker ended or was restarted"
                                             : "";
}

std::string open_cause(const Ended& ended, const PeerConfig& peer, uint32_t local_as) {
    const bool ours = ended.by == Ended::By::Us;
    switch (static_cast<OpenError>(ended.notification->subcode)) {
        case OpenError::BadPeerAs:
            return ours ? "the neighbour is AS " + std::to_string(ended.their_as.value_or(0)) +
                              ", its asn here is " + std::to_string(peer.asn)
                        : "the neighbour does not expect AS " + std::to_string(local_as) +
                              ": compare asn here with its remote-as";
        case OpenError::BadIdentifier:
            return "router_id is 0.0.0.0 or the same on both sides";
        case OpenError::UnacceptableHoldTime:
            return ours ? "the neighbour offers a hold time of 1 or 2 s: it takes 0 or at least 3"
                        : "the neighbour wants another hold time than " +
                              std::to_string(peer.hold_time.count()) + " s";
        case OpenError::UnsupportedCapability:
        case OpenError::UnsupportedParameter:
            return "compare families with what the neighbour activates for this session";
        default:
            return "";
    }
}

std::string hold_cause(const Ended& ended, const PeerConfig& peer, uint32_t local_as) {
    if (ended.state == State::OpenSent) {
        return "the connection came up and no OPEN followed";
    }
    std::string cause = ended.by == Ended::By::Us ? "nothing came from the neighbour"
                                                  : "the neighbour heard nothing from us";
    cause += " for the hold time: packets are lost on the way, or it hangs";
    return peer.asn == local_as ? cause
                                : cause + "; GTSM (ttl_security) on one side alone looks like this";
}

std::string cease_cause(const Ended& ended) {
    if (ended.by == Ended::By::Us) {
        return "";
    }
    switch (static_cast<Cease>(ended.notification->subcode)) {
        case Cease::MaximumPrefixes:
            return "the neighbour takes fewer prefixes than are announced: see its maximum-prefix";
        case Cease::AdministrativeShutdown:
            return "the neighbour's operator shut it down";
        case Cease::PeerDeconfigured:
            return "the neighbour no longer has this address in its configuration";
        case Cease::ConnectionRejected:
            return "the neighbour does not know this address, or has it shut down";
        case Cease::BfdDown:
            return "BFD lost its packets: the way there, or BFD here, is down";
        default:
            return "";
    }
}

}  // namespace

std::string describe(const Ended& ended) {
    if (!ended.notification) {
        return ended.transport;
    }
    return (ended.by == Ended::By::Us ? "sent " : "received ") + describe(*ended.notification);
}

std::string likely_cause(const Ended& ended, const PeerConfig& peer, uint32_t local_as) {
    if (!ended.notification) {
        return transport_cause(ended, peer);
    }
    const bool ours = ended.by == Ended::By::Us;
    switch (ended.notification->code) {
        case ErrorCode::MessageHeader:
            return ours ? "what the neighbour sends is no BGP, or is longer than agreed"
                        : "the neighbour cannot read what is sent: please report it";
        case ErrorCode::OpenMessage:
            return open_cause(ended, peer, local_as);
        case ErrorCode::UpdateMessage:
            return ours ? "a route of the neighbour's cannot be read"
                        : "the neighbour cannot read a route: see communities and next_hop";
        case ErrorCode::HoldTimerExpired:
            return hold_cause(ended, peer, local_as);
        case ErrorCode::SendHoldExpired:
            return ours ? "the neighbour stopped reading" : "the neighbour could not write to us";
        case ErrorCode::Cease:
            return cease_cause(ended);
        default:
            return "";
    }
}

}  // namespace dlb::bgp
