// SnatPool: who owns which port, and the order in which ports come round.
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "flow/snat_pool.hpp"
#include "support/rss_view.hpp"

namespace dlb {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

TEST(SnatPool, WorkersShareAllPortsAndNoneTwice) {
    for (const unsigned workers : {1U, 2U, 3U, 7U, 16U}) {
        std::set<uint16_t> all;
        for (unsigned worker = 0; worker < workers; ++worker) {
            SnatPool pool(worker, workers, {});
            while (const uint16_t port = pool.take(kTcp)) {
                ASSERT_GE(port, SnatPool::kFirstPort);
                ASSERT_EQ(SnatPool::owner_of(port, workers), worker);
                ASSERT_EQ(port % workers, worker);
                ASSERT_TRUE(all.insert(port).second);
            }
            EXPECT_EQ(pool.available(kTcp), 0U);
        }
        EXPECT_EQ(all.size(), 65536U - SnatPool::kFirstPort) << workers;
    }
}

TEST(SnatPool, LeavesTheKernelItsPorts) {
    SnatPool pool(0, 1, {32768, 60999});
    EXPECT_EQ(pool.available(kTcp), 65536U - 1024 - (60999 - 32768 + 1));
    while (const uint16_t port = pool.take(kUdp)) {
        ASSERT_TRUE(port < 32768 || port > 60999) << port;
    }
    SnatPool none(0, 1, {0, 65535});
    EXPECT_EQ(none.take(kTcp), 0);
    EXPECT_EQ(none.available(kTcp), 0U);
    EXPECT_FALSE(PortRange().contains(0));
    EXPECT_FALSE(PortRange().contains(1));
}

TEST(SnatPool, GivesBackLast) {
    SnatPool pool(1, 4, {});
    const uint32_t all = pool.available(kTcp);
    const uint16_t first = pool.take(kTcp);
    const uint16_t second = pool.take(kTcp);
    pool.give_back(kTcp, second);
    pool.give_back(kTcp, first);
    EXPECT_EQ(pool.available(kTcp), all);
    std::vector<uint16_t> order;
    for (uint32_t i = 0; i < all; ++i) {
        order.push_back(pool.take(kTcp));
    }
    EXPECT_EQ(pool.take(kTcp), 0);
    EXPECT_EQ(order[all - 2], second);
    EXPECT_EQ(order[all - 1], first);
}

TEST(SnatPool, ForeseesWhatItGives) {
    SnatPool pool(0, 1, {1030, 65535});  // six ports
    for (int round = 0; round < 3; ++round) {
        std::vector<uint16_t> foreseen;
        for (int n = 0; n < 6; ++n) {
            foreseen.push_back(pool.foresee(kTcp));
        }
        EXPECT_EQ(pool.foresee(kTcp), 0);
        for (const uint16_t port : foreseen) {
            EXPECT_EQ(pool.take(kTcp), port);
        }
        EXPECT_EQ(pool.foresee(kTcp), 0);
        for (const uint16_t port :
             {foreseen[3], foreseen[0], foreseen[1], foreseen[2], foreseen[5], foreseen[4]}) {
            pool.give_back(kTcp, port);
        }
    }
}

TEST(SnatPool, TcpAndUdpAreApart) {
    SnatPool pool(0, 1, {});
    const uint32_t all = pool.available(kUdp);
    while (pool.take(kTcp) != 0) {
    }
    EXPECT_EQ(pool.available(kUdp), all);
    const uint16_t port = pool.take(kUdp);
    EXPECT_NE(port, 0);
    pool.give_back(kTcp, 4000);
    EXPECT_EQ(pool.take(kTcp), 4000);
    EXPECT_EQ(pool.available(kUdp), all - 1);
}

// Over many rounds the ring wraps; a port is never with two takers.
TEST(SnatPool, NeverTheSamePortTwice) {
    SnatPool pool(2, 300, {});
    const uint32_t all = pool.available(kTcp);
    std::set<uint16_t> taken;
    unsigned seed = 1;
    for (int round = 0; round < 100'000; ++round) {
        seed = seed * 1103515245 + 12345;
        if ((seed >> 16) % 2 == 0) {
            const uint16_t port = pool.take(kTcp);
            ASSERT_EQ(port == 0, taken.size() == all);
            ASSERT_TRUE(port == 0 || taken.insert(port).second);
        } else if (!taken.empty()) {
            const auto port = std::next(taken.begin(), (seed >> 8) % taken.size());
            pool.give_back(kTcp, *port);
            taken.erase(port);
        }
        ASSERT_EQ(pool.available(kTcp) + taken.size(), all);
    }
}

TEST(SnatPool, TakesPortsWhoseRepliesComeHome) {
    for (const unsigned workers : {2U, 3U, 4U, 16U}) {
        const RssView view = test::rss_view(workers);
        for (uint16_t worker = 0; worker < workers; ++worker) {
            SnatPool pool(worker, workers, {});
            const RssPorts wanted{&view, Family::V4, worker, 0x12345678};
            unsigned home = 0;
            const unsigned flows = pool.available(kTcp) / workers / 2;
            for (unsigned i = 0; i < flows; ++i) {
                const uint16_t port = pool.take(kTcp, wanted);
                ASSERT_EQ(port % workers, worker);
                home += wanted.contain(port);
            }
            EXPECT_EQ(home, flows) << worker << " of " << workers;
        }
    }
}

// Each port is still given once, and all of them are, whatever is wanted.
TEST(SnatPool, GivesTheRestWhenNoneFits) {
    const RssView view = test::rss_view(4);
    SnatPool pool(1, 4, {});
    const uint32_t all = pool.available(kUdp);
    std::set<uint16_t> taken;
    while (const uint16_t port = pool.take(kUdp, {&view, Family::V6, 1, 0xdeadbeef})) {
        ASSERT_TRUE(taken.insert(port).second);
    }
    EXPECT_EQ(taken.size(), all);
    const RssView nowhere = test::rss_view(1);  // all packets come by queue 0
    SnatPool plain(1, 4, {});
    SnatPool vain(1, 4, {});
    for (unsigned i = 0; i < 1000; ++i) {
        ASSERT_EQ(vain.take(kTcp, {&nowhere, Family::V4, 1, 0}), plain.take(kTcp));
    }
}

// Of the ports that bring replies home, the one that was given back is taken again last.
TEST(SnatPool, GivesBackLastAmongThoseThatFit) {
    const RssView view = test::rss_view(2);
    const RssPorts wanted{&view, Family::V4, 0, 77};
    SnatPool pool(0, 2, {});
    std::vector<uint16_t> fitting;
    for (uint32_t port = SnatPool::kFirstPort; port <= UINT16_MAX; port += 2) {
        if (wanted.contain(static_cast<uint16_t>(port))) {
            fitting.push_back(static_cast<uint16_t>(port));
        }
    }
    ASSERT_GT(fitting.size(), 10'000U);
    const uint16_t first = pool.take(kTcp, wanted);
    pool.give_back(kTcp, first);
    std::set<uint16_t> seen;
    uint16_t port = 0;
    while ((port = pool.take(kTcp, wanted)) != first) {
        pool.give_back(kTcp, port);
        ASSERT_TRUE(seen.insert(port).second) << "before others that waited longer";
    }
    EXPECT_EQ(seen.size(), fitting.size() - 1);
}

}  // namespace
}  // namespace dlb
