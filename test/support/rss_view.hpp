// A NIC's RSS settings for tests. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "net/rss.hpp"

namespace dlb::test {

// 40 bytes as good as random.
inline std::vector<uint8_t> rss_key() {
    std::vector<uint8_t> key(40);
    uint32_t state = 20260101;
    for (uint8_t& byte : key) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<uint8_t>(state >> 24);
    }
    return key;
}

// 128 entries, the queues in turn.
inline std::vector<uint16_t> redirection_to(unsigned queues) {
    std::vector<uint16_t> redirection(128);
    for (size_t i = 0; i < redirection.size(); ++i) {
        redirection[i] = static_cast<uint16_t>(i % queues);
    }
    return redirection;
}

inline RssView rss_view(unsigned queues, RssTypes types = {}) {
    return RssView::make(rss_key(), redirection_to(queues), types).value();
}

}  // namespace dlb::test
