// classify(): from a packet's headers to what it is to us. No state is read but the snapshot: the
// packet path and `explain` ask the same function. Thread safety: pure but for the packet.
#pragma once

#include <optional>

#include "datapath/fragment_table.hpp"
#include "datapath/packet.hpp"
#include "lb/snapshot.hpp"

namespace dlb {

struct WorkerIdentity {
    unsigned id = 0;
    unsigned count = 1;
};

// The worker that keeps the flow of `key` (client to VIP), for its packets and for all that is
// about it, by whatever queue that comes. nullopt: any worker will do, or nothing tells whose queue
// the flow's packets come by. `queues`: of the port that the client's packets come in by.
template <typename F>
std::optional<unsigned> flow_owner(const ServiceEntry& service, const FlowKey<F>& key,
                                   const QueueRule& queues, unsigned workers);

// Whether the port brings each packet of the service's flows to its owner: then nothing has to be
// computed. For packets in which a NIC finds ports, see nic_sees_ports().
template <typename F>
inline bool is_brought_to_owner(const ServiceEntry& service, const QueueRule& queues,
                                uint8_t protocol) {
    return service.keeper == FlowKeeper::Queue && queues.keeps_flows<F>(protocol);
}

// Makes the packet's key and its hash. REQUIRES: status Ok and F the packet's family.
template <typename F>
void load_key(const uint8_t* frame, Packet& packet);

// Sets cls, verdict (of Done), service, reply and owner. REQUIRES: meta and the key.
template <typename F>
void classify(const LbSnapshot& snapshot, WorkerIdentity self, Packet& packet);

// The same for a fragment (cls Fragment), by what its datagram's first one said: it goes the way of
// its flow. Sets ports, key and hash too.
template <typename F>
void classify_fragment(const LbSnapshot& snapshot, WorkerIdentity self,
                       const FragmentTransport& transport, Packet& packet);

// The verdict for a frame that parse() refuses.
Verdict verdict_of(ParseStatus status);

}  // namespace dlb
