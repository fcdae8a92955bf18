#include "control/twins.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <rte_ether.h>

#include "control/address_answer.hpp"
#include "datapath/packet.hpp"
#include "datapath/punt_class.hpp"
#include "net/parse.hpp"
#include "rewrite/l3.hpp"

namespace dlb {

namespace {

constexpr unsigned kFramesPerWake = 64;
// What the kernel may say to what it is given, and its own packets between: they share the twin's
// queue, which the answers to a flood would fill.
constexpr unsigned kAnswersPerPacket = 2;
constexpr size_t kVlanTag = 4;
constexpr size_t kMacs = 12;

// The kernel's side of a twin is untagged.
void strip_vlan(rte_mbuf* mbuf) {
    auto* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
    std::memmove(frame + kVlanTag, frame, kMacs);
    rte_pktmbuf_adj(mbuf, kVlanTag);
}

bool insert_vlan(rte_mbuf* mbuf, uint16_t vlan) {
    auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(mbuf, kVlanTag));
    if (frame == nullptr) {
        return false;
    }
    std::memmove(frame, frame + kVlanTag, kMacs);
    frame[12] = 0x81;
    frame[13] = 0x00;
    frame[14] = static_cast<uint8_t>(vlan >> 8);
    frame[15] = static_cast<uint8_t>(vlan);
    return true;
}

Family family_of_ip(rte_mbuf* mbuf) {
    return (*rte_pktmbuf_mtod(mbuf, const uint8_t*) >> 4) == 4 ? Family::V4 : Family::V6;
}

}  // namespace

Twins::Twins(boost::asio::io_context& io, std::vector<ControlPort>& ports, WorkerPool& workers,
             rte_mempool* pool, std::function<const DataplaneTables&()> tables,
             std::function<void(const NextHop&)> unresolved, TunnelChecks& checks)
    : ports_(ports),
      workers_(workers),
      pool_(pool),
      tables_(std::move(tables)),
      unresolved_(std::move(unresolved)),
      checks_(checks),
      twins_(ports.size()),
      io_(io) {}

Twins::~Twins() {
    stop();
    for (auto& [key, queue] : waiting_) {
        for (const Waiting& waiting : queue) {
            rte_pktmbuf_free(waiting.mbuf);
        }
    }
}

void Twins::start() {
    for (uint16_t port = 0; port < ports_.size(); ++port) {
        if (ports_[port].tap) {
            twins_[port] = std::make_unique<Twin>(
                Twin{boost::asio::posix::stream_descriptor(io_, dup(ports_[port].tap->fd()))});
            wait_for_kernel(port);
        }
    }
}

void Twins::stop() {
    for (const auto& twin : twins_) {
        if (twin != nullptr) {
            boost::system::error_code ignored;
            twin->descriptor.close(ignored);
        }
    }
}

void Twins::announce(uint16_t port, const IpAddress& address) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
    if (mbuf == nullptr) {
        ++not_injected_;
        return;
    }
    make_address_announcement(mbuf, address, ports_[port].port->mac());
    if (ports_[port].config.vlan != 0) {
        insert_vlan(mbuf, ports_[port].config.vlan);
    }
    inject(mbuf, port, true);
}

// At most `most`, in bursts; how many there were.
unsigned Twins::drain_ring(rte_ring* ring, unsigned most) {
    unsigned taken = 0;
    void* mbufs[kBurst];
    while (taken < most) {
        const unsigned count =
            rte_ring_sc_dequeue_burst(ring, mbufs, std::min(kBurst, most - taken), nullptr);
        for (unsigned i = 0; i < count; ++i) {
            take(static_cast<rte_mbuf*>(mbufs[i]));
        }
        taken += count;
        if (count == 0) {
            break;
        }
    }
    return taken;
}

