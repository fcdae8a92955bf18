// SnapshotPublisher: puts new tables before the workers, and the old ones away when no worker can
// hold them.
//
// Thread safety: the control thread's; tables() is what workers read. Never waits: reclaim() at
// each tick.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datapath/next_hops.hpp"
#include "datapath/tables.hpp"
#include "flow/snat_pool.hpp"
#include "lb/snapshot.hpp"
#include "rcu/rcu.hpp"

namespace dlb {

class SnapshotPublisher {
  public:
    // `kernel_ports`: what the kernel takes for its own connections, kept out of the SNAT ports of
    // local addresses.
    SnapshotPublisher(RcuDomain& domain, std::vector<PortLink> links, PortRange kernel_ports);

    void publish(std::shared_ptr<const LbSnapshot> lb, const std::vector<Route>& routes,
                 const std::vector<Neighbor>& neighbors);
    // Whose packets are routing control, from the next publish() on; null: nobody's.
    void set_routing_peers(std::shared_ptr<const RoutingPeers> peers) {
        routing_peers_ = std::move(peers);
    }
    // How many old tables are still held by some worker.
    size_t reclaim() { return retired_.reclaim(); }
    size_t waiting() const { return retired_.size(); }

    // REQUIRES: published once.
    const DataplaneTables& current() const { return *tables_.read(); }
    const RcuPtr<DataplaneTables>& tables() const { return tables_; }
    uint64_t published() const { return published_; }

  private:
    void make_pools(const LbSnapshot& lb);

    unsigned workers_;
    std::vector<PortLink> links_;
    PortRange kernel_ports_;
    // [worker][SNAT slot]. A slot never changes its address, so a pool stays.
    std::vector<std::vector<std::unique_ptr<SnatPool>>> pools_;
    RcuPtr<DataplaneTables> tables_;
    RetireList<DataplaneTables> retired_;
    std::shared_ptr<const RoutingPeers> routing_peers_;
    uint64_t published_ = 0;
};

// The kernel's range of local ports, /proc/sys/net/ipv4/ip_local_port_range.
PortRange read_kernel_ports();

}  // namespace dlb
