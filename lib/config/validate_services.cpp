#include <algorithm>
#include <array>
#include <set>
#include <string>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "config/text.hpp"
#include "config/validate.hpp"
#include "config/vip_index.hpp"

namespace dlb::conf {

namespace {

constexpr uint32_t kMostWeight = 65535;

struct Unusable {
    Prefix range;
    std::string_view reason;
};

const std::array<Unusable, 7>& unusable_ranges() {
    static const auto range = [](std::string_view text) { return *Prefix::parse(text); };
    static const std::array<Unusable, 7> ranges = {{
        {range("0.0.0.0"), "the unspecified address"},
        {range("127.0.0.0/8"), "a loopback address"},
        {range("224.0.0.0/4"), "a multicast address"},
        {range("255.255.255.255"), "the broadcast address"},
        {range("::"), "the unspecified address"},
        {range("::1"), "a loopback address"},
        {range("ff00::/8"), "a multicast address"},
    }};
    return ranges;
}

bool rewrites_ports(Mode mode) {
    return mode == Mode::Nat || mode == Mode::Fnat;
}

// All checks of one service.
class ServiceCheck {
  public:
    ServiceCheck(const ServiceConfig& service, const Path& path,
                 const std::vector<ServiceConfig>& services, const VipIndex& vips,
                 const std::vector<PortConfig>& ports, Findings& findings)
        : service_(service),
          path_(path),
          services_(services),
          vips_(vips),
          ports_(ports),
          findings_(findings) {}

    void run() {
        if (!is_name(service_.name, kServiceNameLength)) {
            findings_.add(
                path_.key("name"), fmt::format("name is {}", in_quotes(service_.name)),
                fmt::format("give 1 to {} letters, digits, '_', '.' or '-'", kServiceNameLength));
        }
        vips();
        service_ports();
        addresses("snat", service_.snat);
        addresses("tunnel_source", service_.tunnel_source);
        one_source_a_family();
        sources_of_flows();
        snat_of_every_family();
        mss_clamp();
        for (size_t i = 0; i < service_.backends.size(); ++i) {
            backend(service_.backends[i], path_.item("backend", i));
        }
    }

  private:
    void vips() {
        if (service_.vip.empty()) {
            findings_.add(path_.key("vip"), "the service has no vip", "give at least one address");
        }
        std::set<Prefix> seen;
        for (size_t i = 0; i < service_.vip.size(); ++i) {
            const Prefix& vip = service_.vip[i];
            const Path where = path_.item("vip", i);
            if (const auto reason = unusable(vip)) {
                findings_.add(where,
                              fmt::format("vip {} {} {}", vip.to_string(),
                                          vip.is_host() ? "is" : "contains", *reason),
                              "give a unicast address or prefix");
            }
            if (!seen.insert(vip).second) {
                findings_.add(where, fmt::format("vip {} is there twice", vip.to_string()),
                              "give each vip once");
            }
            vip_against_ports(vip, where);
        }
    }

    // The load balancer would take its own or its router's traffic for a service's.
    void vip_against_ports(const Prefix& vip, const Path& where) {
        for (const PortConfig& port : ports_) {
            for (const InterfaceAddress& own : port.address) {
                if (!vip.is_host() && vip.contains(own.address)) {
                    findings_.add(
                        where,
                        fmt::format("vip {} contains address {} of port {}", vip.to_string(),
                                    own.address.to_string(), named(port.name)),
                        "give prefixes or addresses without it", {any_port("address")});
                }
            }
            for (const IpAddress& gateway : port.gateway) {
                if (vip.contains(gateway)) {
                    findings_.add(
                        where,
                        fmt::format("vip {} contains gateway {} of port {}", vip.to_string(),
                                    gateway.to_string(), named(port.name)),
                        "give prefixes or addresses without it", {any_port("gateway")});
                }
            }
        }
    }

    void service_ports() {
        std::set<uint16_t> seen;
        for (size_t i = 0; i < service_.ports.size(); ++i) {
            const uint16_t port = service_.ports[i];
            if (port == 0) {
                findings_.add(path_.item("ports", i), "ports holds 0",
                              "give ports from 1 to 65535; ports = [] is every port");
            } else if (!seen.insert(port).second) {
                findings_.add(path_.item("ports", i), fmt::format("port {} is there twice", port),
                              "give each port once");
            }
        }
    }

    template <typename T>  // IpAddress, or Prefix
    void addresses(std::string_view key, const std::vector<T>& list) {
        std::set<T> seen;
        for (size_t i = 0; i < list.size(); ++i) {
            const std::string shown = list[i].to_string();
            if (const auto reason = unusable(list[i])) {
                findings_.add(path_.item(key, i), fmt::format("{} {} is {}", key, shown, *reason),
                              "give a unicast address");
            } else if (!seen.insert(list[i]).second) {
                findings_.add(path_.item(key, i), fmt::format("{} {} is there twice", key, shown),
                              "give each address once");
            }
        }
    }

