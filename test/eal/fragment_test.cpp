// Packets too long for their link: fragments out, joined again here by the RFCs' own rules.
#include "datapath/fragment.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

constexpr uint16_t kMtu = 600;

class FragmentTest : public ::testing::Test {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }
};

Bytes ip_of(const Bytes& frame) {
    return {frame.begin() + 14, frame.end()};
}

// RFC 791 §3.2: the packet that these IP packets, in order, are the fragments of; empty where they
// are not.
Bytes join_v4(const std::vector<Bytes>& pieces) {
    Bytes whole;
    for (size_t i = 0; i < pieces.size(); ++i) {
        const Bytes& piece = pieces[i];
        const size_t header = (piece.at(0) & 15) * 4U;
        const unsigned field = get16(piece, 6);
        const bool more = (field & 0x2000) != 0;
        const size_t position = i == 0 ? 0 : whole.size() - (whole.at(0) & 15) * 4U;
        EXPECT_EQ(get16(piece, 2), piece.size());
        EXPECT_EQ(plain_checksum(piece, 0, header), 0U);
        EXPECT_EQ(get16(piece, 4), get16(pieces[0], 4));
        EXPECT_EQ((field & 0x1fff) * 8, position);
        EXPECT_EQ(more, i + 1 < pieces.size());
        EXPECT_TRUE(!more || (piece.size() - header) % 8 == 0);
        whole.insert(whole.end(), piece.begin() + (i == 0 ? 0 : static_cast<long>(header)),
                     piece.end());
    }
    put16(whole, 2, static_cast<unsigned>(whole.size()));
    put16(whole, 6, 0);
    put16(whole, 10, 0);
    put16(whole, 10, plain_checksum(whole, 0, (whole[0] & 15) * 4U));
    return whole;
}

// RFC 8200 §4.5.
Bytes join_v6(const std::vector<Bytes>& pieces) {
    Bytes whole(pieces[0].begin(), pieces[0].begin() + 40);
    whole[6] = pieces[0].at(40);
    for (size_t i = 0; i < pieces.size(); ++i) {
        const Bytes& piece = pieces[i];
        const unsigned field = get16(piece, 42);
        EXPECT_EQ(piece.at(6), 44);
        EXPECT_EQ(piece.at(40), whole[6]);
        EXPECT_EQ(get16(piece, 4) + 40, piece.size());
        EXPECT_EQ(Bytes(piece.begin() + 44, piece.begin() + 48),
                  Bytes(pieces[0].begin() + 44, pieces[0].begin() + 48));
        EXPECT_EQ(field & 0xfff8, whole.size() - 40);
        EXPECT_EQ((field & 1) != 0, i + 1 < pieces.size());
        whole.insert(whole.end(), piece.begin() + 48, piece.end());
    }
    put16(whole, 4, static_cast<unsigned>(whole.size() - 40));
    return whole;
}

std::vector<Bytes> packets_of(const std::vector<Bytes>& frames) {
    std::vector<Bytes> packets;
    for (const Bytes& frame : frames) {
        EXPECT_LE(frame.size(), kMtu + 14U);
        packets.push_back(ip_of(frame));
    }
    return packets;
}

ServiceConfig web(Mode mode, const std::string& backend_endpoint = "10.0.0.11:0") {
    return service({.name = "web",
                    .vip = {"10.1.1.1"},
                    .ports = {80},
                    .backends = {backend_endpoint},
                    .mode = mode,
                    .protocol = Protocol::Udp});
}

PacketBuilder large(const std::string& from, const std::string& to, size_t size = 1400) {
    Bytes payload(size);
    for (size_t i = 0; i < size; ++i) {
        payload[i] = static_cast<uint8_t>(i * 31 >> 3);
    }
    return PacketBuilder().ipv4(from, to).payload(payload).ttl(64);
}

