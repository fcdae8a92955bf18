// Several workers: replies that a NIC's RSS brings home, fewer queues than workers, and SNAT ports
// that run out and come again.
#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include <rte_thash.h>

#include "support/model_helpers.hpp"
#include "support/rss_view.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

class WorkerQueuesTest : public ::testing::Test {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }
};

ServiceConfig web(Mode mode, std::vector<std::string> vips = {"10.1.1.1", "2001:db8:1::1"}) {
    return service(
        {.name = "web",
         .vip = std::move(vips),
         .ports = {80},
         .backends = {"10.0.0.11:80", "10.0.0.12:80", "[2001:db8::11]:80", "[2001:db8::12]:80"},
         .mode = mode});
}

void know_all(WorkerLab& lab) {
    for (const char* address : {"10.0.0.11", "10.0.0.12", "2001:db8::11", "2001:db8::12"}) {
        lab.know(address);
    }
}

constexpr size_t kIp = 14;

bool is_v4(const Bytes& frame) {
    return frame[12] == 8;
}
Bytes part(const Bytes& frame, size_t at, size_t length) {
    return {frame.begin() + static_cast<long>(at), frame.begin() + static_cast<long>(at + length)};
}
Bytes source_of(const Bytes& frame) {
    return is_v4(frame) ? part(frame, kIp + 12, 4) : part(frame, kIp + 8, 16);
}
Bytes destination_of(const Bytes& frame) {
    return is_v4(frame) ? part(frame, kIp + 16, 4) : part(frame, kIp + 24, 16);
}
uint16_t source_port_of(const Bytes& frame) {
    return static_cast<uint16_t>(get16(frame, kIp + (is_v4(frame) ? 20 : 40)));
}
uint16_t destination_port_of(const Bytes& frame) {
    return static_cast<uint16_t>(get16(frame, kIp + (is_v4(frame) ? 22 : 42)));
}

std::string text_of(const Bytes& address) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(), text, sizeof text);
    return text;
}

// Puts each frame into the queue that a NIC with this key and redirection table would, by DPDK's
// own software hash.
class SoftNic {
  public:
    explicit SoftNic(unsigned queues) : key_(rss_key()), redirection_(redirection_to(queues)) {}

    unsigned queue_of(const Bytes& frame) const {
        Bytes input = source_of(frame);
        const Bytes destination = destination_of(frame);
        input.insert(input.end(), destination.begin(), destination.end());
        const Bytes ports = part(frame, kIp + (is_v4(frame) ? 20 : 40), 4);
        input.insert(input.end(), ports.begin(), ports.end());
        std::vector<uint32_t> words(input.size() / 4);
        std::memcpy(words.data(), input.data(), input.size());
        for (uint32_t& word : words) {
            word = rte_be_to_cpu_32(word);
        }
        const uint32_t hash =
            rte_softrss(words.data(), static_cast<uint32_t>(words.size()), key_.data());
        return redirection_[hash % redirection_.size()];
    }

  private:
    std::vector<uint8_t> key_;
    std::vector<uint16_t> redirection_;
};

Bytes request(unsigned flow, bool v4, uint8_t flags = kAck, const std::string& vip = "") {
    const auto port = static_cast<uint16_t>(2000 + flow);
    return v4 ? PacketBuilder()
                    .ipv4("192.0.2.7", vip.empty() ? "10.1.1.1" : vip)
                    .tcp(port, 80, flags)
                    .build()
              : PacketBuilder()
                    .ipv6("2001:db8:9::7", vip.empty() ? "2001:db8:1::1" : vip)
                    .tcp(port, 80, flags)
                    .build();
}

// What the backend sends back for a frame that it got.
Bytes answer(const Bytes& frame, uint8_t flags = kAck) {
    return PacketBuilder()
        .ipv4(text_of(destination_of(frame)), text_of(source_of(frame)))
        .tcp(destination_port_of(frame), source_port_of(frame), flags)
        .build();
}

void expect_reply(const std::vector<Bytes>& frames, unsigned flow, bool v4) {
    ASSERT_EQ(frames.size(), 1U) << flow;
    EXPECT_EQ(text_of(source_of(frames[0])), v4 ? "10.1.1.1" : "2001:db8:1::1");
    EXPECT_EQ(text_of(destination_of(frames[0])), v4 ? "192.0.2.7" : "2001:db8:9::7");
    EXPECT_EQ(source_port_of(frames[0]), 80);
    EXPECT_EQ(destination_port_of(frames[0]), 2000 + flow);
}