    void one_source_a_family() {
        const auto& sources = service_.tunnel_source;
        for (size_t i = 1; i < sources.size(); ++i) {
            const auto same = [&](const Prefix& other) {
                return other.family() == sources[i].family() && other != sources[i];
            };
            if (std::any_of(sources.begin(), sources.begin() + static_cast<long>(i), same)) {
                findings_.add(path_.item("tunnel_source", i),
                              fmt::format("tunnel_source {} is the second of its family",
                                          sources[i].to_string()),
                              "give at most one IPv4 and one IPv6 address");
            }
        }
    }

    // A prefix has the outer source tell flows apart.
    void sources_of_flows() {
        for (size_t i = 0; i < service_.tunnel_source.size(); ++i) {
            const Prefix& source = service_.tunnel_source[i];
            if (!source.is_host() && service_.mode != Mode::Ipip) {
                findings_.add(path_.item("tunnel_source", i),
                              fmt::format("tunnel_source {} is a prefix, and the mode is {}",
                                          source.to_string(), to_string(service_.mode)),
                              "give one address; only mode ipip takes a prefix, from which each "
                              "flow gets a source of its own",
                              {path_.key("mode")});
            }
        }
    }

    void snat_of_every_family() {
        if (service_.mode != Mode::Fnat) {
            return;
        }
        for (const Family family : {Family::V4, Family::V6}) {
            if (has_vip(family) && !has_source(service_.snat, family)) {
                findings_.add(
                    path_.key("snat"),
                    fmt::format("mode fnat has no {0} source address for the {0} vip",
                                family_name(family)),
                    fmt::format("give an {} address in snat, or to a port", family_name(family)),
                    {path_.key("mode"), path_.key("vip"), any_port("address")});
            }
        }
    }

    // Only a NAT sees both directions' SYNs.
    void mss_clamp() {
        if (service_.mss_clamp == 0) {
            return;
        }
        const std::string mend = "set mss_clamp = 0 or remove it";
        if (!rewrites_ports(service_.mode)) {
            findings_.add(path_.key("mss_clamp"),
                          fmt::format("mode {} cannot clamp the MSS, as replies do not pass here",
                                      to_string(service_.mode)),
                          mend + ", or use mode nat or fnat", {path_.key("mode")});
        } else if (service_.protocol != Protocol::Tcp) {
            findings_.add(path_.key("mss_clamp"),
                          fmt::format("{} has no MSS", to_string(service_.protocol)), mend,
                          {path_.key("protocol")});
        }
    }

    void backend(const BackendConfig& backend, const Path& where) {
        const std::string shown = backend.address.to_string();
        if (const auto reason = unusable(backend.address)) {
            findings_.add(where.key("address"), fmt::format("backend {} is {}", shown, *reason),
                          "give a unicast address");
            return;
        }
        if (backend.weight > kMostWeight) {
            findings_.add(where.key("weight"), fmt::format("weight is {}", backend.weight),
                          fmt::format("give a whole number from 0 to {}", kMostWeight));
        }
        if (!seen_backends_.insert(backend.endpoint()).second) {
            findings_.add(where.key("address"),
                          fmt::format("backend {} is there twice", show(backend)),
                          "keep one of the two", {where.key("port")});
        }
        backend_is_no_vip(backend, where);
        backend_family(backend, where);
        backend_link(backend, where);
        backend_port(backend, where);
        backend_mac(backend, where);
    }

    // What is sent there would come back to the load balancer, which also answers ARP for it.
    void backend_is_no_vip(const BackendConfig& backend, const Path& where) {
        const std::string shown = backend.address.to_string();
        if (const auto place = vips_.find(backend.address)) {
            const ServiceConfig& other = services_[place->first];
            const Prefix& vip = other.vip[place->second];
            const std::string verb = vip.is_host() ? "is" : "lies in";
            const std::string which = vip.is_host() ? "" : " " + vip.to_string();
            findings_.add(where.key("address"),
                          &other == &service_ ? fmt::format("backend {} {} the service's own vip{}",
                                                            shown, verb, which)
                                              : fmt::format("backend {} {} a vip{} of service {}",
                                                            shown, verb, which, named(other.name)),
                          "give the server's address", {path_.key("vip")});
            return;
        }
        for (const PortConfig& port : ports_) {
            for (const InterfaceAddress& own : port.address) {
                if (own.address == backend.address) {
                    findings_.add(where.key("address"),
                                  fmt::format("backend {} is the address of port {}", shown,
                                              named(port.name)),
                                  "give the server's address", {any_port("address")});
                }
            }
        }
    }

