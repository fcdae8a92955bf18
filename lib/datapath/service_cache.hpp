// ServiceCache: find_service()'s last answers, for the packets that are nearly all of them.
//
// Shape: direct-mapped by VIP, port and protocol. A cell holds for one snapshot, so nothing has to
// be cleared when the next one comes. Thread safety: the worker's thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "lb/snapshot.hpp"

namespace dlb {

template <typename F>
class ServiceCache {
  public:
    static constexpr unsigned kBits = 11;  // services at once that are looked up once each

    // nullptr: none. `port` as it stands in the packet.
    const ServiceEntry* find(const LbSnapshot& lb, const typename F::Address& vip, uint16_t port,
                             uint8_t protocol) {
        const uint32_t endpoint = uint32_t{port} << 8 | protocol;
        Cell& cell = cells_[index_of(vip, endpoint)];
        if (cell.version == lb.version && cell.endpoint == endpoint && cell.vip == vip) [[likely]] {
            return cell.service;
        }
        const VipEntry* entry = lb.tables<F>().find_service(vip, port, protocol).service;
        if (entry == nullptr) {
            return nullptr;
        }
        cell = {lb.version, &lb.services[entry->service], vip, endpoint};
        return cell.service;
    }

  private:
    struct Cell {
        uint64_t version = 0;  // no snapshot has it
        const ServiceEntry* service = nullptr;
        typename F::Address vip{};
        uint32_t endpoint = 0;
    };

    static unsigned index_of(const typename F::Address& vip, uint32_t endpoint) {
        uint64_t words[2] = {};
        std::memcpy(words, &vip, sizeof vip);
        const uint64_t mixed =
            (words[0] ^ words[1] * 0xc2b2ae3d27d4eb4fU ^ uint64_t{endpoint} << 32) *
            0x9e3779b97f4a7c15U;
        return static_cast<unsigned>(mixed >> (64 - kBits));
    }

    std::array<Cell, 1U << kBits> cells_{};
};

}  // namespace dlb
