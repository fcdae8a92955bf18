// RoutingPeers: whose packets are routing control: the BGP neighbours, and what BFD watches.
//
// Thread safety: immutable; workers read it as a part of DataplaneTables.
#pragma once

#include <cstdint>
#include <vector>

#include "net/ip_address.hpp"
#include "net/routing_ports.hpp"

namespace dlb {

struct RoutingPeer {
    Prefix addresses;  // a host, or the prefix of dynamic neighbours
    uint16_t port = kBgpPort;
    // GTSM, RFC 5082 §3: a packet with less has come from further off. 0: any.
    uint8_t least_hop_limit = 0;

    // 255 - (multihop - 1)
    static uint8_t least_hop_limit_for(unsigned multihop) {
        return static_cast<uint8_t>(multihop > 255 ? 1 : 256 - multihop);
    }
};

class RoutingPeers {
  public:
    // `listen_port`: where our own speaker listens.
    explicit RoutingPeers(std::vector<RoutingPeer> peers, uint16_t listen_port = kBgpPort);

    // The neighbour at this address; else the longest prefix that has it. Null: none.
    const RoutingPeer* find(const IpAddress& address) const;
    uint16_t listen_port() const { return listen_port_; }
    bool empty() const { return hosts_.empty() && prefixes_.empty(); }

  private:
    std::vector<RoutingPeer> hosts_;     // by address
    std::vector<RoutingPeer> prefixes_;  // the longest first
    uint16_t listen_port_;
};

}  // namespace dlb
