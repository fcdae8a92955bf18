// Fragments through one to four workers over net_ring, by random queues in random order: those of a
// datagram reach one backend, the flow's own, and join to the right packet; no mbuf stays.
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "support/fragments.hpp"
#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

struct Case {
    Mode mode;
    unsigned workers;
    bool any_queue = true;
    bool two_vips = false;  // so that replies need their flow
};

void PrintTo(const Case& c, std::ostream* out) {
    *out << to_string(c.mode) << ", " << c.workers << " workers";
}

ServiceConfig make_service(const Case& c, Protocol protocol) {
    const bool tunnel = is_tunnel(c.mode);
    const bool udp = protocol == Protocol::Udp;
    ServiceText text{.name = udp ? "dns" : "web",
                     .vip = {"10.1.1.1", "2001:db8:1::1"},
                     .ports = {static_cast<uint16_t>(udp ? 53 : 80)},
                     .backends = {},
                     .mode = c.mode,
                     .protocol = protocol};
    if (c.two_vips) {
        text.vip.insert(text.vip.end(), {"10.1.1.2", "2001:db8:1::2"});
    }
    for (unsigned n = 11; n <= 13; ++n) {
        const std::string port = tunnel || c.mode == Mode::Dr ? "0" : "8080";
        text.backends.push_back("10.0.0." + std::to_string(n) + ":" + port);
        text.backends.push_back("[2001:db8::" + std::to_string(n) + "]:" + port);
    }
    return service(text);
}

// A datagram and what becomes of it.
struct Datagram {
    uint32_t id;
    Bytes whole;
    std::vector<Bytes> out;
};

class WorkerFragmentsTest : public ::testing::TestWithParam<Case> {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }

    void make_lab(const Case& c) {
        lab = std::make_unique<WorkerLab>(
            std::vector{make_service(c, Protocol::Tcp), make_service(c, Protocol::Udp)},
            LabOptions{.workers = c.workers, .queues = {.any_queue = c.any_queue}});
        for (unsigned n = 11; n <= 13; ++n) {
            lab->know("10.0.0." + std::to_string(n));
            lab->know("2001:db8::" + std::to_string(n));
        }
    }
    unsigned any_queue() { return static_cast<unsigned>(random() % GetParam().workers); }

    // Frames by random queues, in rounds of random length; all that came out.
    std::vector<Bytes> pass(const std::vector<Bytes>& frames) {
        std::vector<Bytes> out;
        const auto take = [&] {
            lab->step();
            for (unsigned queue = 0; queue < GetParam().workers; ++queue) {
                for (Bytes& frame : lab->taken(queue)) {
                    out.push_back(std::move(frame));
                }
            }
        };
        for (const Bytes& frame : frames) {
            EXPECT_TRUE(lab->put(frame, any_queue()));
            if (random() % 5 == 0) {
                take();
            }
        }
        for (unsigned round = 0; round < 4; ++round) {  // to the gatherer, to the owner
            take();
        }
        return out;
    }

    void expect_no_drops() {
        for (unsigned i = 0; i < kVerdicts; ++i) {
            const auto verdict = static_cast<Verdict>(i);
            if (kind_of(verdict) == VerdictKind::Dropped) {
                EXPECT_EQ(lab->count(verdict), 0U) << to_string(verdict);
            }
        }
        EXPECT_EQ(lab->mbufs_in_use(), 0U);
        for (unsigned id = 0; id < GetParam().workers; ++id) {
            EXPECT_EQ(lab->worker(id).fragments().count(), 0U);
        }
    }

    std::mt19937 random{11};
    std::unique_ptr<WorkerLab> lab;
};
class WorkerReplyFragmentsTest : public WorkerFragmentsTest {};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
    return std::string(to_string(info.param.mode)) + std::to_string(info.param.workers) +
           (info.param.any_queue ? "" : "_rss") + (info.param.two_vips ? "_two_vips" : "");
}

