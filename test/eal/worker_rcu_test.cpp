// Backends that change under traffic, and packets that change workers.
#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

class WorkerRcuTest : public ::testing::Test {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }
};

ServiceConfig web(Mode mode, std::vector<std::string> vips = {"10.1.1.1"}) {
    return service({.name = "web",
                    .vip = std::move(vips),
                    .ports = {80},
                    .backends = {"10.0.0.11:80", "10.0.0.12:80"},
                    .mode = mode});
}

Bytes request(uint16_t port, const std::string& vip = "10.1.1.1") {
    return PacketBuilder().ipv4("192.0.2.7", vip).tcp(port, 80, kAck).build();
}

// A worker polls on a thread of its own while this one changes backends 1,000 times.
TEST_F(WorkerRcuTest, AThousandChangesUnderTrafficLoseNothingAndKeepMemoryBounded) {
    WorkerLab lab({web(Mode::Nat)});
    for (const char* address : {"10.0.0.11", "10.0.0.12", "10.0.0.13"}) {
        lab.know(address);
    }
    std::atomic<bool> stop{false};
    uint64_t put = 0;
    uint64_t out = 0;
    std::thread traffic([&] {
        while (!stop.load()) {
            put += lab.put(request(static_cast<uint16_t>(1000 + put % 5000))) ? 1 : 0;
            lab.step();
            out += lab.taken().size();
        }
    });
    size_t most_waiting = 0;
    for (unsigned change = 0; change < 1000; ++change) {
        if (change % 2 == 0) {
            ASSERT_TRUE(lab.model().add_backend("web", backend("10.0.0.13:80")).ok());
        } else {
            ASSERT_TRUE(lab.model().del_backend("web", ip("10.0.0.13"), std::nullopt).ok());
        }
        lab.publish();
        most_waiting = std::max(most_waiting, lab.tables_waiting());
        // As the control thread does: never wait long, but do not run ahead of the workers for
        // ever.
        while (lab.tables_waiting() > 8) {
            std::this_thread::yield();
        }
    }
    stop = true;
    traffic.join();
    lab.step();
    out += lab.taken().size();
    EXPECT_GT(put, 1000U);
    EXPECT_EQ(out, put);
    EXPECT_EQ(lab.count(Verdict::Forwarded), put);
    EXPECT_EQ(lab.tables_waiting(), 0U);
    EXPECT_LE(most_waiting, 16U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

// Replies of fnat may come to any queue: the port of their SNAT address tells whose they are.
TEST_F(WorkerRcuTest, FnatRepliesFindTheirWorkerFromAnyQueue) {
    WorkerLab lab({web(Mode::Fnat)}, {.workers = 4});
    lab.know("10.0.0.11");
    lab.know("10.0.0.12");
    std::set<unsigned> ports;
    for (unsigned flow = 0; flow < 64; ++flow) {
        const auto port = static_cast<uint16_t>(2000 + flow);
        const auto out = lab.pass(request(port), flow % 4);
        ASSERT_EQ(out.size(), 1U);
        const auto snat_port = static_cast<uint16_t>(get16(out[0], 34));
        EXPECT_TRUE(ports.insert(snat_port).second) << "port " << snat_port << " is shared";
        const std::string from = "10.0.0." + std::to_string(out[0][5]);
        for (unsigned queue = 0; queue < 4; ++queue) {
            const auto back = lab.pass(
                PacketBuilder().ipv4(from, "10.0.0.106").tcp(80, snat_port, kAck).build(), queue);
            ASSERT_EQ(back.size(), 1U) << "queue " << queue;
            EXPECT_EQ(get16(back[0], 34), 80U);
            EXPECT_EQ(get16(back[0], 36), port);
        }
    }
    EXPECT_GT(lab.count(Verdict::HandedOver), 0U);
    EXPECT_EQ(lab.count(Verdict::NoFlow), 0U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

// Two VIPs before the same backends: a reply's own endpoints do not tell its VIP, its flow does.
TEST_F(WorkerRcuTest, NatRepliesOfSharedBackendsGetTheVipOfTheirFlow) {
    WorkerLab lab({web(Mode::Nat, {"10.1.1.1", "10.1.1.2"})}, {.workers = 2});
    lab.know("10.0.0.11");
    lab.know("10.0.0.12");
    for (unsigned flow = 0; flow < 64; ++flow) {
        const std::string vip = flow % 2 == 0 ? "10.1.1.1" : "10.1.1.2";
        const auto port = static_cast<uint16_t>(3000 + flow);
        const auto out = lab.pass(request(port, vip), flow / 2 % 2);
        ASSERT_EQ(out.size(), 1U);
        const std::string from = "10.0.0." + std::to_string(out[0][5]);
        for (unsigned queue = 0; queue < 2; ++queue) {
            const auto back = lab.pass(
                PacketBuilder().ipv4(from, "192.0.2.7").tcp(80, port, kAck).build(), queue);
            ASSERT_EQ(back.size(), 1U);
            EXPECT_EQ(Bytes(back[0].begin() + 26, back[0].begin() + 30), address_bytes(vip));
        }
    }
}

}  // namespace
}  // namespace dlb::test
