// What a started device tells of its RSS.
// Thread safety: the main thread's.
#pragma once

#include <cstdint>
#include <optional>

#include "net/rss.hpp"

namespace dlb {

// nullopt: the device does not tell its key or its redirection table, or hashes no protocol with
// its ports. `queues`: how many it was configured with.
std::optional<RssView> read_rss(uint16_t device, uint16_t queues);

}  // namespace dlb
