// LbModel: the services and backends as the control thread edits them, and build(), which freezes
// them.
//
// Errors: edits return a one-line error that names the mend and change nothing then. What an edit
// says must have been validated (validate_services()); the model checks what only it can know:
// names, slots, bounds. Thread safety: one thread, the control thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/ids.hpp"
#include "lb/service_config.hpp"
#include "lb/snapshot.hpp"
#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb {

struct ModelBackend {
    BackendConfig config;
    BackendId id;
    bool draining = false;
    bool down = false;  // by its health check
    bool takes_new_flows() const { return !draining && !down && config.weight > 0; }
};

struct ModelService {
    ServiceConfig config;  // without backends: they are below
    uint32_t slot = 0;
    std::vector<ModelBackend> backends;

    ServiceConfig full_config() const;
};

// Gives out numbers below `limit`, those given back longest ago first, each time with the next
// generation.
class SlotAllocator {
  public:
    explicit SlotAllocator(uint32_t limit) : limit_(limit) {}
    std::optional<BackendId> take();
    void give_back(BackendId id) { free_.push_back(id); }
    uint32_t high_water() const { return next_; }  // slots ever used
    uint32_t in_use() const { return next_ - static_cast<uint32_t>(free_.size() - first_free_); }

  private:
    uint32_t limit_;
    uint32_t next_ = 0;
    size_t first_free_ = 0;
    std::vector<BackendId> free_;
};

class LbModel {
  public:
    // `addresses`: the ports' own, in the file's order: sources of tunnels and SNAT by default.
    explicit LbModel(std::vector<IpAddress> addresses) : addresses_(std::move(addresses)) {}

    Result<void> add_service(const ServiceConfig& service);
    Result<void> del_service(const std::string& name);
    Result<void> add_backend(const std::string& service, const BackendConfig& backend);
    Result<void> del_backend(const std::string& service, const IpAddress& address,
                             std::optional<uint16_t> port);
    Result<void> set_weight(const std::string& service, const IpAddress& address,
                            std::optional<uint16_t> port, uint32_t weight);
    Result<void> set_draining(const std::string& service, const IpAddress& address,
                              std::optional<uint16_t> port, bool draining);
    Result<void> set_down(const std::string& service, const IpAddress& address,
                          std::optional<uint16_t> port, bool down);
    // Has each backend down that `is_down` says so of, and no other. True where that changed one.
    bool set_down_where(
        const std::function<bool(const ModelService&, const ModelBackend&)>& is_down);
    // Makes the services those of `wanted`. What stays the same keeps its slots, and so its flows
    // and counters; drains end.
    Result<void> replace(const std::vector<ServiceConfig>& wanted);

    const std::vector<ModelService>& services() const { return services_; }
    const ModelService* find(const std::string& name) const;
    const std::vector<IpAddress>& addresses() const { return addresses_; }
    const std::vector<IpAddress>& snat_addresses() const { return snat_addresses_; }
    uint32_t service_slots() const { return service_slots_.high_water(); }
    uint32_t backend_slots() const { return backend_slots_.high_water(); }

    // The source for packets of `service` of one family: given by it, or a port's address.
    std::vector<IpAddress> snat_of(const ServiceConfig& service, Family family) const;
    std::optional<Prefix> tunnel_source_of(const ServiceConfig& service, Family family) const;

  private:
    ModelService* find_mutable(const std::string& name);
    Result<ModelBackend*> find_backend(const std::string& service, const IpAddress& address,
                                       std::optional<uint16_t> port);
    Result<void> insert_backend(ModelService& service, const BackendConfig& backend);
    Result<void> update_service(ModelService& service, const ServiceConfig& wanted);
    Result<void> note_snat_addresses(const ServiceConfig& service);
    Result<void> check_room(const std::vector<ServiceConfig>& wanted) const;

    std::vector<IpAddress> addresses_;
    std::vector<ModelService> services_;
    SlotAllocator service_slots_{kMaxServices};
    SlotAllocator backend_slots_{BackendId::kMaxSlots};
    std::vector<IpAddress> snat_addresses_;  // by slot; only ever grows
};

// Freezes the model. Pure. `previous` (may be null) lends the Maglev tables of services whose
// members are the same, and settles where replies go that several VIPs could claim.
std::shared_ptr<const LbSnapshot> build(const LbModel& model, const LbSnapshot* previous);

}  // namespace dlb