TEST_F(FragmentTest, EveryModeWithoutATunnel) {
    for (const Mode mode : {Mode::Nat, Mode::Fnat, Mode::Dr}) {
        WorkerLab lab({web(mode)}, {.mtu = kMtu});
        lab.know("10.0.0.11");
        const auto out = lab.pass(large("192.0.2.7", "10.1.1.1").udp(40000, 80).build());
        ASSERT_EQ(out.size(), 3U);
        const char* from = mode == Mode::Fnat ? "10.0.0.106" : "192.0.2.7";
        const auto port = static_cast<uint16_t>(get16(out[0], 14 + 20));
        EXPECT_EQ(join_v4(packets_of(out)), large(from, mode == Mode::Dr ? "10.1.1.1" : "10.0.0.11")
                                                .ttl(63)
                                                .udp(port, 80)
                                                .build_ip());
        EXPECT_EQ(lab.count(Verdict::Forwarded), 1U);
        EXPECT_EQ(lab.count_all(), 1U);
        EXPECT_EQ(lab.worker(0).counters().fragments_sent.get(), 2U);
        if (mode == Mode::Dr) {
            continue;
        }
        const auto back = lab.pass(large("10.0.0.11", from).udp(80, port).build());
        ASSERT_EQ(back.size(), 3U);
        EXPECT_EQ(join_v4(packets_of(back)),
                  large("10.1.1.1", "192.0.2.7").ttl(63).udp(80, 40000).build_ip());
        EXPECT_EQ(lab.count(Verdict::Replied), 1U);
        EXPECT_EQ(lab.mbufs_in_use(), 0U);
    }
}

TEST_F(FragmentTest, TunnelsAreFragmentedOutside) {
    const auto request = large("192.0.2.7", "10.1.1.1").udp(40000, 80);
    const Bytes inner = PacketBuilder(request).ttl(63).build_ip();
    for (const char* backend_endpoint : {"10.0.0.11:0", "[2001:db8::11]:0"}) {
        for (const Mode mode : {Mode::Ipip, Mode::Gre, Mode::Gue, Mode::Fou, Mode::Vxlan}) {
            ServiceConfig config = web(mode, backend_endpoint);
            config.backends[0].mac.bytes = {2, 0, 0, 0, 0, 9};
            WorkerLab lab({config}, {.mtu = kMtu});
            lab.know("10.0.0.11");
            lab.know("2001:db8::11");
            const auto out = lab.pass(request.build());
            ASSERT_EQ(out.size(), 3U);
            const bool v4 = out[0][12] == 0x08;
            const Bytes outer = v4 ? join_v4(packets_of(out)) : join_v6(packets_of(out));
            ASSERT_GT(outer.size(), inner.size());
            EXPECT_EQ(Bytes(outer.end() - static_cast<long>(inner.size()), outer.end()), inner);
            if (!v4 && mode >= Mode::Gue) {  // RFC 8200 §8.1
                const unsigned pseudo = pseudo_sum(Bytes(outer.begin() + 8, outer.begin() + 24),
                                                   Bytes(outer.begin() + 24, outer.begin() + 40),
                                                   17, outer.size() - 40);
                EXPECT_EQ(plain_checksum(outer, 40, outer.size(), pseudo), 0U);
            }
            EXPECT_EQ(lab.count_all(), 1U);
            EXPECT_EQ(lab.mbufs_in_use(), 0U);
        }
    }
}

// RFC 2473 §7.1 (b), RFC 4213 §3.2.1: IPv6 is promised 1280 bytes, whatever the tunnel takes.
TEST_F(FragmentTest, Ipv6InATunnelOfLessThanItsLeastMtu) {
    for (const bool outer_v4 : {true, false}) {
        ServiceConfig config = web(Mode::Ipip, outer_v4 ? "10.0.0.11:0" : "[2001:db8::11]:0");
        config.vip = {Prefix::parse("2001:db8:1::1").value()};
        WorkerLab lab({config}, {.mtu = 1290});
        lab.know("10.0.0.11");
        lab.know("2001:db8::11");
        const auto sized = [](size_t length) {
            return large("2001:db8:9::7", "2001:db8:1::1", length - 48).udp(40000, 80);
        };
        const auto out = lab.pass(sized(1280).build());
        ASSERT_EQ(out.size(), 2U);
        std::vector<Bytes> packets = {ip_of(out[0]), ip_of(out[1])};
        const Bytes outer = outer_v4 ? join_v4(packets) : join_v6(packets);
        const Bytes inner = sized(1280).ttl(63).build_ip();
        EXPECT_EQ(Bytes(outer.end() - static_cast<long>(inner.size()), outer.end()), inner);
        const auto told = lab.pass(sized(1281).build());
        ASSERT_EQ(told.size(), 1U);
        EXPECT_EQ(get16(told[0], 14 + 40), 2U << 8);  // packet too big
        EXPECT_EQ(get16(told[0], 14 + 40 + 6), 1280U);
        EXPECT_EQ(lab.count(Verdict::TooBigReported), 1U);
    }
}

