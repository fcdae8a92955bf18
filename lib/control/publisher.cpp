#include "control/publisher.hpp"

#include <fstream>

namespace dlb {

SnapshotPublisher::SnapshotPublisher(RcuDomain& domain, std::vector<PortLink> links,
                                     PortRange kernel_ports)
    : workers_(domain.readers()),
      links_(std::move(links)),
      kernel_ports_(kernel_ports),
      pools_(workers_),
      retired_(domain) {}

void SnapshotPublisher::make_pools(const LbSnapshot& lb) {
    for (size_t slot = pools_[0].size(); slot < lb.snat_addresses.size(); ++slot) {
        const IpAddress& address = lb.snat_addresses[slot];
        const AddressEntry* entry = address.is_v4() ? lb.v4.find_address(raw_address<V4>(address))
                                                    : lb.v6.find_address(raw_address<V6>(address));
        const bool local = entry != nullptr && entry->local;
        for (unsigned worker = 0; worker < workers_; ++worker) {
            pools_[worker].push_back(
                std::make_unique<SnatPool>(worker, workers_, local ? kernel_ports_ : PortRange{}));
        }
    }
}

void SnapshotPublisher::publish(std::shared_ptr<const LbSnapshot> lb,
                                const std::vector<Route>& routes,
                                const std::vector<Neighbor>& neighbors) {
    make_pools(*lb);
    auto next = std::make_unique<DataplaneTables>();
    next->hops = NextHops(routes, neighbors, links_, *lb);
    next->lb = std::move(lb);
    for (const auto& pools : pools_) {
        std::vector<SnatPool*>& of_worker = next->snat_pools.emplace_back();
        for (const auto& pool : pools) {
            of_worker.push_back(pool.get());
        }
    }
    for (const PortLink& link : links_) {
        next->rss.push_back(link.rss);
    }
    next->routing_peers = routing_peers_;
    ++published_;
    retired_.push(tables_.exchange(std::move(next)));
    retired_.reclaim();
}

PortRange read_kernel_ports() {
    PortRange range{32768, 60999};  // the kernel's default
    std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
    file >> range.first >> range.last;
    return range;
}

}  // namespace dlb
