#include "flow/snat_pool.hpp"

#include <algorithm>

namespace dlb {

namespace {

// A queue in so many of a worker's ports brings replies to it: one of 16 times as many does but for
// one time in ten million.
constexpr uint32_t kTriesPerWorker = 16;

}  // namespace

SnatPool::SnatPool(unsigned worker, unsigned workers, PortRange excluded)
    : tries_(kTriesPerWorker * workers) {
    for (uint32_t port = kFirstPort; port <= UINT16_MAX; ++port) {
        const auto candidate = static_cast<uint16_t>(port);
        if (owner_of(candidate, workers) == worker && !excluded.contains(candidate)) {
            tcp_.ports.push_back(candidate);
        }
    }
    tcp_.count = static_cast<uint32_t>(tcp_.ports.size());
    udp_ = tcp_;
}

uint16_t SnatPool::take(uint8_t protocol, const RssPorts& wanted) {
    Ring& from = ring(protocol);
    from.foreseen = 0;
    if (from.count == 0) {
        return 0;
    }
    const uint32_t tries = std::min(from.count, tries_);
    uint32_t passed = 0;
    uint32_t at = from.head;
    while (passed < tries && !wanted.contain(from.ports[at])) {
        at = after(from, at);
        ++passed;
    }
    for (; passed != tries && passed != 0; --passed) {
        const uint16_t skipped = from.ports[from.head];
        from.head = after(from, from.head);
        --from.count;
        give_back(protocol, skipped);
    }
    const uint16_t port = from.ports[from.head];
    from.head = after(from, from.head);
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