TEST_F(FragmentTest, WaitTogetherForANeighbor) {
    WorkerLab lab({web(Mode::Nat)}, {.mtu = kMtu});
    EXPECT_TRUE(lab.pass(large("192.0.2.7", "10.1.1.1").udp(40000, 80).build()).empty());
    std::vector<Bytes> packets;
    for (const auto& given : lab.for_control()) {
        EXPECT_EQ(given.note.kind, PacketNote::Kind::AwaitsNeighbor);
        EXPECT_EQ(given.note.next_hop, ip("10.0.0.11"));
        packets.push_back(given.frame);
    }
    ASSERT_EQ(packets.size(), 3U);
    EXPECT_EQ(join_v4(packets), large("192.0.2.7", "10.0.0.11").ttl(63).udp(40000, 80).build_ip());
    EXPECT_EQ(lab.count(Verdict::AwaitsNeighbor), 1U);
    EXPECT_EQ(lab.count_all(), 1U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

// Straight into split_packet(), with a pool of its own.
class SplitPacket : public FragmentTest {
  protected:
    SplitPacket() {
        static unsigned number = 0;
        WorkerLab::start_eal();
        pool_ = std::make_unique<PacketPool>(
            PacketPool::create("split" + std::to_string(number++), 63, 4096, 32).value());
    }
    rte_mbuf* make(const Bytes& packet) {
        rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_->raw());
        std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(packet.size())), packet.data(),
                    packet.size());
        return mbuf;
    }
    static Bytes bytes_of(const rte_mbuf* mbuf) {
        const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
        return {data, data + rte_pktmbuf_data_len(mbuf)};
    }
    // The fragments in order; frees them.
    std::vector<Bytes> split(const Bytes& packet, uint16_t mtu, Verdict expected,
                             Family family = Family::V4) {
        rte_mbuf* mbuf = make(packet);
        FragmentList earlier;
        EXPECT_EQ(split_packet(mbuf, family, mtu, 7, earlier), expected);
        std::vector<Bytes> pieces;
        for (unsigned i = 0; i < earlier.count; ++i) {
            pieces.push_back(bytes_of(earlier.mbufs[i]));
        }
        pieces.push_back(bytes_of(mbuf));
        free_fragments(earlier);
        rte_pktmbuf_free(mbuf);
        EXPECT_EQ(pool_->in_use(), 0U);
        return pieces;
    }
    std::unique_ptr<PacketPool> pool_;
};

TEST_F(SplitPacket, EveryLengthAndMtu) {
    for (const size_t length : {100U, 101U, 107U, 108U, 109U, 1400U}) {
        for (uint16_t mtu = 68; mtu < 140; ++mtu) {
            const Bytes packet = large("192.0.2.7", "10.1.1.1", length).udp(1, 2).build_ip();
            const auto pieces = split(packet, mtu, Verdict::Forwarded);
            for (const Bytes& piece : pieces) {
                EXPECT_LE(piece.size(), mtu);
            }
            if (packet.size() > mtu) {
                EXPECT_EQ(join_v4(pieces), packet) << length << " " << mtu;
            }
        }
    }
}

