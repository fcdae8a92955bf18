// LbSnapshot: everything a worker needs to know of services and backends, frozen.
//
// Invariants: (1) a snapshot never changes once built. (2) A BackendId found in a snapshot's tables
// resolves in the same snapshot. (3) Maglev tables of unchanged services are shared with the
// snapshot before. Thread safety: reads from any thread; its life is ruled by RCU (lib/rcu). Units:
// timeouts in milliseconds; ports and addresses in network byte order unless said otherwise.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lb/address_filter.hpp"
#include "lb/flat_map.hpp"
#include "lb/flow_state.hpp"
#include "lb/ids.hpp"
#include "lb/maglev.hpp"
#include "lb/outer_header.hpp"
#include "lb/types.hpp"
#include "net/byte_order.hpp"
#include "net/flow_key.hpp"
#include "net/mask.hpp"

namespace dlb {

// A service's members that take new flows, as the packet path reads them.
struct MaglevView {
    const uint16_t* slots = nullptr;  // indices into ids, by weight
    const BackendId* ids = nullptr;   // in the order of their endpoints
    uint32_t size = 0;                // of slots; 0: no backend takes new flows
    uint32_t members = 0;
    const uint16_t* turns = nullptr;  // wrr: indices into ids, see make_turns()
    uint32_t turn_count = 0;
};

// Who keeps a service's flows where there are several workers.
enum class FlowKeeper : uint8_t {
    Queue,          // the worker whose queue the flow's packets come by
    Client,         // the one that the client's endpoint hashes to: both directions meet there
    ClientAddress,  // the one that the client's address hashes to: all flows of a client meet there
};

struct alignas(64) ServiceEntry {
    // What each packet needs, in the first cache line.
    bool used = false;
    Mode mode = Mode::Nat;
    SchedulerKind scheduler = SchedulerKind::Maglev;
    Overflow overflow = Overflow::Drop;
    bool sticky = true;
    // Some reply of a NAT service cannot be told from its backend endpoint alone.
    bool stateful_replies = false;
    FlowKeeper keeper = FlowKeeper::Queue;
    uint16_t mss_clamp = 0;  // bytes; 0: as it is
    uint32_t slot = 0;
    uint32_t persistence_ms = 0;  // 0: off
    std::array<uint32_t, kFlowStates> timeout_ms{};
    // What new flows need.
    uint32_t max_new_flows = 0;                 // per second; 0: no bound
    std::array<MaglevView, 2> maglev;           // for clients of IPv4, of IPv6
    std::array<std::vector<uint16_t>, 2> snat;  // IPv4, IPv6: slots in snat_addresses

    const MaglevView& maglev_of(Family client) const {
        return maglev[client == Family::V4 ? 0 : 1];
    }
    const std::vector<uint16_t>& snat_slots(Family family) const {
        return snat[family == Family::V4 ? 0 : 1];
    }
};

struct alignas(64) BackendEntry {
    BackendId id;  // invalid: the slot is free
    Family family = Family::V4;
    bool takes_new_flows = false;
    bool dead = false;  // its flows cannot go on
    uint16_t port = 0;  // 0: the client's own destination port
    uint32_t service = 0;
    uint32_t weight = 0;
    uint32_t max_connections = 0;  // 0: no bound
    IpAddress address;
    OuterHeader outer;  // tunnels
};

// What a VIP, port and protocol lead to.
template <typename F>
struct VipKey {
    typename F::Address address{};
    uint16_t port = 0;     // 0: every port
    uint8_t protocol = 0;  // 0: the VIP itself, see VipEntry
    uint8_t prefix_length = 0;
    uint32_t zero = 0;
    friend bool operator==(const VipKey&, const VipKey&) = default;
};

struct VipEntry {
    uint32_t service = 0;
    bool icmp_echo = false;  // protocol 0: some service of this VIP answers ping
};

// A NAT backend's endpoint → the VIP its replies come from.
template <typename F>
struct ReplyKey {
    typename F::Address address{};
    uint16_t port = 0;  // 0: every port
    uint8_t protocol = 0;
    uint8_t zero[5] = {};
    friend bool operator==(const ReplyKey&, const ReplyKey&) = default;
};
template <>
struct ReplyKey<V4> {
    uint32_t address = 0;
    uint16_t port = 0;
    uint8_t protocol = 0;
    uint8_t zero = 0;
    friend bool operator==(const ReplyKey&, const ReplyKey&) = default;
};

template <typename F>
struct ReplyEntry {
    BackendId backend;
    uint32_t service = 0;
    typename F::Address vip{};
    uint16_t vip_port = 0;     // 0: as in the packet
    bool ambiguous = false;    // several VIPs or ports lead here: only the flow can tell
    bool has_default = false;  // ambiguous, but what is said here holds for flows from before that
};

// The load balancer's own addresses.
struct AddressEntry {
    bool local = false;  // a port's address: what no flow claims is the kernel's
    int32_t snat_slot = -1;
};

template <typename F>
struct AddressKey {
    typename F::Address address{};
    friend bool operator==(const AddressKey&, const AddressKey&) = default;
};

template <typename F>
struct FamilyTables {
    FlatMap<VipKey<F>, VipEntry> vips;
    std::vector<uint8_t> prefix_lengths;  // of the VIPs, longest first
    FlatMap<ReplyKey<F>, ReplyEntry<F>> replies;
    FlatMap<AddressKey<F>, AddressEntry> addresses;
    FlatMap<AddressKey<F>, bool> nat_backends;  // whose packets may be NAT replies
    AddressFilter<F> ours;                      // VIPs' prefixes, masked, and addresses

