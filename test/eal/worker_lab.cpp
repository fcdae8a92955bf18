#include "worker_lab.hpp"

#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

namespace dlb::test {

namespace {

constexpr unsigned kQueue = 1024;

std::vector<IpAddress> lab_addresses() {
    return {*IpAddress::parse("10.0.0.106"), *IpAddress::parse("2001:db8::106")};
}

std::vector<Route> lab_routes() {
    return {{*Prefix::parse("10.0.0.0/24"), std::nullopt, 0},
            {*Prefix::parse("2001:db8::/64"), std::nullopt, 0},
            {*Prefix::parse("0.0.0.0/0"), *IpAddress::parse("10.0.0.1"), 0},
            {*Prefix::parse("::/0"), *IpAddress::parse("2001:db8::1"), 0}};
}

template <typename T>
T take(Result<T> result) {
    if (!result) {
        ADD_FAILURE() << result.error();
        std::abort();
    }
    return std::move(result).value();
}

Bytes bytes_of(rte_mbuf* mbuf) {
    const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    return {data, data + rte_pktmbuf_data_len(mbuf)};
}

}  // namespace

void WorkerLab::start_eal() {
    static const bool started = [] {
        std::vector<std::string> words = {
            "eal_test",       "--no-huge",   "--no-shconf", "--no-pci", "-m", "256",
            "--no-telemetry", "--log-level", "error",       "--lcores", "0@0"};
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        return rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
    }();
    ASSERT_TRUE(started) << "EAL does not start";
}

WorkerLab::WorkerLab(const std::vector<ServiceConfig>& services, LabOptions options)
    : options_(options),
      model_(lab_addresses()),
      rcu_(options.workers),
      retired_(rcu_),
      snat_(options.workers) {
    static unsigned number = 0;
    name_ = "lab" + std::to_string(number++);
    pool_ = std::make_unique<PacketPool>(
        take(PacketPool::create(name_, options.mbufs, 2048, kPacketPrivateSize)));
    const Result<void> replaced = model_.replace(services);
    EXPECT_TRUE(replaced.ok()) << replaced.error();
    make_port();
    make_workers();
    for (const char* address : {"10.0.0.1", "2001:db8::1"}) {
        know(address);
    }
}

void WorkerLab::make_port() {
    const unsigned pairs = options_.queue_pairs != 0 ? options_.queue_pairs : options_.workers;
    for (unsigned queue = 0; queue < pairs; ++queue) {
        const std::string number = name_ + std::to_string(queue);
        rx_.push_back(rte_ring_create((number + "rx").c_str(), kQueue, 0, 0));
        tx_.push_back(rte_ring_create((number + "tx").c_str(), kQueue, 0, 0));
    }
    const int device = rte_eth_from_rings(name_.c_str(), rx_.data(), pairs, tx_.data(), pairs, 0);
    ASSERT_GE(device, 0);
    device_ = static_cast<uint16_t>(device);
    rte_eth_conf conf{};
    const auto queues = static_cast<uint16_t>(pairs);
    ASSERT_EQ(rte_eth_dev_configure(device_, queues, queues, &conf), 0);
    for (uint16_t queue = 0; queue < queues; ++queue) {
        ASSERT_EQ(rte_eth_rx_queue_setup(device_, queue, 64, 0, nullptr, pool_->raw()), 0);
        ASSERT_EQ(rte_eth_tx_queue_setup(device_, queue, 64, 0, nullptr), 0);
    }
    ASSERT_EQ(rte_eth_dev_start(device_), 0);
}

void WorkerLab::make_workers() {
    const unsigned count = options_.workers;
    handovers_.resize(count);
    for (unsigned id = 0; id < count; ++id) {
        const std::string number = name_ + std::to_string(id);
        bells_.push_back(std::make_unique<Doorbell>());
        punts_.push_back(take(make_packet_ring(number + "p", 1024)));
        injects_.push_back(take(make_packet_ring(number + "i", 1024)));
        if (options_.routing_peers) {
            routing_punts_.push_back(take(make_packet_ring(number + "r", 1024)));
            neighbor_punts_.push_back(take(make_packet_ring(number + "n", 512)));
        }
        for (unsigned to = 0; to < count; ++to) {
            handovers_[id].push_back(
                to == id ? PacketRing()
                         : take(make_packet_ring(number + "h" + std::to_string(to), 1024)));
        }
    }
    for (unsigned id = 0; id < count; ++id) {
        WorkerSetup setup;
        setup.identity = {id, count};
        setup.ports = {{.device = device_,
                        .queue = static_cast<uint16_t>(id),
                        .mac = *MacAddress::parse("02:00:00:00:00:aa"),
                        .vlan = options_.vlan,
                        .any_mac = options_.any_mac,
                        .has_twin = options_.twin,
                        .sender = id < queue_pairs() ? -1 : static_cast<int>(id % queue_pairs()),
                        .queues = options_.queues}};
        setup.rings.punt = punts_[id].get();
        setup.rings.inject = injects_[id].get();
        if (options_.routing_peers) {
            setup.rings.punt_routing = routing_punts_[id].get();
            setup.rings.punt_neighbor = neighbor_punts_[id].get();
            setup.known = &known_;
        }
        for (unsigned other = 0; other < count; ++other) {
            setup.rings.handover_in.push_back(handovers_[other][id].get());
            setup.rings.handover_out.push_back(handovers_[id][other].get());
            setup.doorbells.push_back(bells_[other].get());
        }
        setup.tables = &tables_;
        setup.rcu = &rcu_;
        setup.control = &control_bell_;
        setup.flow_capacity = options_.flow_capacity;
        setup.allocate = options_.allocate;
        workers_.push_back(std::make_unique<Worker>(std::move(setup)));
        ASSERT_TRUE(workers_.back()->valid());
        workers_.back()->reader().online();
    }
    std::vector<const TableCounters*> peers;
    for (const auto& worker : workers_) {
        peers.push_back(&worker->table_counters());
    }
    for (const auto& worker : workers_) {
        worker->set_peers(peers);
    }
}

WorkerLab::~WorkerLab() {
    for (const auto& worker : workers_) {
        worker->reader().offline();
    }
    rte_eth_dev_stop(device_);
    rte_eth_dev_close(device_);
    for (const auto& rings : {rx_, tx_}) {
        for (rte_ring* ring : rings) {
            FreeRing()(ring);
        }
    }
}

void WorkerLab::publish() {
    snapshot_ = build(model_, snapshot_.get());
    for (size_t slot = snat_[0].size(); slot < snapshot_->snat_addresses.size(); ++slot) {
        for (unsigned worker = 0; worker < options_.workers; ++worker) {
            snat_[worker].push_back(
                std::make_unique<SnatPool>(worker, options_.workers, options_.kernel_ports));
        }
    }
    const std::vector<PortLink> links = {{*MacAddress::parse("02:00:00:00:00:aa"),
                                          options_.vlan,
                                          options_.mtu,
                                          {lab_addresses()[0], lab_addresses()[1]}}};
    auto next = std::make_unique<DataplaneTables>();
    next->hops = NextHops(lab_routes(), neighbors_, links, *snapshot_);
    next->lb = snapshot_;
    next->rss = {options_.queues.rss};
    next->routing_peers = options_.routing_peers;
    for (const auto& pools : snat_) {
        std::vector<SnatPool*>& of_worker = next->snat_pools.emplace_back();
        for (const auto& pool : pools) {
            of_worker.push_back(pool.get());
        }
    }
    retired_.push(tables_.exchange(std::move(next)));
    retired_.reclaim();
}

void WorkerLab::know(const std::string& address) {
    Neighbor neighbor{*IpAddress::parse(address), {}, 0};
    neighbor.mac.bytes = {0x02, 0, 0, 0, 0, neighbor.address.bytes()[neighbor.address.size() - 1]};
    neighbors_.push_back(neighbor);
    publish();
}

bool WorkerLab::put(const Bytes& frame, unsigned queue) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_->raw());
    if (mbuf == nullptr) {
        return false;
    }
    char* room = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size()));
    if (room == nullptr) {
        rte_pktmbuf_free(mbuf);
        return false;
    }
    // Whole before it is queued: a worker's thread may be waiting for it.
    std::memcpy(room, frame.data(), frame.size());
    if (rte_ring_enqueue(rx_[queue], mbuf) != 0) {
        rte_pktmbuf_free(mbuf);
        return false;
    }
    return true;
}

