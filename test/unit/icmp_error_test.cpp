// translate_error(): what comes out is built anew by PacketBuilder, quote and all.
#include "datapath/icmp_error.hpp"

#include <random>

#include <gtest/gtest.h>

#include "rewrite/l3.hpp"
#include "support/model_helpers.hpp"
#include "support/stack_mbuf.hpp"

namespace dlb {
namespace {

using test::Bytes;
using test::PacketBuilder;
using test::StackMbuf;
using test::wire;

struct Ends {
    std::string source, destination;
    uint16_t source_port, destination_port;
};

// `how` adds what is the same before and after.
template <typename How>
Bytes quote(const Ends& ends, How how, bool tcp, size_t size) {
    auto packet = how(PacketBuilder().ipv4(ends.source, ends.destination));
    packet = tcp ? packet.tcp(ends.source_port, ends.destination_port)
                 : packet.udp(ends.source_port, ends.destination_port);
    Bytes bytes = packet.build_ip();
    bytes.resize(std::min(bytes.size(), size));
    return bytes;
}

PacketBuilder error(const std::string& from, const std::string& to, const Bytes& quoted) {
    auto packet = PacketBuilder().ipv4(from, to).hop_by_hop().options(Bytes(4, 1));
    return packet.icmp(packet.is_v4() ? 3 : 1, 4, 1400).payload(quoted);
}

template <typename F>
Bytes translated(const PacketBuilder& packet, const std::string& from, const std::string& to,
                 const Ends& inner) {
    const Bytes frame = PacketBuilder(packet).padding(3).build();
    const PacketMeta meta = parse(frame.data(), frame.size());
    EXPECT_EQ(meta.status, ParseStatus::Ok);
    const PacketMeta quoted = parse_quoted(frame.data(), meta.l3_offset + size_t{meta.l3_length},
                                           meta.l4_offset + size_t{8}, F::kFamily);
    EXPECT_TRUE(quoted.has_ports);
    EXPECT_TRUE(is_icmp_intact(frame.data() + meta.l3_offset, meta));
    StackMbuf mbuf(frame);
    trim_to_ip(mbuf.get(), meta);
    FlowKey<F> key;
    key.source = raw_address<F>(test::ip(inner.source));
    key.destination = raw_address<F>(test::ip(inner.destination));
    key.source_port = wire(inner.source_port);
    key.destination_port = wire(inner.destination_port);
    translate_error<F>(mbuf.get(), meta, quoted,
                       {raw_address<F>(test::ip(from)), raw_address<F>(test::ip(to))}, key);
    return mbuf.bytes();
}

template <typename F>
class TranslateError : public testing::Test {
  protected:
    static constexpr bool kV4 = F::kFamily == Family::V4;
    static std::string text(const char* v4, const char* v6) { return kV4 ? v4 : v6; }
    const std::string router = text("198.51.100.1", "2001:db8:5::1");
    const std::string snat = text("10.0.0.107", "2001:db8::107");
    const std::string vip = text("10.1.1.1", "2001:db8:1::1");
    const std::string client = text("192.0.2.1", "2001:db8:9::1");
    const std::string backend = text("172.16.0.1", "2001:db8:16::1");
    const Ends before = {vip, client, 80, 1000};
    const Ends after = {backend, snat, 8080, 40000};

    template <typename How>
    void expect(How how, bool tcp, size_t size) {
        ASSERT_EQ(
            translated<F>(error(router, vip, quote(before, how, tcp, size)), snat, backend, after),
            error(snat, backend, quote(after, how, tcp, size)).build_ip())
            << (tcp ? "TCP " : "UDP ") << size;
    }
};
using Families = testing::Types<V4, V6>;
TYPED_TEST_SUITE(TranslateError, Families);

TYPED_TEST(TranslateError, QuotesOfAnyLength) {
    for (const bool tcp : {true, false}) {
        for (size_t size = (this->kV4 ? 20 : 40) + 8; size < 600; ++size) {
            if (tcp && size == (this->kV4 ? 20 : 40) + 17) {
                continue;  // half of a checksum, which nobody can update
            }
            this->expect([](PacketBuilder packet) { return packet.payload(Bytes(500, 0x5a)); }, tcp,
                         size);
        }
    }
}

TYPED_TEST(TranslateError, QuotesWithOptionsAndHeaders) {
    for (const bool tcp : {true, false}) {
        for (const size_t size : {96U, 104U, 105U, 113U, 114U, 115U, 500U}) {
            this->expect(
                [](PacketBuilder packet) {
                    return packet.options(Bytes(40, 1))
                        .hop_by_hop()
                        .destination_options(2)
                        .ttl(1)
                        .payload(Bytes(300, 1));
                },
                tcp, size);
        }
        this->expect(
            [](PacketBuilder packet) {
                return packet.fragment(0, true).fragment_header(0, true).payload(Bytes(80, 1));
            },
            tcp, 1000);
    }
}

TYPED_TEST(TranslateError, ManyPayloads) {
    std::mt19937 random(3);
    for (int round = 0; round < 20'000; ++round) {
        const auto word = static_cast<uint16_t>(random());
        Bytes payload = {static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word)};
        this->expect([&](PacketBuilder packet) { return packet.payload(payload); },
                     random() % 2 == 0, 1000);
    }
}

// RFC 768: over IPv4 a zero is none, and stays.
TYPED_TEST(TranslateError, AUdpChecksumThatIsNone) {
    if (this->kV4) {
        this->expect([](PacketBuilder packet) { return packet.with_l4_checksum(0); }, false, 1000);
    }
}

TEST(IcmpIntact, SeesEachFlippedBit) {
    for (const bool v4 : {true, false}) {
        const auto packet = error(v4 ? "198.51.100.1" : "2001:db8:5::1",
                                  v4 ? "10.1.1.1" : "2001:db8:1::1", Bytes(61, 3));
        const Bytes frame = packet.build();
        const PacketMeta meta = parse(frame.data(), frame.size());
        ASSERT_TRUE(is_icmp_intact(frame.data() + meta.l3_offset, meta));
        for (size_t bit = meta.l4_offset * size_t{8}; bit < frame.size() * 8; ++bit) {
            Bytes bad = frame;
            bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
            EXPECT_FALSE(is_icmp_intact(bad.data() + meta.l3_offset, meta)) << bit;
        }
    }
}

}  // namespace
}  // namespace dlb
