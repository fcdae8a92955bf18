// Cutting a frame's IP packet into fragments and joining what came out, by RFC 791 §3.2 and RFC
// 8200 §4.5 and without the code under test. Frames have no VLAN tag and IPv4 headers no options.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "support/packet_builder.hpp"

namespace dlb::test {

inline constexpr size_t kEthernet = 14;

inline bool is_v4_frame(const Bytes& frame) {
    return get16(frame, 12) == 0x0800;
}

inline void set_ipv4_checksum(Bytes& frame) {
    put16(frame, kEthernet + 10, 0);
    put16(frame, kEthernet + 10, plain_checksum(frame, kEthernet, kEthernet + 20));
}

// One fragment of `whole`: the bytes [begin, end) behind its IP header.
inline Bytes fragment_of(const Bytes& whole, size_t begin, size_t end, uint32_t id, bool more) {
    const bool v4 = is_v4_frame(whole);
    const size_t data = kEthernet + (v4 ? 20 : 40);
    Bytes frame(whole.begin(), whole.begin() + static_cast<long>(data));
    if (v4) {
        put16(frame, kEthernet + 2, static_cast<unsigned>(20 + end - begin));
        put16(frame, kEthernet + 4, id & 0xffff);
        put16(frame, kEthernet + 6, static_cast<unsigned>((more ? 0x2000 : 0) | begin / 8));
        set_ipv4_checksum(frame);
    } else {
        Bytes header(8, 0);
        header[0] = frame[kEthernet + 6];
        put16(header, 2, static_cast<unsigned>(begin | (more ? 1 : 0)));
        put32(header, 4, id);
        frame[kEthernet + 6] = 44;
        put16(frame, kEthernet + 4, static_cast<unsigned>(8 + end - begin));
        frame.insert(frame.end(), header.begin(), header.end());
    }
    frame.insert(frame.end(), whole.begin() + static_cast<long>(data + begin),
                 whole.begin() + static_cast<long>(data + end));
    return frame;
}

// All of them, `piece` bytes each but the last. REQUIRES: piece % 8 == 0.
inline std::vector<Bytes> fragments_of(const Bytes& whole, size_t piece, uint32_t id) {
    const size_t size = whole.size() - kEthernet - (is_v4_frame(whole) ? 20 : 40);
    std::vector<Bytes> frames;
    for (size_t begin = 0; begin < size; begin += piece) {
        const size_t end = std::min(begin + piece, size);
        frames.push_back(fragment_of(whole, begin, end, id, end < size));
    }
    return frames;
}

inline uint32_t fragment_id(const Bytes& frame) {
    return is_v4_frame(frame) ? get16(frame, kEthernet + 4)
                              : static_cast<uint32_t>(get16(frame, kEthernet + 44) << 16) |
                                    get16(frame, kEthernet + 46);
}

// The whole frame, with the first one's headers; nothing where a byte is missing, comes twice, or
// an IPv4 header's checksum is wrong.
inline std::optional<Bytes> joined(const std::vector<Bytes>& frames) {
    std::map<size_t, const Bytes*> parts;
    for (const Bytes& frame : frames) {
        const bool v4 = is_v4_frame(frame);
        const size_t at = v4 ? (get16(frame, kEthernet + 6) & 0x1fff) * size_t{8}
                             : get16(frame, kEthernet + 42) & 0xfff8;
        if (!parts.emplace(at, &frame).second ||
            (v4 && plain_checksum(frame, kEthernet, kEthernet + 20) != 0)) {
            return std::nullopt;
        }
    }
    Bytes whole;
    size_t reached = 0;
    bool more = true;
    for (const auto& [at, frame] : parts) {
        const bool v4 = is_v4_frame(*frame);
        const size_t data = kEthernet + (v4 ? 20 : 48);
        if (at != reached || !more) {
            return std::nullopt;
        }
        whole.insert(whole.end(), frame->begin() + (at == 0 ? 0 : static_cast<long>(data)),
                     frame->end());
        reached += frame->size() - data;
        more = (v4 ? get16(*frame, kEthernet + 6) & 0x2000 : (*frame)[kEthernet + 43] & 1) != 0;
    }
    if (more) {
        return std::nullopt;
    }
    if (is_v4_frame(whole)) {
        put16(whole, kEthernet + 2, static_cast<unsigned>(20 + reached));
        put16(whole, kEthernet + 6, 0);
        set_ipv4_checksum(whole);
    } else {
        whole[kEthernet + 6] = whole[kEthernet + 40];
        put16(whole, kEthernet + 4, static_cast<unsigned>(reached));
        whole.erase(whole.begin() + kEthernet + 40, whole.begin() + kEthernet + 48);
    }
    return whole;
}

}  // namespace dlb::test
