// FastPath: whatever packet it takes comes out as by the general way; what it does not take is left
// as it came.
#include <random>

#include <gtest/gtest.h>

#include "datapath/fast_path.hpp"
#include "support/datapath_bench.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::DatapathBench;
using test::kAck;
using test::kFin;
using test::kPsh;
using test::kRst;
using test::kSyn;
using test::PacketBuilder;
using test::service;
using test::StackMbuf;

constexpr Mode kAll[] = {Mode::Nat, Mode::Fnat, Mode::Dr,  Mode::Ipip,
                         Mode::Gre, Mode::Gue,  Mode::Fou, Mode::Vxlan};
const Bytes kMac = {2, 0, 0, 0, 1, 6};

struct Sent {
    std::string verdict;
    int port = -1;
    Bytes bytes;
    friend bool operator==(const Sent&, const Sent&) = default;
};
std::ostream& operator<<(std::ostream& out, const Sent& sent) {
    return out << sent.verdict << " by " << sent.port << ", " << testing::PrintToString(sent.bytes);
}

// Flows, and both ways through them.
// All that is known of a request before its flow is looked up.
std::string facts_of(const Packet& packet) {
    const PacketMeta& meta = packet.meta;
    std::string text;
    for (const uint64_t fact : {uint64_t(meta.status),
                                uint64_t(meta.family),
                                uint64_t(meta.protocol),
                                uint64_t(meta.tcp_flags),
                                uint64_t(meta.fragment),
                                uint64_t(meta.has_ports),
                                uint64_t(meta.icmp_type),
                                uint64_t(meta.tagged),
                                uint64_t(meta.vlan),
                                uint64_t(meta.l3_offset),
                                uint64_t(meta.l4_offset),
                                uint64_t(meta.l3_length),
                                uint64_t(meta.source_port),
                                uint64_t(meta.destination_port),
                                uint64_t(meta.fragment_offset),
                                uint64_t(meta.fragment_length),
                                uint64_t(meta.more_fragments),
                                uint64_t(meta.tiny_fragment),
                                uint64_t(packet.cls),
                                uint64_t(packet.handed_over),
                                uint64_t(packet.gathered),
                                uint64_t(packet.local),
                                uint64_t(packet.hash),
                                uint64_t(packet.service->slot),
                                uint64_t(packet.quoted.status)}) {
        text += std::to_string(fact) + " ";
    }
    const auto key = meta.family == Family::V4 ? packet.key<V4>().hash() : packet.key<V6>().hash();
    return text + std::to_string(key);
}

