// RouteTable: the kernel's unicast routes of table main that use certain interfaces, kept in step
// with RTM_NEWROUTE and RTM_DELROUTE.
//
// The two families mean different things by the same messages:
// - IPv4 keeps, for one prefix and metric, an ordered list of routes and uses the first. `append`
// adds
//   behind, `add` in front, `replace` takes the place of the first. A message is one whole route.
// - IPv6 joins routes with a gateway of one prefix and metric to one multipath route. RTM_NEWROUTE
//   carries all its hops, RTM_DELROUTE only those that go. Routes on the link, of next-hop objects
//   and of router advertisements stand apart, any number of them.
// A `replace` does not say what it replaced, and it may be a route over some other interface. Where
// what is known here leaves a doubt, the effect is `uncertain`, and only a new dump tells.
//
// Thread safety: one thread. Errors: none; a message that concerns nothing here has no effect.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "kernel/kernel_state.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct RouteHop {
    std::optional<IpAddress> gateway;
    int ifindex = 0;
    uint16_t weight = 1;
    // RTNH_F_DEAD: its interface is down. Still part of the route, and back without a message.
    bool dead = false;
    bool watched = true;  // over an interface of interest

    bool same(const RouteHop& other) const {
        return gateway == other.gateway && ifindex == other.ifindex && weight == other.weight;
    }
};

struct RouteKey {
    Prefix prefix;
    uint32_t metric = 0;

    friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
};

struct RouteEntry {
    std::vector<RouteHop> hops;       // only those over interfaces of interest
    uint32_t nexthop_id = 0;          // a next-hop object (ip-nexthop(8)); 0: none
    uint8_t protocol = 0;             // RTPROT_…
    std::optional<IpAddress> source;  // preferred source
    bool maybe_twice = false;         // IPv6: `replace` can leave two alike
    bool joins = false;               // IPv6: one of the multipath kind

    bool same(const RouteEntry& other) const;
    bool concerns_us() const;  // any of its hops
};

struct RouteMessage {
    enum class Kind : uint8_t { Add, Append, Replace, Delete, Dumped };
    Kind kind = Kind::Add;
    RouteKey key;
    RouteEntry entry;  // without hops: not unicast
};

// What a message did to what is known.
struct Effect {
    bool changed = false;     // something that a caller can see
    bool concerns = false;    // it was about something that we keep
    bool uncertain = false;   // only a new dump tells what the kernel has now
    bool stale_dump = false;  // a dump under way may show the state of before, whatever it is of

    Effect& operator|=(const Effect& other) {
        changed |= other.changed;
        concerns |= other.concerns;
        uncertain |= other.uncertain;
        stale_dump |= other.stale_dump;
        return *this;
    }
};

class RouteTable {
  public:
    Effect apply(const RouteMessage& message);

    // The kernel marks or flushes IPv4 routes of an interface that goes down without a message.
    // Returns true if a caller can see it.
    bool link_down(int ifindex);
    bool link_gone(int ifindex);

    std::vector<KernelRoute> routes() const;  // sorted by prefix, then metric
    bool uses_nexthop_objects() const;

  private:
    using Entries = std::vector<RouteEntry>;

    struct Routes {
        Entries entries;  // IPv4: in the kernel's order
        // IPv4: entries.front() is the kernel's first too, none over other interfaces before it.
        bool front_is_first = false;
    };

    static void apply_v4(Routes& routes, const RouteMessage& message, bool first_dumped,
                         Effect& effect);
    static void insert_v4(Routes& routes, const RouteMessage& message, bool first_dumped);
    static void apply_v6(Entries& entries, const RouteMessage& message, Effect& effect);
    static void replace_v6(Entries& entries, const RouteEntry& entry, Effect& effect);
    static void delete_v6(Entries& entries, const RouteEntry& entry, Effect& effect);
    static void append_effective(const RouteKey& key, const Entries& entries,
                                 std::vector<KernelRoute>& out);
    bool edit_all(const std::function<void(Entries&)>& edit);

    std::map<RouteKey, Routes> routes_;    // no Routes is empty, each RouteEntry concerns us
    std::optional<RouteKey> last_dumped_;  // a dump gives the routes of one key in a row
};

}  // namespace dlb
