// parse_route(): RTM_NEWROUTE and RTM_DELROUTE as a RouteMessage.
//
// Errors: nullopt for what is malformed or of no concern (see below).
// Thread safety: a pure function.
#pragma once

#include <functional>
#include <optional>

#include <linux/netlink.h>

#include "kernel/route_table.hpp"

namespace dlb {

// nullopt for routes outside of table main, with a TOS or a source prefix, and for cached ones.
// Hops over interfaces for which `watched` is false are marked so; a route that is not unicast has
// none. `from_dump`: routes of a dump come in the order of use, the first in use first.
std::optional<RouteMessage> parse_route(const nlmsghdr* message, bool from_dump,
                                        const std::function<bool(int)>& watched);

}  // namespace dlb
