// What most likely ended a session, for people: RFC numbers tell what, not what to mend.
// Thread safety: pure functions.
#pragma once

#include <string>

#include "bgp/config.hpp"
#include "bgp/session.hpp"

namespace dlb::bgp {

// "received OPEN message: bad peer AS (2/2)", "Connection refused"
std::string describe(const Ended& ended);

// "" where the description says it all. Names no password.
std::string likely_cause(const Ended& ended, const PeerConfig& peer, uint32_t local_as);

}  // namespace dlb::bgp
