#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "config/text.hpp"
#include "config/validate.hpp"

namespace dlb::conf {

namespace {

constexpr unsigned kLeastMtuV6 = 1280;  // RFC 8200 section 5

Path port_path(const std::vector<PortConfig>& ports, size_t index) {
    const std::string& name = ports[index].name;
    return Path().item("port", index, is_name(name, kPortNameLength) ? name : "");
}

void check_host_address(const IpAddress& address, const Path& where, std::string_view what,
                        Findings& findings) {
    if (const auto reason = unusable(address)) {
        findings.add(where, fmt::format("{} {} is {}", what, address.to_string(), *reason),
                     "give a unicast address");
    }
}

void check_gateways(const PortConfig& port, const Path& path, Findings& findings) {
    std::set<Family> seen;
    for (size_t i = 0; i < port.gateway.size(); ++i) {
        const IpAddress& gateway = port.gateway[i];
        const Path where = path.item("gateway", i);
        const std::string shown = gateway.to_string();
        check_host_address(gateway, where, "gateway", findings);
        if (!seen.insert(gateway.family()).second) {
            findings.add(where, fmt::format("gateway {} is the second of its family", shown),
                         "give at most one IPv4 and one IPv6 gateway");
        }
        const auto reaches = [&](const InterfaceAddress& own) {
            return own.subnet().contains(gateway);
        };
        const auto is_gateway = [&](const InterfaceAddress& own) { return own.address == gateway; };
        if (std::any_of(port.address.begin(), port.address.end(), is_gateway)) {
            findings.add(where, fmt::format("gateway {} is the port's own address", shown),
                         "give the router's address", {path.key("address")});
        } else if (!(gateway.is_v6() && gateway.is_link_local()) &&
                   std::none_of(port.address.begin(), port.address.end(), reaches)) {
            findings.add(where, fmt::format("gateway {} is in no subnet of the port", shown),
                         "give a gateway on the link, or add the port's address of its subnet",
                         {path.key("address")});
        }
    }
}

void check_neighbors(const PortConfig& port, const Path& path, Findings& findings) {
    std::set<IpAddress> seen;
    for (size_t i = 0; i < port.neighbors.size(); ++i) {
        const StaticNeighbor& neighbor = port.neighbors[i];
        const Path where = path.item("neighbor", i);
        check_host_address(neighbor.address, where.key("address"), "address", findings);
        if (!seen.insert(neighbor.address).second) {
            findings.add(where.key("address"),
                         fmt::format("neighbor {} is there twice", neighbor.address.to_string()),
                         "keep one of the two");
        }
        if (neighbor.mac.is_zero() || neighbor.mac.is_multicast()) {
            findings.add(where.key("mac"),
                         fmt::format("mac {} is no station's address", neighbor.mac.to_string()),
                         "give a unicast MAC address, as in \"02:00:00:00:00:01\"");
        }
    }
}

void check_port(const PortConfig& port, const Path& path, Findings& findings) {
    for (size_t i = 0; i < port.address.size(); ++i) {
        check_host_address(port.address[i].address, path.item("address", i), "address", findings);
    }
    const bool has_v6 =
        std::any_of(port.address.begin(), port.address.end(),
                    [](const InterfaceAddress& own) { return own.address.is_v6(); });
    if (has_v6 && port.mtu < kLeastMtuV6) {
        findings.add(path.key("mtu"),
                     fmt::format("mtu {} is too small for the port's IPv6 address", port.mtu),
                     fmt::format("give at least {}", kLeastMtuV6), {path.key("address")});
    }
    if (port.tap.size() > kInterfaceNameLength) {
        findings.add(path.key("tap"),
                     fmt::format("the twin would be named {}, which is longer than {} characters",
                                 named(port.tap), kInterfaceNameLength),
                     "give tap a shorter name", {path.key("name")});
    }
    check_device(port, path, findings);
    check_gateways(port, path, findings);
    check_neighbors(port, path, findings);
}

// What no two ports may have alike, and who had it first.
class Taken {
  public:
    Taken(const std::vector<PortConfig>& ports, Findings& findings)
        : ports_(ports), findings_(findings) {}

    void claim(const std::string& what, size_t port, const Path& where, std::string_view mend) {
        const auto [first, fresh] = owner_.try_emplace(what, port);
        if (!fresh) {
            findings_.add(where,
                          first->second == port ? fmt::format("{} is there twice", what)
                                                : fmt::format("ports {} and {} both have {}",
                                                              named(ports_[first->second].name),
                                                              named(ports_[port].name), what),
                          std::string(mend));
        }
    }

  private:
    const std::vector<PortConfig>& ports_;
    Findings& findings_;
    std::map<std::string, size_t> owner_;
};

void check_shared(const std::vector<PortConfig>& ports, Findings& findings) {
    Taken taken(ports, findings);
    for (size_t i = 0; i < ports.size(); ++i) {
        const PortConfig& port = ports[i];
        const Path path = port_path(ports, i);
        taken.claim("the name " + named(port.name), i, path.key("name"),
                    "give each port a name of its own");
        taken.claim("device " + device_key(port.device), i, path.key("device"),
                    "give each port a device of its own");
        if (const auto interface = device_interface(port.device); !interface.empty()) {
            taken.claim(fmt::format("interface {}", interface), i, path.key("device"),
                        "give each port an interface of its own");
        }
        if (!port.tap.empty()) {
            taken.claim("interface " + port.tap, i, path.key("tap"),
                        "give the port's twin a name that no other interface has");
        }
        for (size_t a = 0; a < port.address.size(); ++a) {
            taken.claim("address " + port.address[a].address.to_string(), i,
                        path.item("address", a), "give each address once");
        }
    }
}

}  // namespace

void check_ports(const std::vector<PortConfig>& ports, Findings& findings) {
    if (ports.empty()) {
        findings.add(Path().key("port"), "there is no port", "add a [[port]] with name and device");
    }
    for (size_t i = 0; i < ports.size(); ++i) {
        check_port(ports[i], port_path(ports, i), findings);
    }
    check_shared(ports, findings);
}

}  // namespace dlb::conf
