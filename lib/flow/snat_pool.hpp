// SnatPool: one worker's ports of one SNAT address.
//
// The worker owns the ports p with p mod workers == worker, so a reply's port tells which worker
// has its flow. TCP and UDP have spaces of their own. A port that is given back is taken again
// last; one that was passed over, as its replies would come by another worker's queue, goes behind
// it. Thread safety: made by the control thread, then one thread, the worker's. Units: ports in
// host byte order.
#pragma once

#include <cstdint>
#include <vector>

#include "net/rss.hpp"

namespace dlb {

struct PortRange {
    uint16_t first = 1;
    uint16_t last = 0;  // below first: empty
    bool contains(uint16_t port) const { return first <= port && port <= last; }
};

class SnatPool {
  public:
    static constexpr uint16_t kFirstPort = 1024;

    // `excluded`: ports that the kernel uses for its own connections from the same address.
    SnatPool(unsigned worker, unsigned workers, PortRange excluded);

    // 0: none is free. Of the next few, the first that `wanted` contains; if there is none, the
    // first.
    uint16_t take(uint8_t protocol, const RssPorts& wanted = {});
    void give_back(uint8_t protocol, uint16_t port);
    // What take() will most likely give, and the next time what it will give after that, until it
    // is called; 0: none. So that what belongs to the ports can be fetched ahead.
    uint16_t foresee(uint8_t protocol) {
        Ring& from = ring(protocol);
        if (from.foreseen >= from.count) {
            return 0;
        }
        uint32_t at = from.head + from.foreseen++;
        at -= at >= from.ports.size() ? static_cast<uint32_t>(from.ports.size()) : 0;
        return from.ports[at];
    }
    uint32_t available(uint8_t protocol) const { return ring(protocol).count; }

    static unsigned owner_of(uint16_t port, unsigned workers) { return port % workers; }

  private:
    struct Ring {
        std::vector<uint16_t> ports;
        uint32_t head = 0;
        uint32_t count = 0;
        uint32_t foreseen = 0;
    };
    static uint32_t after(const Ring& ring, uint32_t at) {
        return at + 1 == ring.ports.size() ? 0 : at + 1;
    }
    Ring& ring(uint8_t protocol) { return protocol == 6 ? tcp_ : udp_; }
    const Ring& ring(uint8_t protocol) const { return protocol == 6 ? tcp_ : udp_; }

    uint32_t tries_;
    Ring tcp_;
    Ring udp_;
};

}  // namespace dlb
