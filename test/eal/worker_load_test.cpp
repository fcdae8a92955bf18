// Workers on threads of their own at full load: fnat and stateful nat, both families, every packet
// put on a queue drawn at random. The world around them, clients and backends, keeps its own books:
// each flow's number travels in its payload, so each packet that comes out is held against what its
// client sent.
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

constexpr size_t kIp = 14;
constexpr unsigned kOpen = 400;   // flows at a time; one packet of each is on its way
constexpr unsigned kPorts = 600;  // of the SNAT addresses, one a family
// With those that have ended and keep their port for its time: a quarter of them is fnat's of one
// family, so that no worker runs out.
constexpr unsigned kInTable = 1000;

// A frame that a worker sent, taken apart here.
struct Seen {
    bool v4;
    std::string source, destination;  // as in the packet
    uint16_t source_port, destination_port;
    uint8_t flags;
    uint32_t flow;

    explicit Seen(const Bytes& frame) : v4(frame.at(12) == 8) {
        const size_t l4 = kIp + (v4 ? 20 : 40);
        const auto text = [&](size_t at, size_t length) {
            return std::string(reinterpret_cast<const char*>(frame.data() + at), length);
        };
        source = v4 ? text(kIp + 12, 4) : text(kIp + 8, 16);
        destination = v4 ? text(kIp + 16, 4) : text(kIp + 24, 16);
        source_port = static_cast<uint16_t>(get16(frame, l4));
        destination_port = static_cast<uint16_t>(get16(frame, l4 + 2));
        flags = frame.at(l4 + 13);
        std::memcpy(&flow, frame.data() + l4 + 20, sizeof flow);
        EXPECT_EQ(frame.size(), l4 + 24);
        // Both checksums, over what is there.
        const Bytes from(source.begin(), source.end());
        const Bytes to(destination.begin(), destination.end());
        EXPECT_EQ(plain_checksum(frame, l4, frame.size(), pseudo_sum(from, to, 6, 24)), 0U);
        EXPECT_TRUE(!v4 || plain_checksum(frame, kIp, l4) == 0);
    }
};

std::string raw(const std::string& address) {
    const Bytes bytes = address_bytes(address);
    return {bytes.begin(), bytes.end()};
}

std::string text_of(const std::string& address) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(), text, sizeof text);
    return text;
}

struct Flow {
    bool fnat = false;
    std::string client, vip;
    uint16_t port = 0;
    unsigned exchanges = 0;  // left
    bool known = false;      // a backend has seen it:
    std::string backend, source;
    uint16_t source_port = 0;
};

std::vector<ServiceConfig> services() {
    const std::vector<std::string> backends = {"10.0.0.11:80", "10.0.0.12:80", "[2001:db8::11]:80",
                                               "[2001:db8::12]:80"};
    std::vector<ServiceConfig> all = {
        service({.name = "fnat",
                 .vip = {"10.1.1.1", "2001:db8:1::1"},
                 .ports = {80},
                 .backends = backends,
                 .mode = Mode::Fnat}),
        // Two VIPs before the same backends: only the flow tells whose reply it is.
        service({.name = "nat",
                 .vip = {"10.1.1.2", "10.1.1.3", "2001:db8:1::2", "2001:db8:1::3"},
                 .ports = {80},
                 .backends = backends,
                 .mode = Mode::Nat})};
    for (ServiceConfig& config : all) {
        config.timeout.tcp_fin = std::chrono::milliseconds(1);
        config.timeout.tcp_established = std::chrono::minutes(10);
        config.timeout.tcp_handshake = std::chrono::minutes(10);
    }
    return all;
}

class World {
  public:
    explicit World(WorkerLab& lab, unsigned workers) : lab_(lab), workers_(workers) {}