// RFC 791 §3.1: an option with the copied flag is in every fragment, others are in the first.
TEST_F(SplitPacket, Options) {
    const Bytes options = {7, 3, 4, 1, 0x94, 4, 0, 0, 1, 1, 0x82, 3, 9, 0};
    const Bytes packet = large("192.0.2.7", "10.1.1.1", 500).options(options).udp(1, 2).build_ip();
    const auto pieces = split(packet, 200, Verdict::Forwarded);
    ASSERT_GT(pieces.size(), 2U);
    EXPECT_EQ(join_v4(pieces), packet);
    for (size_t i = 1; i < pieces.size(); ++i) {
        EXPECT_EQ(pieces[i][0], 0x47);
        EXPECT_EQ(Bytes(pieces[i].begin() + 20, pieces[i].begin() + 28),
                  (Bytes{0x94, 4, 0, 0, 0x82, 3, 9, 0}));
    }
    const Bytes broken = {7, 0, 4, 1};
    const Bytes odd = large("192.0.2.7", "10.1.1.1", 500).options(broken).udp(1, 2).build_ip();
    EXPECT_EQ(join_v4(split(odd, 200, Verdict::Forwarded)), odd);
}

TEST_F(SplitPacket, AFragmentAgain) {
    const auto whole = [](uint16_t offset, bool more) {
        return large("192.0.2.7", "10.1.1.1", 800).protocol(17).fragment(offset, more).build_ip();
    };
    for (const bool more : {true, false}) {
        auto pieces = split(whole(100, more), 300, Verdict::Forwarded);
        ASSERT_EQ(pieces.size(), 3U);
        EXPECT_EQ(get16(pieces[0], 6), 0x2000U | 100);
        EXPECT_EQ(get16(pieces[1], 6), 0x2000U | 135);
        EXPECT_EQ(get16(pieces[2], 6), (more ? 0x2000U : 0) | 170);
        EXPECT_EQ(plain_checksum(pieces[2], 0, 20), 0U);
    }
    // The end of it would lie behind 65,535 bytes.
    const Bytes beyond = whole(8190, false);
    EXPECT_EQ(split(beyond, 300, Verdict::TooBig), std::vector<Bytes>{beyond});
}

TEST_F(SplitPacket, Ipv6OfOurOwn) {
    const Bytes packet = large("2001:db8::106", "2001:db8::11", 1400).udp(1, 2).build_ip();
    for (const uint16_t mtu : {100, 101, 600, 1280}) {
        EXPECT_EQ(join_v6(split(packet, mtu, Verdict::Forwarded, Family::V6)), packet) << mtu;
    }
    EXPECT_EQ(split(packet, 55, Verdict::TooBig, Family::V6), std::vector<Bytes>{packet});
    for (const Bytes& chain :
         {large("2001:db8::106", "2001:db8::11").hop_by_hop().udp(1, 2).build_ip(),
          large("2001:db8::106", "2001:db8::11").fragment_header(0, true).udp(1, 2).build_ip()}) {
        EXPECT_EQ(split(chain, 600, Verdict::TooBig, Family::V6), std::vector<Bytes>{chain});
    }
}

TEST_F(SplitPacket, ThatCannotBe) {
    const Bytes packet = large("192.0.2.7", "10.1.1.1", 1400).udp(1, 2).build_ip();
    EXPECT_EQ(split(packet, 27, Verdict::TooBig), std::vector<Bytes>{packet});
    EXPECT_EQ(split(packet, 60, Verdict::TooBig), std::vector<Bytes>{packet});  // over 32 pieces
    std::vector<rte_mbuf*> held;
    for (unsigned i = 0; i < 61; ++i) {
        held.push_back(rte_pktmbuf_alloc(pool_->raw()));
    }
    rte_mbuf* mbuf = make(packet);  // one is left: not enough
    FragmentList earlier;
    EXPECT_EQ(split_packet(mbuf, Family::V4, 500, 7, earlier), Verdict::NoMbuf);
    EXPECT_EQ(earlier.count, 0U);
    EXPECT_EQ(bytes_of(mbuf), packet);
    rte_pktmbuf_free(mbuf);
    rte_pktmbuf_free_bulk(held.data(), static_cast<unsigned>(held.size()));
    EXPECT_EQ(pool_->in_use(), 0U);
}

}  // namespace
}  // namespace dlb::test