TEST_F(WorkerQueuesTest, ANicBringsFnatRepliesToTheirOwner) {
    for (const unsigned workers : {2U, 4U}) {
        const RssView view = rss_view(workers);
        const SoftNic nic(workers);
        WorkerLab lab({web(Mode::Fnat)}, {.workers = workers,
                                          .flow_capacity = 16384,
                                          .queues = {.any_queue = true, .rss = &view}});
        know_all(lab);
        std::set<std::pair<Bytes, uint16_t>> sources;
        for (unsigned flow = 0; flow < 3000; ++flow) {
            for (const bool v4 : {true, false}) {
                const Bytes sent = request(flow, v4);
                const auto out = lab.pass(sent, nic.queue_of(sent));
                ASSERT_EQ(out.size(), 1U);
                EXPECT_TRUE(sources.insert({source_of(out[0]), source_port_of(out[0])}).second);
                const Bytes reply = answer(out[0]);
                expect_reply(lab.pass(reply, nic.queue_of(reply)), flow, v4);
            }
        }
        EXPECT_EQ(lab.count(Verdict::HandedOver), 0U) << workers;
        for (unsigned worker = 0; worker < workers; ++worker) {
            EXPECT_GT(lab.worker(worker).flows().count(), 6000 / workers / 2);
        }
        EXPECT_EQ(lab.mbufs_in_use(), 0U);
    }
}

// Without a view the same replies need the ring half of the time.
TEST_F(WorkerQueuesTest, WithoutItsKeyRepliesAreHandedOver) {
    const SoftNic nic(2);
    WorkerLab lab({web(Mode::Fnat)}, {.workers = 2});
    know_all(lab);
    for (unsigned flow = 0; flow < 500; ++flow) {
        const Bytes sent = request(flow, true);
        const auto out = lab.pass(sent, nic.queue_of(sent));
        ASSERT_EQ(out.size(), 1U);
        const Bytes reply = answer(out[0]);
        expect_reply(lab.pass(reply, nic.queue_of(reply)), flow, true);
    }
    EXPECT_NEAR(static_cast<double>(lab.count(Verdict::HandedOver)), 250, 100);
}

struct FewerCase {
    Mode mode;
    bool sticky;
    unsigned workers, queue_pairs;
};

class FewerQueuesTest : public WorkerQueuesTest, public ::testing::WithParamInterface<FewerCase> {};

TEST_P(FewerQueuesTest, EveryWorkerHasItsShareAndRepliesFindTheirFlow) {
    const auto [mode, sticky, workers, pairs] = GetParam();
    ServiceConfig config = web(mode);
    config.sticky = sticky;
    WorkerLab lab(
        {config},
        {.workers = workers, .queue_pairs = pairs, .queues = {.any_queue = true, .shared = true}});
    know_all(lab);
    for (unsigned flow = 0; flow < 300; ++flow) {
        for (const bool v4 : {true, false}) {
            const auto out = lab.pass(request(flow, v4), flow % pairs);
            ASSERT_EQ(out.size(), 1U);
            for (unsigned queue = 0; queue < pairs; ++queue) {
                expect_reply(lab.pass(answer(out[0]), queue), flow, v4);
            }
        }
    }
    EXPECT_EQ(lab.count(Verdict::Forwarded), 600U);
    EXPECT_EQ(lab.count(Verdict::Replied), 600U * pairs);
    // Who translated: the senders count what leaves, so the flows and the rings tell.
    for (unsigned worker = 0; worker < workers; ++worker) {
        EXPECT_GT(lab.worker(worker).counters().busy_cycles.get(), 0U);
        if (sticky) {
            EXPECT_GT(lab.worker(worker).flows().count(), 600 / workers / 2) << worker;
        }
        if (worker >= pairs) {
            EXPECT_EQ(lab.worker(worker).counters().rx_packets.get(), 0U);
            EXPECT_GT(lab.worker(worker).counters().handed_in.get(), 100U);
            EXPECT_GT(lab.worker(worker).counters().of(Verdict::HandedOver).get(), 100U);
        }
    }
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Modes, FewerQueuesTest,
                         ::testing::Values(FewerCase{Mode::Fnat, true, 3, 1},
                                           FewerCase{Mode::Nat, true, 2, 1},
                                           FewerCase{Mode::Nat, false, 2, 1},
                                           FewerCase{Mode::Nat, true, 4, 2},
                                           FewerCase{Mode::Fnat, true, 4, 3}));

