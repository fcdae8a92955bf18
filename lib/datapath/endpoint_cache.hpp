// EndpointCache: what an address, port and protocol were last found to mean, for the packets that
// are nearly all of them.
//
// Shape: direct-mapped. A cell holds for one snapshot, so nothing has to be cleared when the next
// one comes. Thread safety: the worker's thread.
#pragma once

#include <array>
#include <cstdint>

#include "lb/address_filter.hpp"
#include "net/flow_key.hpp"

namespace dlb {

template <typename F, typename Value>
class EndpointCache {
  public:
    static constexpr unsigned kBits = 11;  // endpoints at once that are looked up once each

    // `version`: of the snapshot that `value` lies in. `port` as it stands in the packet. nullptr:
    // not known.
    const Value* find(uint64_t version, const typename F::Address& address, uint16_t port,
                      uint8_t protocol) const {
        const Cell& cell = cells_[place_of(address, port, protocol)];
        const bool holds = cell.version == version && cell.port == port &&
                           cell.protocol == protocol && cell.address == address;
        return holds ? cell.value : nullptr;
    }
    void put(uint64_t version, const typename F::Address& address, uint16_t port, uint8_t protocol,
             const Value* value) {
        cells_[place_of(address, port, protocol)] = {version, value, address, port, protocol};
    }

  private:
    struct Cell {
        uint64_t version = 0;  // no snapshot has it
        const Value* value = nullptr;
        typename F::Address address{};
        uint16_t port = 0;
        uint8_t protocol = 0;
    };
    static unsigned place_of(const typename F::Address& address, uint16_t port, uint8_t protocol) {
        const uint64_t mixed = mix_address(address, uint32_t{port} << 8 | protocol);
        return static_cast<unsigned>(mixed) & ((1U << kBits) - 1);
    }

    std::array<Cell, 1U << kBits> cells_{};
};

}  // namespace dlb
