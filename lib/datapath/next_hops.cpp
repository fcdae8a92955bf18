#include "datapath/next_hops.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

#include "net/byte_order.hpp"
#include "net/mask.hpp"

namespace dlb {

namespace {

// The index's key for a neighbour on a port; ports are told apart in the port field.
template <typename F>
VipKey<F> neighbor_key(const typename F::Address& address, uint16_t port) {
    return {address, port, 0, 0};
}

}  // namespace

template <>
NextHops::FamilyRoutes<V4>& NextHops::family<V4>() {
    return v4_;
}
template <>
NextHops::FamilyRoutes<V6>& NextHops::family<V6>() {
    return v6_;
}
template <>
const NextHops::FamilyRoutes<V4>& NextHops::family<V4>() const {
    return v4_;
}
template <>
const NextHops::FamilyRoutes<V6>& NextHops::family<V6>() const {
    return v6_;
}

template <typename F>
const typename NextHops::FamilyRoutes<F>::Target* NextHops::FamilyRoutes<F>::find(
    const typename F::Address& destination) const {
    for (const uint8_t length : lengths) {
        const Target* target = routes.find({mask_address(destination, length), 0, 0, length});
        if (target != nullptr) {
            return target;
        }
    }
    return nullptr;
}

NextHop NextHops::make_hop(const IpAddress& neighbor, uint16_t port) const {
    NextHop hop;
    const PortLink& link = ports_[port];
    hop.state = NextHop::State::Unresolved;
    hop.port = port;
    hop.mtu = link.mtu;
    hop.address = neighbor;
    hop.l2.fill(0);
    std::memcpy(hop.l2.data() + 6, link.mac.bytes.data(), 6);
    if (link.vlan != 0) {  // IEEE 802.1Q: priority 0
        hop.l2_length = 18;
        hop.l2[12] = 0x81;
        hop.l2[14] = static_cast<uint8_t>(link.vlan >> 8);
        hop.l2[15] = static_cast<uint8_t>(link.vlan);
    }
    return hop;
}

uint32_t NextHops::hop_to(const IpAddress& neighbor, uint16_t port) {
    const auto index_in = [&]<typename F>(F) -> uint32_t& {
        return family<F>().neighbors[neighbor_key<F>(raw_address<F>(neighbor), port)];
    };
    uint32_t& index = neighbor.is_v4() ? index_in(V4{}) : index_in(V6{});
    if (index == 0) {
        index = static_cast<uint32_t>(hops_.size());
        hops_.push_back(make_hop(neighbor, port));
    }
    return index;
}

template <typename F>
void NextHops::add_route(const Route& route) {
    FamilyRoutes<F>& routes = family<F>();
    const auto length = static_cast<uint8_t>(route.prefix.length());
    auto& target = routes.routes[{raw_address<F>(route.prefix.address()), 0, 0, length}];
    if (target.used != 0) {
        return;
    }
    target.used = 1;
    target.port = route.port;
    target.hop = route.gateway ? hop_to(*route.gateway, route.port) : 0;
    hops_[target.hop].needed = target.hop != 0;
    routes.lengths.push_back(length);
}

template <typename F>
uint32_t NextHops::resolve(const IpAddress& destination) {
    const auto* target = family<F>().find(raw_address<F>(destination));
    if (target == nullptr) {
        return 0;
    }
    return target->hop != 0 ? target->hop : hop_to(destination, target->port);
}

NextHops::NextHops(const std::vector<Route>& routes, const std::vector<Neighbor>& neighbors,
                   const std::vector<PortLink>& ports, const LbSnapshot& snapshot)
    : ports_(ports), hops_(1) {
    for (const Neighbor& neighbor : neighbors) {
        NextHop& hop = hops_[hop_to(neighbor.address, neighbor.port)];
        hop.state = NextHop::State::Ready;
        std::memcpy(hop.l2.data(), neighbor.mac.bytes.data(), 6);
    }
    for (const Route& route : routes) {
        if (route.prefix.family() == Family::V4) {
            add_route<V4>(route);
        } else {
            add_route<V6>(route);
        }
    }
    for (std::vector<uint8_t>* lengths : {&v4_.lengths, &v6_.lengths}) {
        std::sort(lengths->begin(), lengths->end(), std::greater<>());
        lengths->erase(std::unique(lengths->begin(), lengths->end()), lengths->end());
    }
    by_backend_.resize(snapshot.backends.size(), 0);
    ways_.resize(snapshot.backends.size());
    for (const BackendEntry& backend : snapshot.backends) {
        if (backend.id.valid()) {
            const uint32_t slot = backend.id.slot();
            by_backend_[slot] = backend.family == Family::V4 ? resolve<V4>(backend.address)
                                                             : resolve<V6>(backend.address);
            NextHop& hop = hops_[by_backend_[slot]];
            hop.needed = true;
            ways_[slot] = make_way(backend, hop);
        }
    }
}

BackendWay NextHops::make_way(const BackendEntry& backend, const NextHop& hop) {
    BackendWay way;
    if (backend.dead || hop.state != NextHop::State::Ready || hop.mtu <= backend.outer.length) {
        return way;
    }
    way.id = backend.id;
    way.service = backend.service;
    way.room = static_cast<uint16_t>(hop.mtu - backend.outer.length);
    way.hop_port = hop.port;
    way.backend_port = backend.port;
    way.tunnel_length = backend.outer.length;
    way.tunnel_family = backend.outer.family;
    way.l2_length = hop.l2_length;
    way.l2 = hop.l2;
    const auto address = backend.address.bytes();
    std::copy(address.begin(), address.end(), way.address.begin());
    return way;
}

template <typename F>
const NextHop* NextHops::find(const typename F::Address& destination) const {
    const auto* target = family<F>().find(destination);
    if (target == nullptr) {
        return &hops_[0];
    }
    if (target->hop != 0) {
        return &hops_[target->hop];
    }
    const uint32_t* index = family<F>().neighbors.find(neighbor_key<F>(destination, target->port));
    return index == nullptr ? nullptr : &hops_[*index];
}

template const NextHop* NextHops::find<V4>(const V4::Address&) const;
template const NextHop* NextHops::find<V6>(const V6::Address&) const;

template <typename F>
NextHop NextHops::lookup_in(const IpAddress& destination) const {
    const NextHop* known = find<F>(raw_address<F>(destination));
    if (known != nullptr) {
        return *known;
    }
    return make_hop(destination, family<F>().find(raw_address<F>(destination))->port);
}

NextHop NextHops::lookup(const IpAddress& destination) const {
    return destination.is_v4() ? lookup_in<V4>(destination) : lookup_in<V6>(destination);
}

const NextHop* NextHops::find_neighbor(const IpAddress& address, uint16_t port) const {
    const auto find_in = [&]<typename F>(F) {
        return family<F>().neighbors.find(neighbor_key<F>(raw_address<F>(address), port));
    };
    const uint32_t* index = address.is_v4() ? find_in(V4{}) : find_in(V6{});
    return index == nullptr ? nullptr : &hops_[*index];
}

std::vector<NextHop> NextHops::unresolved() const {
    std::vector<NextHop> waiting;
    std::copy_if(hops_.begin(), hops_.end(), std::back_inserter(waiting),
                 [](const NextHop& hop) { return hop.state == NextHop::State::Unresolved; });
    return waiting;
}

}  // namespace dlb
