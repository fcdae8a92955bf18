// Network: the routes and neighbours that the workers are to use, from the kernel (by the ports'
// twins) and the file.
//
// What the kernel says comes first; connected subnets and gateways of the file stand behind it, for
// ports without a twin; a static neighbour beats one that was learned. Thread safety: the control
// thread's.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "control/api.hpp"
#include "control/ports.hpp"
#include "datapath/next_hops.hpp"
#include "kernel/link.hpp"
#include "kernel/monitor.hpp"

namespace dlb {

class Network {
  public:
    // `changed` is called when routes() or neighbors() may differ.
    Network(boost::asio::io_context& io, const std::vector<ControlPort>& ports,
            std::function<void()> changed);

    Result<void> start();
    void stop();

    std::vector<Route> routes() const;
    std::vector<Neighbor> neighbors() const;

    std::vector<RouteStatus> route_status() const;
    std::vector<NeighborStatus> neighbor_status() const;

    // Asks the kernel for the MAC of each, once a second at most.
    void resolve(const std::vector<NextHop>& hops);
    // Has neighbours probed that are in use but that the kernel has not heard of lately. Once a
    // second.
    void refresh(const NextHops& hops);

  private:
    using Clock = std::chrono::steady_clock;

    void wait();
    int port_of(int ifindex) const;  // -1: none of ours
    void ask(const IpAddress& address, uint16_t port, std::chrono::seconds interval);
    void for_each_route(
        const std::function<void(const Route&, const std::string& source)>& visit) const;

    const std::vector<ControlPort>& ports_;
    std::function<void()> changed_;
    KernelMonitor monitor_;
    std::unique_ptr<Rtnetlink> netlink_;
    boost::asio::posix::stream_descriptor socket_;
    uint64_t seen_version_ = 0;
    std::map<std::pair<IpAddress, uint16_t>, Clock::time_point> asked_;
};

}  // namespace dlb
