// Which session a BFD packet is for, each discard that depends on it, and packets at random.
#include "bgp/bfd_table.hpp"

#include <memory>
#include <numeric>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "bfd_support.hpp"

namespace dlb {
namespace {

using namespace bfd_test;

const IpAddress kLocal = *IpAddress::parse("192.0.2.1");
const IpAddress kRemote = *IpAddress::parse("192.0.2.2");
const IpAddress kLocal6 = *IpAddress::parse("2001:db8::1");
const IpAddress kRemote6 = *IpAddress::parse("2001:db8::2");
const IpAddress kFar = *IpAddress::parse("198.51.100.9");
const IpAddress kLinkLocal = *IpAddress::parse("fe80::2");

BfdPeer single(const IpAddress& remote) {
    BfdPeer peer;
    peer.remote = remote;
    return peer;
}
BfdPeer multihop(const IpAddress& remote, uint8_t minimum_hop_limit = 0) {
    BfdPeer peer = single(remote);
    peer.multihop = true;
    peer.minimum_hop_limit = minimum_hop_limit;
    return peer;
}

class BfdTableTest : public testing::Test {
  protected:
    uint32_t add(const BfdPeer& peer) {
        auto added = table_.add(peer, kFast, now_);
        EXPECT_TRUE(added.ok()) << added.error();
        return added.ok() ? added.value() : 0;
    }
    std::string refusal(const BfdPeer& peer) { return table_.add(peer, kFast, now_).error(); }
    static BfdPacket packet(uint32_t yours, BfdState state = BfdState::Down) {
        BfdPacket made = from_peer(state);
        made.your_discriminator = yours;
        return made;
    }
    static BfdArrival from(const IpAddress& remote, const IpAddress& local, bool many_hops = false,
                           uint8_t hop_limit = 255, unsigned interface = 1) {
        return {local, remote, interface, many_hops, hop_limit};
    }
    // The session that took it; `verdict_` says how it went.
    uint32_t receive(const BfdPacket& packet, const BfdArrival& arrival) {
        return receive(encode(packet), arrival);
    }
    uint32_t receive(std::span<const uint8_t> bytes, const BfdArrival& arrival) {
        const auto received = table_.receive(bytes, arrival, now_);
        verdict_ = received.actions.verdict;
        return received.entry == nullptr ? 0 : received.entry->session.discriminator();
    }
    uint64_t counted(BfdVerdict verdict) const {
        return table_.counters()[static_cast<size_t>(verdict)];
    }

