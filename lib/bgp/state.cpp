#include "bgp/state.hpp"

#include <algorithm>

#include "bgp/cause.hpp"

namespace dlb::bgp {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::optional<milliseconds> left(TimePoint deadline, TimePoint now) {
    if (deadline == TimePoint::max()) {
        return std::nullopt;
    }
    return std::max(milliseconds(0), duration_cast<milliseconds>(deadline - now));
}

IpAddress router_id_of(uint32_t identifier) {
    return IpAddress::v4(static_cast<uint8_t>(identifier >> 24),
                         static_cast<uint8_t>(identifier >> 16),
                         static_cast<uint8_t>(identifier >> 8), static_cast<uint8_t>(identifier));
}

void add_session(PeerState& state, const Session& session, TimePoint now) {
    state.state = session.state();
    if (const auto since = session.established_at()) {
        state.uptime = duration_cast<seconds>(now - *since);
        state.hold_time = session.negotiated().hold_time;
        state.keepalive = session.negotiated().keepalive_interval();
    }
    state.hold_left = left(session.hold_deadline(), now);
    state.retry_in = left(session.retry_at(), now);
    if (session.our_open()) {
        state.offered = describe(session.our_open()->capabilities);
    }
    if (session.their_open()) {
        state.router_id = router_id_of(session.their_open()->identifier);
        state.received = describe(session.their_open()->capabilities);
    }
    state.sent = session.sent();
    state.heard = session.heard();
    state.flaps = session.flaps();
    state.treated_as_withdraw = session.treated_as_withdraw();
    state.attributes_discarded = session.attributes_discarded();
}

}  // namespace

PeerState state_of(const Peer& peer, uint32_t local_as, bool dynamic, TimePoint now) {
    PeerState state;
    state.address = peer.config().address;
    state.asn = peer.config().asn;
    state.dynamic = dynamic;
    add_session(state, peer.session(), now);
    if (const auto& error = peer.session().last_error()) {
        state.last_error = describe(*error);
        state.likely_cause = likely_cause(*error, peer.config(), local_as);
    }
    state.routes_announced = peer.routes_out().announced();
    const auto& entries = peer.routes_out().entries();
    state.routes_refused =
        static_cast<size_t>(std::count_if(entries.begin(), entries.end(), [](const auto& entry) {
            return entry.second.standing == AdjRibOut::Standing::Refused;
        }));
    state.routes_heard = peer.routes_in().routes().size();
    state.routes_not_kept = peer.routes_in().not_kept();
    return state;
}

}  // namespace dlb::bgp
