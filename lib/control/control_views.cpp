// Control: services and backends by pages, for those who look at all of them.
#include "control/control_views.hpp"

#include <algorithm>

#include "control/control.hpp"

namespace dlb {

bool Control::visit_services(size_t& from, size_t count,
                             const std::function<void(const ServiceView&)>& visit) const {
    const std::vector<ModelService>& services = model_.services();
    for (; count > 0 && from < services.size(); --count, ++from) {
        const ModelService& service = services[from];
        const ServiceSums sums = statistics_.service(service);
        const std::vector<Prefix>& vips = service.config.vip;
        const bool announced = std::all_of(vips.begin(), vips.end(), [this](const Prefix& vip) {
            return routing_.is_announced(vip);
        });
        visit({service.config, announced, sums.packets, sums.bytes, sums.new_flows});
    }
    return from < services.size();
}

bool Control::visit_backends(BackendCursor& from, size_t count,
                             const std::function<void(const BackendView&)>& visit) const {
    const std::vector<ModelService>& services = model_.services();
    for (; from.service < services.size(); ++from.service, from.backend = 0) {
        const ModelService& service = services[from.service];
        for (; from.backend < service.backends.size(); --count, ++from.backend) {
            if (count == 0) {
                return true;
            }
            const ModelBackend& backend = service.backends[from.backend];
            const BackendSums sums = statistics_.backend(backend);
            visit({service.config.name, backend.config, state_of(backend), sums.active,
                   sums.packets, sums.bytes});
        }
    }
    return false;
}

void Control::on_reloaded(std::function<void(const Config&)> observer) {
    reload_observers_.push_back(std::move(observer));
}

}  // namespace dlb
