// Bytes of BGP written by hand from the RFCs, for tests: hex() and what stands around a message's
// body.
#pragma once

#include <cassert>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dlb::test {

// "0a 0b0c": spaces, line ends and | separate, and mean nothing.
inline std::vector<uint8_t> hex(std::string_view text) {
    std::vector<uint8_t> bytes;
    int high = -1;
    for (const char c : text) {
        if (c == ' ' || c == '|' || c == '\n') {
            continue;
        }
        assert((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
        const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
        if (high < 0) {
            high = digit;
        } else {
            bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
            high = -1;
        }
    }
    assert(high < 0);
    return bytes;
}

// A message whose length field says `length`, whatever follows.
inline std::vector<uint8_t> bgp_header(size_t length, uint8_t type) {
    std::vector<uint8_t> bytes(16, 0xff);
    bytes.push_back(static_cast<uint8_t>(length >> 8));
    bytes.push_back(static_cast<uint8_t>(length));
    bytes.push_back(type);
    return bytes;
}

inline std::vector<uint8_t> bgp_message(uint8_t type, const std::vector<uint8_t>& body) {
    auto bytes = bgp_header(19 + body.size(), type);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}

// An UPDATE's body of its three fields.
inline std::vector<uint8_t> bgp_update(const std::vector<uint8_t>& withdrawn,
                                       const std::vector<uint8_t>& attributes,
                                       const std::vector<uint8_t>& nlri) {
    std::vector<uint8_t> body;
    for (const auto* field : {&withdrawn, &attributes}) {
        body.push_back(static_cast<uint8_t>(field->size() >> 8));
        body.push_back(static_cast<uint8_t>(field->size()));
        body.insert(body.end(), field->begin(), field->end());
    }
    body.insert(body.end(), nlri.begin(), nlri.end());
    return body;
}

}  // namespace dlb::test