// What came for routing control or neighbour discovery goes first, also between the bursts of the
// rest.
bool Twins::drain() {
    bool more = false;
    for (unsigned worker = 0; worker < workers_.size(); ++worker) {
        for (unsigned taken = 0; taken < kRound; taken += kBurst) {
            const unsigned urgent = drain_ring(workers_.routing_punt_ring(worker), kRound) +
                                    drain_ring(workers_.neighbor_punt_ring(worker), kRound);
            const unsigned rest = drain_ring(workers_.punt_ring(worker), kBurst);
            read_kernel(kAnswersPerPacket * rest);
            if (urgent + rest == 0) {
                break;
            }
            more |= urgent >= kRound || (rest == kBurst && taken + kBurst >= kRound);
        }
    }
    return more;
}

void Twins::take(rte_mbuf* mbuf) {
    const PacketNote& note = note_of(mbuf);
    if (note.kind == PacketNote::Kind::AwaitsNeighbor) {
        hold(mbuf);
    } else if (answer_address_query(mbuf, *tables_().lb, ports_[note.port].port->mac())) {
        inject(mbuf, note.port, true);
    } else {
        to_kernel(mbuf, note.port);
    }
}

void Twins::to_kernel(rte_mbuf* mbuf, uint16_t port) {
    if (ports_[port].config.vlan != 0) {
        strip_vlan(mbuf);
    }
    write_to_kernel(mbuf, port);
}

void Twins::write_to_kernel(rte_mbuf* mbuf, uint16_t port) {
    ControlPort& to = ports_[port];
    std::vector<uint8_t> copy;
    const void* frame = rte_pktmbuf_mtod(mbuf, const void*);
    const uint32_t length = rte_pktmbuf_pkt_len(mbuf);
    if (mbuf->nb_segs > 1) {
        copy.resize(length);
        frame = rte_pktmbuf_read(mbuf, 0, length, copy.data());
    }
    if (!to.tap || !to.tap->write({static_cast<const uint8_t*>(frame), length})) {
        ++refused_;
    }
    rte_pktmbuf_free(mbuf);
}

void Twins::hold(rte_mbuf* mbuf) {
    const PacketNote& note = note_of(mbuf);
    const HopKey key{note.next_hop, note.port};
    const NextHop* known = tables_().hops.find_neighbor(key.first, key.second);
    if (known != nullptr && known->state == NextHop::State::Ready) {
        send_ready(mbuf, *known);
        return;
    }
    std::deque<Waiting>& queue = waiting_[key];
    if (waiting_count_ >= kWait || queue.size() >= kWaitPerHop) {
        ++without_neighbor_;
        rte_pktmbuf_free(mbuf);
        return;
    }
    const bool first = queue.empty();
    queue.push_back({mbuf, Clock::now() + kWaitTime});
    ++waiting_count_;
    if (first) {
        NextHop hop;
        hop.address = key.first;
        hop.port = key.second;
        unresolved_(hop);
    }
}

void Twins::send_ready(rte_mbuf* mbuf, const NextHop& hop) {
    if (push_ethernet(mbuf, hop.l2, hop.l2_length, family_of_ip(mbuf))) {
        inject(mbuf, hop.port);
    } else {
        ++not_injected_;
        rte_pktmbuf_free(mbuf);
    }
}

void Twins::neighbors_changed() {
    const NextHops& hops = tables_().hops;
    for (auto entry = waiting_.begin(); entry != waiting_.end();) {
        const NextHop* hop = hops.find_neighbor(entry->first.first, entry->first.second);
        if (hop == nullptr || hop->state != NextHop::State::Ready) {
            ++entry;
            continue;
        }
        for (const Waiting& waiting : entry->second) {
            send_ready(waiting.mbuf, *hop);
        }
        waiting_count_ -= entry->second.size();
        entry = waiting_.erase(entry);
    }
}

void Twins::expire() {
    const Clock::time_point now = Clock::now();
    for (auto entry = waiting_.begin(); entry != waiting_.end();) {
        std::deque<Waiting>& queue = entry->second;
        while (!queue.empty() && queue.front().until <= now) {
            rte_pktmbuf_free(queue.front().mbuf);
            queue.pop_front();
            --waiting_count_;
            ++without_neighbor_;
        }
        entry = queue.empty() ? waiting_.erase(entry) : std::next(entry);
    }
}

