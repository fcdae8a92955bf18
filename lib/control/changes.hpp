// What differs between two states of the load balancer: the running one and a file's.
//
// `reload --dry-run`, `reload`'s log and `show changes` all show it. Shares are 0 to 1.
// Thread safety: pure functions over plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "lb/service_config.hpp"
#include "net/ip_address.hpp"

namespace dlb {

// A service as it runs, or as a file would have it.
struct ServiceState {
    ServiceConfig config;
    std::set<Endpoint> draining;  // by the console; a file drains nothing
};

struct LbState {
    Config settings;  // without services
    std::vector<ServiceState> services;
};
LbState state_of(const Config& config);  // as a file describes it

enum class ChangeAction : char { Added = '+', Removed = '-', Changed = '~' };

struct ValueChange {
    std::string key;            // "scheduler", "weight", "draining"
    std::string before, after;  // as in lb.toml; "": by default
    bool by_console = false;    // `before` is not the file's, but was given by hand
    friend bool operator==(const ValueChange&, const ValueChange&) = default;
};

struct ReloadChange {
    ChangeAction action = ChangeAction::Changed;
    std::string service;              // "": a setting
    std::optional<Endpoint> backend;  // none: the service itself
    std::vector<ValueChange> values;  // of Changed
    bool by_console = false;          // Added: it was removed by hand; Removed: added by hand
    size_t backends = 0;              // of a service that is added or removed

    // "- backend web 10.0.0.2:80", "~ service web scheduler rr -> maglev"
    std::string to_string() const;
    std::string kind() const;  // "setting", "service", "backend"
    friend bool operator==(const ReloadChange&, const ReloadChange&) = default;
};

// What a changed service does to its flows.
struct FlowMove {
    std::string service;
    double new_flows = 0;       // share of new flows that another backend gets than before
    bool restarts = false;      // it forwards in another way: no flow goes on
    bool stateless = false;     // no flow table: running flows move as new ones do
    size_t gone_backends = 0;   // whose flows cannot go on
    uint64_t ending_flows = 0;  // how many these are now; 0 where nobody counted

    // "web: 33.4 % of new flows go elsewhere; flows known to the table stay"
    std::string to_string() const;
};

struct ReloadPlan {
    std::vector<ReloadChange> changes;
    std::vector<FlowMove> moves;
    std::vector<std::string> kept;  // by hand, and not touched: a line each
    bool empty() const { return changes.empty(); }
};

// What turns `now` into `next`, in the order of `next`, settings first. `loaded`: the file as last
// loaded, which tells what of `now` was done by hand; null: nothing was.
std::vector<ReloadChange> find_changes(const LbState& now, const LbState& next,
                                       const LbState* loaded);

// For each service of both that has changed. maglev and sh: the two Maglev tables are compared,
// slot by slot. From either to another scheduler: how likely another backend is chosen. Other
// schedulers tie no flow to a backend: what the backends lose of their shares. The family that
// moves most counts.
std::vector<FlowMove> find_moves(const LbState& now, const LbState& next);

// Names the settings that cannot change while dpdk-lb runs; empty: none differs.
std::string fixed_differences(const Config& now, const Config& next);

}  // namespace dlb
