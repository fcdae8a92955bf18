#include "bgp/adj_rib_out.hpp"

#include <algorithm>
#include <utility>

#include "bgp/message.hpp"
#include "bgp/update.hpp"

namespace dlb::bgp {
namespace {

constexpr uint32_t kPathId = 1;  // RFC 7911 §3: ours to choose; a prefix has one path here

void append(std::vector<Bytes>& to, std::vector<Bytes> from) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
}

Bytes mark(Family family, RefreshKind kind) {
    return encode_route_refresh({unicast(family), kind});
}

}  // namespace

void AdjRibOut::announce(const Prefix& prefix, RoutePtr route) {
    Entry& entry = entries_[prefix];
    if (entry.wanted && *entry.wanted == *route) {
        return;
    }
    entry.wanted = std::move(route);
    entry.standing = Standing::Waiting;
    entry.refusal.clear();
    withdrawn_.erase(prefix);
    changed_.insert(prefix);
}

void AdjRibOut::withdraw(const Prefix& prefix) {
    const auto found = entries_.find(prefix);
    if (found == entries_.end()) {
        return;
    }
    changed_.erase(prefix);
    if (!found->second.told) {
        entries_.erase(found);
        return;
    }
    found->second.wanted = nullptr;
    withdrawn_.insert(prefix);
}

void AdjRibOut::session_up(const Outlook& outlook) {
    session_down();
    outlook_ = outlook;
    for (const Family family : kFamilies) {
        end_of_rib_due_[family] = outlook.format.families[family];
    }
}

void AdjRibOut::session_down() {
    outlook_.reset();
    withdrawn_.clear();
    end_of_rib_due_ = begin_refresh_due_ = end_refresh_due_ = {};
    std::erase_if(entries_, [](const auto& entry) { return !entry.second.wanted; });
    for (auto& [prefix, entry] : entries_) {
        entry.told = false;
        entry.standing = Standing::Waiting;
        entry.refusal.clear();
        changed_.insert(prefix);
    }
}

void AdjRibOut::refresh(Family family, bool enhanced) {
    if (!outlook_) {
        return;
    }
    for (const auto& [prefix, entry] : entries_) {
        if (prefix.family() == family && entry.wanted) {
            changed_.insert(prefix);
        }
    }
    // RFC 7313 §4.1: no BoRR before the first End-of-RIB; what is on its way answers too.
    if (enhanced && !end_of_rib_due_[family]) {
        begin_refresh_due_[family] = end_refresh_due_[family] = true;
    }
}

bool AdjRibOut::has_pending() const {
    if (!outlook_) {
        return false;
    }
    const auto due = [](const PerFamily<bool>& marks) { return marks.v4 || marks.v6; };
    return !withdrawn_.empty() || !changed_.empty() || due(begin_refresh_due_) ||
           due(end_refresh_due_) || (complete_ && due(end_of_rib_due_));
}

bool AdjRibOut::synchronized() const {
    return outlook_ && !has_pending() && !end_of_rib_due_.v4 && !end_of_rib_due_.v6;
}

std::vector<Bytes> AdjRibOut::next_messages(size_t prefixes) {
    if (!outlook_) {
        return {};
    }
    std::vector<Bytes> messages = withdrawals(prefixes);
    for (const Family family : kFamilies) {
        if (std::exchange(begin_refresh_due_[family], false)) {
            messages.push_back(mark(family, RefreshKind::Begin));
        }
    }
    append(messages, announcements(prefixes));
    if (withdrawn_.empty() && changed_.empty()) {
        append(messages, marks());
    }
    return messages;
}

std::vector<Bytes> AdjRibOut::withdrawals(size_t& budget) {
    PerFamily<std::vector<Nlri>> gone;
    while (budget > 0 && !withdrawn_.empty()) {
        const Prefix prefix = *withdrawn_.begin();
        withdrawn_.erase(withdrawn_.begin());
        gone[prefix.family()].push_back({prefix, kPathId});
        // One that was refused after having been told stays, to say why.
        const auto entry = entries_.find(prefix);
        if (entry->second.wanted) {
            entry->second.told = false;
        } else {
            entries_.erase(entry);
        }
        --budget;
    }
    std::vector<Bytes> messages;
    for (const Family family : kFamilies) {
        append(messages, encode_withdrawals(family, gone[family], outlook_->format));
    }
    return messages;
}

std::vector<Bytes> AdjRibOut::announcements(size_t& budget) {
    using Group = std::pair<Family, RoutePtr>;
    const auto less = [](const Group& a, const Group& b) {  // by what is said, not by who says it
        return a.first != b.first ? a.first < b.first : *a.second < *b.second;
    };
    std::map<Group, std::vector<Nlri>, decltype(less)> groups(less);
    while (budget > 0 && !changed_.empty()) {
        const Prefix prefix = *changed_.begin();
        changed_.erase(changed_.begin());
        groups[{prefix.family(), entries_.at(prefix).wanted}].push_back({prefix, kPathId});
        --budget;
    }
    std::vector<Bytes> messages;
    for (const auto& [group, prefixes] : groups) {
        announce_group(group.first, group.second, prefixes, messages);
    }
    return messages;
}

void AdjRibOut::announce_group(Family family, const RoutePtr& route,
                               const std::vector<Nlri>& prefixes, std::vector<Bytes>& messages) {
    std::string why;
    const auto attributes = attributes_for(*route, family, *outlook_);
    if (attributes) {
        auto encoded = encode_announcements(family, prefixes, attributes.value(), outlook_->format);
        if (encoded) {
            append(messages, std::move(encoded).value());
            for (const Nlri& nlri : prefixes) {
                Entry& entry = entries_.at(nlri.prefix);
                entry.standing = Standing::Announced;
                entry.told = true;
            }
            return;
        }
        why = encoded.error();
    } else {
        why = attributes.error();
    }
    for (const Nlri& nlri : prefixes) {
        refuse(entries_.at(nlri.prefix), nlri.prefix, why);
    }
}

void AdjRibOut::refuse(Entry& entry, const Prefix& prefix, const std::string& why) {
    entry.standing = Standing::Refused;
    entry.refusal = why;
    if (entry.told) {
        withdrawn_.insert(prefix);  // what the neighbour has is no longer so
    }
}

// What may only come once all routes are sent.
std::vector<Bytes> AdjRibOut::marks() {
    std::vector<Bytes> messages;
    for (const Family family : kFamilies) {
        if (std::exchange(end_refresh_due_[family], false)) {
            messages.push_back(mark(family, RefreshKind::End));
        }
        if (complete_ && std::exchange(end_of_rib_due_[family], false)) {
            messages.push_back(encode_end_of_rib(family));
        }
    }
    return messages;
}

size_t AdjRibOut::announced() const {
    return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& e) {
        return e.second.standing == Standing::Announced && e.second.wanted;
    }));
}

}  // namespace dlb::bgp
