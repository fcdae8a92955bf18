// PacketPool, and table memory from DPDK's heap.
// Thread safety: made and destroyed on the main thread while no worker runs; mbufs come and go on
// any lcore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "net/memory.hpp"
#include "net/result.hpp"

namespace dlb {

class PacketPool {
  public:
    // `mbufs` packets of up to `frame_size` bytes, with `private_size` bytes for our own use.
    static Result<PacketPool> create(const std::string& name, uint32_t mbufs, uint32_t frame_size,
                                     uint16_t private_size);
    // What such a pool takes of DPDK's memory, at least.
    static uint64_t memory_needed(uint32_t mbufs, uint32_t frame_size, uint16_t private_size);

    rte_mempool* raw() const { return pool_.get(); }
    uint32_t in_use() const { return rte_mempool_in_use_count(pool_.get()); }
    uint32_t size() const { return pool_->size; }

  private:
    struct Free {
        void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
    };
    std::unique_ptr<rte_mempool, Free> pool_;
};

struct FreeRing {
    void operator()(rte_ring* ring) const;  // frees mbufs that are still in it
};
using PacketRing = std::unique_ptr<rte_ring, FreeRing>;

// One producer, one consumer, `size` (a power of two) - 1 packets.
Result<PacketRing> make_packet_ring(const std::string& name, unsigned size);

// Zeroed memory on hugepages, near the worker that will use it. Null: the heap is used up.
ZeroedMemory allocate_hugepages(size_t size, int socket);

}  // namespace dlb
