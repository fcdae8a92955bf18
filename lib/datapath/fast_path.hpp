// FastPath: the way of nearly all packets: whole, plain TCP or UDP of a flow that we know and that
// goes on as it is, or a reply that needs no flow.
//
// It does what Forwarder would do with such a packet, with one look at each header and at each
// table. It decides nothing that is not settled: of any other packet it says so, and leaves it as
// it came. A burst goes through look(), prefetch_entries(), prefetch_backends() and forward(), each
// a loop over its packets. A plain packet that opens or ends a flow goes as far as forward(), and
// then the general way, but describe() spares it parse() and classify(). Thread safety: the
// worker's thread.
#pragma once

#include <cstdint>
#include <type_traits>

#include <rte_mbuf.h>

#include "datapath/counters.hpp"
#include "datapath/endpoint_cache.hpp"
#include "datapath/flow_engine.hpp"
#include "datapath/forwarder.hpp"
#include "datapath/tables.hpp"
#include "net/flow_key.hpp"

namespace dlb {

// What look() compares a frame with.
struct FastPort {
    uint64_t mac = 0;  // the frame's first 6 bytes, as a number that lies in memory like them
    bool any_mac = false;
    uint16_t vlan = 0;
    const QueueRule* queues = &kOneQueue;
};

struct FastPacket {
    // General: not for the fast path. V4, V6: requests. Reply4, Reply6: of backends of nat services
    // whose replies need no flow.
    enum class Kind : uint8_t { General, V4, V6, Reply4, Reply6 };
    Kind kind = Kind::General;
    uint8_t l2_length = 0;
    uint8_t protocol = 0;
    uint8_t tcp_flags = 0;
    uint16_t length = 0;  // of the IP packet
    // Of requests: where its flow most likely is, or FlowTable::kNone; the key's hash.
    uint32_t entry = 0;
    uint64_t hash = 0;
    union {
        const ServiceEntry* service = nullptr;
        const ReplyEntry<V4>* reply4;
        const ReplyEntry<V6>* reply6;
    };
    union {
        FlowKey<V4> key4;
        FlowKey<V6> key6;
    };

    FastPacket() : key6{} {}
    template <typename F>
    auto& key() {
        if constexpr (std::is_same_v<F, V4>) {
            return key4;
        } else {
            return key6;
        }
    }
    template <typename F>
    const auto& key() const {
        return const_cast<FastPacket*>(this)->key<F>();
    }
};

// Where a packet that is ready leaves, and what it is counted as once it is through.
struct FastSent {
    uint16_t port = 0;
    Verdict verdict = Verdict::Forwarded;
};

class FastPath {
  public:
    FastPath(FlowEngine& flows, Forwarder& forwarder, TableCounters& counters, WorkerIdentity self)
        : flows_(flows), forwarder_(forwarder), counters_(counters), self_(self) {}

    // Which of the packets are plain, for us and of a service; of these the rest is set.
    void look(const LbSnapshot& lb, const FastPort& port, rte_mbuf* const* mbufs, unsigned count,
              FastPacket* packets);
    void prefetch_entries(FastPacket* packets, unsigned count) const;
    void prefetch_backends(const DataplaneTables& tables, FastPacket* packets,
                           unsigned count) const;
    // How many of the first packets are ready to leave, each as `sent` says, and counted as its
    // backend's. With the next one nothing has happened.
    unsigned forward(const DataplaneTables& tables, rte_mbuf* const* mbufs,
                     const FastPacket* packets, unsigned count, uint32_t now_ms, FastSent* sent);

    // What parse() and classify() would say of a request that look() has taken.
    static void describe(const FastPort& port, const FastPacket& fast, Packet& packet);

  private:
    template <typename F>
    static void describe_in(const FastPort& port, const FastPacket& fast, Packet& packet);
    // What the packet is by its headers alone.
    FastPacket::Kind kind_of(const FastPort& port, const rte_mbuf* mbuf, FastPacket& packet);
    template <typename F>
    FastPacket::Kind look_in(const rte_mbuf* mbuf, const uint8_t* ip, size_t room,
                             FastPacket& packet);
    template <typename F>
    FastPacket::Kind find_service(const LbSnapshot& lb, const FastPort& port, FastPacket& packet);
    template <typename F>
    FastPacket::Kind find_reply(const LbSnapshot& lb, const FastPort& port, FastPacket& packet);
    template <typename F>
    FlowEntry<F>* find_steady(const FastPacket& packet);
    template <typename F>
    bool forward_in(const DataplaneTables& tables, rte_mbuf* mbuf, const FastPacket& packet,
                    uint32_t now_ms, uint16_t& port);
    template <typename F>
    bool reply_in(const DataplaneTables& tables, rte_mbuf* mbuf, const FastPacket& packet,
                  uint16_t& port);
    template <typename F>
    void encapsulate_in(rte_mbuf* mbuf, const FastPacket& packet, const OuterHeader& outer);
    template <typename F>
    void prefetch_backend(const DataplaneTables& tables, FastPacket& packet) const;
    template <typename F>
    void prefetch_reply(const DataplaneTables& tables, const FastPacket& packet) const;
    template <typename F>
    struct Caches {
        EndpointCache<F, ServiceEntry> services;  // by VIP
        EndpointCache<F, ReplyEntry<F>> replies;  // by backend
    };
    template <typename F>
    Caches<F>& caches() {
        if constexpr (std::is_same_v<F, V4>) {
            return caches4_;
        } else {
            return caches6_;
        }
    }

    FlowEngine& flows_;
    Forwarder& forwarder_;
    TableCounters& counters_;
    WorkerIdentity self_;
    Caches<V4> caches4_;
    Caches<V6> caches6_;
};

}  // namespace dlb
