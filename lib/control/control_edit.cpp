// Control: what changes services and backends.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "control/control.hpp"
#include "control/log.hpp"

namespace dlb {

namespace {

std::string join(const std::vector<ConfigError>& errors) {
    std::string joined = errors.front().to_string();
    if (errors.size() > 1) {
        joined += " (and " + std::to_string(errors.size() - 1) + " more)";
    }
    return joined;
}

// Names what of [lb] and [[port]] differs and cannot change while we run.
std::string fixed_differences(const Config& now, const Config& next) {
    std::string names;
    const auto compare = [&](const std::string& name, bool same) {
        if (!same) {
            names += (names.empty() ? "" : ", ") + name;
        }
    };
    const LbConfig& a = now.lb;
    const LbConfig& b = next.lb;
    compare("lb.name", a.name == b.name);
    compare("lb.cores", a.cores == b.cores);
    compare("lb.control_core", a.control_core == b.control_core);
    compare("lb.idle", a.idle == b.idle);
    compare("lb.socket", a.socket == b.socket);
    compare("lb.hugepages", a.hugepages == b.hugepages);
    compare("lb.memory_mb", a.memory_mb == b.memory_mb);
    compare("lb.flow_table_size", a.flow_table_size == b.flow_table_size);
    compare("lb.mbufs", a.mbufs == b.mbufs);
    compare("port", now.ports == next.ports);
    return names;
}

void describe_backends(const ServiceConfig& now, const ServiceConfig& next,
                       std::vector<std::string>& changes) {
    const auto find = [](const ServiceConfig& service, const BackendConfig& wanted) {
        return std::find_if(
            service.backends.begin(), service.backends.end(),
            [&](const BackendConfig& b) { return b.endpoint() == wanted.endpoint(); });
    };
    for (const BackendConfig& backend : next.backends) {
        const auto old = find(now, backend);
        if (old == now.backends.end()) {
            changes.push_back("+ backend " + next.name + " " + backend.endpoint().to_string());
        } else if (*old != backend) {
            changes.push_back("~ backend " + next.name + " " + backend.endpoint().to_string() +
                              " weight " + std::to_string(old->weight) + " -> " +
                              std::to_string(backend.weight));
        }
    }
    for (const BackendConfig& backend : now.backends) {
        if (find(next, backend) == next.backends.end()) {
            changes.push_back("- backend " + next.name + " " + backend.endpoint().to_string());
        }
    }
}

std::vector<std::string> describe_changes(const std::vector<ServiceConfig>& now,
                                          const std::vector<ServiceConfig>& next) {
    std::vector<std::string> changes;
    const auto find = [](const std::vector<ServiceConfig>& services, const std::string& name) {
        return std::find_if(services.begin(), services.end(),
                            [&](const ServiceConfig& s) { return s.name == name; });
    };
    for (const ServiceConfig& service : next) {
        const auto old = find(now, service.name);
        if (old == now.end()) {
            changes.push_back("+ service " + service.name + " with " +
                              std::to_string(service.backends.size()) + " backends");
            continue;
        }
        ServiceConfig a = *old;
        ServiceConfig b = service;
        a.backends.clear();
        b.backends.clear();
        if (a != b) {
            changes.push_back("~ service " + service.name);
        }
        describe_backends(*old, service, changes);
    }
    for (const ServiceConfig& service : now) {
        if (find(next, service.name) == next.end()) {
            changes.push_back("- service " + service.name);
        }
    }
    return changes;
}

}  // namespace

std::vector<ServiceConfig> Control::current_services() const {
    std::vector<ServiceConfig> services;
    for (const ModelService& service : model_.services()) {
        services.push_back(service.full_config());
    }
    return services;
}

// `wanted`: the services as they would be then, for the checks of the file.
Status Control::edit(const std::string& what, const std::vector<ServiceConfig>& wanted,
                     const std::function<Result<void>()>& change) {
    const std::vector<ConfigError> errors = validate_services(wanted, config_.ports);
    if (!errors.empty()) {
        return Error{join(errors)};
    }
    if (Result<void> changed = change(); !changed) {
        return changed;
    }
    apply();
    spdlog::info("{}", what);
    return {};
}

Status Control::add_service(const ServiceConfig& service) {
    std::vector<ServiceConfig> wanted = current_services();
    wanted.push_back(service);
    return edit("service " + service.name + " added", wanted,
                [&] { return model_.add_service(service); });
}

Status Control::del_service(const std::string& service) {
    return edit("service " + service + " removed", {}, [&] { return model_.del_service(service); });
}

Status Control::add_backend(const std::string& service, const BackendConfig& backend) {
    std::vector<ServiceConfig> wanted = current_services();
    for (ServiceConfig& candidate : wanted) {
        if (candidate.name == service) {
            candidate.backends.push_back(backend);
        }
    }
    return edit("backend " + backend.endpoint().to_string() + " added to " + service, wanted,
                [&] { return model_.add_backend(service, backend); });
}

Status Control::del_backend(const std::string& service, const IpAddress& address,
                            std::optional<uint16_t> port) {
    return edit("backend " + address.to_string() + " removed from " + service, {},
                [&] { return model_.del_backend(service, address, port); });
}

Status Control::set_weight(const std::string& service, const IpAddress& address,
                           std::optional<uint16_t> port, uint32_t weight) {
    return edit(
        "backend " + address.to_string() + " of " + service + ": weight " + std::to_string(weight),
        {}, [&] { return model_.set_weight(service, address, port, weight); });
}

Status Control::set_draining(const std::string& service, const IpAddress& address,
                             std::optional<uint16_t> port, bool draining) {
    return edit("backend " + address.to_string() + " of " + service +
                    (draining ? ": draining" : ": no longer draining"),
                {}, [&] { return model_.set_draining(service, address, port, draining); });
}

Status Control::load_file(Config& next) const {
    ConfigResult loaded = load_config(config_file_);
    if (!loaded.config) {
        for (const ConfigError& error : loaded.errors) {
            spdlog::error("{}", error.to_string());
        }
        return Error{"nothing changed: " + join(loaded.errors)};
    }
    next = std::move(*loaded.config);
    next.lb.log_level = log_level_.value_or(next.lb.log_level);
    const std::string fixed = fixed_differences(config_, next);
    if (!fixed.empty()) {
        return Error{"nothing changed: " + fixed +
                     " cannot change while dpdk-lb runs; restart it, or undo that in " +
                     config_file_};
    }
    return {};
}

Status Control::reload() {
    Config next;
    if (Status loaded = load_file(next); !loaded.ok()) {
        return loaded;
    }
    const std::vector<std::string> changes = describe_changes(current_services(), next.services);
    if (Result<void> replaced = model_.replace(next.services); !replaced) {
        return replaced;
    }
    config_ = std::move(next);
    set_log_level(config_.lb.log_level);
    apply();
    spdlog::info("{} reloaded: {} changes", config_file_, changes.size());
    for (const std::string& change : changes) {
        spdlog::info("  {}", change);
    }
    return {};
}

Status Control::reload_dry_run(std::vector<std::string>& changes) const {
    Config next;
    if (Status loaded = load_file(next); !loaded.ok()) {
        return loaded;
    }
    changes = describe_changes(current_services(), next.services);
    return {};
}

}  // namespace dlb
