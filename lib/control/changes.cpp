#include "control/changes.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>

namespace dlb {

namespace {

// Of [lb] and the tables beside it; all others rest on what is set up at the start.
constexpr auto kRuntimeSettings = std::to_array<std::string_view>(
    {"lb.drain_time", "lb.log_level", "lb.log_format", "metrics.listen", "bgp.next_hop",
     "bgp.announce", "bgp.aggregate", "bgp.communities", "bgp.large_communities", "bgp.med",
     "bgp.local_preference", "bgp.link_bandwidth"});

bool may_change(const std::string& key) {
    return key.starts_with("bgp.neighbor") ||
           std::find(kRuntimeSettings.begin(), kRuntimeSettings.end(), key) !=
               kRuntimeSettings.end();
}

using Values = std::vector<ConfigValue>;

const std::string& text_of(const Values& values, const std::string& key) {
    static const std::string kDefault;
    const auto found = std::find_if(values.begin(), values.end(),
                                    [&](const ConfigValue& value) { return value.key == key; });
    return found == values.end() ? kDefault : found->text;
}

bool is_secret(const std::string& key) {
    return key.ends_with("password");
}

// `loaded`: null where the file has no such thing.
std::vector<ValueChange> compare(const Values& now, const Values& next, const Values* loaded) {
    std::vector<ValueChange> changes;
    const auto add = [&](const std::string& key, const std::string& before,
                         const std::string& after) {
        const bool by_console = loaded != nullptr && text_of(*loaded, key) != before;
        const bool secret = is_secret(key);
        changes.push_back(
            {key, secret ? "\"***\"" : before, secret ? "\"***\"" : after, by_console});
    };
    for (const ConfigValue& value : next) {
        if (const std::string& before = text_of(now, value.key); before != value.text) {
            add(value.key, before, value.text);
        }
    }
    for (const ConfigValue& value : now) {
        if (text_of(next, value.key).empty()) {
            add(value.key, value.text, "");
        }
    }
    return changes;
}

using BackendIndex = std::unordered_map<Endpoint, const BackendConfig*>;

BackendIndex index_backends(const ServiceState* service) {
    BackendIndex index;
    if (service != nullptr) {
        for (const BackendConfig& backend : service->config.backends) {
            index.emplace(backend.endpoint(), &backend);
        }
    }
    return index;
}

const BackendConfig* find(const BackendIndex& index, const Endpoint& endpoint) {
    const auto found = index.find(endpoint);
    return found == index.end() ? nullptr : found->second;
}

bool drains(const ServiceState* service, const Endpoint& endpoint) {
    return service != nullptr && service->draining.contains(endpoint);
}

using ServiceIndex = std::unordered_map<std::string, const ServiceState*>;

ServiceIndex index_services(const LbState* state) {
    ServiceIndex index;
    if (state != nullptr) {
        for (const ServiceState& service : state->services) {
            index.emplace(service.config.name, &service);
        }
    }
    return index;
}

const ServiceState* find(const ServiceIndex& index, const std::string& name) {
    const auto found = index.find(name);
    return found == index.end() ? nullptr : found->second;
}

std::vector<ValueChange> compare_backend(const ServiceState& now, const ServiceState& next,
                                         const BackendConfig& before, const BackendConfig& after,
                                         const ServiceState* loaded_service,
                                         const BackendConfig* loaded) {
    std::vector<ValueChange> values;
    if (before != after) {
        const Values known = loaded == nullptr ? Values() : list_values(*loaded);
        values =
            compare(list_values(before), list_values(after), loaded == nullptr ? nullptr : &known);
    }
    const bool drained = drains(&now, before.endpoint());
    const bool to_drain = drains(&next, before.endpoint());
    if (drained != to_drain) {
        values.push_back(
            {"draining", drained ? "true" : "false", to_drain ? "true" : "false",
             loaded_service != nullptr && drained != drains(loaded_service, before.endpoint())});
    }
    return values;
}

// `has_file`: there is a file to tell by what was done by hand.
void compare_backends(const ServiceState& now, const ServiceState& next,
                      const ServiceState* loaded_service, bool has_file,
                      std::vector<ReloadChange>& changes) {
    const BackendIndex old = index_backends(&now);
    const BackendIndex wanted = index_backends(&next);
    const BackendIndex loaded = index_backends(loaded_service);
    const std::string& name = next.config.name;
    for (const BackendConfig& backend : next.config.backends) {
        const Endpoint endpoint = backend.endpoint();
        const BackendConfig* in_file = find(loaded, endpoint);
        const BackendConfig* before = find(old, endpoint);
        if (before == nullptr) {
            changes.push_back(
                {ChangeAction::Added, name, endpoint, {}, has_file && in_file != nullptr, 0});
            continue;
        }
        auto values = compare_backend(now, next, *before, backend, loaded_service, in_file);
        if (!values.empty()) {
            changes.push_back({ChangeAction::Changed, name, endpoint, std::move(values), false, 0});
        }
    }
    for (const BackendConfig& backend : now.config.backends) {
        const Endpoint endpoint = backend.endpoint();
        if (!wanted.contains(endpoint)) {
            changes.push_back({ChangeAction::Removed,
                               name,
                               endpoint,
                               {},
                               has_file && !loaded.contains(endpoint),
                               0});
        }
    }
}

bool same_without_backends(const ServiceConfig& a, const ServiceConfig& b) {
    ServiceConfig left = a;
    left.backends = b.backends;
    return left == b;
}

void compare_services(const ServiceState& now, const ServiceState& next, const ServiceState* loaded,
                      bool has_file, std::vector<ReloadChange>& changes) {
    if (now.config == next.config && now.draining == next.draining) {
        return;  // by far the most of a large file
    }
    if (!same_without_backends(now.config, next.config)) {
        const Values known = loaded == nullptr ? Values() : list_values(loaded->config);
        changes.push_back({ChangeAction::Changed, next.config.name, std::nullopt,
                           compare(list_values(now.config), list_values(next.config),
                                   loaded == nullptr ? nullptr : &known),
                           false, 0});
    }
    compare_backends(now, next, loaded, has_file, changes);
}

}  // namespace

LbState state_of(const Config& config) {
    LbState state;
    state.settings = config;
    state.settings.services.clear();
    state.services.reserve(config.services.size());
    for (const ServiceConfig& service : config.services) {
        state.services.push_back({service, {}});
    }
    return state;
}

std::vector<ReloadChange> find_changes(const LbState& now, const LbState& next,
                                       const LbState* loaded) {
    std::vector<ReloadChange> changes;
    for (ValueChange& value :
         compare(list_settings(now.settings), list_settings(next.settings), nullptr)) {
        changes.push_back({ChangeAction::Changed, "", std::nullopt, {std::move(value)}, false, 0});
    }
    const ServiceIndex old = index_services(&now);
    const ServiceIndex wanted = index_services(&next);
    const ServiceIndex files = index_services(loaded);
    const bool has_file = loaded != nullptr;
    for (const ServiceState& service : next.services) {
        const std::string& name = service.config.name;
        const ServiceState* before = find(old, name);
        const ServiceState* in_file = find(files, name);
        if (before == nullptr) {
            changes.push_back({ChangeAction::Added,
                               name,
                               std::nullopt,
                               {},
                               in_file != nullptr,
                               service.config.backends.size()});
        } else {
            compare_services(*before, service, in_file, has_file, changes);
        }
    }
    for (const ServiceState& service : now.services) {
        const std::string& name = service.config.name;
        if (!wanted.contains(name)) {
            changes.push_back({ChangeAction::Removed,
                               name,
                               std::nullopt,
                               {},
                               has_file && !files.contains(name),
                               service.config.backends.size()});
        }
    }
    return changes;
}

std::string fixed_differences(const Config& now, const Config& next) {
    std::string names;
    const auto add = [&](const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
    for (const ValueChange& value : compare(list_settings(now), list_settings(next), nullptr)) {
        if (!may_change(value.key)) {
            add(value.key);
        }
    }
    if (now.ports != next.ports) {
        add("port");
    }
    return names;
}

}  // namespace dlb
