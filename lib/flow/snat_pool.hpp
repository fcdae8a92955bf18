// SnatPool: one worker's ports of one SNAT address.
//
// The worker owns the ports p with p mod workers == worker, so a reply's port tells which worker
// has its flow. TCP and UDP have spaces of their own. A port that is given back is taken again
// last. Thread safety: made by the control thread, then one thread, the worker's. Units: ports in
// host byte order.
#pragma once

#include <cstdint>
#include <vector>

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

    uint16_t take(uint8_t protocol);  // 0: none is free
    void give_back(uint8_t protocol, uint16_t port);
    uint32_t available(uint8_t protocol) const { return ring(protocol).count; }

    static unsigned owner_of(uint16_t port, unsigned workers) { return port % workers; }

  private:
    struct Ring {
        std::vector<uint16_t> ports;
        uint32_t head = 0;
        uint32_t count = 0;
    };
    Ring& ring(uint8_t protocol) { return protocol == 6 ? tcp_ : udp_; }
    const Ring& ring(uint8_t protocol) const { return protocol == 6 ? tcp_ : udp_; }

    Ring tcp_;
    Ring udp_;
};

}  // namespace dlb
