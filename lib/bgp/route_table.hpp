// RouteTable: what this speaker originates. A prefix stays while anyone holds it: services share
// VIPs.
//
// Thread safety: one thread.
#pragma once

#include <map>

#include "bgp/route.hpp"

namespace dlb::bgp {

class RouteTable {
  public:
    struct Entry {
        RoutePtr route;
        size_t holders = 0;
    };

    // One more holder; the options given last count. Whether what is announced changes.
    bool add(const Prefix& prefix, RouteOptions options);
    // One holder less. Whether that was the last one. REQUIRES: add() came before.
    bool remove(const Prefix& prefix);
    // Whether any route changes. Holds for those added later, too.
    bool set_graceful_shutdown(bool on);
    void clear() { entries_.clear(); }

    const std::map<Prefix, Entry>& entries() const { return entries_; }

  private:
    std::map<Prefix, Entry> entries_;
    bool graceful_shutdown_ = false;
};

}  // namespace dlb::bgp
