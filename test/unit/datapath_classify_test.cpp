// classify(): each class and verdict, for both families; and who owns a packet.
#include <gtest/gtest.h>

#include "support/datapath_bench.hpp"
#include "support/rss_view.hpp"

namespace dlb {
namespace {

using test::DatapathBench;
using test::PacketBuilder;
using test::service;
using test::wire;

std::vector<ServiceConfig> services() {
    auto quiet = service({"quiet", {"10.1.1.9", "2001:db8:1::9"}, {80}, {}});
    quiet.icmp_echo = false;
    return {
        service({"nat",
                 {"10.1.1.1", "2001:db8:1::1"},
                 {80},
                 {"172.16.0.1:8080", "[2001:db8:16::1]:8080"}}),
        service({"full",
                 {"10.1.1.2", "2001:db8:1::2"},
                 {80},
                 {"172.16.0.2:80"},
                 Mode::Fnat,
                 Protocol::Tcp,
                 {"10.0.0.7", "2001:db8::7"}}),
        quiet,
    };
}

// A packet of either family between addresses whose last part is given.
struct Pair {
    const char *source4, *destination4, *source6, *destination6;
    PacketBuilder v4() const { return PacketBuilder().ipv4(source4, destination4); }
    PacketBuilder v6() const { return PacketBuilder().ipv6(source6, destination6); }
};
constexpr Pair kToVip = {"192.0.2.1", "10.1.1.1", "2001:db8:99::1", "2001:db8:1::1"};
constexpr Pair kToQuiet = {"192.0.2.1", "10.1.1.9", "2001:db8:99::1", "2001:db8:1::9"};
constexpr Pair kToFree = {"192.0.2.1", "10.1.1.10", "2001:db8:99::1", "2001:db8:1::10"};
constexpr Pair kToOwn = {"192.0.2.1", "10.0.0.106", "2001:db8:99::1", "2001:db8::106"};
constexpr Pair kToSnat = {"172.16.0.2", "10.0.0.7", "2001:db8:16::2", "2001:db8::7"};
constexpr Pair kToNobody = {"192.0.2.1", "203.0.113.1", "2001:db8:99::1", "2001:db8:77::1"};
constexpr Pair kFromBackend = {"172.16.0.1", "192.0.2.1", "2001:db8:16::1", "2001:db8:99::1"};
constexpr Pair kBackendToOwn = {"172.16.0.1", "10.0.0.106", "2001:db8:16::1", "2001:db8::106"};
constexpr Pair kBackendToVip = {"172.16.0.1", "10.1.1.1", "2001:db8:16::1", "2001:db8:1::1"};

void expect(const DatapathBench& bench, const PacketBuilder& builder, PacketClass cls,
            Verdict verdict, int line) {
    const Packet packet = bench.classified(builder);
    EXPECT_EQ(packet.cls, cls) << "line " << line;
    if (cls == PacketClass::Done) {
        EXPECT_EQ(to_string(packet.verdict), to_string(verdict)) << "line " << line;
    }
}

TEST(Classify, EveryClassInBothFamilies) {
    const DatapathBench bench(services());
    const auto tcp = [](uint16_t from, uint16_t to) {
        return [=](PacketBuilder packet) { return packet.tcp(from, to); };
    };
    const auto udp = [](PacketBuilder packet) { return packet.udp(1000, 80); };
    const auto other = [](PacketBuilder packet) { return packet.protocol(47).payload("12345678"); };
    const auto echo = [](PacketBuilder packet) { return packet.icmp(packet.is_v4() ? 8 : 128); };
    const auto error = [](PacketBuilder packet) { return packet.icmp(packet.is_v4() ? 3 : 1); };
    const auto cut = [](PacketBuilder packet, uint16_t offset, bool more) {
        return packet.is_v4() ? packet.fragment(offset, more)
                              : packet.fragment_header(offset, more);
    };
    const auto fragment = [=](const PacketBuilder& packet) {
        return cut(packet, 0, true).udp(1000, 80).with_udp_length(99);
    };
    const auto later_fragment = [=](const PacketBuilder& packet) {
        return cut(packet, 3, false).protocol(6).payload("x");
    };
    const auto icmp_fragment = [=](const PacketBuilder& packet) {
        return cut(packet, 3, false).protocol(packet.is_v4() ? 1 : 58).payload("x");
    };
    const auto tiny = [=](const PacketBuilder& packet) {
        return cut(packet, 0, true).protocol(6).payload("12345678");
    };
    const auto check = [&](const Pair& pair, auto make, PacketClass cls, int line,
                           Verdict verdict = Verdict::Punted) {
        expect(bench, make(pair.v4()), cls, verdict, line);
        expect(bench, make(pair.v6()), cls, verdict, line);
    };
    using enum PacketClass;
    check(kToVip, tcp(1000, 80), Request, __LINE__);
    check(kToVip, tcp(1000, 81), Done, __LINE__, Verdict::NoService);
    check(kToVip, udp, Done, __LINE__, Verdict::NoService);
    check(kToVip, other, Done, __LINE__, Verdict::NoService);
    check(kToVip, echo, Echo, __LINE__);
    check(kToQuiet, echo, Done, __LINE__, Verdict::IcmpUnhandled);
    check(kToVip, error, Done, __LINE__, Verdict::IcmpMalformed);
    check(kToVip, fragment, Fragment, __LINE__);
    check(kToVip, later_fragment, Fragment, __LINE__);
    check(kToVip, icmp_fragment, Done, __LINE__, Verdict::Fragment);
    check(kToVip, tiny, Done, __LINE__, Verdict::FragmentTiny);
    check(kToOwn, tcp(1000, 80), Punt, __LINE__);
    check(kToOwn, echo, Punt, __LINE__);
    check(kToOwn, fragment, Punt, __LINE__);
    check(kToOwn, tiny, Punt, __LINE__);
    check(kToSnat, later_fragment, Fragment, __LINE__);
    check(kToSnat, icmp_fragment, Punt, __LINE__);
    check(kToNobody, later_fragment, Punt, __LINE__);
    check(kFromBackend, later_fragment, Fragment, __LINE__);
    check(kFromBackend, icmp_fragment, Punt, __LINE__);
    check(kBackendToOwn, later_fragment, Punt, __LINE__);
    check(kBackendToVip, later_fragment, Fragment, __LINE__);
    check(kToSnat, tcp(80, 2000), FnatReply, __LINE__);
    check(kToSnat, udp, FnatReply, __LINE__);
    check(kToSnat, echo, Punt, __LINE__);
    check(kToNobody, tcp(1000, 80), Punt, __LINE__);
    check(kToNobody, other, Punt, __LINE__);
    check(kFromBackend, tcp(8080, 1000), NatReply, __LINE__);
    check(kFromBackend, tcp(8081, 1000), Punt, __LINE__);
    check(kFromBackend, udp, Punt, __LINE__);
    check(kFromBackend, error, Punt, __LINE__);
    check(kBackendToOwn, tcp(8080, 1000), Punt, __LINE__);  // a health check's answer
    check(kBackendToVip, tcp(8080, 80), Request, __LINE__);
    // Neighbour discovery for a VIP is the control thread's (RFC 4861 §4).
    for (uint8_t type = 130; type < 140; ++type) {
        const bool ndp = type >= 133 && type <= 137;
        expect(bench, kToVip.v6().icmp(type), ndp ? Punt : Done, Verdict::IcmpUnhandled, __LINE__);
        expect(bench, kToVip.v4().icmp(type), Done, Verdict::IcmpUnhandled, __LINE__);
    }
    // The other family's ICMP is no ICMP.
    expect(bench, kToVip.v4().protocol(58).payload("\x80_______"), Done, Verdict::NoService,
           __LINE__);
    expect(bench, kToVip.v6().protocol(1).payload("\x08_______"), Done, Verdict::NoService,
           __LINE__);
}

// A VIP that is also the port's own address, or a SNAT source: what its service does not take is
// not lost.
TEST(Classify, AVipThatIsAnOwnAddressToo) {
    const DatapathBench bench({service({"own",
                                        {"10.0.0.106", "2001:db8::106"},
                                        {80},
                                        {"172.16.0.1:80", "[2001:db8:16::1]:80"},
                                        Mode::Fnat})});
    for (const bool v4 : {true, false}) {
        const auto base = [&] { return v4 ? kToOwn.v4() : kToOwn.v6(); };
        EXPECT_EQ(bench.classified(base().tcp(1000, 80)).cls, PacketClass::Request);
        EXPECT_EQ(bench.classified(base().icmp(v4 ? 8 : 128)).cls, PacketClass::Echo);
        EXPECT_EQ(bench.classified(base().icmp(v4 ? 3 : 1)).cls, PacketClass::Punt);
        EXPECT_EQ(bench.classified(base().protocol(89)).cls, PacketClass::Punt);
        const Packet reply = bench.classified(base().tcp(80, 2000));
        EXPECT_EQ(reply.cls, PacketClass::FnatReply);
        EXPECT_TRUE(reply.local);  // ssh, where no flow claims it
    }
}

// Nobody has these addresses, so nobody could be answered (RFC 1812 §5.3.7, RFC 4291 §2.5).
TEST(Classify, SourcesThatCannotBe) {
    const DatapathBench bench(services());
    const struct {
        const char* source;
        bool possible;
    } cases[] = {
        {"0.0.0.0", false},
        {"0.255.255.255", false},
        {"1.0.0.0", true},
        {"126.255.255.255", true},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"128.0.0.1", true},
        {"223.255.255.255", true},
        {"224.0.0.1", false},
        {"239.255.255.255", false},
        {"240.0.0.1", true},
        {"255.255.255.254", true},
        {"255.255.255.255", false},
        {"169.254.1.1", true},
        {"::", false},
        {"::1", false},
        {"::2", true},
        {"::1:0:0:1", true},
        {"1::", true},
        {"100::1", true},
        {"::ffff:127.0.0.1", true},
        {"fe80::1", true},
        {"ff02::1", false},
        {"ff00::", false},
        {"feff::1", true},
    };
    for (const auto& c : cases) {
        const bool v4 = std::string_view(c.source).find(':') == std::string::npos;
        const auto to_vip = PacketBuilder().ipv4(c.source, v4 ? "10.1.1.1" : "2001:db8:1::1");
        const Packet request = bench.classified(PacketBuilder(to_vip).tcp(1000, 80));
        const Packet echo = bench.classified(PacketBuilder(to_vip).icmp(v4 ? 8 : 128));
        EXPECT_EQ(request.cls, c.possible ? PacketClass::Request : PacketClass::Done) << c.source;
        EXPECT_EQ(echo.cls, c.possible ? PacketClass::Echo : PacketClass::Done) << c.source;
        if (!c.possible) {
            EXPECT_EQ(request.verdict, Verdict::BadHeader);
            EXPECT_EQ(echo.verdict, Verdict::BadHeader);
        }
    }
}

TEST(Classify, FillsInWhatItFound) {
    const DatapathBench bench(services());
    Packet packet = bench.classified(kToVip.v4().tcp(1000, 80));
    EXPECT_EQ(packet.service, &bench.tables.lb->services[0]);
    packet = bench.classified(kFromBackend.v4().tcp(8080, 1000));
    EXPECT_EQ(packet.service, &bench.tables.lb->services[0]);
    EXPECT_EQ(to_ip_address(packet.reply<V4>()->vip), test::ip("10.1.1.1"));
    packet = bench.classified(kFromBackend.v6().tcp(8080, 1000));
    EXPECT_EQ(to_ip_address(packet.reply<V6>()->vip), test::ip("2001:db8:1::1"));
    EXPECT_FALSE(bench.classified(kToSnat.v4().tcp(80, 2000)).local);
    // The port's own address as SNAT source: what no flow claims is the kernel's.
    const DatapathBench shared(
        {service({"full", {"10.1.1.2", "2001:db8:1::2"}, {80}, {}, Mode::Fnat})});
    EXPECT_TRUE(shared.classified(kToOwn.v4().tcp(80, 2000)).local);
    EXPECT_TRUE(shared.classified(kToOwn.v6().tcp(80, 2000)).local);
}

TEST(Classify, LoadsTheKey) {
    const DatapathBench bench(services());
    const Packet four = bench.classified(kToVip.v4().vlan(3).options({1}).tcp(1000, 80));
    FlowKey<V4> key4;
    key4.source = test::ip("192.0.2.1").v4_word();
    key4.destination = test::ip("10.1.1.1").v4_word();
    key4.source_port = wire(1000);
    key4.destination_port = wire(80);
    key4.protocol = 6;
    EXPECT_EQ(four.key<V4>(), key4);
    EXPECT_EQ(four.hash, key4.hash());
    const Packet six = bench.classified(kToVip.v6().hop_by_hop().udp(1000, 80));
    FlowKey<V6> key6;
    key6.source = raw_address<V6>(test::ip("2001:db8:99::1"));
    key6.destination = raw_address<V6>(test::ip("2001:db8:1::1"));
    key6.source_port = wire(1000);
    key6.destination_port = wire(80);
    key6.protocol = 17;
    EXPECT_EQ(six.key<V6>(), key6);
    EXPECT_EQ(six.hash, key6.hash());
}

TEST(Classify, FnatRepliesGoToThePortsOwner) {
    const DatapathBench bench(services(), 64, {1, 4});
    for (uint16_t port = 2000; port < 2016; ++port) {
        for (const PacketBuilder& base : {kToSnat.v4(), kToSnat.v6()}) {
            const auto builder = PacketBuilder(base).tcp(80, port);
            const Packet packet = bench.classified(builder);
            if (port % 4 == 1) {
                EXPECT_EQ(packet.cls, PacketClass::FnatReply);
            } else {
                EXPECT_EQ(packet.cls, PacketClass::HandOver);
                EXPECT_EQ(packet.owner, port % 4);
            }
            EXPECT_EQ(bench.classified(builder, true).cls, PacketClass::FnatReply);
        }
    }
}

// Requests of a service whose replies need their flow, and those replies, have one owner.
TEST(Classify, BothDirectionsOfAStatefulServiceMeet) {
    const auto ambiguous = service({"a",
                                    {"10.1.1.1", "10.1.1.2", "2001:db8:1::1", "2001:db8:1::2"},
                                    {80},
                                    {"172.16.0.1:80", "[2001:db8:16::1]:80"}});
    constexpr unsigned kWorkers = 4;
    unsigned owned[kWorkers] = {};
    for (uint16_t port = 1000; port < 1100; ++port) {
        for (const bool v4 : {true, false}) {
            const auto request = PacketBuilder(v4 ? kToVip.v4() : kToVip.v6()).tcp(port, 80);
            const auto reply =
                PacketBuilder(v4 ? kFromBackend.v4() : kFromBackend.v6()).tcp(80, port);
            unsigned owner = kWorkers;
            for (unsigned worker = 0; worker < kWorkers; ++worker) {
                const DatapathBench bench({ambiguous}, 16, {worker, kWorkers});
                const Packet there = bench.classified(request);
                const Packet back = bench.classified(reply);
                EXPECT_EQ(there.cls == PacketClass::Request, back.cls == PacketClass::NatReply);
                EXPECT_EQ(bench.classified(request, true).cls, PacketClass::Request);
                EXPECT_EQ(bench.classified(reply, true).cls, PacketClass::NatReply);
                if (there.cls == PacketClass::Request) {
                    EXPECT_EQ(owner, kWorkers);  // one only
                    owner = worker;
                    ++owned[worker];
                } else {
                    EXPECT_EQ(there.owner, back.owner);
                }
            }
            EXPECT_LT(owner, kWorkers);
        }
    }
    for (const unsigned count : owned) {
        EXPECT_GT(count, 20U);  // of 200: a fair share
    }
}

TEST(Classify, PlainNatNeedsNoOwner) {
    const DatapathBench bench(services(), 16, {3, 4});
    for (uint16_t port = 1000; port < 1020; ++port) {
        EXPECT_EQ(bench.classified(kToVip.v4().tcp(port, 80)).cls, PacketClass::Request);
        EXPECT_EQ(bench.classified(kFromBackend.v4().tcp(8080, port)).cls, PacketClass::NatReply);
    }
}

// AF_PACKET's fanout rolls over to another worker's socket when one is full: a flow's packets have
// one owner all the same, whichever mode keeps state.
TEST(Classify, FlowsHaveOneOwnerWhereAnyQueueMayBringThem) {
    constexpr unsigned kWorkers = 3;
    std::vector<ServiceConfig> all = services();
    all.push_back(service(
        {"free", {"10.1.1.10", "2001:db8:1::10"}, {80}, {"172.16.0.9:80", "[2001:db8:16::9]:80"}}));
    all.back().sticky = false;
    unsigned owned[kWorkers] = {};
    for (uint16_t port = 1000; port < 1090; ++port) {
        for (const bool v4 : {true, false}) {
            const auto request = PacketBuilder(v4 ? kToVip.v4() : kToVip.v6()).tcp(port, 80);
            unsigned takers = 0;
            for (unsigned worker = 0; worker < kWorkers; ++worker) {
                DatapathBench bench(all, 16, {worker, kWorkers});
                bench.queues.any_queue = true;
                const Packet packet = bench.classified(request);
                takers += packet.cls == PacketClass::Request;
                owned[worker] += packet.cls == PacketClass::Request;
                EXPECT_EQ(bench.classified(request, true).cls, PacketClass::Request);
                // Without state there is nothing to own.
                const auto free = PacketBuilder(v4 ? kToFree.v4() : kToFree.v6()).tcp(port, 80);
                EXPECT_EQ(bench.classified(free).cls, PacketClass::Request);
            }
            EXPECT_EQ(takers, 1U);
        }
    }
    for (const unsigned count : owned) {
        EXPECT_GT(count, 30U);  // of 180
    }
}

template <typename F>
std::optional<unsigned> owner_of(const DatapathBench& bench, const PacketBuilder& request) {
    const Packet packet = bench.classified(request, true);
    return flow_owner<F>(*packet.service, packet.key<F>(), bench.queues, bench.self.count);
}

// Where the NIC tells its key, the owner is the worker that it brings the request to, and the
// request itself stays where it came.
TEST(Classify, TheOwnerIsWhomTheNicChooses) {
    constexpr unsigned kWorkers = 4;
    const RssView view = test::rss_view(kWorkers, {.tcp6 = false});
    std::vector<ServiceConfig> all = services();
    all[0].sticky = false;
    all.push_back(service(
        {"two", {"10.1.1.10", "2001:db8:1::10"}, {80}, {"172.16.0.9:80", "[2001:db8:16::9]:80"}}));
    DatapathBench bench(all, 16, {1, kWorkers});
    bench.queues = {.any_queue = true, .rss = &view};
    unsigned kept = 0;
    for (uint16_t port = 1000; port < 1100; ++port) {
        const auto request = kToFree.v4().tcp(port, 80);
        const Packet packet = bench.classified(request);
        EXPECT_EQ(packet.cls, PacketClass::Request);
        EXPECT_EQ(owner_of<V4>(bench, request), view.queue_of(packet.key<V4>()));
        // What the NIC hashes without its ports is anybody's, so the client's endpoint tells.
        const auto six = kToFree.v6().tcp(port, 80);
        const auto owner = owner_of<V6>(bench, six);
        ASSERT_TRUE(owner);
        EXPECT_EQ(bench.classified(six).cls,
                  *owner == 1 ? PacketClass::Request : PacketClass::HandOver);
        kept += *owner == 1;
        EXPECT_EQ(owner_of<V4>(bench, kToVip.v4().tcp(port, 80)), std::nullopt);  // not sticky
    }
    EXPECT_GT(kept, 10U);
    EXPECT_LT(kept, 50U);
}

// Fewer queues than workers: these share out all that is a service's, with state or without, each
// direction by the client. The kernel's and the VIP's own packets stay.
TEST(Classify, WorkersWithoutAQueueGetTheirShare) {
    constexpr unsigned kWorkers = 3;
    std::vector<ServiceConfig> all = services();
    all[0].sticky = false;
    DatapathBench bench(all, 16, {0, kWorkers});
    bench.queues = {.any_queue = true, .shared = true};
    unsigned owned[kWorkers] = {};
    for (uint16_t port = 1000; port < 1090; ++port) {
        for (const bool v4 : {true, false}) {
            const Packet there =
                bench.classified(PacketBuilder(v4 ? kToVip.v4() : kToVip.v6()).tcp(port, 80));
            const Packet back = bench.classified(
                PacketBuilder(v4 ? kFromBackend.v4() : kFromBackend.v6()).tcp(8080, port));
            const unsigned owner = there.cls == PacketClass::HandOver ? there.owner : 0;
            EXPECT_EQ(back.cls == PacketClass::HandOver ? back.owner : 0, owner);
            EXPECT_EQ(there.cls == PacketClass::Request, owner == 0);
            EXPECT_EQ(back.cls == PacketClass::NatReply, owner == 0);
            ++owned[owner];
        }
        EXPECT_EQ(bench.classified(kToOwn.v4().tcp(port, 22)).cls, PacketClass::Punt);
    }
    EXPECT_EQ(bench.classified(kToVip.v4().icmp(8)).cls, PacketClass::Echo);
    for (const unsigned count : owned) {
        EXPECT_GT(count, 30U);  // of 180
    }
}

TEST(Classify, VerdictOfStatus) {
    EXPECT_EQ(verdict_of(ParseStatus::Truncated), Verdict::Truncated);
    EXPECT_EQ(verdict_of(ParseStatus::BadHeader), Verdict::BadHeader);
    EXPECT_EQ(verdict_of(ParseStatus::BadChecksum), Verdict::BadChecksum);
    EXPECT_EQ(verdict_of(ParseStatus::BadLength), Verdict::BadLength);
    EXPECT_EQ(verdict_of(ParseStatus::BadExtension), Verdict::BadExtension);
    EXPECT_EQ(verdict_of(ParseStatus::NotIp), Verdict::Punted);
}

}  // namespace
}  // namespace dlb
