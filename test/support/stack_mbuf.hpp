// StackMbuf: an rte_mbuf on the stack around a heap block of just the wanted size, so that
// AddressSanitizer sees what is read or written outside. Needs no EAL and no mempool.
// Thread safety: one thread.
#pragma once

#include <algorithm>
#include <memory>

#include <rte_mbuf.h>

#include "support/packet_builder.hpp"

namespace dlb::test {

class StackMbuf {
  public:
    explicit StackMbuf(const Bytes& data, size_t headroom = RTE_PKTMBUF_HEADROOM)
        : block_(std::make_unique<uint8_t[]>(headroom + data.size())) {
        std::copy(data.begin(), data.end(), block_.get() + headroom);
        rte_mbuf& mbuf = storage_.mbuf;
        mbuf.buf_addr = block_.get();
        mbuf.buf_len = static_cast<uint16_t>(headroom + data.size());
        mbuf.data_off = static_cast<uint16_t>(headroom);
        mbuf.data_len = static_cast<uint16_t>(data.size());
        mbuf.pkt_len = static_cast<uint32_t>(data.size());
        mbuf.nb_segs = 1;
        mbuf.refcnt = 1;
        mbuf.priv_size = sizeof storage_.private_area;
    }
    StackMbuf(const StackMbuf&) = delete;
    StackMbuf& operator=(const StackMbuf&) = delete;

    rte_mbuf* get() { return &storage_.mbuf; }
    rte_mbuf* operator->() { return get(); }
    Bytes bytes() {
        const auto* data = rte_pktmbuf_mtod(get(), const uint8_t*);
        return {data, data + rte_pktmbuf_data_len(get())};
    }

  private:
    struct Storage {
        rte_mbuf mbuf{};
        uint8_t private_area[64]{};
    };
    std::unique_ptr<uint8_t[]> block_;
    Storage storage_;
};

}  // namespace dlb::test
