// A Peer over a transport in memory, against the bytes of a neighbour and against another Peer.
#include <deque>
#include <map>

#include <gtest/gtest.h>

#include "bgp/peer.hpp"
#include "support/bgp_session_lab.hpp"

namespace dlb::bgp {
namespace {

using namespace test;

// Keeps what is sent until deliver() or drain().
class MemoryTransport final : public Transport {
  public:
    void connect(LinkId link) override { connecting.push_back(link); }
    void send(LinkId link, Bytes bytes) override {
        auto& queue = sent[link];
        queue.insert(queue.end(), bytes.begin(), bytes.end());
    }
    void close(LinkId link) override { closed.push_back(link); }
    size_t backlog(LinkId link) const override {
        const auto found = sent.find(link);
        return found == sent.end() ? 0 : found->second.size();
    }
    IpAddress local_address(LinkId) const override { return address; }

    Bytes take(LinkId link) { return std::exchange(sent[link], {}); }

    IpAddress address = IpAddress::v4(10, 10, 1, 2);
    std::vector<LinkId> connecting;
    std::vector<LinkId> closed;
    std::map<LinkId, Bytes> sent;
};

SpeakerConfig speaker_of(uint32_t as, uint32_t router_id) {
    SpeakerConfig config;
    config.asn = as;
    config.router_id = router_id;
    return config;
}

PeerConfig neighbor_of(uint32_t as) {
    PeerConfig config;
    config.asn = as;
    config.address = IpAddress::v4(10, 10, 1, 1);
    config.next_hop.v6 = IpAddress::parse("2001:db8::106");
    return config;
}

struct Side {
    Side(SpeakerConfig speaker_config, PeerConfig peer_config)
        : speaker(std::move(speaker_config)),
          peer(speaker, std::move(peer_config), routes, transport, [] { return 1.0; }) {}
    void announce(const char* prefix, RouteOptions options = {}) {
        routes.add(*Prefix::parse(prefix), options);
        peer.announce(*Prefix::parse(prefix), routes.entries().at(*Prefix::parse(prefix)).route);
        peer.pump(now);
    }
    TimePoint now = TimePoint() + 1000s;
    SpeakerConfig speaker;
    RouteTable routes;
    MemoryTransport transport;
    Peer peer;
};

// Moves bytes until both are still.
void run(Side& a, Side& b, LinkId link = 1) {
    for (bool moved = true; moved;) {
        moved = false;
        for (const auto& [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
            const Bytes bytes = from->transport.take(link);
            if (!bytes.empty()) {
                moved = true;
                from->peer.wrote(from->now, link, 0);
                to->peer.received(to->now, link, bytes);
            }
        }
    }
}

// `a` connects, `b` is passive; both number the connection 1.
void connect(Side& a, Side& b) {
    a.peer.start(a.now);
    b.peer.start(b.now);
    a.peer.connected(a.now, 1);
    ASSERT_TRUE(b.peer.accepted(b.now));
    b.peer.pump(b.now);
    run(a, b);
    ASSERT_EQ(a.peer.session().state(), State::Established);
    ASSERT_EQ(b.peer.session().state(), State::Established);
}

struct Pair {
    explicit Pair(SpeakerConfig ours = speaker_of(65021, 0x0a0a0102),
                  PeerConfig to_them = neighbor_of(65000))
        : a(std::move(ours), std::move(to_them)), b(speaker_of(65000, 0x0a0a0101), passive()) {}
    static PeerConfig passive() {
        PeerConfig config = neighbor_of(65021);
        config.passive = true;
        return config;
    }
    Side a;
    Side b;
};

TEST(BgpPeer, RoutesReachTheNeighbour) {
    Pair pair;
    pair.a.announce("10.1.1.5");
    connect(pair.a, pair.b);
    pair.a.announce("2001:db8:1::5", {.med = 5});
    run(pair.a, pair.b);
    const auto& heard = pair.b.peer.routes_in().routes();
    ASSERT_EQ(heard.size(), 2U);
    const auto& v4 = heard.at({*Prefix::parse("10.1.1.5"), 0});
    EXPECT_EQ(v4.attributes->next_hop, IpAddress::v4(10, 10, 1, 2));
    EXPECT_EQ(describe(v4.attributes->as_path), "65021");
    EXPECT_EQ(heard.at({*Prefix::parse("2001:db8:1::5"), 0}).attributes->med, 5U);
    pair.a.peer.withdraw(*Prefix::parse("10.1.1.5"));
    pair.a.peer.pump(pair.a.now);
    run(pair.a, pair.b);
    EXPECT_EQ(heard.size(), 1U);
    // What is heard is never told to anyone (RFC 8212 in spirit).
    EXPECT_TRUE(pair.b.peer.routes_out().entries().empty());
}

TEST(BgpPeer, AddPathNumbersThePaths) {
    PeerConfig to_them = neighbor_of(65000);
    to_them.add_path = true;
    PeerConfig to_us = Pair::passive();
    to_us.add_path = true;
    Side a(speaker_of(65021, 1), to_them);
    Side b(speaker_of(65000, 2), to_us);
    a.announce("10.1.1.5");
    connect(a, b);
    EXPECT_TRUE(b.peer.routes_in().routes().contains({*Prefix::parse("10.1.1.5"), 1}));
}

TEST(BgpPeer, RefreshBringsTheRoutesAgain) {
    Pair pair;
    pair.a.announce("10.1.1.5");
    EXPECT_NE(pair.b.peer.request_refresh(pair.b.now, Family::V4).error().find("no session"),
              std::string::npos);
    connect(pair.a, pair.b);
    const uint64_t before = pair.b.peer.updates_for(Family::V4);
    ASSERT_TRUE(pair.b.peer.request_refresh(pair.b.now, Family::V4).ok());
    run(pair.a, pair.b);
    EXPECT_EQ(pair.b.peer.updates_for(Family::V4), before + 1);
    EXPECT_EQ(pair.b.peer.routes_in().routes().size(), 1U);
    EXPECT_EQ(pair.b.peer.session().heard().refreshes, 2U);  // BoRR and EoRR
}

TEST(BgpPeer, ANeighbourThatDoesNotReadCostsBoundedMemory) {
    Pair pair;
    connect(pair.a, pair.b);
    for (int i = 0; i < 60'000; ++i) {
        pair.a.peer.announce(
            Prefix::host(IpAddress::v4(10, static_cast<uint8_t>(i >> 16),
                                       static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i))),
            std::make_shared<const RouteOptions>(RouteOptions{.med = i % 2}));
        if (i % 100 == 0) {
            pair.a.peer.pump(pair.a.now);
        }
    }
    pair.a.peer.pump(pair.a.now);
    EXPECT_LT(pair.a.transport.backlog(1), 512U << 10);
    run(pair.a, pair.b);  // and once it reads again, all of it arrives
    EXPECT_EQ(pair.a.peer.routes_out().announced(), 60'000U);
    EXPECT_EQ(pair.b.peer.routes_in().routes().size() + pair.b.peer.routes_in().not_kept(),
              60'000U);
    EXPECT_EQ(pair.b.peer.routes_in().routes().size(), 10'000U);
}

std::optional<GracefulRestart> offered(const Side& heard_by) {
    return heard_by.peer.session().their_open()->capabilities.graceful_restart;
}

TEST(BgpPeer, TheFirstOpenAfterAnUpgradeHasTheRestartBits) {  // RFC 4724 §4.1
    SpeakerConfig config = speaker_of(65021, 0x0a0a0102);
    config.restarted = true;
    config.routes_complete = false;
    Pair pair(config);
    connect(pair.a, pair.b);
    EXPECT_TRUE(offered(pair.b)->restarted);
    EXPECT_TRUE(offered(pair.b)->notification);
    EXPECT_EQ(offered(pair.b)->time, 120s);
    ASSERT_EQ(offered(pair.b)->families.size(), 2U);
    EXPECT_TRUE(offered(pair.b)->families[0].forwarding);
    // Routes come before the End-of-RIB, which waits for routes_complete.
    const uint64_t before = pair.b.peer.session().heard().updates;
    pair.a.announce("10.1.1.5");
    run(pair.a, pair.b);
    EXPECT_EQ(pair.b.peer.session().heard().updates, before + 1);
    EXPECT_TRUE(pair.a.peer.session().config().capabilities.graceful_restart->restarted);
    pair.a.peer.set_complete(pair.a.now);
    run(pair.a, pair.b);
    EXPECT_EQ(pair.b.peer.session().heard().updates, before + 3);
    // The next OPEN of the same process is none of a restart, and it forwards still.
    EXPECT_FALSE(pair.a.peer.session().config().capabilities.graceful_restart->restarted);
    EXPECT_TRUE(
        pair.a.peer.session().config().capabilities.graceful_restart->families[0].forwarding);
}

TEST(BgpPeer, AFirstStartHasNeither) {
    Pair pair;
    connect(pair.a, pair.b);
    EXPECT_FALSE(offered(pair.b)->restarted);
    EXPECT_FALSE(offered(pair.b)->families[0].forwarding);
}

TEST(BgpPeer, AnnouncesAgainAfterAFlap) {
    Pair pair;
    pair.a.announce("10.1.1.5");
    std::vector<bool> changes;
    pair.a.peer.on_change = [&](bool up) { changes.push_back(up); };
    connect(pair.a, pair.b);
    pair.a.peer.disconnected(pair.a.now, 1, "closed by the neighbour");
    pair.b.peer.disconnected(pair.b.now, 1, "closed by the neighbour");
    EXPECT_TRUE(pair.b.peer.routes_in().routes().empty());
    pair.a.now += 1s;
    pair.a.peer.tick(pair.a.now);
    ASSERT_EQ(pair.a.transport.connecting.back(), 2U);
    pair.a.peer.connected(pair.a.now, 2);
    ASSERT_TRUE(pair.b.peer.accepted(pair.b.now));
    pair.b.peer.pump(pair.b.now);
    run(pair.a, pair.b, 2);
    EXPECT_EQ(pair.b.peer.routes_in().routes().size(), 1U);
    EXPECT_EQ(changes, (std::vector<bool>{true, false, true}));
}

}  // namespace
}  // namespace dlb::bgp
