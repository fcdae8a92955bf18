#include "control/ports.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "kernel/link.hpp"

namespace dlb {

namespace {

// Above what people and DHCP clients use: it is the last resort beside a default route that is
// there.
constexpr uint32_t kGatewayMetric = 4096;

Result<void> quiet_kernel(const std::string& name, ControlPort& port) {
    if (port.device.shares_interface()) {
        Result<IngressGuard> guard = IngressGuard::create(name, port.device.interface);
        if (!guard) {
            return Error{guard.error()};
        }
        port.guard.emplace(std::move(guard).value());
    }
    if (port.device.borrows_interface()) {
        Result<PacketMembership> membership =
            PacketMembership::join(port.device.interface, port.config.promiscuous);
        if (!membership) {
            return Error{membership.error()};
        }
        port.membership.emplace(std::move(membership).value());
    }
    return {};
}

Result<void> open_twin(ControlPort& port) {
    if (port.config.tap.empty()) {
        return {};
    }
    Result<Tap> tap = Tap::create(port.config.tap, port.port->mac(), port.config.mtu);
    if (!tap) {
        return Error{tap.error()};
    }
    port.tap.emplace(std::move(tap).value());
    for (const std::string& warning : port.tap->warnings()) {
        spdlog::warn("{}: {}", port.config.tap, warning);
    }
    Result<Rtnetlink> netlink = Rtnetlink::open();
    if (!netlink) {
        return Error{netlink.error()};
    }
    for (const InterfaceAddress& address : port.config.address) {
        if (auto added = netlink.value().add_address(port.tap->ifindex(), address); !added) {
            return added;
        }
    }
    for (const IpAddress& gateway : port.config.gateway) {
        if (auto added = netlink.value().add_default_route(
                port.tap->ifindex(), gateway,
                kGatewayMetric + static_cast<uint32_t>(port.tap->ifindex()));
            !added) {
            return added;
        }
    }
    return {};
}

// An AF_XDP port's queues are the interface's; other devices say what they offer once they are
// there.
uint16_t wanted_queues(const DeviceString& device, uint16_t workers) {
    if (device.driver != "net_af_xdp") {
        return workers;
    }
    Result<Rtnetlink> netlink = Rtnetlink::open();
    Result<LinkInfo> link =
        netlink ? netlink.value().link(device.interface) : Result<LinkInfo>(Error{netlink.error()});
    return link ? static_cast<uint16_t>(std::clamp<unsigned>(link.value().rx_queues, 1, workers))
                : workers;
}

}  // namespace

PortLink ControlPort::link() const {
    PortLink link{port->mac(), config.vlan, config.mtu};
    link.rss = port->rss();
    for (const InterfaceAddress& own : config.address) {
        std::optional<IpAddress>& first = link.address[own.address.is_v4() ? 0 : 1];
        first = first.value_or(own.address);
    }
    return link;
}

uint32_t largest_frame_room(const std::vector<PortConfig>& configs) {
    uint32_t largest = 0;
    for (const PortConfig& config : configs) {
        largest = std::max(largest, frame_room(parse_device(config.device), config.mtu));
    }
    return largest;
}

Result<std::vector<ControlPort>> open_ports(const std::string& name,
                                            const std::vector<PortConfig>& configs,
                                            uint16_t workers, rte_mempool* pool) {
    std::vector<ControlPort> ports;
    ports.reserve(configs.size());
    for (const PortConfig& config : configs) {
        ControlPort& port = ports.emplace_back();
        port.config = config;
        port.device = parse_device(config.device);
        if (Result<void> quiet = quiet_kernel(name, port); !quiet) {
            return Error{"port '" + config.name + "': " + quiet.error()};
        }
        Result<Port> opened = Port::open({.device = port.device,
                                          .queues = wanted_queues(port.device, workers),
                                          .mtu = config.mtu,
                                          .promiscuous = config.promiscuous,
                                          .pool = pool});
        if (!opened) {
            return Error{"port '" + config.name + "': " + opened.error()};
        }
        port.port.emplace(std::move(opened).value());
        if (port.port->queues() < workers) {
            spdlog::info("port '{}' has queues for {} of {} workers, which share its packets out",
                         config.name, port.port->queues(), workers);
        }
        if (Result<void> twin = open_twin(port); !twin) {
            return Error{"port '" + config.name + "': " + twin.error()};
        }
    }
    return ports;
}

}  // namespace dlb
