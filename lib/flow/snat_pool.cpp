#include "flow/snat_pool.hpp"

namespace dlb {

SnatPool::SnatPool(unsigned worker, unsigned workers, PortRange excluded) {
    for (uint32_t port = kFirstPort; port <= UINT16_MAX; ++port) {
        const auto candidate = static_cast<uint16_t>(port);
        if (owner_of(candidate, workers) == worker && !excluded.contains(candidate)) {
            tcp_.ports.push_back(candidate);
        }
    }
    tcp_.count = static_cast<uint32_t>(tcp_.ports.size());
    udp_ = tcp_;
}

uint16_t SnatPool::take(uint8_t protocol) {
    Ring& from = ring(protocol);
    if (from.count == 0) {
        return 0;
    }
    const uint16_t port = from.ports[from.head];
    from.head = from.head + 1 == from.ports.size() ? 0 : from.head + 1;
    --from.count;
    return port;
}

void SnatPool::give_back(uint8_t protocol, uint16_t port) {
    Ring& to = ring(protocol);
    uint32_t tail = to.head + to.count;
    tail -= tail >= to.ports.size() ? static_cast<uint32_t>(to.ports.size()) : 0;
    to.ports[tail] = port;
    ++to.count;
}

}  // namespace dlb