class Side {
  public:
    explicit Side(const std::vector<ServiceConfig>& services)
        : bench_(services),
          forwarder_(bench_.engine, bench_.by_table),
          fast_(std::make_unique<FastPath>(bench_.engine, forwarder_, bench_.by_table,
                                           WorkerIdentity{})) {
        std::memcpy(&port_.mac, kMac.data(), kMac.size());
        for (int n = 2; n <= 3; ++n) {  // the bench knows the first
            for (const char* network : {"172.16.0.", "2001:db8:16::"}) {
                bench_.neighbors.push_back({test::ip(network + std::to_string(n)),
                                            test::mac("02:00:00:00:16:0" + std::to_string(n)), 1});
            }
        }
        bench_.publish();
    }
    // As Worker does without the fast path. False: it is neither request nor reply.
    bool classify_packet(rte_mbuf* mbuf, Packet& packet) {
        const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
        packet.mbuf = mbuf;
        packet.meta = parse(frame, rte_pktmbuf_data_len(mbuf));
        const bool ours = packet.meta.status == ParseStatus::Ok && packet.meta.vlan == 0 &&
                          std::memcmp(frame, kMac.data(), kMac.size()) == 0;
        if (!ours) {
            return false;
        }
        if (packet.meta.family == Family::V4) {
            load_key<V4>(frame, packet);
            classify<V4>(*bench_.tables.lb, bench_.self, packet);
        } else {
            load_key<V6>(frame, packet);
            classify<V6>(*bench_.tables.lb, bench_.self, packet);
        }
        return packet.cls == PacketClass::Request || packet.cls == PacketClass::NatReply;
    }
    Sent handle(Packet& packet) {
        const Outcome outcome = forwarder_.handle(bench_.tables, packet, bench_.now_ms);
        return {std::string(to_string(outcome.verdict)), outcome.port, {}};
    }
    Sent general(rte_mbuf* mbuf) {
        Packet packet;
        return classify_packet(mbuf, packet) ? handle(packet) : Sent{"not ours", -1, {}};
    }
    Sent by_general_way(const Bytes& frame, size_t headroom = RTE_PKTMBUF_HEADROOM) {
        StackMbuf mbuf(frame, headroom);
        Sent sent = general(mbuf.get());
        sent.bytes = sent.port >= 0 ? mbuf.bytes() : Bytes{};
        return sent;
    }
    // By the fast path, if it takes the packet.
    Sent by_fast_path(const Bytes& frame, size_t headroom = RTE_PKTMBUF_HEADROOM) {
        StackMbuf mbuf(frame, headroom);
        rte_mbuf* burst[] = {mbuf.get()};
        FastPacket packet;
        FastSent sent;
        fast_->look(*bench_.tables.lb, port_, burst, 1, &packet);
        fast_->prefetch_entries(&packet, 1);
        fast_->prefetch_backends(bench_.tables, &packet, 1);
        if (fast_->forward(bench_.tables, burst, &packet, 1, bench_.now_ms, &sent) == 1) {
            ++taken_;
            replied_ += sent.verdict == Verdict::Replied ? 1 : 0;
            return {std::string(to_string(sent.verdict)), sent.port, mbuf.bytes()};
        }
        EXPECT_EQ(mbuf.bytes(), frame);
        if (packet.kind != FastPacket::Kind::V4 && packet.kind != FastPacket::Kind::V6) {
            return finished(mbuf, general(mbuf.get()));
        }
        ++described_;
        Packet described;
        described.mbuf = mbuf.get();
        FastPath::describe(port_, packet, described);
        Packet classified;
        EXPECT_TRUE(classify_packet(mbuf.get(), classified));
        EXPECT_EQ(facts_of(described), facts_of(classified));
        return finished(mbuf, handle(described));
    }
    static Sent finished(StackMbuf& mbuf, Sent sent) {
        sent.bytes = sent.port >= 0 ? mbuf.bytes() : Bytes{};
        return sent;
    }
    unsigned taken() const { return taken_; }
    unsigned described() const { return described_; }
    unsigned replied() const { return replied_; }
    DatapathBench& bench() { return bench_; }

    // What both ways write: flows with their times and states, and counters.
    template <typename F>
    std::string state() const {
        std::string text;
        const FlowTable<F>& flows = bench_.engine.table<F>();
        for (uint32_t i = 0; i < flows.used(); ++i) {
            const FlowEntry<F>& entry = flows.entry(i);
            text += std::string(to_string(entry.state)) + " " + std::to_string(entry.expires) +
                    " " + std::to_string(entry.backend) + "\n";
        }
        const ServiceCounters& counters = bench_.by_table.of_service(0);
        text += std::to_string(counters.packets.get()) + " " +
                std::to_string(counters.bytes.get()) + " " + std::to_string(counters.replies.get());
        for (const BackendEntry& backend : bench_.tables.lb->backends) {
            const BackendCounters* counted = bench_.by_table.find(backend.id);
            text += counted == nullptr ? " -"
                                       : " " + std::to_string(counted->packets.get()) + " " +
                                             std::to_string(counted->bytes.get());
        }
        return text;
    }