    // Until `flows` flows have come and gone.
    void run(unsigned flows) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
        while (ended_ < flows && !::testing::Test::HasFailure()) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "packets are missing";
            unsigned moved = 0;
            while (open_.size() < kOpen && ended_ + open_.size() < flows &&
                   in_tables() < kInTable) {
                open_flow();
            }
            for (unsigned queue = 0; queue < workers_; ++queue) {
                for (const Bytes& frame : lab_.taken(queue)) {
                    take(frame);
                    ++moved;
                }
            }
            packets_ += moved;
            if (moved == 0) {
                std::this_thread::yield();
            }
        }
    }
    uint64_t packets() const { return packets_; }
    uint64_t reused() const { return reused_; }
    unsigned ended() const { return ended_; }

  private:
    unsigned in_tables() const {
        unsigned sum = 0;
        for (unsigned id = 0; id < workers_; ++id) {
            sum += lab_.worker(id).flows().count();
        }
        return sum;
    }

    void open_flow() {
        const uint32_t number = next_++;
        Flow flow;
        flow.fnat = number % 2 == 0;
        const bool v4 = number / 2 % 2 == 0;
        const unsigned host = number / 40000 + 1;
        flow.client = raw((v4 ? "192.0.2." : "2001:db8:9::") + std::to_string(host));
        flow.port = static_cast<uint16_t>(1024 + number % 40000);
        const std::string last = flow.fnat ? "1" : number / 4 % 2 == 0 ? "2" : "3";
        flow.vip = raw((v4 ? "10.1.1." : "2001:db8:1::") + last);
        flow.exchanges = 3 + number % 20;
        open_.emplace(number, flow);
        send(number, flow.client, flow.vip, flow.port, 80, kSyn);
    }

    void send(uint32_t number, const std::string& source, const std::string& destination,
              uint16_t source_port, uint16_t destination_port, uint8_t flags) {
        std::string payload(sizeof number, '\0');
        std::memcpy(payload.data(), &number, sizeof number);
        const Bytes frame = PacketBuilder()
                                .ipv4(text_of(source), text_of(destination))
                                .tcp(source_port, destination_port, flags)
                                .payload(payload)
                                .build();
        ASSERT_TRUE(lab_.put(frame, static_cast<unsigned>(random_() % workers_)));
    }

    void take(const Bytes& frame) {
        const Seen seen(frame);
        const auto found = open_.find(seen.flow);
        ASSERT_NE(found, open_.end()) << "of a flow that has ended";
        frame[5] == 1 ? at_client(seen, found->second) : at_backend(seen, found->second);
    }

    void at_backend(const Seen& seen, Flow& flow) {
        ASSERT_EQ(seen.destination_port, 80);
        if (flow.known) {
            ASSERT_EQ(text_of(seen.source), text_of(flow.source));
            ASSERT_EQ(seen.source_port, flow.source_port);
            ASSERT_EQ(text_of(seen.destination), text_of(flow.backend));
        } else {
            flow.known = true;
            flow.source = seen.source;
            flow.source_port = seen.source_port;
            flow.backend = seen.destination;
            if (flow.fnat) {
                take_source(seen);
            } else {
                ASSERT_EQ(text_of(seen.source), text_of(flow.client));
                ASSERT_EQ(seen.source_port, flow.port);
            }
        }
        if ((seen.flags & kRst) != 0) {
            if (flow.fnat) {
                uses_[{flow.source, flow.source_port}].live = false;
            }
            open_.erase(seen.flow);
            ++ended_;
            return;
        }
        send(seen.flow, seen.destination, seen.source, 80, seen.source_port, kAck);
    }

    void take_source(const Seen& seen) {
        ASSERT_EQ(text_of(seen.source), seen.v4 ? "10.0.0.106" : "2001:db8::106");
        const auto [use, fresh] = uses_.try_emplace({seen.source, seen.source_port});
        ASSERT_FALSE(use->second.live) << "two live flows share port " << seen.source_port;
        use->second.live = true;
        reused_ += fresh ? 0 : 1;
    }

    void at_client(const Seen& seen, Flow& flow) {
        ASSERT_EQ(text_of(seen.source), text_of(flow.vip));
        ASSERT_EQ(seen.source_port, 80);
        ASSERT_EQ(text_of(seen.destination), text_of(flow.client));
        ASSERT_EQ(seen.destination_port, flow.port);
        --flow.exchanges;
        send(seen.flow, flow.client, flow.vip, flow.port, 80, flow.exchanges == 0 ? kRst : kAck);
    }

    struct Use {
        bool live = false;
    };
    WorkerLab& lab_;
    unsigned workers_;
    std::mt19937 random_{20260101};
    std::map<uint32_t, Flow> open_;
    std::map<std::pair<std::string, uint16_t>, Use> uses_;
    uint32_t next_ = 0;
    unsigned ended_ = 0;
    uint64_t packets_ = 0;
    uint64_t reused_ = 0;
};

class WorkerLoadTest : public ::testing::TestWithParam<unsigned> {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }
};

TEST_P(WorkerLoadTest, NoTranslationIsWrongAndNoPortShared) {
    const unsigned workers = GetParam();
    WorkerLab lab(services(), {.workers = workers,
                               .flow_capacity = 8192,
                               .queues = {.any_queue = workers > 1},
                               .kernel_ports = {SnatPool::kFirstPort + kPorts, UINT16_MAX}});
    for (const char* address : {"10.0.0.11", "10.0.0.12", "2001:db8::11", "2001:db8::12"}) {
        lab.know(address);
    }
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < workers; ++id) {
        threads.emplace_back([&lab, &stop, id] {
            while (!stop.load(std::memory_order_relaxed)) {
                if (lab.worker(id).poll_once() == 0) {
                    std::this_thread::yield();
                }
            }
        });
    }
    World world(lab, workers);
    constexpr unsigned kFlows = 4000;
    world.run(kFlows);
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(world.ended(), kFlows);
    EXPECT_GT(world.packets(), 80'000U);
    // Each packet came out once: nothing was dropped, whatever queue it came by.
    EXPECT_EQ(lab.count(Verdict::Forwarded) + lab.count(Verdict::Replied), world.packets());
    EXPECT_EQ(lab.count(Verdict::Forwarded), lab.count(Verdict::Replied) + kFlows);
    EXPECT_EQ(lab.count_all() - lab.count(Verdict::HandedOver), world.packets());
    EXPECT_EQ(lab.count(Verdict::HandedOver) > 0, workers > 1);
    for (unsigned id = 0; id < workers; ++id) {
        EXPECT_GT(lab.worker(id).counters().of(Verdict::Forwarded).get(),
                  world.packets() / 4 / workers);
    }
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
    RecordProperty("packets", static_cast<int>(world.packets()));
    RecordProperty("ports_taken_again", static_cast<int>(world.reused()));
    EXPECT_GT(world.reused(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Workers, WorkerLoadTest, ::testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace dlb::test
