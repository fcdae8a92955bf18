// NextHops: where a packet leaves us: port, Ethernet header and MTU for each address that it may go
// to.
//
// Built by the control thread from routes and neighbours, published together with the LbSnapshot it
// was built for. Invariants: entry 0 is "no route"; a worker may use any index that it finds here.
// Thread safety: immutable once built.
// Units: MTU in bytes of the IP packet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "lb/flat_map.hpp"
#include "lb/snapshot.hpp"
#include "net/flow_key.hpp"
#include "net/ip_address.hpp"
#include "net/rss.hpp"

namespace dlb {

struct Route {
    Prefix prefix;
    std::optional<IpAddress> gateway;  // none: on the link
    uint16_t port = 0;                 // index of the port
    friend bool operator==(const Route&, const Route&) = default;
};

struct Neighbor {
    IpAddress address;
    MacAddress mac;
    uint16_t port = 0;
    friend bool operator==(const Neighbor&, const Neighbor&) = default;
};

// What the tables need to know of a port.
struct PortLink {
    MacAddress mac;
    uint16_t vlan = 0;  // 0: untagged
    uint16_t mtu = 1500;
    // Its first address of IPv4 and of IPv6: what it says on its own behalf comes from there.
    std::array<std::optional<IpAddress>, 2> address = {};
    const RssView* rss = nullptr;  // how it chooses queues, where each worker has one
};

struct NextHop {
    enum class State : uint8_t { NoRoute, Unresolved, Ready };

    State state = State::NoRoute;
    uint8_t l2_length = 14;  // 14, or 18 with a VLAN tag
    bool needed = false;     // a backend or a gateway
    uint16_t port = 0;
    uint16_t mtu = 1500;
    std::array<uint8_t, 18>
        l2;             // the Ethernet header; its last 2 bytes, the type, are the packet's to set
    IpAddress address;  // the neighbour
};

// All that a packet of a known flow needs of its backend and of the way there, but for a tunnel's
// header, in one cache line.
struct alignas(64) BackendWay {
    // The backend; invalid: it is gone or dead, has no neighbour that is known, or its tunnel's
    // header has no room in the MTU.
    BackendId id;
    uint32_t service = 0;
    uint16_t room = 0;  // bytes that the packet may have, without the tunnel
    uint16_t hop_port = 0;
    uint16_t backend_port = 0;  // as BackendEntry's
    uint8_t tunnel_length = 0;  // 0: no tunnel
    Family tunnel_family = Family::V4;
    uint8_t l2_length = 0;
    std::array<uint8_t, 18> l2{};       // as NextHop's
    std::array<uint8_t, 16> address{};  // the first 4, or all
};
static_assert(sizeof(BackendWay) == 64);

class NextHops {
  public:
    NextHops() : hops_(1) {}
    // `snapshot`: whose backends get an entry each. Among routes of one prefix the first counts.
    NextHops(const std::vector<Route>& routes, const std::vector<Neighbor>& neighbors,
             const std::vector<PortLink>& ports, const LbSnapshot& snapshot);

    const NextHop& of_backend(BackendId id) const { return hops_[by_backend_[id.slot()]]; }
    // nullptr: none that can be gone without a closer look.
    const BackendWay* find_way(BackendId id) const {
        if (id.slot() >= ways_.size()) {
            return nullptr;
        }
        const BackendWay& way = ways_[id.slot()];
        return way.id == id ? &way : nullptr;
    }
    void prefetch_way(BackendId id) const { __builtin_prefetch(ways_.data() + id.slot()); }

    // The way to any address. A neighbour that is not known yet has no entry of its own: then state
    // is Unresolved and `address` is the one to resolve.
    NextHop lookup(const IpAddress& destination) const;
    // The same without a copy where the next hop is known; nullptr: ask lookup().
    template <typename F>
    const NextHop* find(const typename F::Address& destination) const;

    // The next hop that a neighbour itself is; nullptr: nothing refers to it.
    const NextHop* find_neighbor(const IpAddress& address, uint16_t port) const;

    // The port's own address; nullptr: it has none of this family.
    const IpAddress* own_address(uint16_t port, Family family) const {
        if (port >= ports_.size()) {
            return nullptr;
        }
        const auto& address = ports_[port].address[family == Family::V4 ? 0 : 1];
        return address ? &*address : nullptr;
    }

    // True for a neighbour that a backend or a gateway needs.
    bool serves(const IpAddress& address, uint16_t port) const {
        const NextHop* hop = find_neighbor(address, port);
        return hop != nullptr && hop->needed;
    }

    // All next hops that something refers to and that have no neighbour yet.
    std::vector<NextHop> unresolved() const;

  private:
    template <typename F>
    struct FamilyRoutes {
        struct Target {
            uint32_t hop = 0;  // a gateway's next hop; 0: on the link of `port`
            uint16_t port = 0;
            uint8_t used = 0;
        };
        FlatMap<VipKey<F>, Target> routes;
        std::vector<uint8_t> lengths;            // longest first
        FlatMap<VipKey<F>, uint32_t> neighbors;  // address and port → hop

        const Target* find(const typename F::Address& destination) const;
    };

    template <typename F>
    FamilyRoutes<F>& family();
    template <typename F>
    const FamilyRoutes<F>& family() const;
    uint32_t hop_to(const IpAddress& neighbor, uint16_t port);
    NextHop make_hop(const IpAddress& neighbor, uint16_t port) const;
    static BackendWay make_way(const BackendEntry& backend, const NextHop& hop);
    template <typename F>
    void add_route(const Route& route);
    template <typename F>
    uint32_t resolve(const IpAddress& destination);
    template <typename F>
    NextHop lookup_in(const IpAddress& destination) const;

    std::vector<PortLink> ports_;
    std::vector<NextHop> hops_;
    std::vector<uint32_t> by_backend_;
    std::vector<BackendWay> ways_;
    FamilyRoutes<V4> v4_;
    FamilyRoutes<V6> v6_;
};

}  // namespace dlb
