// Control: what changes services and backends.
#include <spdlog/spdlog.h>

#include "control/control.hpp"

namespace dlb {

std::string join_errors(const std::vector<ConfigError>& errors) {
    std::string joined = errors.front().to_string();
    if (errors.size() > 1) {
        joined += " (and " + std::to_string(errors.size() - 1) + " more)";
    }
    return joined;
}

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
        return Error{join_errors(errors)};
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

}  // namespace dlb
