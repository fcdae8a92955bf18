// Path attributes (RFC 4271 §4.3, §5) as values, and their way onto the wire.
//
// Shapes: AS numbers, communities and router ids in host byte order.
// Thread safety: plain values and pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/bytes.hpp"
#include "bgp/types.hpp"

namespace dlb::bgp {

enum class AttributeType : uint8_t {
    Origin = 1,
    AsPath = 2,
    NextHop = 3,
    Med = 4,
    LocalPreference = 5,
    AtomicAggregate = 6,
    Aggregator = 7,
    Communities = 8,
    OriginatorId = 9,
    ClusterList = 10,
    MpReach = 14,
    MpUnreach = 15,
    ExtendedCommunities = 16,
    As4Path = 17,
    As4Aggregator = 18,
    Ipv6ExtendedCommunities = 25,
    LargeCommunities = 32,
};

enum AttributeFlags : uint8_t {
    kOptional = 0x80,
    kTransitive = 0x40,
    kPartial = 0x20,
    kExtendedLength = 0x10,
};

enum class Origin : uint8_t { Igp = 0, Egp = 1, Incomplete = 2 };

struct AsSegment {
    enum Type : uint8_t { Set = 1, Sequence = 2, ConfedSequence = 3, ConfedSet = 4 };
    uint8_t type = Sequence;
    std::vector<uint32_t> numbers;
    friend bool operator==(const AsSegment&, const AsSegment&) = default;
};
using AsPath = std::vector<AsSegment>;

using Community = uint32_t;                          // RFC 1997: AS << 16 | value
constexpr Community kGracefulShutdown = 0xffff0000;  // RFC 8326
constexpr Community kNoExport = 0xffffff01;

struct LargeCommunity {  // RFC 8092
    uint32_t administrator = 0;
    uint32_t first = 0;
    uint32_t second = 0;
    friend auto operator<=>(const LargeCommunity&, const LargeCommunity&) = default;
};

using ExtendedCommunity = std::array<uint8_t, 8>;  // RFC 4360, as on the wire

struct Aggregator {
    uint32_t as = 0;
    uint32_t router_id = 0;
    friend bool operator==(const Aggregator&, const Aggregator&) = default;
};

struct Attributes {
    Origin origin = Origin::Igp;
    AsPath as_path;
    std::optional<IpAddress> next_hop;
    std::optional<uint32_t> med;
    std::optional<uint32_t> local_preference;
    bool atomic_aggregate = false;
    std::optional<Aggregator> aggregator;
    std::vector<Community> communities;
    std::optional<uint32_t> originator_id;
    std::vector<uint32_t> cluster_list;
    std::vector<ExtendedCommunity> extended_communities;
    std::vector<LargeCommunity> large_communities;
    friend bool operator==(const Attributes&, const Attributes&) = default;
};

// Non-transitive, so it stays with the neighbour (draft-ietf-idr-link-bandwidth §2). `as` that two
// bytes cannot hold becomes AS_TRANS; bandwidth in bytes a second, as an IEEE float.
ExtendedCommunity link_bandwidth(uint32_t as, float bytes_per_second);
std::optional<float> link_bandwidth_of(const ExtendedCommunity& community);

// All attributes but MP_REACH_NLRI, ascending by type as RFC 4271 §5 wants. `as4`: the session's
// AS numbers have four bytes; else AS_TRANS and AS4_PATH (RFC 6793 §4.2.2). NEXT_HOP only where
// `with_next_hop`: an IPv4 address is REQUIRED then.
Bytes encode_attributes(const Attributes& attributes, bool as4, bool with_next_hop);

// Writes one attribute's flags, type and length, the extended length where it needs it.
void write_attribute(Writer& writer, uint8_t flags, AttributeType type, View value);

std::string describe(const AsPath& path);  // "65001 65002 {65003,65004}"
std::string describe(const LargeCommunity& community);
std::string describe_community(Community community);  // "65001:100", "graceful-shutdown"
std::optional<Community> parse_community(std::string_view text);
std::optional<LargeCommunity> parse_large_community(std::string_view text);

}  // namespace dlb::bgp
