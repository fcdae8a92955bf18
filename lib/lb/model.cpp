#include "lb/model.hpp"

#include <algorithm>
#include <unordered_map>

namespace dlb {

namespace {

// A Maglev table's slots are 16-bit numbers of members, one of them kept for "free".
constexpr size_t kMaxBackendsOfService = UINT16_MAX - 1;

Error too_many_backends(const std::string& service) {
    return {"service '" + service + "' has more than " + std::to_string(kMaxBackendsOfService) +
            " backends; remove some"};
}

Error no_service(const std::string& name) {
    return {"there is no service '" + name + "'; `show services` lists them"};
}

ServiceConfig without_backends(ServiceConfig config) {
    config.backends.clear();
    return config;
}

}  // namespace

ServiceConfig ModelService::full_config() const {
    ServiceConfig full = config;
    for (const ModelBackend& backend : backends) {
        full.backends.push_back(backend.config);
    }
    return full;
}

std::optional<BackendId> SlotAllocator::take() {
    // A slot rests until 64 others have been given back, so that a generation comes round late.
    if (next_ < limit_ && free_.size() - first_free_ <= 64) {
        return BackendId(next_++, 1);
    }
    if (first_free_ == free_.size()) {
        return std::nullopt;
    }
    const BackendId old = free_[first_free_++];
    if (first_free_ > 1024 && first_free_ * 2 > free_.size()) {
        free_.erase(free_.begin(), free_.begin() + static_cast<ptrdiff_t>(first_free_));
        first_free_ = 0;
    }
    const uint32_t next = old.generation() + 1;
    return BackendId(old.slot(), next == BackendId::kGenerations ? 1 : next);
}

const ModelService* LbModel::find(const std::string& name) const {
    const auto at = std::find_if(services_.begin(), services_.end(),
                                 [&](const ModelService& s) { return s.config.name == name; });
    return at == services_.end() ? nullptr : &*at;
}

ModelService* LbModel::find_mutable(const std::string& name) {
    return const_cast<ModelService*>(find(name));
}

Result<ModelBackend*> LbModel::find_backend(const std::string& service, const IpAddress& address,
                                            std::optional<uint16_t> port) {
    ModelService* owner = find_mutable(service);
    if (owner == nullptr) {
        return no_service(service);
    }
    ModelBackend* found = nullptr;
    for (ModelBackend& backend : owner->backends) {
        if (backend.config.address != address || (port && backend.config.port != *port)) {
            continue;
        }
        if (found != nullptr) {
            return Error{"service '" + service + "' has several backends with address " +
                         address.to_string() + "; add `port P`"};
        }
        found = &backend;
    }
    if (found == nullptr) {
        return Error{"service '" + service + "' has no backend " + address.to_string() +
                     (port ? " port " + std::to_string(*port) : "") + "; `show backends " +
                     service + "` lists them"};
    }
    return found;
}

Result<void> LbModel::note_snat_addresses(const ServiceConfig& service) {
    if (service.mode != Mode::Fnat) {
        return {};
    }
    std::vector<IpAddress> all = snat_addresses_;
    for (const Family family : {Family::V4, Family::V6}) {
        for (const IpAddress& address : snat_of(service, family)) {
            if (std::find(all.begin(), all.end(), address) == all.end()) {
                all.push_back(address);
            }
        }
    }
    if (all.size() > kMaxSnatAddresses) {
        return Error{"more than " + std::to_string(kMaxSnatAddresses) +
                     " SNAT addresses since start; restart dpdk-lb"};
    }
    snat_addresses_ = std::move(all);
    return {};
}

Result<void> LbModel::insert_backend(ModelService& service, const BackendConfig& backend) {
    const auto id = backend_slots_.take();
    if (!id) {
        return Error{"all " + std::to_string(BackendId::kMaxSlots) +
                     " backend slots are taken; remove backends first"};
    }
    service.backends.push_back({backend, *id});
    return {};
}

Result<void> LbModel::add_service(const ServiceConfig& service) {
    if (find(service.name) != nullptr) {
        return Error{"there is a service '" + service.name + "' already; choose another name"};
    }
    std::vector<ServiceConfig> wanted;
    for (const ModelService& present : services_) {
        wanted.push_back(present.full_config());
    }
    wanted.push_back(service);
    if (Result<void> room = check_room(wanted); !room) {
        return room;
    }
    if (Result<void> noted = note_snat_addresses(service); !noted) {
        return noted;
    }
    const auto slot = service_slots_.take();
    if (!slot) {
        return Error{"all " + std::to_string(kMaxServices) +
                     " service slots are taken; remove services first"};
    }
    ModelService added{without_backends(service), slot->slot(), {}};
    for (const BackendConfig& backend : service.backends) {
        if (Result<void> inserted = insert_backend(added, backend); !inserted) {
            return inserted;
        }
    }
    services_.push_back(std::move(added));
    return {};
}

Result<void> LbModel::del_service(const std::string& name) {
    const auto at = std::find_if(services_.begin(), services_.end(),
                                 [&](const ModelService& s) { return s.config.name == name; });
    if (at == services_.end()) {
        return no_service(name);
    }
    for (const ModelBackend& backend : at->backends) {
        backend_slots_.give_back(backend.id);
    }
    service_slots_.give_back(BackendId(at->slot, 1));
    services_.erase(at);
    return {};
}

Result<void> LbModel::add_backend(const std::string& service, const BackendConfig& backend) {
    ModelService* owner = find_mutable(service);
    if (owner == nullptr) {
        return no_service(service);
    }
    const bool present = std::any_of(
        owner->backends.begin(), owner->backends.end(),
        [&](const ModelBackend& b) { return b.config.endpoint() == backend.endpoint(); });
    if (present) {
        return Error{"service '" + service + "' has backend " + backend.address.to_string() +
                     " port " + std::to_string(backend.port) +
                     " already; `set backend` changes its weight"};
    }
    if (owner->backends.size() >= kMaxBackendsOfService) {
        return too_many_backends(service);
    }
    return insert_backend(*owner, backend);
}

Result<void> LbModel::del_backend(const std::string& service, const IpAddress& address,
                                  std::optional<uint16_t> port) {
    Result<ModelBackend*> backend = find_backend(service, address, port);
    if (!backend) {
        return Error{backend.error()};
    }
    ModelService* owner = find_mutable(service);
    backend_slots_.give_back(backend.value()->id);
    owner->backends.erase(owner->backends.begin() + (backend.value() - owner->backends.data()));
    return {};
}

Result<void> LbModel::set_weight(const std::string& service, const IpAddress& address,
                                 std::optional<uint16_t> port, uint32_t weight) {
    Result<ModelBackend*> backend = find_backend(service, address, port);
    if (!backend) {
        return Error{backend.error()};
    }
    backend.value()->config.weight = weight;
    return {};
}

Result<void> LbModel::set_draining(const std::string& service, const IpAddress& address,
                                   std::optional<uint16_t> port, bool draining) {
    Result<ModelBackend*> backend = find_backend(service, address, port);
    if (!backend) {
        return Error{backend.error()};
    }
    backend.value()->draining = draining;
    return {};
}

Result<void> LbModel::set_down(const std::string& service, const IpAddress& address,
                               std::optional<uint16_t> port, bool down) {
    Result<ModelBackend*> backend = find_backend(service, address, port);
    if (!backend) {
        return Error{backend.error()};
    }
    backend.value()->down = down;
    return {};
}

bool LbModel::set_down_where(
    const std::function<bool(const ModelService&, const ModelBackend&)>& is_down) {
    bool changed = false;
    for (ModelService& service : services_) {
        for (ModelBackend& backend : service.backends) {
            const bool down = is_down(service, backend);
            changed |= down != backend.down;
            backend.down = down;
        }
    }
    return changed;
}

Result<void> LbModel::check_room(const std::vector<ServiceConfig>& wanted) const {
    size_t backends = 0;
    for (const ServiceConfig& service : wanted) {
        backends += service.backends.size();
        if (service.backends.size() > kMaxBackendsOfService) {
            return too_many_backends(service.name);
        }
    }
    if (wanted.size() > kMaxServices || backends > BackendId::kMaxSlots) {
        return Error{"at most " + std::to_string(kMaxServices) + " services and " +
                     std::to_string(BackendId::kMaxSlots) + " backends; remove some"};
    }
    return {};
}

Result<void> LbModel::update_service(ModelService& service, const ServiceConfig& wanted) {
    std::unordered_map<Endpoint, BackendId> old_ids;
    for (const ModelBackend& backend : service.backends) {
        old_ids.emplace(backend.config.endpoint(), backend.id);
    }
    // A service that translates differently must not inherit flows that were set up for the old
    // way.
    const bool same_way = forwards_alike(service.config, wanted);
    service.config = without_backends(wanted);
    service.backends.clear();
    std::vector<BackendConfig> fresh;
    for (const BackendConfig& backend : wanted.backends) {
        const auto old = old_ids.find(backend.endpoint());
        if (old != old_ids.end() && same_way) {
            service.backends.push_back({backend, old->second});
            old_ids.erase(old);
        } else if (Result<void> inserted = insert_backend(service, backend); !inserted) {
            return inserted;
        }
    }
    for (const auto& [endpoint, id] : old_ids) {
        backend_slots_.give_back(id);
    }
    return {};
}

Result<void> LbModel::replace(const std::vector<ServiceConfig>& wanted) {
    if (Result<void> room = check_room(wanted); !room) {
        return room;
    }
    // All or nothing: work on a copy.
    LbModel next(*this);
    std::vector<ModelService> old = std::move(next.services_);
    next.services_.clear();
    std::unordered_map<std::string, ModelService*> by_name;
    for (ModelService& service : old) {
        by_name.emplace(service.config.name, &service);
    }
    for (const ServiceConfig& service : wanted) {
        if (Result<void> noted = next.note_snat_addresses(service); !noted) {
            return noted;
        }
        ModelService entry;
        const auto same = by_name.find(service.name);
        if (same != by_name.end()) {
            entry = std::move(*same->second);
            by_name.erase(same);
        } else {
            const auto slot = next.service_slots_.take();
            if (!slot) {
                return Error{"no free service slot; restart dpdk-lb"};
            }
            entry.slot = slot->slot();
        }
        if (Result<void> updated = next.update_service(entry, service); !updated) {
            return updated;
        }
        next.services_.push_back(std::move(entry));
    }
    for (const auto& [name, gone] : by_name) {
        for (const ModelBackend& backend : gone->backends) {
            next.backend_slots_.give_back(backend.id);
        }
        next.service_slots_.give_back(BackendId(gone->slot, 1));
    }
    *this = std::move(next);
    return {};
}

std::vector<IpAddress> LbModel::snat_of(const ServiceConfig& service, Family family) const {
    std::vector<IpAddress> chosen;
    for (const IpAddress& address : service.snat) {
        if (address.family() == family) {
            chosen.push_back(address);
        }
    }
    for (const IpAddress& address : addresses_) {
        if (chosen.empty() && address.family() == family) {
            chosen.push_back(address);
        }
    }
    return chosen;
}

std::optional<Prefix> LbModel::tunnel_source_of(const ServiceConfig& service, Family family) const {
    for (const Prefix& source : service.tunnel_source) {
        if (source.family() == family) {
            return source;
        }
    }
    for (const IpAddress& address : addresses_) {
        if (address.family() == family) {
            return Prefix::host(address);
        }
    }
    return std::nullopt;
}

}  // namespace dlb