void Twins::inject(rte_mbuf* mbuf, uint16_t port, bool urgent) {
    note_of(mbuf).port = port;
    if (!workers_.inject(mbuf, urgent)) {
        ++not_injected_;
        rte_pktmbuf_free(mbuf);
    }
}

void Twins::wait_for_kernel(uint16_t port) {
    twins_[port]->descriptor.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [this, port](const boost::system::error_code& error) {
            if (error) {
                return;
            }
            read_frames(port, kFramesPerWake);
            if (ports_[port].tap->deleted()) {
                spdlog::error("the twin {} of port '{}' was deleted; restart dpdk-lb",
                              ports_[port].config.tap, ports_[port].config.name);
                return;
            }
            wait_for_kernel(port);
        });
}

void Twins::read_frames(uint16_t port, unsigned most) {
    for (unsigned frames = 0; frames < most && read_frame(port); ++frames) {
    }
}

void Twins::read_kernel(unsigned most) {
    for (uint16_t port = 0; port < ports_.size(); ++port) {
        if (ports_[port].tap) {
            read_frames(port, most);
        }
    }
}

bool Twins::read_frame(uint16_t port) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
    if (mbuf == nullptr) {
        uint8_t discarded[64];
        ++not_injected_;
        return ports_[port].tap->read(discarded) != 0;
    }
    const size_t length =
        ports_[port].tap->read({rte_pktmbuf_mtod(mbuf, uint8_t*), rte_pktmbuf_tailroom(mbuf)});
    if (length < RTE_ETHER_HDR_LEN) {
        rte_pktmbuf_free(mbuf);
        return false;
    }
    mbuf->data_len = static_cast<uint16_t>(length);
    mbuf->pkt_len = static_cast<uint32_t>(length);
    const bool urgent = note_session(mbuf);
    if (take_check(mbuf, port)) {
        return true;
    }
    if (ports_[port].config.vlan != 0 && !insert_vlan(mbuf, ports_[port].config.vlan)) {
        ++not_injected_;
        rte_pktmbuf_free(mbuf);
        return true;
    }
    inject(mbuf, port, urgent);
    return true;
}

// The kernel's own packets tell of its conversations with routers: see KnownSessions. True: it is
// routing control or neighbour discovery.
bool Twins::note_session(rte_mbuf* mbuf) {
    const RoutingPeers* peers = tables_().routing_peers.get();
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const PacketMeta meta = parse(frame, rte_pktmbuf_data_len(mbuf));
    const KernelFrame told = classify_kernel_frame(frame, rte_pktmbuf_data_len(mbuf), meta, peers);
    if (told.session) {
        const auto now = Clock::now().time_since_epoch();
        workers_.known_sessions().learn(
            *told.session, static_cast<uint64_t>(
                               std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
    }
    return told.routing || told.neighbor;
}

// True: it was one of a check's, or a question about its VIP, and is not ours any more.
bool Twins::take_check(rte_mbuf* mbuf, uint16_t port) {
    const TunnelChecks::Outcome outcome = checks_.take(mbuf, ports_[port].port->mac());
    switch (outcome.taken) {
        case TunnelChecks::Taken::No:
            return false;
        case TunnelChecks::Taken::Answer:
            write_to_kernel(mbuf, port);
            break;
        case TunnelChecks::Taken::Drop:
            ++not_injected_;
            rte_pktmbuf_free(mbuf);
            break;
        case TunnelChecks::Taken::Packet:
            if (outcome.hop->state == NextHop::State::Ready) {
                send_ready(mbuf, *outcome.hop);
                break;
            }
            note_of(mbuf).port = outcome.hop->port;
            note_of(mbuf).next_hop = outcome.hop->address;
            hold(mbuf);
            break;
    }
    return true;
}

}  // namespace dlb
