// BFD packets: bytes made by another program, and every rule of reception that needs no session.
#include "bgp/bfd_packet.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bfd_support.hpp"

namespace dlb {
namespace {

using namespace bfd_test;

std::vector<uint8_t> bytes_of(const std::string& hex) {
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
        bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

std::vector<uint8_t> good() {
    const auto bytes = encode(from_peer(BfdState::Up));
    return {bytes.begin(), bytes.end()};
}

BfdVerdict verdict(std::span<const uint8_t> bytes) {
    BfdPacket packet;
    return decode(bytes, packet);
}

// The hexadecimal digits are scapy.contrib.bfd's (2.5.0) for the fields below them.
TEST(BfdPacket, BytesOfScapy) {
    BfdPacket down;
    down.diagnostic = BfdDiagnostic::DetectionTimeExpired;
    down.state = BfdState::Down;
    down.poll = true;
    down.multiplier = 3;
    down.my_discriminator = 0x01020304;
    down.desired_min_tx = 1s;
    down.required_min_rx = 50ms;

    BfdPacket admin_down;
    admin_down.diagnostic = BfdDiagnostic::AdministrativelyDown;
    admin_down.state = BfdState::AdminDown;
    admin_down.final = true;
    admin_down.multiplier = 255;
    admin_down.my_discriminator = 0xfffefdfc;
    admin_down.your_discriminator = 0x89abcdef;
    admin_down.desired_min_tx = microseconds(0xffffffff);
    admin_down.required_min_rx = 10ms;

    for (const auto& [packet, hex] :
         {std::pair(down, "216003180102030400000000000f42400000c35000000000"),
          std::pair(admin_down, "2710ff18fffefdfc89abcdefffffffff0000271000000000")}) {
        const auto bytes = bytes_of(hex);
        const auto encoded = encode(packet);
        EXPECT_EQ(std::vector(encoded.begin(), encoded.end()), bytes);
        BfdPacket decoded;
        EXPECT_EQ(decode(bytes, decoded), BfdVerdict::Accepted);
        EXPECT_EQ(decoded, packet);
    }
}

TEST(BfdPacket, EachFlagHasItsBit) {
    // Byte 1 of RFC 5880 §4.1: Sta Sta P F C A D M.
    const std::pair<uint8_t, bool BfdPacket::*> flags[] = {
        {0x20, &BfdPacket::poll},
        {0x10, &BfdPacket::final},
        {0x08, &BfdPacket::control_plane_independent},
        {0x04, &BfdPacket::authentication},
        {0x02, &BfdPacket::demand},
    };
    for (const auto& [bit, member] : flags) {
        auto bytes = good();
        bytes[1] = static_cast<uint8_t>(bytes[1] | bit);
        bytes[3] = 26;  // room for an authentication section's head
        bytes.resize(26);
        BfdPacket packet;
        ASSERT_EQ(decode(bytes, packet), BfdVerdict::Accepted) << int(bit);
        for (const auto& [other, other_member] : flags) {
            EXPECT_EQ(packet.*other_member, other == bit) << int(bit) << " " << int(other);
        }
        if (member != &BfdPacket::authentication) {  // which we never send
            EXPECT_EQ(encode(packet)[1], bytes[1]);
        }
    }
}

TEST(BfdPacket, ItMayBeLongerThanWeKnow) {
    auto bytes = good();
    bytes[3] = 40;
    bytes.resize(60);
    EXPECT_EQ(verdict(bytes), BfdVerdict::Accepted);
}

TEST(BfdPacket, DiscardRules) {
    struct Case {
        BfdVerdict wanted;
        std::function<void(std::vector<uint8_t>&)> spoil;
    };
    const Case cases[] = {
        {BfdVerdict::Truncated, [](auto& b) { b.clear(); }},
        {BfdVerdict::Truncated, [](auto& b) { b.resize(3); }},
        {BfdVerdict::BadVersion, [](auto& b) { b[0] = 0x00; }},
        {BfdVerdict::BadVersion, [](auto& b) { b[0] = 0x40; }},
        {BfdVerdict::BadLength, [](auto& b) { b[3] = 23; }},
        {BfdVerdict::BadLength, [](auto& b) { b[1] |= 0x04, b[3] = 25, b.resize(25); }},
        {BfdVerdict::LengthBeyondPayload, [](auto& b) { b.pop_back(); }},
        {BfdVerdict::LengthBeyondPayload, [](auto& b) { b.resize(4); }},
        {BfdVerdict::LengthBeyondPayload, [](auto& b) { b[3] = 25; }},
        {BfdVerdict::ZeroMultiplier, [](auto& b) { b[2] = 0; }},
        {BfdVerdict::Multipoint, [](auto& b) { b[1] |= 0x01; }},
        {BfdVerdict::ZeroDiscriminator, [](auto& b) { b[4] = b[5] = b[6] = b[7] = 0; }},
    };
    for (const Case& c : cases) {
        auto bytes = good();
        ASSERT_EQ(verdict(bytes), BfdVerdict::Accepted);
        c.spoil(bytes);
        EXPECT_EQ(to_string(verdict(bytes)), to_string(c.wanted));
    }
}

// Where several rules are broken the first of §6.8.6 names it.
TEST(BfdPacket, TheRulesAreAskedInTheirOrder) {
    auto bytes = good();
    bytes[4] = bytes[5] = bytes[6] = bytes[7] = 0;
    EXPECT_EQ(verdict(bytes), BfdVerdict::ZeroDiscriminator);
    bytes[1] |= 0x01;
    EXPECT_EQ(verdict(bytes), BfdVerdict::Multipoint);
    bytes[2] = 0;
    EXPECT_EQ(verdict(bytes), BfdVerdict::ZeroMultiplier);
    bytes[3] = 200;
    EXPECT_EQ(verdict(bytes), BfdVerdict::LengthBeyondPayload);
    bytes[3] = 1;
    EXPECT_EQ(verdict(bytes), BfdVerdict::BadLength);
    bytes[0] = 0x60;
    EXPECT_EQ(verdict(bytes), BfdVerdict::BadVersion);
}

TEST(BfdPacket, Names) {
    EXPECT_EQ(to_string(BfdState::AdminDown), "AdminDown");
    EXPECT_EQ(to_string(BfdState::Up), "Up");
    EXPECT_EQ(to_string(BfdDiagnostic::ReverseConcatenatedPathDown),
              "reverse concatenated path down");
    EXPECT_EQ(to_string(static_cast<BfdDiagnostic>(31)), "unknown diagnostic");
    EXPECT_EQ(to_string(BfdVerdict::AdminDown), "admin_down");
}

}  // namespace
}  // namespace dlb