PacketBuilder request(bool v4, bool udp, uint16_t port) {
    const auto base = v4 ? PacketBuilder().ipv4("192.0.2.7", "10.1.1.1")
                         : PacketBuilder().ipv6("2001:db8:9::7", "2001:db8:1::1");
    return udp ? PacketBuilder(base).udp(port, 53) : PacketBuilder(base).tcp(port, 80);
}

Bytes some_payload(size_t size, unsigned seed) {
    Bytes payload(size);
    for (size_t i = 0; i < size; ++i) {
        payload[i] = static_cast<uint8_t>(i * 7 + seed + (i >> 8));
    }
    return payload;
}

// The frame inside a tunnel's; the outer UDP checksum over IPv6 is checked.
Bytes unwrapped(const Bytes& frame, Mode mode) {
    if (!is_tunnel(mode)) {
        return frame;
    }
    const bool v4 = is_v4_frame(frame);
    size_t at = kEthernet + (v4 ? 20 : 40);
    if (mode == Mode::Gue) {
        if (!v4) {
            const unsigned pseudo =
                pseudo_sum({frame.begin() + 22, frame.begin() + 38},
                           {frame.begin() + 38, frame.begin() + 54}, 17, frame.size() - at);
            EXPECT_EQ(plain_checksum(frame, at, frame.size(), pseudo), 0U);
        }
        at += 8 + 4;
    }
    Bytes inner(frame.begin(), frame.begin() + kEthernet);
    put16(inner, 12, frame.at(at) >> 4 == 4 ? 0x0800 : 0x86dd);
    inner.insert(inner.end(), frame.begin() + static_cast<long>(at), frame.end());
    return inner;
}

// Where a frame goes: the MAC, and all that tells its endpoints outside a tunnel.
Bytes destination_of(const Bytes& frame) {
    return {frame.begin(), frame.begin() + 6};
}

// `whole` with the addresses and ports of the packet that `sample` is, a hop further.
Bytes as_sample(const Datagram& datagram, const Bytes& sample, bool udp, const PacketBuilder& base,
                size_t size, unsigned seed) {
    PacketBuilder packet = base;
    const bool v4 = is_v4_frame(sample);
    char text[2][INET6_ADDRSTRLEN];
    const size_t addresses = kEthernet + (v4 ? 12 : 8);
    for (const size_t i : {0U, 1U}) {
        inet_ntop(v4 ? AF_INET : AF_INET6, &sample.at(addresses + i * (v4 ? 4 : 16)), text[i],
                  INET6_ADDRSTRLEN);
    }
    const size_t ports = kEthernet + (v4 ? 20 : 40);
    const auto source = static_cast<uint16_t>(get16(sample, ports));
    const auto destination = static_cast<uint16_t>(get16(sample, ports + 2));
    packet.ethernet(Bytes(sample.begin(), sample.begin() + 6),
                    Bytes(sample.begin() + 6, sample.begin() + 12));
    packet.ipv4(text[0], text[1]).ttl(63).identification(static_cast<uint16_t>(datagram.id));
    udp ? packet.udp(source, destination) : packet.tcp(source, destination);
    return packet.payload(some_payload(size, seed)).build();
}

