#include "control/worker_pool.hpp"

#include <rte_launch.h>
#include <rte_lcore.h>

#include "eal/eal.hpp"

namespace dlb {

namespace {

constexpr unsigned kPuntRing = 1024;
constexpr unsigned kRoutingRing = 1024;
constexpr unsigned kNeighborRing = 512;
constexpr unsigned kInjectRing = 1024;
constexpr unsigned kInjectReserve = 256;  // of that, for what is urgent
constexpr unsigned kHandoverRing = 2048;

int run_worker(void* thread) {
    static_cast<WorkerThread*>(thread)->run();
    return 0;
}

}  // namespace

Result<void> WorkerPool::make_rings(unsigned count) {
    const auto add = [&](std::vector<PacketRing>& to, const std::string& name,
                         unsigned size) -> Result<void> {
        Result<PacketRing> ring = make_packet_ring(name, size);
        if (!ring) {
            return Error{ring.error()};
        }
        to.push_back(std::move(ring).value());
        return {};
    };
    handovers_.resize(count);
    for (unsigned id = 0; id < count; ++id) {
        const std::string number = std::to_string(id);
        if (auto made = add(punts_, "punt" + number, kPuntRing); !made) {
            return made;
        }
        if (auto made = add(routing_punts_, "routing" + number, kRoutingRing); !made) {
            return made;
        }
        if (auto made = add(neighbor_punts_, "neigh" + number, kNeighborRing); !made) {
            return made;
        }
        if (auto made = add(injects_, "inject" + number, kInjectRing); !made) {
            return made;
        }
        for (unsigned to = 0; to < count; ++to) {
            if (to == id) {
                handovers_[id].emplace_back();
            } else if (auto made = add(handovers_[id], "hand" + number + "to" + std::to_string(to),
                                       kHandoverRing);
                       !made) {
                return made;
            }
        }
    }
    return {};
}

WorkerSetup WorkerPool::make_setup(const LbConfig& config, const std::vector<ControlPort>& ports,
                                   unsigned id, unsigned count) {
    WorkerSetup setup;
    setup.identity = {id, count};
    for (const ControlPort& port : ports) {
        // A flow has one owner, whichever port an error about it, or its own next packet, comes by:
        // with several ports, and so several keys, the client's hash tells it.
        const RssView* rss = ports.size() == 1 ? port.port->rss() : nullptr;
        const unsigned queues = port.port->queues();
        setup.ports.push_back(
            {.device = port.port->id(),
             .queue = static_cast<uint16_t>(id),
             .mac = port.port->mac(),
             .vlan = port.config.vlan,
             .any_mac = port.config.promiscuous || port.device.has_no_medium(),
             .has_twin = port.tap.has_value(),
             .sender = id < queues ? -1 : static_cast<int>(id % queues),
             .queues = {.any_queue = count > 1, .shared = queues < count, .rss = rss}});
    }
    setup.rings.punt = punts_[id].get();
    setup.rings.punt_routing = routing_punts_[id].get();
    setup.rings.punt_neighbor = neighbor_punts_[id].get();
    setup.known = &known_sessions_;
    setup.rings.inject = injects_[id].get();
    for (unsigned other = 0; other < count; ++other) {
        setup.rings.handover_in.push_back(handovers_[other][id].get());
        setup.rings.handover_out.push_back(handovers_[id][other].get());
        setup.doorbells.push_back(bells_[other].get());
    }
    setup.control = &control_bell_;
    setup.flow_capacity = config.flow_table_size;
    if (config.hugepages) {
        const auto socket = static_cast<int>(rte_lcore_to_socket_id(Eal::worker_lcore(id)));
        setup.allocate = [socket](size_t size) { return allocate_hugepages(size, socket); };
    }
    return setup;
}

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(const LbConfig& config,
                                                       const std::vector<ControlPort>& ports,
                                                       RcuDomain& domain,
                                                       const RcuPtr<DataplaneTables>& tables) {
    std::unique_ptr<WorkerPool> pool(new WorkerPool());
    const auto count = static_cast<unsigned>(config.cores.size());
    for (unsigned id = 0; id < count; ++id) {
        pool->bells_.push_back(std::make_unique<Doorbell>());
    }
    if (Result<void> rings = pool->make_rings(count); !rings) {
        return Error{rings.error()};
    }
    for (unsigned id = 0; id < count; ++id) {
        WorkerSetup setup = pool->make_setup(config, ports, id, count);
        setup.rcu = &domain;
        setup.tables = &tables;
        auto worker = std::make_unique<Worker>(std::move(setup));
        if (!worker->valid()) {
            return Error{"no memory for " + std::to_string(config.flow_table_size) +
                         " flows of worker " + std::to_string(id) +
                         "; raise memory_mb or lower flow_table_size"};
        }
        IdlePolicy policy;
        policy.adaptive = config.idle == IdleMode::Adaptive;
        policy.all_queues_wake = true;
        for (const ControlPort& port : ports) {
            const std::vector<int>& fds = port.port->wake_fds();
            if (id >= port.port->queues()) {
                continue;  // others' rings wake it
            }
            if (fds.empty()) {
                policy.all_queues_wake = false;
            } else {
                policy.wake_fds.push_back(fds[id]);
            }
        }
        pool->workers_.push_back(std::move(worker));
        pool->threads_.push_back(std::make_unique<WorkerThread>(
            *pool->workers_.back(), *pool->bells_[id], std::move(policy)));
    }
    std::vector<const TableCounters*> peers;
    for (const auto& worker : pool->workers_) {
        peers.push_back(&worker->table_counters());
    }
    for (const auto& worker : pool->workers_) {
        worker->set_peers(peers);
    }
    return pool;
}

Result<void> WorkerPool::launch() {
    for (unsigned id = 0; id < size(); ++id) {
        const int error =
            rte_eal_remote_launch(run_worker, threads_[id].get(), Eal::worker_lcore(id));
        if (error != 0) {
            stop();
            return Error{"worker " + std::to_string(id) + " does not start: its lcore is busy"};
        }
        launched_ = true;
    }
    return {};
}

void WorkerPool::stop() {
    for (const auto& thread : threads_) {
        thread->quit();
    }
    if (launched_) {
        rte_eal_mp_wait_lcore();
        launched_ = false;
    }
}

WorkerPool::~WorkerPool() {
    stop();
}

void WorkerPool::pause(bool paused) {
    for (const auto& thread : threads_) {
        thread->pause(paused);
    }
}

bool WorkerPool::inject(rte_mbuf* mbuf, bool urgent) {
    rte_ring* ring = injects_[0].get();
    if ((!urgent && rte_ring_free_count(ring) <= kInjectReserve) ||
        rte_ring_sp_enqueue(ring, mbuf) != 0) {
        return false;
    }
    bells_[0]->ring();
    return true;
}

}  // namespace dlb
