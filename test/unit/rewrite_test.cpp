// lib/rewrite: packets in, packets out; what should come out is built by PacketBuilder alone.
#include <random>

#include <gtest/gtest.h>

#include "rewrite/l3.hpp"
#include "rewrite/tunnel.hpp"
#include "support/fragments.hpp"
#include "support/model_helpers.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::ip;
using test::PacketBuilder;
using test::StackMbuf;
using test::wire;

PacketMeta meta_of(const Bytes& frame) {
    const PacketMeta meta = parse(frame.data(), frame.size());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    return meta;
}

// Addresses of a flow before and after.
struct Ends {
    const char *source, *destination;
};
constexpr Ends kBefore4 = {"192.0.2.1", "10.1.1.1"}, kAfter4 = {"10.0.0.7", "172.16.0.1"};
constexpr Ends kBefore6 = {"2001:db8:99::1", "2001:db8:1::1"},
               kAfter6 = {"2001:db8::7", "2001:db8:16::1"};

template <typename F>
FlowKey<F> key_to(const Ends& ends, uint16_t source_port, uint16_t destination_port) {
    FlowKey<F> key;
    key.source = raw_address<F>(ip(ends.source));
    key.destination = raw_address<F>(ip(ends.destination));
    key.source_port = wire(source_port);
    key.destination_port = wire(destination_port);
    return key;
}

Bytes translated(const Bytes& frame, bool v4, uint16_t source_port, uint16_t destination_port) {
    StackMbuf mbuf(frame);
    const PacketMeta meta = meta_of(frame);
    trim_to_ip(mbuf.get(), meta);
    if (v4) {
        translate<V4>(mbuf.get(), meta, key_to<V4>(kAfter4, source_port, destination_port));
    } else {
        translate<V6>(mbuf.get(), meta, key_to<V6>(kAfter6, source_port, destination_port));
    }
    return mbuf.bytes();
}
Bytes translated(const PacketBuilder& packet, uint16_t source_port, uint16_t destination_port) {
    return translated(packet.build(), packet.is_v4(), source_port, destination_port);
}

TEST(Translate, TcpAndUdpInBothFamilies) {
    std::mt19937 random(51);
    for (int round = 0; round < 20'000; ++round) {
        const bool v4 = random() % 2 == 0;
        const bool tcp = random() % 2 == 0;
        Bytes payload(random() % 30);
        for (uint8_t& byte : payload) {
            byte = static_cast<uint8_t>(random() % 3 * 0x7f + random() % 2);
        }
        PacketBuilder shape = PacketBuilder().payload(payload).ttl(static_cast<uint8_t>(random()));
        if (v4) {
            shape.options(Bytes(random() % 9, 1)).tos(static_cast<uint8_t>(random()));
        } else if (random() % 2 == 0) {
            shape.hop_by_hop().destination_options(static_cast<uint8_t>(random() % 3));
        }
        shape.padding(random() % 4);
        const auto make = [&](const Ends& ends, uint16_t source_port, uint16_t destination_port) {
            PacketBuilder packet = shape;
            packet.ipv4(ends.source, ends.destination);
            return tcp ? packet.tcp(source_port, destination_port)
                       : packet.udp(source_port, destination_port);
        };
        const auto p = [&] { return static_cast<uint16_t>(random()); };
        const uint16_t a = p(), b = p(), c = p(), d = p();
        const Bytes got = translated(make(v4 ? kBefore4 : kBefore6, a, b), c, d);
        ASSERT_EQ(got, make(v4 ? kAfter4 : kAfter6, c, d).build_ip()) << "round " << round;
    }
}

// The whole datagram's checksum is in the first fragment and stays right: it is that of the whole
// after translation. In a later one nothing but addresses changes.
TEST(Translate, Fragments) {
    for (const bool v4 : {true, false}) {
        for (const bool tcp : {true, false}) {
            const auto whole = [&](const Ends& ends, uint16_t source, uint16_t destination) {
                const auto packet = PacketBuilder().ipv4(ends.source, ends.destination);
                return (tcp ? PacketBuilder(packet).tcp(source, destination)
                            : PacketBuilder(packet).udp(source, destination))
                    .payload(Bytes(300, 7))
                    .build();
            };
            const auto before = test::fragments_of(whole(v4 ? kBefore4 : kBefore6, 1, 2), 104, 9);
            const auto after = test::fragments_of(whole(v4 ? kAfter4 : kAfter6, 3, 4), 104, 9);
            for (size_t i = 0; i < before.size(); ++i) {
                EXPECT_EQ(translated(before[i], v4, 3, 4),
                          Bytes(after[i].begin() + test::kEthernet, after[i].end()))
                    << i;
            }
        }
    }
}