// A flow's ordinary packet shows its way; then the backends change, and the flow's fragments go
// that way still.
TEST_P(WorkerFragmentsTest, RequestsGoTheWayOfTheirFlow) {
    const Case c = GetParam();
    make_lab(c);
    struct Flow {
        bool v4, udp;
        uint16_t port;
        size_t size;
        Bytes sample;
        Datagram datagram;
    };
    std::vector<Flow> flows;
    for (uint16_t n = 0; n < 48; ++n) {
        Flow flow{n % 2 == 0, n % 4 < 2, static_cast<uint16_t>(40000 + n), 100 + random() % 1200,
                  {},         {}};
        if (c.any_queue) {
            const auto out = pass({request(flow.v4, flow.udp, flow.port).build()});
            ASSERT_EQ(out.size(), 1U);
            flow.sample = unwrapped(out[0], c.mode);
        }
        flows.push_back(std::move(flow));
    }
    if (c.any_queue) {
        for (const char* service : {"web", "dns"}) {
            for (const char* address : {"10.0.0.11", "2001:db8::11"}) {
                ASSERT_TRUE(
                    lab->model().set_draining(service, ip(address), std::nullopt, true).ok());
            }
        }
        lab->publish();
    }
    std::vector<Bytes> frames;
    for (Flow& flow : flows) {
        flow.datagram.id = 0x100U + flow.port;
        flow.datagram.whole = request(flow.v4, flow.udp, flow.port)
                                  .payload(some_payload(flow.size, flow.port))
                                  .build();
        const size_t piece = 8 * (24 + random() % 30);
        for (Bytes& frame : fragments_of(flow.datagram.whole, piece, flow.datagram.id)) {
            frames.push_back(std::move(frame));
        }
    }
    std::shuffle(frames.begin(), frames.end(), random);
    std::map<uint32_t, std::vector<Bytes>> inner_of;
    std::map<uint32_t, std::set<Bytes>> destinations;
    for (const Bytes& frame : pass(frames)) {
        const Bytes inner = unwrapped(frame, c.mode);
        inner_of[fragment_id(inner)].push_back(inner);
        destinations[fragment_id(inner)].insert(destination_of(frame));
    }
    ASSERT_EQ(inner_of.size(), flows.size());
    for (const Flow& flow : flows) {
        const uint32_t id = flow.datagram.id;
        EXPECT_EQ(destinations[id].size(), 1U) << flow.port;
        const auto whole = joined(inner_of[id]);
        ASSERT_TRUE(whole.has_value()) << flow.port;
        const Bytes& sample = c.any_queue ? flow.sample : *whole;
        EXPECT_EQ(*whole,
                  as_sample(flow.datagram, sample, flow.udp, PacketBuilder(), flow.size, flow.port))
            << flow.port;
    }
    expect_no_drops();
    lab->discard();
}

TEST_P(WorkerReplyFragmentsTest, RepliesFindTheirClients) {
    make_lab(GetParam());
    std::vector<Bytes> frames;
    std::map<uint32_t, Bytes> expected;
    for (uint16_t n = 0; n < 32; ++n) {
        const bool v4 = n % 2 == 0;
        const bool udp = n % 4 < 2;
        const auto port = static_cast<uint16_t>(40000 + n);
        const auto out = pass({request(v4, udp, port).build()});
        ASSERT_EQ(out.size(), 1U);
        // The answer, as the backend makes it of what it got.
        const Bytes& got = out[0];
        const size_t addresses = kEthernet + (v4 ? 12 : 8);
        const size_t length = v4 ? 4 : 16;
        char to[INET6_ADDRSTRLEN], from[INET6_ADDRSTRLEN];
        inet_ntop(v4 ? AF_INET : AF_INET6, &got.at(addresses), to, sizeof to);
        inet_ntop(v4 ? AF_INET : AF_INET6, &got.at(addresses + length), from, sizeof from);
        const size_t ports = kEthernet + (v4 ? 20 : 40);
        const auto back_to = static_cast<uint16_t>(get16(got, ports));
        const auto back_from = static_cast<uint16_t>(get16(got, ports + 2));
        const size_t size = 200 + random() % 1200;
        const auto answer = [&](PacketBuilder packet, uint16_t source, uint16_t destination) {
            udp ? packet.udp(source, destination) : packet.tcp(source, destination);
            return packet.identification(0x100 + n).payload(some_payload(size, n)).build();
        };
        for (Bytes& frame : fragments_of(answer(PacketBuilder().ipv4(from, to), back_from, back_to),
                                         8 * (24 + random() % 30), 0x100U + n)) {
            frames.push_back(std::move(frame));
        }
        expected[0x100U + n] =
            answer(PacketBuilder()
                       .ethernet({0x02, 0, 0, 0, 0, 1}, {0x02, 0, 0, 0, 0, 0xaa})
                       .ipv4(v4 ? "10.1.1.1" : "2001:db8:1::1", v4 ? "192.0.2.7" : "2001:db8:9::7")
                       .ttl(63),
                   udp ? 53 : 80, port);
    }
    std::shuffle(frames.begin(), frames.end(), random);
    std::map<uint32_t, std::vector<Bytes>> seen;
    for (const Bytes& frame : pass(frames)) {
        seen[fragment_id(frame)].push_back(frame);
    }
    ASSERT_EQ(seen.size(), expected.size());
    for (const auto& [id, whole] : expected) {
        EXPECT_EQ(joined(seen[id]), whole) << id;
    }
    expect_no_drops();
}

