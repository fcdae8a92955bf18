// QueueRule: how a port's packets come to workers, so how the owner of a flow is found.
// Thread safety: a plain value; the view it names is immutable and outlives the workers.
#pragma once

#include <cstdint>

#include "net/rss.hpp"

namespace dlb {

struct QueueRule {
    bool any_queue = false;  // which queue a packet comes by does not depend on its flow alone
    bool shared = false;     // fewer queues than workers: these share packets out by flow
    // The NIC tells what its queues depend on, and worker n has queue n. It goes before any_queue
    // for the protocols that it covers.
    const RssView* rss = nullptr;

    // All packets of a flow come by one queue, and it is known which.
    template <typename F>
    bool keeps_flows(uint8_t protocol) const {
        return rss != nullptr && rss->covers<F>(protocol);
    }
};

}  // namespace dlb
