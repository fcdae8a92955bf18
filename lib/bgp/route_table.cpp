#include "bgp/route_table.hpp"

#include <utility>

namespace dlb::bgp {

bool RouteTable::add(const Prefix& prefix, RouteOptions options) {
    options.graceful_shutdown = options.graceful_shutdown || graceful_shutdown_;
    Entry& entry = entries_[prefix];
    ++entry.holders;
    if (entry.route && *entry.route == options) {
        return false;
    }
    entry.route = std::make_shared<const RouteOptions>(std::move(options));
    return true;
}

bool RouteTable::remove(const Prefix& prefix) {
    const auto found = entries_.find(prefix);
    if (found == entries_.end() || --found->second.holders > 0) {
        return false;
    }
    entries_.erase(found);
    return true;
}

bool RouteTable::set_graceful_shutdown(bool on) {
    graceful_shutdown_ = on;
    bool changed = false;
    for (auto& [prefix, entry] : entries_) {
        if (entry.route->graceful_shutdown != on) {
            RouteOptions options = *entry.route;
            options.graceful_shutdown = on;
            entry.route = std::make_shared<const RouteOptions>(std::move(options));
            changed = true;
        }
    }
    return changed;
}

}  // namespace dlb::bgp
