// Internet checksums (RFC 1071) and their incremental update (RFC 1624).
//
// Shapes: words are taken and given as they lie in the packet, in network byte order; the one's
// complement sum does not care (RFC 1071 §2 (B)).
// Thread safety: plain values.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dlb {

// The halves added, with the carry around (RFC 1071 §2 (A)): what the sum with its own rotation has
// in its upper half.
constexpr uint16_t fold_checksum(uint64_t sum) {
    const auto word = static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
    return static_cast<uint16_t>((word + std::rotl(word, 16)) >> 16);
}

// The one's complement sum of `size` bytes, not yet inverted; an odd last byte is padded with zero.
inline uint64_t sum_bytes(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    uint64_t sum = 0;
    for (; size >= 4; size -= 4, bytes += 4) {
        uint32_t word;
        std::memcpy(&word, bytes, sizeof word);
        sum += word;
    }
    uint32_t rest = 0;
    std::memcpy(&rest, bytes, size);
    return sum + rest;
}

inline uint16_t checksum(const void* data, size_t size) {
    return static_cast<uint16_t>(~fold_checksum(sum_bytes(data, size)));
}

// What a rewrite does to the sum that a checksum covers. One delta may be applied to several
// checksums: a changed address counts for the IPv4 header and, through the pseudo header, for TCP,
// UDP and ICMPv6.
class ChecksumDelta {
  public:
    // RFC 1624 §3, eqn. 3: HC' = ~(~HC + ~m + m').
    void replace16(uint16_t old_word, uint16_t new_word) {
        sum_ += static_cast<uint16_t>(~old_word);
        sum_ += new_word;
    }
    void replace32(uint32_t old_word, uint32_t new_word) {
        sum_ += static_cast<uint32_t>(~old_word);
        sum_ += new_word;
    }
    // REQUIRES: size is a multiple of 4.
    void replace_bytes(const void* old_bytes, const void* new_bytes, size_t size) {
        for (size_t i = 0; i < size; i += 4) {
            uint32_t old_word;
            uint32_t new_word;
            std::memcpy(&old_word, static_cast<const uint8_t*>(old_bytes) + i, sizeof old_word);
            std::memcpy(&new_word, static_cast<const uint8_t*>(new_bytes) + i, sizeof new_word);
            replace32(old_word, new_word);
        }
    }
    void add(const ChecksumDelta& other) { sum_ += other.sum_; }

    uint16_t apply(uint16_t old_checksum) const {
        return static_cast<uint16_t>(~fold_checksum(sum_ + static_cast<uint16_t>(~old_checksum)));
    }
    // RFC 768: over IPv4 a zero checksum means that there is none, and it stays so; a sum that
    // comes out as zero is sent as all ones. IPv6 (RFC 8200 §8.1) sends it as all ones too.
    uint16_t apply_udp(uint16_t old_checksum) const {
        if (old_checksum == 0) {
            return 0;
        }
        const uint16_t updated = apply(old_checksum);
        return updated == 0 ? 0xffff : updated;
    }

  private:
    uint64_t sum_ = 0;
};

}  // namespace dlb
