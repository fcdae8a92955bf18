// RssView: which queue a NIC puts a packet into, as its RSS key and redirection table tell.
//
// Source: Microsoft, "RSS hashing functions": the Toeplitz hash over source and destination address
// and source and destination port as they lie in the packet, which is how FlowKey begins. The hash
// is linear, so a table for each input byte gives it by one load a byte, and the destination port's
// share is two loads. Thread safety: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/flow_key.hpp"

namespace dlb {

// What a NIC hashes with its ports; it takes the addresses alone of the rest.
struct RssTypes {
    bool tcp4 = true, udp4 = true, tcp6 = true, udp6 = true;
};

class RssView {
  public:
    static constexpr size_t kHashed = 36;             // bytes: two IPv6 addresses and two ports
    static constexpr size_t kLeastKey = kHashed + 4;  // bytes; longer ones (52) are used so far

    // nullopt: the key is too short for IPv6, or the number of queue entries no power of two.
    // `redirection`: queues, by the hash's lowest bits.
    static std::optional<RssView> make(std::span<const uint8_t> key,
                                       std::vector<uint16_t> redirection, RssTypes types = {});

    // Whether packets of this protocol are hashed with their ports, so that the rest is true of
    // them.
    template <typename F>
    bool covers(uint8_t protocol) const {
        const bool v4 = F::kFamily == Family::V4;
        return protocol == kTcp   ? (v4 ? types_.tcp4 : types_.tcp6)
               : protocol == kUdp ? (v4 ? types_.udp4 : types_.udp6)
                                  : false;
    }
    template <typename F>
    uint32_t hash(const FlowKey<F>& key) const {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&key);
        uint32_t hash = 0;
        for (size_t i = 0; i < kLength<F>; ++i) {
            hash ^= bytes_->share[i][bytes[i]];
        }
        return hash;
    }
    // What a destination port adds to the hash of a key whose port is zero; host byte order.
    template <typename F>
    uint32_t port_share(uint16_t port) const {
        return bytes_->share[kLength<F> - 2][port >> 8] ^
               bytes_->share[kLength<F> - 1][port & 0xff];
    }
    uint16_t queue_of(uint32_t hash) const { return redirection_[hash & mask_]; }
    template <typename F>
    uint16_t queue_of(const FlowKey<F>& key) const {
        return queue_of(hash(key));
    }

  private:
    static constexpr uint8_t kTcp = 6;
    static constexpr uint8_t kUdp = 17;
    template <typename F>
    static constexpr size_t kLength = F::kAddressSize * 2 + 4;
    struct ByteTables {
        uint32_t share[kHashed][256];
    };

    RssView() = default;

    std::shared_ptr<const ByteTables> bytes_;
    std::vector<uint16_t> redirection_;
    uint32_t mask_ = 0;
    RssTypes types_;
};

// Destination ports that bring the packets of one flow key to one queue.
struct RssPorts {
    const RssView* view = nullptr;  // nullptr: any port will do
    Family family = Family::V4;
    uint16_t queue = 0;
    uint32_t hash = 0;  // of the key with destination port zero

    bool contain(uint16_t port) const {
        return view == nullptr ||
               view->queue_of(hash ^ (family == Family::V4 ? view->port_share<V4>(port)
                                                           : view->port_share<V6>(port))) == queue;
    }
};

}  // namespace dlb
