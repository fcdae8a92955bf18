// [bgp] as the speaker and BFD take it.
//
// Thread safety: pure functions over plain values.
#pragma once

#include <memory>
#include <string>

#include "bgp/bfd_session.hpp"
#include "bgp/bfd_table.hpp"
#include "bgp/config.hpp"
#include "bgp/route.hpp"
#include "config/bgp_config.hpp"
#include "datapath/routing_peers.hpp"

namespace dlb {

bgp::PeerConfig peer_of(const BgpConfig& bgp, const BgpNeighborConfig& neighbor);
bgp::DynamicConfig dynamic_of(const BgpConfig& bgp, const BgpNeighborConfig& neighbor);
bgp::SpeakerConfig speaker_of(const BgpConfig& bgp);
// What every route carries.
bgp::RouteOptions route_options_of(const BgpConfig& bgp);

// Whose packets are routing control; null where BGP is off.
std::shared_ptr<const RoutingPeers> routing_peers_of(const BgpConfig& bgp);

// The session that watches a neighbour: the file's, or one of a prefix of its.
BfdPeer bfd_peer_of(const BgpNeighborConfig& neighbor, const IpAddress& address);
BfdSettings bfd_settings_of(const BfdConfig& bfd);

// The entry that `address` falls under: its own, or that of the longest prefix; null: none.
const BgpNeighborConfig* neighbor_of(const BgpConfig& bgp, const IpAddress& address);

}  // namespace dlb
