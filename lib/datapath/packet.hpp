// Packet: one frame on its way through a worker, and PacketNote, what goes with it to another
// thread. Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <type_traits>

#include <rte_mbuf.h>

#include "datapath/queue_rule.hpp"
#include "datapath/verdict.hpp"
#include "lb/snapshot.hpp"
#include "net/flow_key.hpp"
#include "net/parse.hpp"

namespace dlb {

// What a packet is to us, by its headers alone.
enum class PacketClass : uint8_t {
    Done,            // the verdict is known
    Request,         // from a client to a service
    NatReply,        // from a backend of a NAT service
    FnatReply,       // to a SNAT address
    Echo,            // an echo request to a VIP
    ErrorToBackend,  // an ICMP error about what a backend sent to a client
    ErrorToClient,   // … about what a client sent, on its way to a backend
    Fragment,        // perhaps of a service: its datagram tells, see classify_fragment()
    Punt,            // the kernel's
    HandOver,        // another worker's
};

// A port of one queue and one worker.
inline constexpr QueueRule kOneQueue;

struct Packet {
    rte_mbuf* mbuf = nullptr;
    PacketMeta meta;
    PacketClass cls = PacketClass::Done;
    Verdict verdict = Verdict::Punted;
    bool handed_over = false;  // by another worker: it is ours
    bool gathered = false;     // from another worker: a fragment is with its datagram then
    bool local = false;        // FnatReply: to an address that is the kernel's too
    uint8_t owner = 0;         // HandOver: the worker to go to
    uint16_t port = 0;         // index of the port it came in by
    uint64_t hash = 0;         // of its own 5-tuple
    const QueueRule* queues = &kOneQueue;  // of the port it came in by
    const ServiceEntry* service = nullptr;
    const BackendEntry* backend = nullptr;
    union {
        FlowKey<V4> key4;
        FlowKey<V6> key6;
    };
    union {
        const ReplyEntry<V4>* reply4;
        const ReplyEntry<V6>* reply6;
    };

    // What an ICMP error quotes, with its offsets in the frame and its 5-tuple. Status NotIp: this
    // is none.
    PacketMeta quoted;
    union {
        FlowKey<V4> quoted4;
        FlowKey<V6> quoted6;
    };

    Packet() : key6{}, reply4(nullptr), quoted6{} {}

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
        return const_cast<Packet*>(this)->key<F>();
    }
    template <typename F>
    auto& quoted_key() {
        if constexpr (std::is_same_v<F, V4>) {
            return quoted4;
        } else {
            return quoted6;
        }
    }
    template <typename F>
    const auto& quoted_key() const {
        return const_cast<Packet*>(this)->quoted_key<F>();
    }
    template <typename F>
    auto& reply() {
        if constexpr (std::is_same_v<F, V4>) {
            return reply4;
        } else {
            return reply6;
        }
    }
    template <typename F>
    const auto& reply() const {
        return const_cast<Packet*>(this)->reply<F>();
    }
};

// In the mbuf's private area, for packets that leave a worker by a ring.
struct PacketNote {
    enum class Kind : uint8_t {
        ToTwin,          // a whole frame for the kernel, by the twin of `port`
        AwaitsNeighbor,  // an IP packet, ready but for the Ethernet header: to `next_hop` by `port`
        ToOwner,         // a frame as it came by `port`, for the worker that has its flow
        ToGatherer,      // a fragment that came by `port`, for the worker that has its datagram
        ToSend,          // a frame ready to leave by `port`, for the worker that has a queue there
    };
    Kind kind = Kind::ToTwin;
    Verdict verdict = Verdict::Punted;  // ToSend: what is counted once it has left
    bool part = false;                  // ToSend: a fragment of a packet that follows
    uint16_t port = 0;
    IpAddress next_hop{};
};
inline constexpr uint16_t kPacketPrivateSize = 32;
static_assert(sizeof(PacketNote) <= kPacketPrivateSize);

inline PacketNote& note_of(rte_mbuf* mbuf) {
    return *static_cast<PacketNote*>(rte_mbuf_to_priv(mbuf));
}

}  // namespace dlb
