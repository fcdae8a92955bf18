// clamp_mss(): expected packets built anew by PacketBuilder.
#include "rewrite/mss.hpp"

#include <random>

#include <gtest/gtest.h>

#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::kAck;
using test::kFin;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::StackMbuf;

Bytes clamped(const PacketBuilder& packet, uint16_t most) {
    const Bytes frame = packet.build();
    const PacketMeta meta = parse(frame.data(), frame.size());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    StackMbuf mbuf(packet.build_ip());
    clamp_mss(mbuf.get(), meta, most);
    return mbuf.bytes();
}

PacketBuilder syn(bool v4, const Bytes& options, uint8_t flags = kSyn) {
    return PacketBuilder()
        .ipv4(v4 ? "192.0.2.1" : "2001:db8::1", v4 ? "10.1.1.1" : "2001:db8:1::1")
        .hop_by_hop()
        .options(Bytes(4, 1))
        .tcp(1000, 80, flags)
        .tcp_options(options)
        .payload("odd");
}

Bytes mss(uint16_t value) {
    return {2, 4, static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

// `before` and `after`, filled up to whole words.
Bytes framed(const Bytes& before, const Bytes& option, const Bytes& after = {}) {
    Bytes all = before;
    all.insert(all.end(), option.begin(), option.end());
    all.insert(all.end(), after.begin(), after.end());
    all.resize((all.size() + 3) / 4 * 4, 1);
    return all;
}

TEST(ClampMss, LowersAndNeverRaises) {
    for (const bool v4 : {true, false}) {
        for (const uint8_t flags : {kSyn, static_cast<uint8_t>(kSyn | kAck)}) {
            for (const uint16_t offered : {0, 1, 536, 1399, 1400, 1401, 1460, 8960, 65535}) {
                const auto left = static_cast<uint16_t>(std::min<int>(offered, 1400));
                EXPECT_EQ(clamped(syn(v4, mss(offered), flags), 1400),
                          syn(v4, mss(left), flags).build_ip())
                    << offered;
            }
        }
    }
}

// At even and odd places, and each value there.
TEST(ClampMss, AtAnyPlaceWithAnyValue) {
    std::mt19937 random(7);
    const Bytes befores[] = {{},        {1},          {1, 1},    {1, 1, 1},
                             {3, 3, 7}, {3, 3, 7, 1}, {4, 2, 1}, {8, 10, 1, 2, 3, 4, 5, 6, 7, 8}};
    for (int round = 0; round < 20'000; ++round) {
        const Bytes& before = befores[random() % std::size(befores)];
        const auto offered = static_cast<uint16_t>(random());
        const auto most = static_cast<uint16_t>(1 + random() % 65535);
        const bool v4 = random() % 2 == 0;
        const Bytes after = random() % 2 == 0 ? Bytes{} : Bytes{4, 2, 3, 3, 9};
        ASSERT_EQ(clamped(syn(v4, framed(before, mss(offered), after)), most),
                  syn(v4, framed(before, mss(std::min(offered, most)), after)).build_ip());
    }
}

TEST(ClampMss, LeavesTheRestAlone) {
    const auto left = [](const PacketBuilder& packet) {
        EXPECT_EQ(clamped(packet, 500), packet.build_ip());
    };
    for (const bool v4 : {true, false}) {
        left(syn(v4, {}));
        left(syn(v4, framed({4, 2, 3, 3, 7}, {})));
        for (const uint8_t flags : {kAck, kFin, kRst, uint8_t{0}}) {
            left(syn(v4, mss(1460), flags));
        }
        left(syn(v4, {0, 2, 4, 5}));               // behind the end
        left(syn(v4, framed({0}, mss(1460))));     // …
        left(syn(v4, framed({3, 0}, mss(1460))));  // no length can be 0 or 1
        left(syn(v4, framed({3, 1}, mss(1460))));
        left(syn(v4, framed({3, 41}, mss(1460))));  // longer than the header
        left(syn(v4, {2, 3, 0xff, 1}));             // no MSS has 3 bytes, nor 6
        left(syn(v4, {2, 6, 0xff, 0xff, 0xff, 0xff, 1, 1}));
        left(syn(v4, {1, 1, 2, 4}));  // cut off
        left(syn(v4, {1, 1, 1, 2}));
        left(syn(v4, mss(1460)).udp(1000, 80));
    }
}

TEST(ClampMss, AWrongChecksumStaysWrong) {
    const auto packet = syn(true, mss(1460)).with_l4_checksum(0x1234);
    const Bytes bytes = clamped(packet, 1400);
    EXPECT_EQ(test::get16(bytes, 24 + 20 + 2), 1400U);
    EXPECT_NE(bytes, syn(true, mss(1400)).build_ip());
}

TEST(ClampMss, RandomOptionsStayInBounds) {
    std::mt19937 random(11);
    for (int round = 0; round < 50'000; ++round) {
        Bytes options(random() % 11 * 4);
        for (uint8_t& byte : options) {
            byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 6);
        }
        const auto packet = syn(true, options).payload("");
        const Bytes bytes = clamped(packet, 1000);
        // The checksum is as right as before.
        const unsigned pseudo =
            test::pseudo_sum(test::address_bytes("192.0.2.1"), test::address_bytes("10.1.1.1"), 6,
                             bytes.size() - 24);
        ASSERT_EQ(test::plain_checksum(bytes, 24, bytes.size(), pseudo), 0U);
    }
}

}  // namespace
}  // namespace dlb