  private:
    DatapathBench bench_;
    Forwarder forwarder_;
    std::unique_ptr<FastPath> fast_;
    FastPort port_;
    unsigned taken_ = 0;
    unsigned described_ = 0;
    unsigned replied_ = 0;
};

class FastPathTest : public testing::TestWithParam<std::tuple<Mode, bool, Protocol>> {
  protected:
    Mode mode() const { return std::get<0>(GetParam()); }
    bool v4() const { return std::get<1>(GetParam()); }
    bool tcp() const { return std::get<2>(GetParam()) == Protocol::Tcp; }

    std::vector<ServiceConfig> services() const {
        test::ServiceText text{.name = "web",
                               .vip = {v4() ? "10.1.1.1" : "2001:db8:1::1"},
                               .ports = {80},
                               .backends = {},
                               .mode = mode(),
                               .protocol = std::get<2>(GetParam())};
        for (int n = 1; n <= 3; ++n) {
            text.backends.push_back(
                (v4() ? "172.16.0." + std::to_string(n)
                      : "[2001:db8:16::" + std::to_string(n) + "]") +
                (mode() == Mode::Nat || mode() == Mode::Fnat ? ":8080" : ":80"));
        }
        if (mode() == Mode::Fnat) {
            text.snat = {v4() ? "10.0.0.107" : "2001:db8::107"};
        }
        ServiceConfig config = service(text);
        for (BackendConfig& backend : config.backends) {
            backend.mac = *MacAddress::parse("02:00:00:00:99:01");
        }
        return {config};
    }
    // What a backend sends, to a client that need not have a flow.
    PacketBuilder reply(unsigned client, uint8_t flags) const {
        const std::string last = std::to_string(client % 5);  // not each is a backend
        PacketBuilder builder;
        builder.ethernet(kMac, {2, 0, 0, 0, 0, 1})
            .ipv4(v4() ? "172.16.0." + last : "2001:db8:16::" + last,
                  v4() ? "192.0.2.1" : "2001:db8:99::1");
        const auto port = static_cast<uint16_t>(1000 + client);
        return tcp() ? builder.tcp(8080, port, flags) : builder.udp(8080, port);
    }
    PacketBuilder packet(unsigned client, uint8_t flags) const {
        PacketBuilder builder;
        builder.ethernet(kMac, {2, 0, 0, 0, 0, 1})
            .ipv4(v4() ? "192.0.2.1" : "2001:db8:99::1", v4() ? "10.1.1.1" : "2001:db8:1::1");
        const auto port = static_cast<uint16_t>(1000 + client);
        return tcp() ? builder.tcp(port, 80, flags) : builder.udp(port, 80);
    }
    // A packet as it may come: most are plain, and some have something about them.
    PacketBuilder drawn(std::mt19937& random) const {
        constexpr uint8_t kFlags[] = {kSyn, kAck, kAck, kAck, kAck | kPsh, kAck | kFin, kRst, 0};
        const unsigned client = random() % 24;
        const uint8_t flags = random() % 3 == 0 ? kFlags[random() % 8] : kAck;
        PacketBuilder builder = random() % 4 == 0 ? reply(client, flags) : packet(client, flags);
        // Long ones may not be split: that takes mbufs of a pool.
        const bool large = random() % 5 == 0;
        builder.payload(Bytes(large ? 1380 + random() % 100 : random() % 60, 0x5a));
        builder.tos(static_cast<uint8_t>(random())).padding(random() % 4);
        if (v4() && (large || random() % 2 == 0)) {
            builder.dont_fragment();
        }
        switch (random() % 12) {
            case 0:
                return builder.ttl(static_cast<uint8_t>(random() % 3));
            case 1:
                return v4() ? builder.options({1, 1, 1, 0}) : builder.destination_options();
            case 2:
                return v4() ? builder.with_ip_checksum(static_cast<uint16_t>(random()))
                            : builder.flow_label(random() % 0xfffff);
            case 3:
                return tcp() ? builder.with_data_offset(random() % 16)
                             : builder.with_udp_length(static_cast<uint16_t>(random() % 100));
            case 4:
                return builder.with_l4_checksum(random() % 2 == 0 ? 0 : 0xffff);
            case 5:
                return builder.with_ip_length(static_cast<uint16_t>(random() % 120));
            case 6:
                return builder.vlan(random() % 2);
            default:
                return builder;
        }
    }
    std::string state(const Side& side) const { return v4() ? side.state<V4>() : side.state<V6>(); }
};
INSTANTIATE_TEST_SUITE_P(All, FastPathTest,
                         testing::Combine(testing::ValuesIn(kAll), testing::Bool(),
                                          testing::Values(Protocol::Tcp, Protocol::Udp)),
                         [](const auto& info) {
                             return std::string(to_string(std::get<0>(info.param))) +
                                    (std::get<1>(info.param) ? "_V4" : "_V6") +
                                    (std::get<2>(info.param) == Protocol::Tcp ? "_tcp" : "_udp");
                         });