// Two hops by ring, and still first in, first out.
TEST_F(WorkerQueuesTest, AFlowKeepsItsOrderOverTheRings) {
    WorkerLab lab({web(Mode::Nat)},
                  {.workers = 4, .queue_pairs = 1, .queues = {.any_queue = true, .shared = true}});
    know_all(lab);
    constexpr unsigned kFlows = 16;
    unsigned next[kFlows] = {};
    const auto check = [&] {
        for (const Bytes& frame : lab.taken()) {
            const unsigned flow = source_port_of(frame) - 2000U;
            ASSERT_EQ(get16(frame, kIp + 40), next[flow]) << flow;
            ++next[flow];
        }
    };
    for (unsigned number = 0; number < 200; ++number) {
        for (unsigned flow = 0; flow < kFlows; ++flow) {
            const std::string payload{static_cast<char>(number >> 8), static_cast<char>(number)};
            ASSERT_TRUE(lab.put(PacketBuilder()
                                    .ipv4("192.0.2.7", "10.1.1.1")
                                    .tcp(static_cast<uint16_t>(2000 + flow), 80)
                                    .payload(payload)
                                    .build()));
        }
        lab.step();
        check();
    }
    for (unsigned i = 0; i < 4; ++i) {
        lab.step();
        check();
    }
    for (const unsigned count : next) {
        EXPECT_EQ(count, 200U);
    }
}

// What a worker without a queue may send on its own account, and what stays with those that have
// one.
TEST_F(WorkerQueuesTest, TheKernelsPacketsAndEchoStayWhereTheyCame) {
    WorkerLab lab({web(Mode::Nat)},
                  {.workers = 2, .queue_pairs = 1, .queues = {.any_queue = true, .shared = true}});
    const auto ping = [] { return PacketBuilder().ipv4("192.0.2.7", "10.1.1.1").icmp(8).build(); };
    EXPECT_EQ(lab.pass(ping()).size(), 1U);
    lab.pass(PacketBuilder().ipv4("192.0.2.7", "10.0.0.106").tcp(1, 22).build());
    EXPECT_EQ(lab.for_control(0).size(), 1U);
    EXPECT_EQ(lab.count(Verdict::HandedOver), 0U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

// 256 ports of one address, shared by the workers: all are given, none twice, the rest is a named
// drop; and once the flows have ended all are given again.
TEST_F(WorkerQueuesTest, SnatPortsRunOutAndComeAgain) {
    for (const unsigned workers : {1U, 2U, 4U}) {
        constexpr unsigned kPorts = 256;
        ServiceConfig config = web(Mode::Fnat, {"10.1.1.1"});
        config.timeout.tcp_established = std::chrono::minutes(10);
        config.timeout.tcp_fin = std::chrono::milliseconds(1);
        WorkerLab lab({config}, {.workers = workers,
                                 .queues = {.any_queue = true},
                                 .kernel_ports = {SnatPool::kFirstPort + kPorts, UINT16_MAX}});
        know_all(lab);
        std::set<uint16_t> before;
        for (unsigned round = 0; round < 2; ++round) {
            std::set<uint16_t> ports;
            std::vector<unsigned> open;
            const uint64_t refused = lab.count(Verdict::NoSnatPort);
            constexpr unsigned kAttempts = 2000;
            for (unsigned flow = 0; flow < kAttempts; ++flow) {
                // Established: a half-open flow would give its port up.
                for (const uint8_t flags : {kSyn, kAck}) {
                    for (const Bytes& frame :
                         lab.pass(request(flow, true, flags), flow % workers)) {
                        EXPECT_EQ(ports.insert(source_port_of(frame)).second, flags == kSyn);
                        open.push_back(flow);
                    }
                }
            }
            EXPECT_EQ(ports.size(), kPorts);
            EXPECT_EQ(lab.count(Verdict::NoSnatPort) - refused, 2 * (kAttempts - kPorts));
            EXPECT_TRUE(round == 0 || ports == before);
            before = ports;
            for (const unsigned flow : open) {
                lab.pass(request(flow, true, kRst), flow % workers);
            }
            unsigned left = 1;
            while (left != 0) {
                lab.step();
                left = 0;
                for (unsigned worker = 0; worker < workers; ++worker) {
                    left += lab.worker(worker).flows().count();
                }
            }
        }
        EXPECT_EQ(lab.mbufs_in_use(), 0U);
    }
}

}  // namespace
}  // namespace dlb::test