TEST(Translate, UdpWithoutChecksumStaysWithout) {
    const auto make = [](const Ends& ends, uint16_t source, uint16_t destination) {
        return PacketBuilder()
            .ipv4(ends.source, ends.destination)
            .udp(source, destination)
            .with_l4_checksum(0)
            .payload("abc");
    };
    EXPECT_EQ(translated(make(kBefore4, 1, 2), 3, 4), make(kAfter4, 3, 4).build_ip());
}

// Payloads for which the new sum is zero, and others for which the old one was: sent as all ones.
TEST(Translate, UdpChecksumThatComesOutAsZero) {
    for (const bool v4 : {true, false}) {
        unsigned after_ones = 0;
        unsigned before_ones = 0;
        for (unsigned word = 0; word < 65536; ++word) {
            const auto make = [&](const Ends& ends, uint16_t source, uint16_t destination) {
                return PacketBuilder()
                    .ipv4(ends.source, ends.destination)
                    .udp(source, destination)
                    .payload({static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word)});
            };
            const auto sum_of = [&](const Bytes& packet) {
                return test::get16(packet, (v4 ? 20 : 40) + 6);
            };
            const auto before = make(v4 ? kBefore4 : kBefore6, 1000, 80);
            const Bytes expected = make(v4 ? kAfter4 : kAfter6, 2000, 8080).build_ip();
            const bool after_is_edge = sum_of(expected) == 0xffff;
            const bool before_is_edge = sum_of(before.build_ip()) == 0xffff;
            if (after_is_edge || before_is_edge) {
                ASSERT_EQ(translated(before, 2000, 8080), expected);
                after_ones += after_is_edge;
                before_ones += before_is_edge;
            }
        }
        EXPECT_GT(after_ones, 0U);
        EXPECT_GT(before_ones, 0U);
    }
}

// What a NAT breaks it must not mend: a wrong checksum stays wrong.
TEST(Translate, KeepsAWrongChecksumWrong) {
    for (const Ends& ends : {kBefore4, kBefore6}) {
        auto packet = PacketBuilder().ipv4(ends.source, ends.destination).tcp(1, 2).payload("xyz");
        const size_t at = (packet.is_v4() ? 20 : 40) + 16;
        const auto right = static_cast<uint16_t>(test::get16(packet.build_ip(), at));
        const Bytes good = translated(packet, 3, 4);
        const Bytes bad =
            translated(packet.with_l4_checksum(static_cast<uint16_t>(right ^ 0x0100)), 3, 4);
        EXPECT_NE(test::get16(bad, at), test::get16(good, at));
    }
}

TEST(DecrementHopLimit, Edges) {
    for (unsigned hops = 0; hops < 256; ++hops) {
        for (const Ends& ends : {kBefore4, kBefore6}) {
            const auto make = [&](unsigned limit) {
                return PacketBuilder()
                    .ipv4(ends.source, ends.destination)
                    .ttl(static_cast<uint8_t>(limit))
                    .udp(1, 2)
                    .build_ip();
            };
            StackMbuf mbuf(make(hops));
            const bool left = decrement_hop_limit(
                mbuf.get(), ends.source == kBefore4.source ? Family::V4 : Family::V6);
            EXPECT_EQ(left, hops > 1) << hops;
            EXPECT_EQ(mbuf.bytes(), make(hops > 1 ? hops - 1 : hops)) << hops;
        }
    }
}

// Each value of the other words of the header: the checksum is the right one of its two zeros.
TEST(DecrementHopLimit, ChecksumForEachIdentification) {
    for (unsigned id = 0; id < 65536; ++id) {
        const auto make = [&](uint8_t limit) {
            return PacketBuilder()
                .ipv4(kBefore4.source, kBefore4.destination)
                .identification(static_cast<uint16_t>(id))
                .ttl(limit)
                .udp(1, 2)
                .build_ip();
        };
        StackMbuf mbuf(make(64));
        ASSERT_TRUE(decrement_hop_limit(mbuf.get(), Family::V4));
        ASSERT_EQ(mbuf.bytes(), make(63)) << id;
    }
}

