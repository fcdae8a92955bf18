// TunnelChecks: the way of health checks with inside_tunnel: finds their packets among what the
// kernel sends by a twin, and makes them what a worker makes of a client's packet to that backend.
//
// Bounds: one claim a local port and protocol; one that is released holds its port for kLinger, for
// what the kernel has sent and still may answer. Errors: a packet whose backend has gone, or is out
// of reach, is dropped, and its check runs into its timeout. Thread safety: the control thread's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rte_mbuf.h>

#include "control/ports.hpp"
#include "datapath/tables.hpp"
#include "health/tunnel_way.hpp"

namespace dlb {

// Takes a frame's Ethernet header off and puts the backend's tunnel, if it has one, before the IP
// packet. The next hop that it goes to; nullptr: there is no way, or it does not fit. Unlike a
// client's packet, which has come over a link, it keeps its hop limit.
const NextHop* lead_to_backend(rte_mbuf* mbuf, const PacketMeta& meta,
                               const DataplaneTables& tables, BackendId backend,
                               uint16_t identification);

class TunnelChecks final : public TunnelWay {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kLinger{2};

    TunnelChecks(const std::vector<ControlPort>& ports,
                 std::function<const DataplaneTables&()> tables)
        : ports_(ports), tables_(std::move(tables)) {}

    Start start(BackendId backend, Family family) const override;
    bool claim(const ProbePort& port, const IpAddress& vip, BackendId backend) override;
    void release(const ProbePort& port) override;

    // The VIPs that are checked: the kernel is told that they are the twin itself.
    void set_vips(std::set<IpAddress> vips) { vips_ = std::move(vips); }

    enum class Taken : uint8_t {
        No,      // the frame is as it was
        Answer,  // a query of the kernel's has become its answer
        Packet,  // an IP packet for `hop`
        Drop,
    };
    struct Outcome {
        Taken taken = Taken::No;
        const NextHop* hop = nullptr;  // of the tables in force
        Family family = Family::V4;    // of the packet
    };
    // What a twin of a port with this MAC has sent, as the kernel wrote it: without a VLAN tag.
    Outcome take(rte_mbuf* mbuf, const MacAddress& mac);

  private:
    struct Claim {
        BackendId backend;
        IpAddress vip;
        std::optional<Clock::time_point> until;  // once released
    };

    void forget_old();
    std::optional<BackendId> backend_of(const uint8_t* frame, const PacketMeta& meta) const;

    const std::vector<ControlPort>& ports_;
    std::function<const DataplaneTables&()> tables_;
    std::set<IpAddress> vips_;
    std::unordered_map<uint32_t, Claim> claims_;  // by number_of()
    std::deque<std::pair<Clock::time_point, uint32_t>> released_;
    uint16_t identification_ = 0;
};

}  // namespace dlb
