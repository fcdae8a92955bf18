// Forwarder: from a classified packet to a frame that is ready to leave, or a named reason why not.
// Thread safety: the worker's thread.
#pragma once

#include <cstdint>
#include <span>

#include <rte_cycles.h>

#include "datapath/counters.hpp"
#include "datapath/flow_engine.hpp"
#include "datapath/fragment.hpp"
#include "datapath/icmp.hpp"
#include "datapath/packet.hpp"
#include "datapath/tables.hpp"

namespace dlb {

struct Outcome {
    Verdict verdict;
    int port = -1;              // the port to transmit by; -1: nothing to transmit
    bool in_fragments = false;  // Forwarder::fragments() go before the packet and the same way
};

class Forwarder {
  public:
    Forwarder(FlowEngine& flows, TableCounters& counters, WorkerIdentity self = {})
        : flows_(flows), counters_(counters), self_(self), identifications_(65536 / self.count) {}

    // Punted without a port: the frame is as it came and the kernel's.
    // REQUIRES: cls is none of Done, Punt and HandOver.
    Outcome handle(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);

    // The fragments before the last packet, which is the last one.
    std::span<rte_mbuf* const> fragments() const {
        return {fragments_.mbufs.data(), fragments_.count};
    }

    // What a packet ends in that no backend takes: by the service's `overflow`, if it can be told.
    static Verdict answer_to(const ServiceEntry& service, Verdict failure, uint8_t protocol);

    // Of outer IPv4 headers that may be fragmented: workers have the same ends (RFC 6864 §4.3), so
    // each has a share of the numbers.
    uint16_t next_identification() {
        identification_ = identification_ + 1 < identifications_ ? identification_ + 1 : 0;
        return static_cast<uint16_t>(self_.id * identifications_ + identification_);
    }

  private:
    // ICMP errors are bounded (RFC 1812 §4.3.2.8).
    static constexpr uint32_t kErrorsPerMs = 10;

    template <typename F>
    Outcome handle_family(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);
    template <typename F>
    Outcome refuse(const DataplaneTables& tables, Packet& packet, Verdict failure, uint32_t now_ms);
    template <typename F>
    Outcome forward_request(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);
    template <typename F>
    Outcome forward_reply(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);
    template <typename F>
    Outcome answer_echo(const DataplaneTables& tables, Packet& packet);
    // What to tell a packet's sender, and the packet's verdict where that can be told or not.
    struct Report {
        IcmpError error;
        Verdict told;
        Verdict untold;
    };
    template <typename F>
    Outcome report(const DataplaneTables& tables, Packet& packet, const Report& report,
                   uint32_t now_ms);
    template <typename F>
    Outcome report_ttl_expired(const DataplaneTables& tables, Packet& packet, uint32_t now_ms);
    template <typename F>
    Outcome report_too_big(const DataplaneTables& tables, Packet& packet, unsigned room,
                           uint32_t now_ms);
    template <typename F>
    Outcome error_to_backend(const DataplaneTables& tables, Packet& packet);
    template <typename F>
    Outcome error_to_client(const DataplaneTables& tables, Packet& packet);
    template <typename F>
    bool find_client(const LbSnapshot& lb, const Packet& packet, FlowKey<F>& to) const;
    bool wrap(Packet& packet, const BackendEntry& backend, const NextHop& hop);
    Outcome send(rte_mbuf* mbuf, const NextHop& hop, Family family, Verdict verdict);
    Outcome send_fragments(rte_mbuf* mbuf, const NextHop& hop, Family family, Verdict verdict);

    FlowEngine& flows_;
    TableCounters& counters_;
    WorkerIdentity self_;
    uint32_t identifications_;  // this worker's share
    uint32_t identification_ = 0;
    // RFC 8200 §4.5: recent ones of the same ends differ, and other workers have the same ends.
    uint32_t fragment_id_ = static_cast<uint32_t>(rte_rdtsc());
    FragmentList fragments_;
    uint32_t errors_at_ms_ = 0;  // when errors_left_ was last filled up
    uint32_t errors_left_ = kErrorsPerMs;
};

}  // namespace dlb
