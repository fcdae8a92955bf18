// DataplaneTables: all that workers read, published as one so that its parts belong together.
// Thread safety: immutable once published; its life is ruled by RCU. The SNAT pools it names are
// each one worker's.
#pragma once

#include <memory>
#include <vector>

#include "datapath/next_hops.hpp"
#include "datapath/routing_peers.hpp"
#include "flow/snat_pool.hpp"
#include "lb/snapshot.hpp"

namespace dlb {

struct DataplaneTables {
    std::shared_ptr<const LbSnapshot> lb;
    NextHops hops;
    // [worker][SNAT slot]; the pools outlive the workers.
    std::vector<std::vector<SnatPool*>> snat_pools;
    // By port: how its queues are chosen, where that is known; they outlive the workers too.
    std::vector<const RssView*> rss;
    std::shared_ptr<const RoutingPeers> routing_peers;  // null: none
};

}  // namespace dlb
