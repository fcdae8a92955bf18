// Fragments that do not pass: each by its name, and none stays in a worker.
#include <chrono>
#include <random>

#include <gtest/gtest.h>

#include "support/fragments.hpp"
#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

class FragmentDropsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        WorkerLab::start_eal();
        lab = std::make_unique<WorkerLab>(
            std::vector{service({.name = "dns",
                                 .vip = {"10.1.1.1", "2001:db8:1::1"},
                                 .ports = {53},
                                 .backends = {"10.0.0.11:53", "[2001:db8::11]:53"},
                                 .protocol = Protocol::Udp})},
            LabOptions{.workers = 2});
        lab->know("10.0.0.11");
        lab->know("2001:db8::11");
    }
    // By either queue in turn; the number of frames that came out.
    size_t pass(const Bytes& frame) {
        size_t out = lab->pass(frame, turn_ ^= 1).size();
        lab->step();
        for (unsigned queue = 0; queue < 2; ++queue) {
            out += lab->taken(queue).size();
        }
        return out;
    }
    // Steps until the worker holds no fragment any more.
    void wait_until_empty() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (lab->worker(0).fragments().count() + lab->worker(1).fragments().count() != 0 &&
               std::chrono::steady_clock::now() < until) {
            lab->step();
        }
    }
    std::unique_ptr<WorkerLab> lab;

  private:
    unsigned turn_ = 0;
};

PacketBuilder from_client(bool v4) {
    return v4 ? PacketBuilder().ipv4("192.0.2.7", "10.1.1.1")
              : PacketBuilder().ipv6("2001:db8:9::7", "2001:db8:1::1");
}

Bytes large(bool v4, uint16_t port = 53) {
    return from_client(v4).udp(40000, port).payload(Bytes(1200, 3)).build();
}

TEST_F(FragmentDropsTest, AnOverlapEndsTheDatagram) {
    for (const bool v4 : {true, false}) {
        const Bytes whole = large(v4);
        EXPECT_EQ(pass(fragment_of(whole, 800, 1208, 9, false)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 400, 808, 9, true)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 0, 400, 9, true)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 0, 400, 10, true)), 1U);
        EXPECT_EQ(pass(fragment_of(whole, 392, 808, 10, true)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 400, 808, 10, true)), 0U);
    }
    EXPECT_EQ(lab->count(Verdict::FragmentOverlap), 2U * 5);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
}

TEST_F(FragmentDropsTest, CopiesPassOnce) {
    for (const bool v4 : {true, false}) {
        const Bytes whole = large(v4);
        EXPECT_EQ(pass(fragment_of(whole, 0, 400, 9, true)), 1U);
        EXPECT_EQ(pass(fragment_of(whole, 0, 400, 9, true)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 800, 1208, 9, false)), 1U);
        EXPECT_EQ(pass(fragment_of(whole, 800, 1208, 9, false)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 400, 800, 9, true)), 1U);
    }
    EXPECT_EQ(lab->count(Verdict::FragmentDuplicate), 2U * 2);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
}

TEST_F(FragmentDropsTest, TinyOnesAndBadLengths) {
    const auto tcp = [](bool v4) {
        return from_client(v4).tcp(1, 80).payload(Bytes(100, 1)).build();
    };
    EXPECT_EQ(pass(fragment_of(tcp(true), 0, 16, 1, true)), 0U);
    EXPECT_EQ(pass(fragment_of(tcp(false), 0, 16, 1, true)), 0U);
    EXPECT_EQ(pass(fragment_of(tcp(true), 8, 120, 2, false)), 0U);
    EXPECT_EQ(lab->count(Verdict::FragmentTiny), 3U);
    EXPECT_EQ(pass(fragment_of(tcp(true), 0, 25, 1, true)), 0U);
    EXPECT_EQ(pass(fragment_of(tcp(false), 24, 33, 1, true)), 0U);
    EXPECT_EQ(lab->count(Verdict::BadLength), 2U);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
}

TEST_F(FragmentDropsTest, TheFirstNeverCame) {
    for (const bool v4 : {true, false}) {
        for (uint32_t id = 1; id <= 20; ++id) {
            EXPECT_EQ(pass(fragment_of(large(v4), 400, 800, id, true)), 0U);
        }
    }
    EXPECT_EQ(lab->mbufs_in_use(), 40U);
    wait_until_empty();
    EXPECT_EQ(lab->count(Verdict::FragmentTimeout), 40U);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
}

TEST_F(FragmentDropsTest, NoMoreThanEightWaitForAFirst) {
    const Bytes whole = large(false);
    for (size_t begin = 80; begin < 80 * 12; begin += 80) {
        EXPECT_EQ(pass(fragment_of(whole, begin, begin + 80, 9, true)), 0U);
    }
    EXPECT_EQ(lab->count(Verdict::FragmentLimit), 3U);
    EXPECT_EQ(pass(fragment_of(whole, 0, 80, 9, true)), 9U);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
}

// A first fragment that goes nowhere takes the rest with it, by the same name.
TEST_F(FragmentDropsTest, OthersShareTheFirstOnesFate) {
    for (const bool v4 : {true, false}) {
        const Bytes whole = large(v4, 54);
        EXPECT_EQ(pass(fragment_of(whole, 400, 800, 9, true)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 0, 400, 9, true)), 0U);
        EXPECT_EQ(pass(fragment_of(whole, 800, 1208, 9, false)), 0U);
    }
    EXPECT_EQ(lab->count(Verdict::NoService), 2U * 3);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
}

TEST_F(FragmentDropsTest, HostileFragmentsLeakNothingAndAreAllCounted) {
    std::mt19937 random(5);
    constexpr unsigned kFrames = 20000;
    const Bytes wholes[] = {large(true), large(false)};
    for (unsigned i = 0; i < kFrames; ++i) {
        const size_t begin = random() % 140 * 8;
        Bytes frame = fragment_of(wholes[random() % 2], begin, begin + 8 + random() % 10 * 8,
                                  random() % 700, random() % 4 != 0);
        if (random() % 8 == 0) {
            frame[14 + random() % 48] = static_cast<uint8_t>(random());
        }
        ASSERT_TRUE(lab->put(frame, random() % 2));
        lab->step();
        if (i % 128 == 0) {
            lab->discard();
            lab->for_control(0);
            lab->for_control(1);
        }
    }
    wait_until_empty();
    lab->discard();
    lab->for_control(0);
    lab->for_control(1);
    EXPECT_EQ(lab->count_all() - lab->count(Verdict::HandedOver), kFrames);
    EXPECT_EQ(lab->mbufs_in_use(), 0U);
    EXPECT_GT(lab->count(Verdict::Forwarded), 100U);
    EXPECT_GT(lab->count(Verdict::FragmentOverlap), 100U);
    EXPECT_GT(lab->count(Verdict::FragmentTimeout), 100U);
    EXPECT_GT(lab->count(Verdict::FragmentLimit), 100U);
}

}  // namespace
}  // namespace dlb::test