// To the load balancer's own address, which is a SNAT source too: fragments that no flow claims are
// the kernel's, in order and as they came.
TEST_P(WorkerFragmentsTest, TheKernelGetsItsFragments) {
    make_lab(GetParam());
    for (const bool v4 : {true, false}) {
        const Bytes whole = (v4 ? PacketBuilder().ipv4("192.0.2.7", "10.0.0.106")
                                : PacketBuilder().ipv6("2001:db8:9::7", "2001:db8::106"))
                                .identification(7)
                                .udp(5000, 6000)
                                .payload(some_payload(1000, 1))
                                .build();
        std::vector<Bytes> frames = fragments_of(whole, 256, 7);
        std::reverse(frames.begin(), frames.end());
        EXPECT_TRUE(pass(frames).empty());
        std::vector<Bytes> given;
        for (unsigned id = 0; id < GetParam().workers; ++id) {
            for (const auto& for_control : lab->for_control(id)) {
                EXPECT_EQ(for_control.note.kind, PacketNote::Kind::ToTwin);
                given.push_back(for_control.frame);
            }
        }
        EXPECT_EQ(joined(given), whole);
    }
    EXPECT_EQ(lab->count(Verdict::Punted), 8U);
    expect_no_drops();
}

INSTANTIATE_TEST_SUITE_P(
    ModesAndWorkers, WorkerFragmentsTest,
    ::testing::Values(Case{Mode::Nat, 1}, Case{Mode::Nat, 2}, Case{Mode::Nat, 4},
                      Case{Mode::Fnat, 1}, Case{Mode::Fnat, 2}, Case{Mode::Fnat, 4},
                      Case{Mode::Dr, 1}, Case{Mode::Dr, 2}, Case{Mode::Dr, 4}, Case{Mode::Ipip, 1},
                      Case{Mode::Ipip, 4}, Case{Mode::Gue, 1}, Case{Mode::Gue, 2},
                      Case{Mode::Gue, 4}, Case{Mode::Nat, 4, false}, Case{Mode::Fnat, 2, false},
                      Case{Mode::Fnat, 4, false}, Case{Mode::Dr, 4, false}),
    name_of);
INSTANTIATE_TEST_SUITE_P(ModesAndWorkers, WorkerReplyFragmentsTest,
                         ::testing::Values(Case{Mode::Nat, 1}, Case{Mode::Nat, 2},
                                           Case{Mode::Nat, 4}, Case{Mode::Nat, 1, true, true},
                                           Case{Mode::Nat, 4, true, true},
                                           Case{Mode::Nat, 4, false, true},
                                           Case{Mode::Nat, 4, false}, Case{Mode::Fnat, 1},
                                           Case{Mode::Fnat, 2}, Case{Mode::Fnat, 4},
                                           Case{Mode::Fnat, 4, false}),
                         name_of);

}  // namespace
}  // namespace dlb::test
