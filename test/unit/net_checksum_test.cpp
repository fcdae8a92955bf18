// Checksums against RFC 1071's own example and a byte-by-byte reference; ChecksumDelta against full
// recomputation.
#include <random>

#include <gtest/gtest.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"
#include "support/packet_builder.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::get16;

// checksum() gives the word as it lies in the packet; the reference speaks host order.
unsigned host_checksum(const Bytes& bytes) {
    const uint8_t none = 0;
    const uint8_t* data = bytes.empty() ? &none : bytes.data();
    return Be16::from_raw(checksum(data, bytes.size())).host();
}

TEST(Checksum, Rfc1071Example) {  // RFC 1071 §3
    const Bytes example = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(host_checksum(example), 0xffffU & ~0xddf2U);
}

TEST(Checksum, EdgesOfTheSum) {
    EXPECT_EQ(host_checksum({}), 0xffffU);
    EXPECT_EQ(host_checksum({0x12}), 0xffffU & ~0x1200U);  // padded with zero
    EXPECT_EQ(host_checksum({0xff, 0xff}), 0U);
    EXPECT_EQ(host_checksum(Bytes(65535, 0xff)), 0xffU);
    EXPECT_EQ(fold_checksum(UINT64_MAX), 0xffff);
    EXPECT_EQ(fold_checksum(0), 0);
    EXPECT_EQ(fold_checksum(0x1'0000'0000), 1);
    EXPECT_EQ(fold_checksum(0xffff'ffff'ffff'0000), 0xffff);
}

TEST(Checksum, AgreesWithTheReferenceForEverySize) {
    std::mt19937_64 random(1);
    for (size_t size = 0; size < 600; ++size) {
        Bytes bytes(size);
        for (uint8_t& byte : bytes) {
            byte = static_cast<uint8_t>(random());
        }
        ASSERT_EQ(host_checksum(bytes), test::plain_checksum(bytes, 0, size)) << size;
    }
}

// A random segment of one address family and the sums that cover it.
struct Segment {
    Bytes addresses;  // source, destination
    Bytes l4;         // ports first
    uint8_t protocol;

    unsigned l4_checksum() const {
        const size_t half = addresses.size() / 2;
        const auto middle = addresses.begin() + static_cast<ptrdiff_t>(half);
        const unsigned pseudo = test::pseudo_sum({addresses.begin(), middle},
                                                 {middle, addresses.end()}, protocol, l4.size());
        return test::plain_checksum(l4, 0, l4.size(), pseudo);
    }
};

// Bytes with many runs of 00 and ff, where one's complement has two zeros.
Bytes edgy_bytes(std::mt19937_64& random, size_t size) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; i += 2) {
        const uint64_t dice = random();
        const unsigned word = dice % 3 == 0 ? 0 : dice % 3 == 1 ? 0xffff : dice >> 16 & 0xffff;
        bytes[i] = static_cast<uint8_t>(word >> 8);
        if (i + 1 < size) {
            bytes[i + 1] = static_cast<uint8_t>(word);
        }
    }
    return bytes;
}

Segment random_segment(std::mt19937_64& random) {
    const size_t address_size = random() % 2 == 0 ? 4 : 16;
    const uint8_t protocol = random() % 2 == 0 ? 6 : 17;
    return {edgy_bytes(random, 2 * address_size), edgy_bytes(random, 4 + random() % 40), protocol};
}

uint16_t raw16(const Bytes& bytes, size_t at) {
    uint16_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    return word;
}

// Turns `from` into `to` and gives the delta, as a NAT does it.
ChecksumDelta delta_between(const Segment& from, const Segment& to) {
    ChecksumDelta delta;
    delta.replace_bytes(from.addresses.data(), to.addresses.data(), from.addresses.size());
    delta.replace16(raw16(from.l4, 0), raw16(to.l4, 0));
    delta.replace16(raw16(from.l4, 2), raw16(to.l4, 2));
    return delta;
}

TEST(ChecksumDelta, EqualsFullRecomputationForTransport) {
    std::mt19937_64 random(2);
    unsigned zeros = 0;
    for (int round = 0; round < 200'000; ++round) {
        const Segment from = random_segment(random);
        Segment to = from;
        to.addresses = edgy_bytes(random, from.addresses.size());
        const Bytes ports = edgy_bytes(random, 4);
        std::copy(ports.begin(), ports.end(), to.l4.begin());
        const ChecksumDelta delta = delta_between(from, to);
        const auto before = static_cast<uint16_t>(from.l4_checksum());
        const unsigned after = to.l4_checksum();
        ASSERT_EQ(Be16::from_raw(delta.apply(Be16(before).raw())).host(), after);
        // UDP: sent as all ones when it comes out as zero (RFC 768).
        const auto sent = static_cast<uint16_t>(before == 0 ? 0xffff : before);
        const unsigned expected = after == 0 ? 0xffff : after;
        ASSERT_EQ(Be16::from_raw(delta.apply_udp(Be16(sent).raw())).host(), expected);
        ASSERT_EQ(delta.apply_udp(0), 0);  // none stays none
        zeros += after == 0;
    }
    EXPECT_GT(zeros, 0U);  // the rare case was there
}

TEST(ChecksumDelta, EqualsFullRecomputationForIpv4Headers) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 100'000; ++round) {
        Bytes header = edgy_bytes(random, 20 + 4 * (random() % 11));
        header[0] = static_cast<uint8_t>(0x40 | header.size() / 4);
        header[10] = header[11] = 0;
        Bytes changed = header;
        ChecksumDelta delta;
        const size_t at16 = random() % 5 * 2;
        const size_t at32 = 12 + random() % 2 * 4;
        const Bytes fresh = edgy_bytes(random, 6);
        if (at16 != 0) {
            std::copy_n(fresh.begin(), 2, changed.begin() + static_cast<ptrdiff_t>(at16));
        }
        std::copy_n(fresh.begin() + 2, 4, changed.begin() + static_cast<ptrdiff_t>(at32));
        delta.replace16(raw16(header, at16), raw16(changed, at16));
        uint32_t old_word;
        uint32_t new_word;
        std::memcpy(&old_word, header.data() + at32, 4);
        std::memcpy(&new_word, changed.data() + at32, 4);
        ChecksumDelta second;
        second.replace32(old_word, new_word);
        delta.add(second);
        const auto before = static_cast<uint16_t>(test::plain_checksum(header, 0, header.size()));
        ASSERT_EQ(Be16::from_raw(delta.apply(Be16(before).raw())).host(),
                  test::plain_checksum(changed, 0, changed.size()));
    }
}

// RFC 1624 §4's example: the case where RFC 1141's equation gives the other zero.
TEST(ChecksumDelta, Rfc1624Example) {
    ChecksumDelta delta;
    delta.replace16(Be16(0x5555).raw(), Be16(0x3285).raw());
    EXPECT_EQ(delta.apply(Be16(0xdd2f).raw()), 0);
}

TEST(ChecksumDelta, HoldsManyChanges) {
    ChecksumDelta delta;
    for (int i = 0; i < 100'000; ++i) {
        delta.replace16(0, Be16(1).raw());
        delta.replace32(Be32(0xffffffff).raw(), Be32(0xffff0000).raw());
    }
    // Each round adds 1 and takes nothing: 0xffff is zero.
    EXPECT_EQ(Be16::from_raw(delta.apply(Be16(0xfffe).raw())).host(),
              0xffff - (100'000 + 1) % 0xffff);
}

}  // namespace
}  // namespace dlb