    BfdTime now_{1h};
    BfdTable table_{random_draw()};
    BfdVerdict verdict_ = BfdVerdict::Accepted;
};

TEST_F(BfdTableTest, AFirstPacketGoesByTheAddressesTheRestByTheDiscriminator) {
    const uint32_t v4 = add(single(kRemote));
    const uint32_t v6 = add(single(kRemote6));
    const uint32_t far = add(multihop(kRemote));
    EXPECT_EQ(receive(packet(0), from(kRemote, kLocal)), v4);
    EXPECT_EQ(receive(packet(0), from(kRemote6, kLocal6)), v6);
    EXPECT_EQ(receive(packet(0), from(kRemote, kLocal, true)), far);
    for (const uint32_t session : {v4, v6}) {
        // §6.3: the source address can change.
        EXPECT_EQ(receive(packet(session, BfdState::Init), from(kFar, kLocal)), session);
        EXPECT_EQ(verdict_, BfdVerdict::Accepted);
        EXPECT_EQ(table_.find(session)->session.state(), BfdState::Up);
    }
    EXPECT_EQ(counted(BfdVerdict::Accepted), 5U);
    table_.remove(v4);
    EXPECT_EQ(table_.find(v4), nullptr);
    EXPECT_EQ(receive(packet(v4, BfdState::Up), from(kRemote, kLocal)), 0U);
    EXPECT_EQ(receive(packet(0), from(kRemote, kLocal)), 0U);
    EXPECT_NE(add(single(kRemote)), 0U) << "its place is free again";
}

TEST_F(BfdTableTest, LocalAddressAndInterfaceTellPeersApart) {
    BfdPeer one = single(kLinkLocal), two = single(kLinkLocal), third = single(kRemote);
    one.interface = 4;
    two.interface = 5;
    third.local = kLocal;
    const uint32_t a = add(one), b = add(two), c = add(third);
    const IpAddress us = *IpAddress::parse("fe80::1");
    EXPECT_EQ(receive(packet(0), from(kLinkLocal, us, false, 255, 4)), a);
    EXPECT_EQ(receive(packet(0), from(kLinkLocal, us, false, 255, 5)), b);
    EXPECT_EQ(receive(packet(0), from(kLinkLocal, us, false, 255, 6)), 0U);
    EXPECT_EQ(verdict_, BfdVerdict::UnknownPeer);
    EXPECT_EQ(receive(packet(0), from(kRemote, kLocal)), c);
    EXPECT_EQ(receive(packet(0), from(kRemote, kFar)), 0U);
}

TEST_F(BfdTableTest, EachDiscardThatDependsOnTheSession) {
    const uint32_t near = add(single(kRemote));
    const uint32_t far = add(multihop(kFar, 250));
    const uint32_t held = add(single(kRemote6));
    table_.find(held)->session.set_admin_down(true, now_);
    auto authenticated = [](uint32_t yours) {
        auto bytes = encode(packet(yours));
        std::vector<uint8_t> result(bytes.begin(), bytes.end());
        result[1] |= 0x04;
        result[3] = 28;
        result.insert(result.end(), {1, 4, 1, 'x'});  // a simple password
        return result;
    };
    struct Case {
        BfdVerdict wanted;
        uint32_t session;
        std::vector<uint8_t> bytes;
        BfdArrival arrival;
    };
    auto bytes = [](const BfdPacket& p) {
        const auto array = encode(p);
        return std::vector<uint8_t>(array.begin(), array.end());
    };
    const Case cases[] = {
        {BfdVerdict::UnknownDiscriminator, 0, bytes(packet(near + 1)), from(kRemote, kLocal)},
        // A session of one hop is out of reach of the port where any hop limit will do, and back.
        {BfdVerdict::UnknownDiscriminator, 0, bytes(packet(near)), from(kRemote, kLocal, true)},
        {BfdVerdict::UnknownDiscriminator, 0, bytes(packet(far)), from(kFar, kLocal)},
        {BfdVerdict::StateWithoutSession, 0, bytes(packet(0, BfdState::Init)),
         from(kRemote, kLocal)},
        {BfdVerdict::StateWithoutSession, 0, bytes(packet(0, BfdState::Up)), from(kRemote, kLocal)},
        {BfdVerdict::UnknownPeer, 0, bytes(packet(0)), from(kFar, kLocal)},
        {BfdVerdict::UnknownPeer, 0, bytes(packet(0, BfdState::AdminDown)),
         from(kRemote, kLocal, true)},
        {BfdVerdict::BadHopLimit, near, bytes(packet(near)), from(kRemote, kLocal, false, 254)},
        {BfdVerdict::BadHopLimit, near, bytes(packet(0)), from(kRemote, kLocal, false, 0)},
        {BfdVerdict::BadHopLimit, far, bytes(packet(far)), from(kFar, kLocal, true, 249)},
        {BfdVerdict::BadHopLimit, near, authenticated(near), from(kRemote, kLocal, false, 1)},
        {BfdVerdict::Authentication, near, authenticated(near), from(kRemote, kLocal)},
        {BfdVerdict::Authentication, near, authenticated(0), from(kRemote, kLocal)},
        {BfdVerdict::Authentication, held, authenticated(held), from(kRemote6, kLocal6)},
        {BfdVerdict::AdminDown, held, bytes(packet(held)), from(kRemote6, kLocal6)},
    };
    for (const Case& c : cases) {
        const uint64_t before = counted(c.wanted);
        EXPECT_EQ(receive(c.bytes, c.arrival), c.session);
        EXPECT_EQ(to_string(verdict_), to_string(c.wanted));
        EXPECT_EQ(counted(c.wanted), before + 1);
        if (c.session != 0) {
            EXPECT_GE(table_.find(c.session)->counters[static_cast<size_t>(c.wanted)], 1U);
        }
    }
    EXPECT_EQ(table_.find(near)->session.state(), BfdState::Down) << "none of them did anything";
    EXPECT_EQ(table_.find(near)->session.status().remote_discriminator, 0U);
    EXPECT_EQ(counted(BfdVerdict::Accepted), 0U);
    EXPECT_EQ(receive(packet(far, BfdState::Init), from(kFar, kLocal, true, 250)), far);
    EXPECT_EQ(verdict_, BfdVerdict::Accepted);
}

TEST_F(BfdTableTest, APeerThatCannotBeIsNamed) {
    EXPECT_EQ(refusal(single(IpAddress())), "BFD peer 0.0.0.0: give one host's address");
    EXPECT_EQ(refusal(single(*IpAddress::parse("ff02::1"))),
              "BFD peer ff02::1: give one host's address");
    EXPECT_EQ(refusal(single(kLinkLocal)), "BFD peer fe80::2 is link-local: name its interface");
    BfdPeer mixed = single(kRemote);
    mixed.local = kLocal6;
    EXPECT_EQ(refusal(mixed),
              "BFD peer 192.0.2.2: the local address 2001:db8::1 is of another family; give one of "
              "the peer's");
    add(single(kRemote));
    BfdPeer narrower = single(kRemote);
    narrower.local = kLocal;
    for (const BfdPeer& again : {single(kRemote), narrower}) {
        EXPECT_EQ(refusal(again),
                  "BFD peer 192.0.2.2 has a session already: remove that first, or tell them apart "
                  "by local address or interface");
    }
    EXPECT_EQ(table_.add(single(kFar), {50ms, 50ms, 0}, now_).error(),
              "BFD: a multiplier of 0: give 1 to 255");
    EXPECT_EQ(table_.entries().size(), 1U);
}

TEST_F(BfdTableTest, DiscriminatorsAreUniqueAndNotZero) {
    BfdTable tiny([next = 0U](uint32_t) mutable { return next++ / 4; });  // 0, 0, 0, 0, 1, 1, …
    std::set<uint32_t> seen;
    for (uint8_t i = 1; i <= 50; ++i) {
        auto added = tiny.add(single(IpAddress::v4(192, 0, 2, i)), kFast, now_);
        ASSERT_TRUE(added.ok());
        EXPECT_NE(added.value(), 0U);
        EXPECT_TRUE(seen.insert(added.value()).second);
    }
}

// Each packet ends in one verdict, and whatever comes in, the session can be asked and driven.
TEST_F(BfdTableTest, RandomAndMutatedPackets) {
    std::mt19937 random(7);
    const auto below = [&](uint32_t bound) {
        return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random);
    };
    const uint32_t session = add(single(kRemote));
    add(multihop(kFar));
    constexpr uint64_t kPackets = 60'000;
    for (uint64_t i = 0; i < kPackets; ++i) {
        const auto valid =
            encode(packet(below(2) == 0 ? session : 0, static_cast<BfdState>(below(4))));
        std::vector<uint8_t> bytes(valid.begin(), valid.end());
        if (below(4) == 0) {
            bytes.resize(below(80));
            for (uint8_t& byte : bytes) {
                byte = static_cast<uint8_t>(random());
            }
        } else {
            for (uint32_t n = below(5); n > 0; --n) {
                bytes[below(24)] = static_cast<uint8_t>(random());
            }
            bytes.resize(below(8) == 0 ? below(60) : 24);
        }
        // A copy of exactly that size, so that a sanitizer sees a read past its end.
        const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
        std::copy(bytes.begin(), bytes.end(), exact.get());
        receive({exact.get(), bytes.size()}, from(below(2) == 0 ? kRemote : kFar, kLocal,
                                                  below(4) == 0, below(8) == 0 ? 64 : 255));
        now_ += microseconds(below(100'000));
        BfdSession& driven = table_.find(session)->session;
        if (now_ >= driven.deadline()) {
            driven.on_timer(now_);
            ASSERT_GT(driven.deadline(), now_);
        }
        ASSERT_LE(driven.status().tx_interval, microseconds(0xffffffff));
    }
    const BfdCounters& counters = table_.counters();
    EXPECT_EQ(std::accumulate(counters.begin(), counters.end(), uint64_t{0}), kPackets);
    EXPECT_GT(counted(BfdVerdict::Accepted), 1000U);
    EXPECT_GT(table_.find(session)->session.status().ups, 10U);
}

}  // namespace
}  // namespace dlb