TEST_P(FastPathTest, DoesWhatTheGeneralWayDoes) {
    Side fast(services());
    Side general(services());
    std::mt19937 random(1);
    for (unsigned n = 0; n < 2000; ++n) {
        Bytes frame = drawn(random).build();
        if (random() % 6 == 0) {  // damage of the headers, at random
            frame[random() % std::min<size_t>(frame.size(), 70)] = static_cast<uint8_t>(random());
        }
        if (random() % 20 == 0) {
            frame.resize(random() % frame.size() + 1);
        }
        const size_t headroom = random() % 10 == 0 ? random() % 80 : RTE_PKTMBUF_HEADROOM;
        const Sent expected = general.by_general_way(frame, headroom);
        const Sent sent = fast.by_fast_path(frame, headroom);
        ASSERT_EQ(sent, expected) << "packet " << n << ": " << testing::PrintToString(frame);
        if (n % 64 == 0) {
            ASSERT_EQ(state(fast), state(general)) << "packet " << n;
        }
        fast.bench().now_ms += 7;
        general.bench().now_ms += 7;
    }
    EXPECT_EQ(state(fast), state(general));
    EXPECT_GT(fast.taken(), 100U);  // or it tells nothing
    EXPECT_LT(fast.taken(), 1500U);
    EXPECT_GT(fast.described(), 50U);
    EXPECT_EQ(fast.replied() > 50, mode() == Mode::Nat);
}

TEST_P(FastPathTest, SeesThatServicesAndBackendsHaveChanged) {
    Side fast(services());
    Side general(services());
    const auto both = [&](uint8_t flags) {
        const Bytes frame = packet(1, flags).build();
        const Sent expected = general.by_general_way(frame);
        EXPECT_EQ(fast.by_fast_path(frame), expected);
        return expected;
    };
    both(kSyn);
    both(kAck);
    const Sent before = both(kAck);
    EXPECT_EQ(before.verdict, "forwarded");
    EXPECT_GT(fast.taken(), 0U);
    for (Side* side : {&fast, &general}) {  // the flow's backend goes
        auto changed = services();
        const BackendId gone =
            BackendId::from_value(v4() ? side->bench().engine.table<V4>().entry(0).backend
                                       : side->bench().engine.table<V6>().entry(0).backend);
        std::erase_if(changed[0].backends, [&](const BackendConfig& backend) {
            return backend.address == side->bench().tables.lb->find_backend(gone)->address;
        });
        side->bench().replace(changed);
    }
    const unsigned taken = fast.taken();
    const Sent after = both(kAck);
    EXPECT_NE(after.bytes, before.bytes);
    EXPECT_EQ(fast.taken(), taken);
    for (Side* side : {&fast, &general}) {  // and the whole service
        side->bench().replace({});
    }
    EXPECT_NE(both(kAck).verdict, "forwarded");
}

}  // namespace
}  // namespace dlb
