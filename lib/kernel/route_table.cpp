#include "kernel/route_table.hpp"

#include <algorithm>

namespace dlb {

namespace {

using Kind = RouteMessage::Kind;

auto find_same(std::vector<RouteEntry>& entries, const RouteEntry& entry) {
    return std::find_if(entries.begin(), entries.end(),
                        [&](const RouteEntry& known) { return known.same(entry); });
}

void keep_ours(std::vector<RouteEntry>& entries) {
    std::erase_if(entries, [](const RouteEntry& entry) { return !entry.concerns_us(); });
}

auto find_joined(std::vector<RouteEntry>& entries) {
    return std::find_if(entries.begin(), entries.end(),
                        [](const RouteEntry& known) { return known.joins; });
}

}  // namespace

bool RouteEntry::same(const RouteEntry& other) const {
    if (protocol != other.protocol || source != other.source || joins != other.joins ||
        nexthop_id != other.nexthop_id) {
        return false;
    }
    // A next-hop object may have changed its hops since.
    return nexthop_id != 0 ||
           std::equal(hops.begin(), hops.end(), other.hops.begin(), other.hops.end(),
                      [](const auto& a, const auto& b) { return a.same(b); });
}

bool RouteEntry::concerns_us() const {
    return std::any_of(hops.begin(), hops.end(), [](const RouteHop& hop) { return hop.watched; });
}

Effect RouteTable::apply(const RouteMessage& message) {
    Effect effect;
    bool first_dumped = false;
    if (message.kind == Kind::Dumped) {
        first_dumped = last_dumped_ != message.key;
        last_dumped_ = message.key;
    }
    if (!message.entry.concerns_us() && !routes_.contains(message.key)) {
        return effect;
    }
    effect.concerns = true;
    Routes& routes = routes_[message.key];
    std::vector<KernelRoute> before;
    std::vector<KernelRoute> after;
    append_effective(message.key, routes.entries, before);
    if (message.key.prefix.family() == Family::V4) {
        apply_v4(routes, message, first_dumped, effect);
    } else {
        apply_v6(routes.entries, message, effect);
        keep_ours(routes.entries);
    }
    append_effective(message.key, routes.entries, after);
    if (routes.entries.empty()) {
        routes_.erase(message.key);
    }
    effect.changed = before != after;
    return effect;
}

// net/ipv4/fib_trie.c, fib_table_insert() and fib_table_delete()
void RouteTable::apply_v4(Routes& routes, const RouteMessage& message, bool first_dumped,
                          Effect& effect) {
    Entries& entries = routes.entries;
    const auto same = find_same(entries, message.entry);
    switch (message.kind) {
        case Kind::Delete:
            if (same != entries.end()) {
                routes.front_is_first &= same != entries.begin();
                entries.erase(same);
            }
            return;
        case Kind::Replace:
            // Also said of a route whose next-hop object changed, wherever it stands. Two alike
            // there cannot be.
            if (same != entries.end()) {
                *same = message.entry;
                return;
            }
            // The first of all is gone.
            if (routes.front_is_first && !entries.empty() && message.entry.nexthop_id == 0) {
                entries.erase(entries.begin());
            } else {
                effect.uncertain = !entries.empty();
            }
            break;
        default:
            // A message and a dump may both tell of it.
            if (same != entries.end()) {
                *same = message.entry;
                return;
            }
            break;
    }
    insert_v4(routes, message, first_dumped);
}

void RouteTable::insert_v4(Routes& routes, const RouteMessage& message, bool first_dumped) {
    Entries& entries = routes.entries;
    const bool at_front = message.kind == Kind::Add || message.kind == Kind::Replace;
    if (!message.entry.concerns_us()) {
        routes.front_is_first &= !at_front;
        return;
    }
    if (at_front) {
        routes.front_is_first = message.kind == Kind::Add || message.entry.nexthop_id == 0;
    } else if (entries.empty()) {
        routes.front_is_first = first_dumped;
    }
    entries.insert(at_front ? entries.begin() : entries.end(), message.entry);
}

// net/ipv6/ip6_fib.c, fib6_add_rt2node(), and route.c, rt6_fill_node()
void RouteTable::apply_v6(Entries& entries, const RouteMessage& message, Effect& effect) {
    const RouteEntry& entry = message.entry;
    if (message.kind == Kind::Delete) {
        delete_v6(entries, entry, effect);
        return;
    }
    if (message.kind == Kind::Replace) {
        replace_v6(entries, entry, effect);
        return;
    }
    const auto known = entry.joins ? find_joined(entries) : find_same(entries, entry);
    if (known == entries.end()) {
        entries.push_back(entry);
        return;
    }
    *known = entry;
    known->maybe_twice = message.kind == Kind::Dumped;
}

void RouteTable::replace_v6(Entries& entries, const RouteEntry& entry, Effect& effect) {
    const auto joined = find_joined(entries);
    if (entry.joins && joined != entries.end()) {
        *joined = entry;
        return;
    }
    // One of the other kind may have gone, or one of several of the same kind.
    effect.uncertain = !entries.empty();
    if (const auto same = find_same(entries, entry); same != entries.end()) {
        *same = entry;
        same->maybe_twice = true;
    } else {
        entries.push_back(entry);
    }
}

void RouteTable::delete_v6(Entries& entries, const RouteEntry& entry, Effect& effect) {
    const auto known = entry.joins ? find_joined(entries) : find_same(entries, entry);
    if (known == entries.end()) {
        return;
    }
    if (!entry.joins) {
        effect.uncertain = known->maybe_twice;
        entries.erase(known);
        return;
    }
    std::erase_if(known->hops, [&](const RouteHop& hop) {
        return std::any_of(entry.hops.begin(), entry.hops.end(), [&](const RouteHop& gone) {
            return hop.gateway == gone.gateway && hop.ifindex == gone.ifindex;
        });
    });
}

bool RouteTable::edit_all(const std::function<void(Entries&)>& edit) {
    const std::vector<KernelRoute> before = routes();
    for (auto& [key, routes] : routes_) {
        edit(routes.entries);
        keep_ours(routes.entries);
        routes.front_is_first = false;
    }
    std::erase_if(routes_, [](const auto& item) { return item.second.entries.empty(); });
    return before != routes();
}

bool RouteTable::link_down(int ifindex) {
    return edit_all([ifindex](Entries& entries) {
        for (RouteEntry& entry : entries) {
            for (RouteHop& hop : entry.hops) {
                hop.dead |= hop.ifindex == ifindex;
            }
        }
    });
}

bool RouteTable::link_gone(int ifindex) {
    return edit_all([ifindex](Entries& entries) {
        for (RouteEntry& entry : entries) {
            for (RouteHop& hop : entry.hops) {
                hop.watched &= hop.ifindex != ifindex;
            }
        }
    });
}

void RouteTable::append_effective(const RouteKey& key, const Entries& entries,
                                  std::vector<KernelRoute>& out) {
    const size_t start = out.size();
    for (const RouteEntry& entry : entries) {
        for (const RouteHop& hop : entry.hops) {
            if (hop.watched && !hop.dead) {
                out.push_back({key.prefix, hop.gateway, hop.ifindex, key.metric, hop.weight});
            }
        }
        // IPv4: only the first of several is in use.
        if (key.prefix.family() == Family::V4 && out.size() > start) {
            break;
        }
    }
    // The order of hops means nothing, and a dump may give another one than the messages did.
    std::sort(out.begin() + static_cast<ptrdiff_t>(start), out.end());
    if (key.prefix.family() == Family::V6) {
        out.erase(std::unique(out.begin() + static_cast<ptrdiff_t>(start), out.end()), out.end());
    }
}

std::vector<KernelRoute> RouteTable::routes() const {
    std::vector<KernelRoute> out;
    for (const auto& [key, routes] : routes_) {
        append_effective(key, routes.entries, out);
    }
    return out;
}

bool RouteTable::uses_nexthop_objects() const {
    return std::any_of(routes_.begin(), routes_.end(), [](const auto& item) {
        return std::any_of(item.second.entries.begin(), item.second.entries.end(),
                           [](const RouteEntry& entry) { return entry.nexthop_id != 0; });
    });
}

}  // namespace dlb
