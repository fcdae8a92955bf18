#include "datapath/routing_peers.hpp"

#include <algorithm>

namespace dlb {

RoutingPeers::RoutingPeers(std::vector<RoutingPeer> peers, uint16_t listen_port)
    : listen_port_(listen_port) {
    for (const RoutingPeer& peer : peers) {
        (peer.addresses.is_host() ? hosts_ : prefixes_).push_back(peer);
    }
    std::sort(hosts_.begin(), hosts_.end(), [](const RoutingPeer& a, const RoutingPeer& b) {
        return a.addresses.address() < b.addresses.address();
    });
    std::stable_sort(prefixes_.begin(), prefixes_.end(),
                     [](const RoutingPeer& a, const RoutingPeer& b) {
                         return a.addresses.length() > b.addresses.length();
                     });
}

const RoutingPeer* RoutingPeers::find(const IpAddress& address) const {
    const auto host = std::lower_bound(hosts_.begin(), hosts_.end(), address,
                                       [](const RoutingPeer& peer, const IpAddress& wanted) {
                                           return peer.addresses.address() < wanted;
                                       });
    if (host != hosts_.end() && host->addresses.address() == address) {
        return &*host;
    }
    for (const RoutingPeer& peer : prefixes_) {
        if (peer.addresses.contains(address)) {
            return &peer;
        }
    }
    return nullptr;
}

}  // namespace dlb