    // The service, and whether the address is a VIP at all.
    struct Match {
        const VipEntry* service = nullptr;
        const VipEntry* vip = nullptr;
    };
    Match find_service(const typename F::Address& address, uint16_t port, uint8_t protocol) const;
    const VipEntry* find_vip(const typename F::Address& address) const;
    const ReplyEntry<F>* find_reply(const typename F::Address& address, uint16_t port,
                                    uint8_t protocol) const;
    const AddressEntry* find_address(const typename F::Address& address) const {
        return addresses.find({address});
    }
    // False: it is certainly no VIP and no address of our own.
    bool may_be_ours(const typename F::Address& address) const {
        return ours.may_have(address) ||
               std::any_of(prefix_lengths.begin(), prefix_lengths.end(), [&](uint8_t length) {
                   return length < 8 * F::kAddressSize &&
                          ours.may_have(mask_address(address, length));
               });
    }
    bool is_nat_backend(const typename F::Address& address) const {
        return nat_backends.find({address}) != nullptr;
    }
};

struct LbSnapshot {
    uint64_t version = 0;
    std::vector<ServiceEntry> services;     // by service slot
    std::vector<BackendEntry> backends;     // by BackendId::slot()
    std::vector<IpAddress> snat_addresses;  // by SNAT slot
    // Of stateful replies: FlowKeeper::Client or ClientAddress, for all services alike.
    FlowKeeper reply_keeper = FlowKeeper::Client;
    FamilyTables<V4> v4;
    FamilyTables<V6> v6;
    // By service slot and the client's family; they keep the tables alive. NAT and direct modes
    // serve a client by backends of its own family; in a tunnel any backend will do, and both
    // entries are the same table.
    std::vector<std::array<std::shared_ptr<const MaglevTable>, 2>> maglev;
    // Of wrr services, likewise.
    std::vector<std::array<std::shared_ptr<const std::vector<uint16_t>>, 2>> turns;

    template <typename F>
    const FamilyTables<F>& tables() const {
        if constexpr (F::kFamily == Family::V4) {
            return v4;
        } else {
            return v6;
        }
    }
    template <typename F>
    FamilyTables<F>& tables() {
        return const_cast<FamilyTables<F>&>(std::as_const(*this).template tables<F>());
    }
    // nullptr: the backend has gone.
    const BackendEntry* find_backend(BackendId id) const {
        if (id.slot() >= backends.size()) {
            return nullptr;
        }
        const BackendEntry& entry = backends[id.slot()];
        return entry.id == id && id.valid() ? &entry : nullptr;
    }
    const ServiceEntry& service_of(const BackendEntry& backend) const {
        return services[backend.service];
    }
};

}  // namespace dlb
