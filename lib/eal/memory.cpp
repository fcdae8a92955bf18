#include "eal/memory.hpp"

#include <algorithm>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

namespace dlb {

namespace {

uint16_t room_for(uint32_t frame_size) {
    const uint32_t lines = std::max(2048U, (frame_size + 63) / 64 * 64);
    return static_cast<uint16_t>(std::min<uint32_t>(lines + RTE_PKTMBUF_HEADROOM, UINT16_MAX));
}

}  // namespace

uint64_t PacketPool::memory_needed(uint32_t mbufs, uint32_t frame_size, uint16_t private_size) {
    constexpr uint64_t kObjectHeader = RTE_CACHE_LINE_SIZE;  // of struct rte_mempool_objhdr
    return mbufs * (kObjectHeader + sizeof(rte_mbuf) + private_size + room_for(frame_size));
}

Result<PacketPool> PacketPool::create(const std::string& name, uint32_t mbufs, uint32_t frame_size,
                                      uint16_t private_size) {
    // A cache for each lcore, together at most a quarter of the pool.
    const unsigned lcores = std::max(rte_lcore_count(), 1U);
    const unsigned cache =
        std::min<unsigned>({RTE_MEMPOOL_CACHE_MAX_SIZE, 256, mbufs / 4 / lcores});
    PacketPool pool;
    pool.pool_.reset(rte_pktmbuf_pool_create(name.c_str(), mbufs, cache, private_size,
                                             room_for(frame_size), SOCKET_ID_ANY));
    if (pool.pool_ == nullptr) {
        return Error{"no memory for " + std::to_string(mbufs) + " packet buffers (" +
                     rte_strerror(rte_errno) + "); raise memory_mb or lower mbufs"};
    }
    return pool;
}

void FreeRing::operator()(rte_ring* ring) const {
    void* mbuf = nullptr;
    while (rte_ring_sc_dequeue(ring, &mbuf) == 0) {
        rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    }
    rte_ring_free(ring);
}

Result<PacketRing> make_packet_ring(const std::string& name, unsigned size) {
    PacketRing ring(
        rte_ring_create(name.c_str(), size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ));
    if (ring == nullptr) {
        return Error{"no memory for ring " + name + " (" + rte_strerror(rte_errno) +
                     "); raise memory_mb"};
    }
    return ring;
}

ZeroedMemory allocate_hugepages(size_t size, int socket) {
    return {rte_zmalloc_socket(nullptr, size, 64, socket), [](void* memory) { rte_free(memory); }};
}

}  // namespace dlb
