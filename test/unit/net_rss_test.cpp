// RssView against Microsoft's verification suite for RSS and against DPDK's rte_softrss().
#include <array>
#include <bit>
#include <random>

#include <gtest/gtest.h>

#include <rte_thash.h>

#include "net/byte_order.hpp"
#include "net/rss.hpp"
#include "support/rss_view.hpp"

namespace dlb {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

// The suite's key.
constexpr std::array<uint8_t, 40> kKey = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

template <typename F>
FlowKey<F> key_of(const char* source, const char* destination) {
    const Endpoint from = Endpoint::parse(source).value();
    const Endpoint to = Endpoint::parse(destination).value();
    FlowKey<F> key;
    key.source = raw_address<F>(from.address);
    key.destination = raw_address<F>(to.address);
    key.source_port = Be16(from.port).raw();
    key.destination_port = Be16(to.port).raw();
    key.protocol = kTcp;
    return key;
}

RssView view_of(std::span<const uint8_t> key, std::vector<uint16_t> redirection = {0}) {
    return RssView::make(key, std::move(redirection)).value();
}

// https://learn.microsoft.com/windows-hardware/drivers/network/verifying-the-rss-hash-calculation
TEST(RssView, TheVerificationSuite) {
    const RssView view = view_of(kKey);
    const struct {
        const char *source, *destination;
        uint32_t hash;
    } four[] = {
        {"66.9.149.187:2794", "161.142.100.80:1766", 0x51ccc178},
        {"199.92.111.2:14230", "65.69.140.83:4739", 0xc626b0ea},
        {"24.19.198.95:12898", "12.22.207.184:38024", 0x5c2b394a},
        {"38.27.205.30:48228", "209.142.163.6:2217", 0xafc7327f},
        {"153.39.163.191:44251", "202.188.127.2:1303", 0x10e828a2},
    };
    for (const auto& row : four) {
        EXPECT_EQ(view.hash(key_of<V4>(row.source, row.destination)), row.hash) << row.source;
    }
    const struct {
        const char *source, *destination;
        uint32_t hash;
    } six[] = {
        {"[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x40207d3d},
        {"[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0xdde51bbf},
        {"[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", "[fe80::200:f8ff:fe21:67cf]:38024",
         0x02d1feef},
    };
    for (const auto& row : six) {
        EXPECT_EQ(view.hash(key_of<V6>(row.source, row.destination)), row.hash) << row.source;
    }
}

// rte_softrss() takes 32-bit words in host byte order.
template <typename F>
uint32_t softrss(const FlowKey<F>& key, const std::vector<uint8_t>& rss_key) {
    constexpr uint32_t kWords = F::kAddressSize / 2 + 1;
    std::array<uint32_t, kWords> words;
    std::memcpy(words.data(), &key, sizeof words);
    for (uint32_t& word : words) {
        word = rte_be_to_cpu_32(word);
    }
    return rte_softrss(words.data(), kWords, rss_key.data());
}

template <typename F>
FlowKey<F> random_key(std::mt19937& random) {
    FlowKey<F> key;
    auto* bytes = reinterpret_cast<uint8_t*>(&key);
    for (size_t i = 0; i < F::kAddressSize * 2 + 4; ++i) {
        bytes[i] = static_cast<uint8_t>(random());
    }
    key.protocol = kTcp;
    return key;
}

template <typename F>
void agrees_with_softrss() {
    std::mt19937 random(7);
    for (const size_t length : {40, 52}) {
        std::vector<uint8_t> rss_key(length);
        for (uint8_t& byte : rss_key) {
            byte = static_cast<uint8_t>(random());
        }
        const RssView view = view_of(rss_key);
        for (int i = 0; i < 2000; ++i) {
            const FlowKey<F> key = random_key<F>(random);
            ASSERT_EQ(view.hash(key), softrss(key, rss_key));
            FlowKey<F> zero = key;
            zero.destination_port = 0;
            ASSERT_EQ(view.hash(zero) ^
                          view.template port_share<F>(Be16::from_raw(key.destination_port).host()),
                      view.hash(key));
        }
    }
}

TEST(RssView, AgreesWithSoftrss) {
    agrees_with_softrss<V4>();
    agrees_with_softrss<V6>();
}

TEST(RssView, PortsThatLeadToAQueue) {
    const std::vector<uint16_t> redirection = test::redirection_to(3);
    const RssView view = view_of(kKey, redirection);
    FlowKey<V6> key = key_of<V6>("[2001:db8::11]:80", "[2001:db8::106]:0");
    for (uint16_t queue = 0; queue < 3; ++queue) {
        const RssPorts ports{&view, Family::V6, queue, view.hash(key)};
        unsigned found = 0;
        for (uint32_t port = 1024; port <= UINT16_MAX; ++port) {
            key.destination_port = Be16(static_cast<uint16_t>(port)).raw();
            const bool right = redirection[view.hash(key) % 128] == queue;
            ASSERT_EQ(ports.contain(static_cast<uint16_t>(port)), right) << port;
            found += right;
        }
        key.destination_port = 0;
        EXPECT_NEAR(found, 64512.0 / 3, 2000);
    }
    EXPECT_TRUE(RssPorts().contain(1));
}

TEST(RssView, OnlyWhatItCanTell) {
    EXPECT_FALSE(RssView::make(std::span(kKey).first(39), {0, 1}));
    EXPECT_FALSE(RssView::make(kKey, {}));
    EXPECT_FALSE(RssView::make(kKey, {0, 1, 2}));
    const RssView view = RssView::make(kKey, {0, 1}, {.udp4 = false, .tcp6 = false}).value();
    EXPECT_TRUE(view.covers<V4>(kTcp));
    EXPECT_FALSE(view.covers<V4>(kUdp));
    EXPECT_FALSE(view.covers<V6>(kTcp));
    EXPECT_TRUE(view.covers<V6>(kUdp));
    EXPECT_FALSE(view.covers<V4>(132));
}

}  // namespace
}  // namespace dlb