TEST(TrimToIp, TakesOffEthernetAndPadding) {
    for (const Ends& ends : {kBefore4, kBefore6}) {
        for (const size_t padding : {0, 1, 18, 200}) {
            for (const bool tagged : {false, true}) {
                auto packet =
                    PacketBuilder().ipv4(ends.source, ends.destination).udp(1, 2).padding(padding);
                if (tagged) {
                    packet.vlan(7);
                }
                const Bytes frame = packet.build();
                StackMbuf mbuf(frame);
                trim_to_ip(mbuf.get(), meta_of(frame));
                EXPECT_EQ(mbuf.bytes(), packet.build_ip());
                EXPECT_EQ(rte_pktmbuf_pkt_len(mbuf.get()), packet.build_ip().size());
            }
        }
    }
}

struct TunnelEnds {
    Ends outer, inner;
};
constexpr TunnelEnds kTunnels[] = {
    {{"10.0.0.106", "172.16.0.1"}, kBefore4},
    {{"10.0.0.106", "172.16.0.1"}, kBefore6},
    {{"2001:db8::106", "2001:db8:16::1"}, kBefore4},
    {{"2001:db8::106", "2001:db8:16::1"}, kBefore6},
};

TEST(Encapsulate, EachPairOfFamilies) {
    for (const TunnelEnds& tunnel : kTunnels) {
        for (unsigned tos = 0; tos < 256; ++tos) {  // all of DSCP and ECN
            for (const bool df : {false, true}) {
                auto inner = PacketBuilder()
                                 .ipv4(tunnel.inner.source, tunnel.inner.destination)
                                 .tos(static_cast<uint8_t>(tos))
                                 .ttl(7)
                                 .tcp(1, 2)
                                 .payload("hello");
                if (df) {
                    inner.dont_fragment();
                }
                auto outer = PacketBuilder()
                                 .ipv4(tunnel.outer.source, tunnel.outer.destination)
                                 .protocol(inner.is_v4() ? 4 : 41)
                                 .tos(static_cast<uint8_t>(tos))
                                 .ttl(64)
                                 .payload(inner.build_ip());
                if (df || !inner.is_v4()) {
                    outer.dont_fragment().identification(0);
                } else {
                    outer.identification(0xbeef);
                }
                StackMbuf mbuf(inner.build_ip());
                const OuterHeader header =
                    make_outer_header(ip(tunnel.outer.source), ip(tunnel.outer.destination));
                ASSERT_TRUE(encapsulate(mbuf.get(), meta_of(inner.build()), header, {0xbeef, 0}));
                ASSERT_EQ(mbuf.bytes(), outer.build_ip());
            }
        }
    }
}

// The outer checksum for each identification, and so for each sum.
TEST(Encapsulate, OuterChecksum) {
    const auto inner = PacketBuilder().ipv4(kBefore4.source, kBefore4.destination).udp(1, 2);
    const Bytes packet = inner.build_ip();
    Bytes behind_gre = {0, 0, 8, 0};
    behind_gre.insert(behind_gre.end(), packet.begin(), packet.end());
    const PacketMeta meta = meta_of(inner.build());
    for (unsigned id = 0; id < 65536; ++id) {
        const bool gre = id % 2 != 0;
        const OuterHeader header =
            make_outer_header(ip("10.0.0.106"), ip("172.16.0.1"), {gre ? Mode::Gre : Mode::Ipip});
        StackMbuf mbuf(packet);
        ASSERT_TRUE(encapsulate(mbuf.get(), meta, header, {static_cast<uint16_t>(id), 0}));
        ASSERT_EQ(mbuf.bytes(), PacketBuilder()
                                    .ipv4("10.0.0.106", "172.16.0.1")
                                    .protocol(gre ? 47 : 4)
                                    .identification(static_cast<uint16_t>(id))
                                    .payload(gre ? behind_gre : packet)
                                    .build_ip());
    }
}

// Gue says in its own header what is inside: that is not in the IP header's sum.
TEST(Encapsulate, OuterChecksumOfEachMode) {
    for (const Mode mode : {Mode::Ipip, Mode::Gre, Mode::Gue, Mode::Fou, Mode::Vxlan}) {
        for (const Ends& ends : {kBefore4, kBefore6}) {
            const auto inner = PacketBuilder().ipv4(ends.source, ends.destination).tos(3).udp(1, 2);
            const OuterHeader header =
                make_outer_header(ip("10.0.0.106"), ip("172.16.0.1"), {mode, 6080});
            StackMbuf mbuf(inner.build_ip());
            ASSERT_TRUE(encapsulate(mbuf.get(), meta_of(inner.build()), header, {0xbeef, 77}));
            const Bytes sent = mbuf.bytes();
            uint32_t sum = 0;  // RFC 1071 §1, by 16-bit words
            for (size_t at = 0; at < 20; at += 2) {
                sum += uint32_t{sent[at]} << 8 | sent[at + 1];
            }
            EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffU) << to_string(mode);
        }
    }
}