    void backend_family(const BackendConfig& backend, const Path& where) {
        const Family family = backend.address.family();
        const std::vector<Path> rests_on = {path_.key("mode"), path_.key("vip")};
        if (!is_tunnel(service_.mode) && !service_.vip.empty() && !has_vip(family)) {
            findings_.add(
                where.key("address"),
                fmt::format("backend {} is {} and no vip of the service is",
                            backend.address.to_string(), family_name(family)),
                fmt::format(
                    "mode {} keeps the family: give a backend of the vip's, or use mode ipip",
                    to_string(service_.mode)),
                rests_on);
        }
        if (is_tunnel(service_.mode) && !has_source(service_.tunnel_source, family)) {
            findings_.add(where.key("address"),
                          fmt::format("there is no {} source address for the tunnel to backend {}",
                                      family_name(family), backend.address.to_string()),
                          fmt::format("give an {} address in tunnel_source, or to a port",
                                      family_name(family)),
                          {path_.key("mode"), path_.key("tunnel_source"), any_port("address")});
        }
    }

    void backend_link(const BackendConfig& backend, const Path& where) {
        const auto reaches = [&](const PortConfig& port) {
            return std::any_of(port.address.begin(), port.address.end(),
                               [&](const InterfaceAddress& own) {
                                   return own.subnet().contains(backend.address);
                               });
        };
        if (service_.mode == Mode::Dr && std::none_of(ports_.begin(), ports_.end(), reaches)) {
            findings_.add(
                where.key("address"),
                fmt::format("backend {} is in no port's subnet, and mode dr rewrites only "
                            "the MAC address",
                            backend.address.to_string()),
                "give a backend on a port's link, or use mode ipip",
                {path_.key("mode"), any_port("address")});
        }
    }

    void backend_port(const BackendConfig& backend, const Path& where) {
        const auto& ports = service_.ports;
        if (rewrites_ports(service_.mode) || backend.port == 0 || ports.empty() ||
            std::find(ports.begin(), ports.end(), backend.port) != ports.end()) {
            return;
        }
        findings_.add(where.key("port"),
                      fmt::format("port {} is no port of the service, and mode {} cannot translate "
                                  "ports",
                                  backend.port, to_string(service_.mode)),
                      "set port = 0, or use mode nat or fnat",
                      {path_.key("mode"), path_.key("ports")});
    }

    void backend_mac(const BackendConfig& backend, const Path& where) {
        if (service_.mode == Mode::Vxlan && (backend.mac.is_zero() || backend.mac.is_multicast())) {
            findings_.add(where.key("mac"),
                          fmt::format("backend {} has no unicast mac, and mode vxlan needs one",
                                      backend.address.to_string()),
                          "give the MAC address of the backend's VXLAN interface",
                          {path_.key("mode")});
        }
    }

    bool has_vip(Family family) const {
        return std::any_of(service_.vip.begin(), service_.vip.end(),
                           [family](const Prefix& vip) { return vip.family() == family; });
    }

    // Given, or else a port's own address, which is the default.
    template <typename T>  // IpAddress, or Prefix
    bool has_source(const std::vector<T>& given, Family family) const {
        const auto of_family = [family](const auto& one) { return one.family() == family; };
        return std::any_of(given.begin(), given.end(), of_family) ||
               std::any_of(ports_.begin(), ports_.end(), [&](const PortConfig& port) {
                   return std::any_of(
                       port.address.begin(), port.address.end(),
                       [&](const InterfaceAddress& own) { return of_family(own.address); });
               });
    }

    static Path any_port(std::string_view key) { return Path().key("port").key(key); }

    static std::string show(const BackendConfig& backend) {
        return backend.port == 0 ? backend.address.to_string() : backend.endpoint().to_string();
    }

    const ServiceConfig& service_;
    const Path& path_;
    const std::vector<ServiceConfig>& services_;
    const VipIndex& vips_;  // of services_
    const std::vector<PortConfig>& ports_;
    Findings& findings_;
    std::set<Endpoint> seen_backends_;
};

}  // namespace

std::string_view family_name(Family family) {
    return family == Family::V4 ? "IPv4" : "IPv6";
}

std::optional<std::string_view> unusable(const Prefix& prefix) {
    for (const Unusable& known : unusable_ranges()) {
        if (prefix.overlaps(known.range)) {
            return known.reason;
        }
    }
    return std::nullopt;
}

std::optional<std::string_view> unusable(const IpAddress& address) {
    return unusable(Prefix::host(address));
}

Path service_path(const std::vector<ServiceConfig>& services, size_t index) {
    const std::string& name = services[index].name;
    return Path().item("service", index, is_name(name, kServiceNameLength) ? name : "");
}

void check_services(const std::vector<ServiceConfig>& services,
                    const std::vector<PortConfig>& ports, Findings& findings) {
    const VipIndex vips(services);
    for (size_t i = 0; i < services.size(); ++i) {
        const Path path = service_path(services, i);
        ServiceCheck(services[i], path, services, vips, ports, findings).run();
        check_state(services[i], path, findings);
        check_health(services[i], ports, path, findings);
    }
}

}  // namespace dlb::conf
