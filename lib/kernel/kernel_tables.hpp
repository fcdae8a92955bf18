// KernelTables: what the kernel knows of the watched interfaces, built from rtnetlink messages
// alone.
//
// A pure value: no socket, no clock. Every message is bounds checked; malformed ones change
// nothing. Thread safety: one thread.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include <linux/netlink.h>

#include "kernel/kernel_state.hpp"
#include "kernel/route_table.hpp"

namespace dlb {

class KernelTables {
  public:
    KernelTables() = default;
    explicit KernelTables(std::set<int> watched) : watched_(std::move(watched)) {}

    // What is known of others stays until forget().
    void set_watched(std::set<int> watched) { watched_ = std::move(watched); }

    // `from_dump`: the message answers a dump request, else it tells of a change.
    Effect apply(const nlmsghdr* message, bool from_dump);
    // Drops all of an interface's. Returns true if there was anything.
    bool forget(int ifindex);

    std::vector<KernelNeighbor> neighbors() const;
    std::vector<KernelRoute> routes() const { return routes_.routes(); }
    std::vector<KernelAddress> addresses() const;
    std::vector<KernelLink> links() const;

    // True if a caller of the two would act alike: states of usable neighbours do not count.
    bool same_for_callers(const KernelTables& other) const;

  private:
    using NeighborKey = std::pair<int, IpAddress>;

    bool watched(int ifindex) const { return watched_.contains(ifindex); }
    Effect apply_link(const nlmsghdr* message, bool from_dump);
    Effect apply_address(const nlmsghdr* message, bool from_dump);
    Effect apply_neighbor(const nlmsghdr* message);
    Effect apply_route(const nlmsghdr* message, bool from_dump);
    Effect apply_nexthop(const nlmsghdr* message) const;

    std::set<int> watched_;
    std::map<int, KernelLink> links_;
    std::set<KernelAddress> addresses_;
    std::map<NeighborKey, KernelNeighbor> neighbors_;
    RouteTable routes_;
};

}  // namespace dlb