// A header whose source ends in bits of the flow: all else as for that source alone.
TEST(Encapsulate, TheSourceTellsFlowsApart) {
    constexpr uint64_t kHashes[] = {0, 1, UINT64_MAX, 0xfeedfacecafebeef, 0x80000000, 0x7fffffff};
    for (const unsigned bits : {1U, 2U, 8U, 16U, 31U, 32U}) {
        for (const bool v4 : {true, false}) {
            const IpAddress base = ip(v4 ? bits == 32 ? "0.0.0.0" : "128.0.0.0" : "2001:db8:9::");
            const auto inner = PacketBuilder().ipv4("192.0.2.1", "10.1.1.1").udp(1, 2);
            Tunnel tunnel;
            tunnel.flow_bits = static_cast<uint8_t>(v4 ? bits : bits + 32);
            if (!v4 && bits != 32) {
                tunnel.flow_bits = static_cast<uint8_t>(bits);
            }
            const OuterHeader header =
                make_outer_header(base, ip(v4 ? "172.16.0.1" : "2001:db8:16::1"), tunnel);
            for (const uint64_t hash : kHashes) {
                const uint32_t last = tunnel_source_bits(hash, bits);
                EXPECT_TRUE(bits == 1 || last != 0);
                EXPECT_TRUE(bits == 1 || last != (uint64_t{1} << bits) - 1);
                EXPECT_EQ(uint64_t{last} >> bits, 0U);
                auto bytes = base.bytes();
                for (unsigned i = 0; i < 4; ++i) {
                    bytes[base.size() - 1 - i] |= static_cast<uint8_t>(last >> (8 * i));
                }
                uint32_t word;
                std::memcpy(&word, bytes.data(), sizeof word);
                const IpAddress source = v4 ? IpAddress::v4(word) : IpAddress::v6(bytes);
                StackMbuf mbuf(inner.build_ip());
                ASSERT_TRUE(encapsulate(mbuf.get(), meta_of(inner.build()), header, {7, hash}));
                EXPECT_EQ(mbuf.bytes(),
                          PacketBuilder()
                              .ipv4(source.to_string(), v4 ? "172.16.0.1" : "2001:db8:16::1")
                              .protocol(4)
                              .identification(7)
                              .payload(inner.build_ip())
                              .build_ip())
                    << bits << ' ' << hash;
            }
        }
    }
}

TEST(Encapsulate, WithoutHeadroomLeavesThePacket) {
    for (const TunnelEnds& tunnel : kTunnels) {
        const auto inner =
            PacketBuilder().ipv4(tunnel.inner.source, tunnel.inner.destination).udp(1, 2);
        const OuterHeader header =
            make_outer_header(ip(tunnel.outer.source), ip(tunnel.outer.destination));
        const PacketMeta meta = meta_of(inner.build());
        StackMbuf tight(inner.build_ip(), header.length - 1U);
        EXPECT_FALSE(encapsulate(tight.get(), meta, header, {1, 0}));
        EXPECT_EQ(tight.bytes(), inner.build_ip());
        StackMbuf just(inner.build_ip(), header.length);
        EXPECT_TRUE(encapsulate(just.get(), meta, header, {1, 0}));
    }
}

TEST(PushEthernet, WithAndWithoutVlan) {
    std::array<uint8_t, 18> header{2, 0, 0, 0, 0, 0xaa, 2, 0, 0, 0, 0, 0xbb, 0x81, 0, 0x01, 0x23};
    for (const Ends& ends : {kBefore4, kBefore6}) {
        const auto packet = PacketBuilder().ipv4(ends.source, ends.destination).udp(1, 2);
        const Family family = packet.is_v4() ? Family::V4 : Family::V6;
        StackMbuf plain(packet.build_ip());
        ASSERT_TRUE(push_ethernet(plain.get(), header, 14, family));
        EXPECT_EQ(plain.bytes(), packet.build());
        StackMbuf tagged(packet.build_ip());
        ASSERT_TRUE(push_ethernet(tagged.get(), header, 18, family));
        EXPECT_EQ(tagged.bytes(), PacketBuilder(packet).vlan(0x123).build());
        StackMbuf tight(packet.build_ip(), 17);
        EXPECT_FALSE(push_ethernet(tight.get(), header, 18, family));
        EXPECT_EQ(tight.bytes(), packet.build_ip());
    }
}

}  // namespace
}  // namespace dlb
