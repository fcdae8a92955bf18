#include "control/network.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>
#include <unistd.h>

namespace dlb {

Network::Network(boost::asio::io_context& io, const std::vector<ControlPort>& ports,
                 std::function<void()> changed)
    : ports_(ports), changed_(std::move(changed)), socket_(io) {}

Result<void> Network::start() {
    bool twins = false;
    for (const ControlPort& port : ports_) {
        if (port.tap) {
            monitor_.watch(port.tap->ifindex());
            twins = true;
        }
    }
    if (!twins) {
        return {};
    }
    Result<Rtnetlink> netlink = Rtnetlink::open();
    if (!netlink) {
        return Error{netlink.error()};
    }
    netlink_ = std::make_unique<Rtnetlink>(std::move(netlink).value());
    if (Result<void> started = monitor_.start(); !started) {
        return started;
    }
    seen_version_ = monitor_.version();
    socket_.assign(dup(monitor_.fd()));
    wait();
    return {};
}

void Network::stop() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void Network::wait() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (error) {
                               return;
                           }
                           monitor_.process();
                           if (monitor_.version() != seen_version_) {
                               seen_version_ = monitor_.version();
                               changed_();
                           }
                           wait();
                       });
}

int Network::port_of(int ifindex) const {
    for (size_t port = 0; port < ports_.size(); ++port) {
        if (ports_[port].tap && ports_[port].tap->ifindex() == ifindex) {
            return static_cast<int>(port);
        }
    }
    return -1;
}

void Network::for_each_route(
    const std::function<void(const Route&, const std::string& source)>& visit) const {
    for (const KernelRoute& route : monitor_.routes()) {
        const int port = port_of(route.ifindex);
        if (port >= 0) {
            visit({route.prefix, route.gateway, static_cast<uint16_t>(port)}, "kernel");
        }
    }
    for (uint16_t port = 0; port < ports_.size(); ++port) {
        const PortConfig& config = ports_[port].config;
        for (const InterfaceAddress& address : config.address) {
            visit({address.subnet(), std::nullopt, port}, "config");
        }
        for (const IpAddress& gateway : config.gateway) {
            const IpAddress any = gateway.is_v4() ? IpAddress() : IpAddress::v6({});
            visit({Prefix(any, 0), gateway, port}, "config");
        }
    }
}

std::vector<Route> Network::routes() const {
    std::vector<Route> routes;
    for_each_route([&](const Route& route, const std::string&) { routes.push_back(route); });
    return routes;
}

std::vector<Neighbor> Network::neighbors() const {
    std::vector<Neighbor> neighbors;
    for (const KernelNeighbor& neighbor : monitor_.neighbors()) {
        const int port = port_of(neighbor.ifindex);
        if (port >= 0 && neighbor.usable() && !neighbor.mac.is_multicast()) {
            neighbors.push_back({neighbor.address, neighbor.mac, static_cast<uint16_t>(port)});
        }
    }
    for (uint16_t port = 0; port < ports_.size(); ++port) {
        for (const StaticNeighbor& neighbor : ports_[port].config.neighbors) {
            neighbors.push_back({neighbor.address, neighbor.mac, port});
        }
    }
    return neighbors;
}

std::vector<RouteStatus> Network::route_status() const {
    std::vector<RouteStatus> status;
    std::vector<Prefix> seen;
    for_each_route([&](const Route& route, const std::string& source) {
        // The first of a prefix is the one in use.
        if (std::find(seen.begin(), seen.end(), route.prefix) == seen.end()) {
            seen.push_back(route.prefix);
            status.push_back({route.prefix, route.gateway, ports_[route.port].config.name, source});
        }
    });
    return status;
}

std::vector<NeighborStatus> Network::neighbor_status() const {
    std::vector<NeighborStatus> status;
    for (const ControlPort& port : ports_) {
        for (const StaticNeighbor& neighbor : port.config.neighbors) {
            status.push_back({neighbor.address, neighbor.mac, port.config.name, "static"});
        }
    }
    for (const KernelNeighbor& neighbor : monitor_.neighbors()) {
        const int port = port_of(neighbor.ifindex);
        if (port >= 0 && !neighbor.address.is_multicast() &&
            neighbor.state != NeighborState::Noarp) {
            status.push_back({neighbor.address, neighbor.mac,
                              ports_[static_cast<size_t>(port)].config.name,
                              std::string(to_string(neighbor.state))});
        }
    }
    return status;
}

void Network::ask(const IpAddress& address, uint16_t port, std::chrono::seconds interval) {
    if (!netlink_ || !ports_[port].tap) {
        return;
    }
    const Clock::time_point now = Clock::now();
    const auto [at, first] = asked_.try_emplace({address, port}, now);
    if (!first && now - at->second < interval) {
        return;
    }
    at->second = now;
    const Result<void> asked = netlink_->resolve(ports_[port].tap->ifindex(), address);
    if (!asked) {
        spdlog::debug("cannot resolve {} on {}: {}", address.to_string(), ports_[port].config.tap,
                      asked.error());
    }
}

void Network::resolve(const std::vector<NextHop>& hops) {
    for (const NextHop& hop : hops) {
        ask(hop.address, hop.port, std::chrono::seconds(1));
    }
}

void Network::refresh(const NextHops& hops) {
    resolve(hops.unresolved());
    for (const KernelNeighbor& neighbor : monitor_.neighbors()) {
        const int port = port_of(neighbor.ifindex);
        if (port >= 0 && neighbor.state == NeighborState::Stale &&
            hops.serves(neighbor.address, static_cast<uint16_t>(port))) {
            ask(neighbor.address, static_cast<uint16_t>(port), std::chrono::seconds(10));
        }
    }
    const Clock::time_point old = Clock::now() - std::chrono::minutes(1);
    std::erase_if(asked_, [old](const auto& entry) { return entry.second < old; });
}

}  // namespace dlb
