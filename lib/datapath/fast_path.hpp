// FastPath: the way of nearly all packets: whole, plain TCP or UDP of a flow that we know and that
// goes on as it is.
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
#include "datapath/flow_engine.hpp"
#include "datapath/forwarder.hpp"
#include "datapath/service_cache.hpp"
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
    enum class Kind : uint8_t { General, V4, V6 };
    Kind kind = Kind::General;  // General: not for the fast path
    uint8_t l2_length = 0;
    uint8_t protocol = 0;
    uint8_t tcp_flags = 0;
    uint16_t length = 0;  // of the IP packet
    uint32_t entry = 0;   // where its flow most likely is; FlowTable::kNone
    uint64_t hash = 0;
    const ServiceEntry* service = nullptr;
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

class FastPath {
  public:
    FastPath(FlowEngine& flows, Forwarder& forwarder, TableCounters& counters, WorkerIdentity self)
        : flows_(flows), forwarder_(forwarder), counters_(counters), self_(self) {}

    // Which of the packets are plain, for us and for a service; of these the rest is set.
    void look(const LbSnapshot& lb, const FastPort& port, rte_mbuf* const* mbufs, unsigned count,
              FastPacket* packets);
    void prefetch_entries(FastPacket* packets, unsigned count) const;
    void prefetch_backends(const DataplaneTables& tables, FastPacket* packets,
                           unsigned count) const;
    // How many of the first packets are ready to leave, each by its port of `ports`, and counted as
    // its backend's. With the next one nothing has happened.
    unsigned forward(const DataplaneTables& tables, rte_mbuf* const* mbufs,
                     const FastPacket* packets, unsigned count, uint32_t now_ms, uint16_t* ports);

    // What parse() and classify() would say of a packet that look() has taken.
    static void describe(const FastPort& port, const FastPacket& fast, Packet& packet);

  private:
    template <typename F>
    static void describe_in(const FastPort& port, const FastPacket& fast, Packet& packet);
    FastPacket::Kind kind_of(const LbSnapshot& lb, const FastPort& port, const rte_mbuf* mbuf,
                             FastPacket& packet);
    template <typename F>
    bool look_in(const LbSnapshot& lb, const FastPort& port, const rte_mbuf* mbuf,
                 const uint8_t* ip, size_t room, FastPacket& packet);
    template <typename F>
    FlowEntry<F>* find_steady(const FastPacket& packet);
    template <typename F>
    bool forward_in(const DataplaneTables& tables, rte_mbuf* mbuf, const FastPacket& packet,
                    uint32_t now_ms, uint16_t& port);
    template <typename F>
    void encapsulate_in(rte_mbuf* mbuf, const FastPacket& packet, const OuterHeader& outer);
    template <typename F>
    void prefetch_backend(const DataplaneTables& tables, FastPacket& packet) const;
    template <typename F>
    void prefetch_reply(const DataplaneTables& tables, const FastPacket& packet) const;
    template <typename F>
    ServiceCache<F>& services() {
        if constexpr (std::is_same_v<F, V4>) {
            return services4_;
        } else {
            return services6_;
        }
    }

    FlowEngine& flows_;
    Forwarder& forwarder_;
    TableCounters& counters_;
    WorkerIdentity self_;
    ServiceCache<V4> services4_;
    ServiceCache<V6> services6_;
};

}  // namespace dlb
