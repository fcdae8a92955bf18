// EndpointCache: what an address, port and protocol were last found to mean, for the packets that
// are nearly all of them.
//
// Shape: sets of three cells, the newest first; a thousand endpoints hardly push each other out. A
// set holds for one snapshot, so nothing has to be cleared when the next one comes. Thread safety:
// the worker's thread.
#pragma once

#include <cstdint>
#include <vector>

#include "lb/address_filter.hpp"
#include "net/flow_key.hpp"

namespace dlb {

template <typename F, typename Value>
class EndpointCache {
  public:
    static constexpr unsigned kBits = 11;

    void prefetch(const typename F::Address& address, uint16_t port, uint8_t protocol) const {
        const Key key{address, rest_of(port, protocol)};
        if (!(key == last_)) {
            __builtin_prefetch(&sets_[place_of(key)]);
        }
    }
    // `version`: of the snapshot that `value` lies in. `port` as it stands in the packet. nullptr:
    // not known.
    const Value* find(uint64_t version, const typename F::Address& address, uint16_t port,
                      uint8_t protocol) {
        const Key key{address, rest_of(port, protocol)};
        if (key == last_ && version == last_version_) {
            return last_value_;
        }
        const Set& set = sets_[place_of(key)];
        // All cells: which one has it is not to be foreseen where there are many endpoints.
        const Value* value = nullptr;
        for (unsigned way = 0; way < kWays; ++way) {
            value = set.keys[way] == key ? set.values[way] : value;
        }
        value = set.version == version ? value : nullptr;
        if (value != nullptr) {
            last_ = key;
            last_version_ = version;
            last_value_ = value;
        }
        return value;
    }
    // REQUIRES: find() did not know it.
    void put(uint64_t version, const typename F::Address& address, uint16_t port, uint8_t protocol,
             const Value* value) {
        const Key key{address, rest_of(port, protocol)};
        Set& set = sets_[place_of(key)];
        if (set.version != version) {
            set = Set{};
            set.version = version;
        }
        for (unsigned way = kWays - 1; way > 0; --way) {
            set.keys[way] = set.keys[way - 1];
            set.values[way] = set.values[way - 1];
        }
        set.keys[0] = key;
        set.values[0] = value;
    }

  private:
    static constexpr unsigned kWays = 3;
    struct Key {
        typename F::Address address{};
        uint32_t rest = 0;  // no endpoint's, see rest_of()
        bool operator==(const Key& other) const {
            return ((rest ^ other.rest) | differs(address, other.address)) == 0;
        }
    };
    // For IPv4 one cache line.
    struct alignas(64) Set {
        uint64_t version = 0;  // no snapshot has it
        const Value* values[kWays] = {};
        Key keys[kWays];
    };
    static uint64_t differs(uint32_t a, uint32_t b) { return a ^ b; }
    static uint64_t differs(const Ipv6Words& a, const Ipv6Words& b) {
        return (a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1]);
    }
    // Protocol 0 is none that has ports.
    static uint32_t rest_of(uint16_t port, uint8_t protocol) {
        return uint32_t{port} << 8 | protocol;
    }
    static unsigned place_of(const Key& key) {
        return static_cast<unsigned>(mix_address(key.address, key.rest)) & ((1U << kBits) - 1);
    }

    // Found last: where there are few endpoints, packet after packet goes to the same.
    Key last_;
    uint64_t last_version_ = 0;
    const Value* last_value_ = nullptr;
    std::vector<Set> sets_ = std::vector<Set>(1U << kBits);
};

}  // namespace dlb