void WorkerLab::step() {
    for (const auto& worker : workers_) {
        worker->poll_once();
    }
}

std::vector<Bytes> WorkerLab::taken(unsigned queue) {
    std::vector<Bytes> frames;
    void* mbuf = nullptr;
    while (rte_ring_dequeue(tx_[queue], &mbuf) == 0) {
        frames.push_back(bytes_of(static_cast<rte_mbuf*>(mbuf)));
        rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    }
    return frames;
}

void WorkerLab::discard() {
    for (rte_ring* ring : tx_) {
        void* mbufs[64];
        unsigned count;
        while ((count = rte_ring_dequeue_burst(ring, mbufs, 64, nullptr)) != 0) {
            rte_pktmbuf_free_bulk(reinterpret_cast<rte_mbuf**>(mbufs), count);
        }
    }
}

std::vector<Bytes> WorkerLab::pass(const Bytes& frame, unsigned queue) {
    EXPECT_TRUE(put(frame, queue));
    step();  // a packet that is handed over arrives in the next round, and may come back so
    step();
    step();
    std::vector<Bytes> frames;
    for (unsigned out = 0; out < queue_pairs(); ++out) {
        for (Bytes& taken_frame : taken(out)) {
            frames.push_back(std::move(taken_frame));
        }
    }
    return frames;
}

std::vector<WorkerLab::ForControl> WorkerLab::empty(rte_ring* ring) {
    std::vector<ForControl> given;
    void* pointer = nullptr;
    while (rte_ring_sc_dequeue(ring, &pointer) == 0) {
        auto* mbuf = static_cast<rte_mbuf*>(pointer);
        given.push_back({note_of(mbuf), bytes_of(mbuf)});
        rte_pktmbuf_free(mbuf);
    }
    return given;
}

std::vector<WorkerLab::ForControl> WorkerLab::for_control(unsigned worker) {
    return empty(punts_[worker].get());
}

std::vector<WorkerLab::ForControl> WorkerLab::routing(unsigned worker) {
    return empty(routing_punts_[worker].get());
}

std::vector<WorkerLab::ForControl> WorkerLab::discovery(unsigned worker) {
    return empty(neighbor_punts_[worker].get());
}

uint64_t WorkerLab::count(Verdict verdict) const {
    uint64_t sum = 0;
    for (const auto& worker : workers_) {
        sum += worker->counters().of(verdict).get();
    }
    return sum;
}

uint64_t WorkerLab::count_all() const {
    uint64_t sum = 0;
    for (unsigned i = 0; i < kVerdicts; ++i) {
        sum += count(static_cast<Verdict>(i));
    }
    return sum;
}

}  // namespace dlb::test
