#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "config/text.hpp"
#include "config/validate.hpp"

namespace dlb::conf {

namespace {

constexpr uint16_t kEveryPort = 0;

// Which service has a (VIP, protocol, port). A service of one port wins over the one of every port,
// so the two do not clash.
class Claims {
  public:
    Claims(const std::vector<ServiceConfig>& services, Findings& findings)
        : services_(services), findings_(findings) {}

    void add(size_t service) {
        for (size_t i = 0; i < services_[service].vip.size(); ++i) {
            add_vip(service, i);
        }
    }

  private:
    void add_vip(size_t index, size_t vip_index) {
        const ServiceConfig& service = services_[index];
        const Prefix& vip = service.vip[vip_index];
        const std::vector<uint16_t> every = {kEveryPort};
        bool reported = false;
        for (const uint16_t port : service.ports.empty() ? every : service.ports) {
            const auto [first, fresh] = owner_.try_emplace({vip, service.protocol, port}, index);
            if (fresh || first->second == index || reported) {
                continue;
            }
            reported = true;
            const Path path = service_path(services_, index);
            const Path other = service_path(services_, first->second);
            findings_.add(
                path.item("vip", vip_index),
                fmt::format("services {} and {} both claim {} {}, {}",
                            named(services_[first->second].name), named(service.name),
                            to_string(service.protocol), vip.to_string(),
                            port == kEveryPort ? "every port" : fmt::format("port {}", port)),
                "give one of them another vip, protocol or port",
                {path.key("protocol"), path.key("ports"), other.key("vip"), other.key("protocol"),
                 other.key("ports")});
        }
    }

    const std::vector<ServiceConfig>& services_;
    Findings& findings_;
    std::map<std::tuple<Prefix, Protocol, uint16_t>, size_t> owner_;
};

}  // namespace

void check_claims(const std::vector<ServiceConfig>& services, Findings& findings) {
    std::map<std::string, size_t> names;
    Claims claims(services, findings);
    for (size_t i = 0; i < services.size(); ++i) {
        if (!names.try_emplace(services[i].name, i).second) {
            findings.add(service_path(services, i).key("name"),
                         fmt::format("two services are named {}", named(services[i].name)),
                         "give each service a name of its own");
        }
        claims.add(i);
    }
}

}  // namespace dlb::conf
