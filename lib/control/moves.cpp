// find_moves(): the share of new flows that a change sends to another backend.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "control/changes.hpp"
#include "lb/maglev.hpp"

namespace dlb {

namespace {

// Backends that take new flows of clients of one family.
std::vector<MaglevMember> members_of(const ServiceState& service, Family client) {
    std::vector<MaglevMember> members;
    for (const BackendConfig& backend : service.config.backends) {
        const bool serves = is_tunnel(service.config.mode) || backend.address.family() == client;
        if (serves && backend.weight > 0 && !service.draining.contains(backend.endpoint())) {
            members.push_back({{}, backend.endpoint(), backend.weight});
        }
    }
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
    return members;
}

// One flow always gets one backend.
bool by_hash(SchedulerKind scheduler) {
    return scheduler == SchedulerKind::Maglev || scheduler == SchedulerKind::Sh;
}

// Tables of different sizes share out the same hashes: a slot of the larger one stands for hashes
// that lie in one slot of the smaller one, but for those at its edges.
double moved_share(const MaglevTable& now, const MaglevTable& next) {
    std::unordered_map<Endpoint, size_t> numbers;
    for (const MaglevMember& member : now.members()) {
        numbers.emplace(member.endpoint, numbers.size());
    }
    std::vector<size_t> number_of;  // of next's members among now's
    for (const MaglevMember& member : next.members()) {
        const auto found = numbers.find(member.endpoint);
        number_of.push_back(found == numbers.end() ? SIZE_MAX : found->second);
    }
    const uint64_t size = std::max(now.size(), next.size());
    uint64_t moved = 0;
    for (uint64_t slot = 0; slot < size; ++slot) {
        const uint16_t before = now.slots()[slot * now.size() / size];
        const uint16_t after = next.slots()[slot * next.size() / size];
        moved += number_of[after] != before;
    }
    return static_cast<double>(moved) / static_cast<double>(size);
}

using Shares = std::map<Endpoint, double>;

Shares shares_of(const std::vector<MaglevMember>& members, SchedulerKind scheduler) {
    const bool by_weight = scheduler != SchedulerKind::Rr && scheduler != SchedulerKind::Lc;
    Shares shares;
    double sum = 0;
    for (const MaglevMember& member : members) {
        sum += by_weight ? member.weight : 1;
    }
    for (const MaglevMember& member : members) {
        shares[member.endpoint] = (by_weight ? member.weight : 1) / sum;
    }
    return shares;
}

// What the backends lose of their shares, all together.
double lost_share(const Shares& now, Shares next) {
    double lost = 0;
    for (const auto& [endpoint, share] : now) {
        lost += std::max(0.0, share - next[endpoint]);
    }
    return lost;
}

// How likely two choices that know nothing of each other differ.
double unlike_share(const Shares& now, Shares next) {
    double alike = 0;
    for (const auto& [endpoint, share] : now) {
        alike += share * next[endpoint];
    }
    return 1 - alike;
}

double share_of_family(const ServiceState& now, const ServiceState& next, Family client) {
    const std::vector<MaglevMember> before = members_of(now, client);
    const std::vector<MaglevMember> after = members_of(next, client);
    const SchedulerKind old_way = now.config.scheduler;
    const SchedulerKind new_way = next.config.scheduler;
    if (before.empty()) {
        return 0;  // nobody had those flows
    }
    if (after.empty()) {
        return 1;
    }
    if (!by_hash(old_way)) {
        return lost_share(shares_of(before, old_way), shares_of(after, new_way));
    }
    if (old_way != new_way) {
        return unlike_share(shares_of(before, old_way), shares_of(after, new_way));
    }
    return before == after ? 0 : moved_share(MaglevTable(before), MaglevTable(after));
}

bool serves(const ServiceConfig& service, Family client) {
    return std::any_of(service.vip.begin(), service.vip.end(),
                       [&](const Prefix& vip) { return vip.family() == client; });
}

FlowMove move_of(const ServiceState& now, const ServiceState& next) {
    FlowMove move;
    move.service = next.config.name;
    for (const Family client : {Family::V4, Family::V6}) {
        if (serves(now.config, client)) {
            move.new_flows = std::max(move.new_flows, share_of_family(now, next, client));
        }
    }
    move.restarts = !forwards_alike(now.config, next.config);
    move.stateless = !next.config.sticky && next.config.mode != Mode::Fnat;
    for (const BackendConfig& backend : now.config.backends) {
        move.gone_backends += std::none_of(
            next.config.backends.begin(), next.config.backends.end(),
            [&](const BackendConfig& b) { return b.endpoint() == backend.endpoint(); });
    }
    return move;
}

}  // namespace

std::vector<FlowMove> find_moves(const LbState& now, const LbState& next) {
    std::unordered_map<std::string, const ServiceState*> old;
    for (const ServiceState& service : now.services) {
        old.emplace(service.config.name, &service);
    }
    std::vector<FlowMove> moves;
    for (const ServiceState& service : next.services) {
        const auto before = old.find(service.config.name);
        if (before == old.end() || (before->second->config == service.config &&
                                    before->second->draining == service.draining)) {
            continue;
        }
        FlowMove move = move_of(*before->second, service);
        if (move.new_flows > 0 || move.restarts || move.gone_backends != 0) {
            moves.push_back(std::move(move));
        }
    }
    return moves;
}

}  // namespace dlb
