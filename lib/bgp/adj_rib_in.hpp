// AdjRibIn: what a neighbour announces, kept for show bgp up to a bound and used for nothing.
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "bgp/update.hpp"

namespace dlb::bgp {

class AdjRibIn {
  public:
    struct Route {
        std::shared_ptr<const Attributes> attributes;
        uint64_t refresh = 0;  // in which refresh it was last heard
    };

    explicit AdjRibIn(size_t bound) : bound_(bound) {}

    void apply(const Update& update);
    void begin_refresh(Family family) { ++refreshes_[family]; }  // RFC 7313 §4.2
    void end_refresh(Family family);                             // what was not heard again is gone
    void clear();

    const std::map<Nlri, Route>& routes() const { return routes_; }
    uint64_t not_kept() const { return not_kept_; }  // announcements beyond the bound

  private:
    size_t bound_;
    std::map<Nlri, Route> routes_;
    uint64_t not_kept_ = 0;
    PerFamily<uint64_t> refreshes_;
};

}  // namespace dlb::bgp
