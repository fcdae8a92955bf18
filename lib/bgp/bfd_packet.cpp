#include "bgp/bfd_packet.hpp"

#include <cstring>

#include "net/byte_order.hpp"

namespace dlb {
namespace {

constexpr unsigned kVersion = 1;
constexpr size_t kAuthenticatedSize = 26;  // the least with an authentication section
constexpr size_t kLengthOffset = 3;

constexpr uint8_t kPoll = 0x20;
constexpr uint8_t kFinal = 0x10;
constexpr uint8_t kControlPlaneIndependent = 0x08;
constexpr uint8_t kAuthentication = 0x04;
constexpr uint8_t kDemand = 0x02;
constexpr uint8_t kMultipoint = 0x01;

void put32(uint8_t* at, uint32_t value) {
    const uint32_t raw = Be32(value).raw();
    std::memcpy(at, &raw, sizeof raw);
}

uint32_t get32(const uint8_t* at) {
    uint32_t raw;
    std::memcpy(&raw, at, sizeof raw);
    return Be32::from_raw(raw).host();
}

uint32_t wire(std::chrono::microseconds interval) {
    return static_cast<uint32_t>(interval.count());
}

}  // namespace

std::string_view to_string(BfdState state) {
    constexpr std::string_view kNames[] = {"AdminDown", "Down", "Init", "Up"};
    return kNames[static_cast<unsigned>(state) & 3];
}

std::string_view to_string(BfdDiagnostic diagnostic) {
    constexpr std::string_view kNames[] = {
        "no diagnostic",
        "control detection time expired",
        "echo function failed",
        "neighbor signaled session down",
        "forwarding plane reset",
        "path down",
        "concatenated path down",
        "administratively down",
        "reverse concatenated path down",
    };
    const auto code = static_cast<size_t>(diagnostic);
    return code < std::size(kNames) ? kNames[code] : "unknown diagnostic";
}

std::array<uint8_t, kBfdPacketSize> encode(const BfdPacket& packet) {
    std::array<uint8_t, kBfdPacketSize> bytes{};
    bytes[0] =
        static_cast<uint8_t>(kVersion << 5 | (static_cast<unsigned>(packet.diagnostic) & 0x1f));
    bytes[1] =
        static_cast<uint8_t>(static_cast<unsigned>(packet.state) << 6 | (packet.poll ? kPoll : 0) |
                             (packet.final ? kFinal : 0) |
                             (packet.control_plane_independent ? kControlPlaneIndependent : 0) |
                             (packet.demand ? kDemand : 0));
    bytes[2] = packet.multiplier;
    bytes[kLengthOffset] = kBfdPacketSize;
    put32(&bytes[4], packet.my_discriminator);
    put32(&bytes[8], packet.your_discriminator);
    put32(&bytes[12], wire(packet.desired_min_tx));
    put32(&bytes[16], wire(packet.required_min_rx));
    put32(&bytes[20], wire(packet.required_min_echo_rx));
    return bytes;
}

// RFC 5880 §6.8.6, up to "If the Your Discriminator field is nonzero".
BfdVerdict decode(std::span<const uint8_t> payload, BfdPacket& packet) {
    if (payload.size() <= kLengthOffset) {
        return BfdVerdict::Truncated;
    }
    if (payload[0] >> 5 != kVersion) {
        return BfdVerdict::BadVersion;
    }
    const uint8_t flags = payload[1];
    const size_t length = payload[kLengthOffset];
    if (length < ((flags & kAuthentication) != 0 ? kAuthenticatedSize : kBfdPacketSize)) {
        return BfdVerdict::BadLength;
    }
    if (length > payload.size()) {
        return BfdVerdict::LengthBeyondPayload;
    }
    if (payload[2] == 0) {
        return BfdVerdict::ZeroMultiplier;
    }
    if ((flags & kMultipoint) != 0) {
        return BfdVerdict::Multipoint;
    }
    const uint8_t* bytes = payload.data();
    packet.diagnostic = static_cast<BfdDiagnostic>(bytes[0] & 0x1f);
    packet.state = static_cast<BfdState>(flags >> 6);
    packet.poll = (flags & kPoll) != 0;
    packet.final = (flags & kFinal) != 0;
    packet.control_plane_independent = (flags & kControlPlaneIndependent) != 0;
    packet.authentication = (flags & kAuthentication) != 0;
    packet.demand = (flags & kDemand) != 0;
    packet.multiplier = bytes[2];
    packet.my_discriminator = get32(bytes + 4);
    packet.your_discriminator = get32(bytes + 8);
    packet.desired_min_tx = std::chrono::microseconds(get32(bytes + 12));
    packet.required_min_rx = std::chrono::microseconds(get32(bytes + 16));
    packet.required_min_echo_rx = std::chrono::microseconds(get32(bytes + 20));
    return packet.my_discriminator == 0 ? BfdVerdict::ZeroDiscriminator : BfdVerdict::Accepted;
}

}  // namespace dlb
