#include "bgp/attribute_rules.hpp"

#include <algorithm>
#include <array>

#include "bgp/nlri.hpp"

namespace dlb::bgp {
namespace {

bool read_origin(Reader value, Scope& scope) {
    const uint8_t origin = value.u8();
    scope.read.attributes.origin = static_cast<Origin>(origin);
    scope.read.has_origin = true;
    return !value.failed() && value.done() && origin <= 2;
}

// RFC 7606 §7.2: an unknown segment type, a segment that overruns, one byte left over, and a
// segment of no AS are malformed; RFC 5065 §5: so are confederation segments from outside one.
bool read_path(Reader value, bool as4, AsPath& path) {
    while (!value.done()) {
        AsSegment segment;
        segment.type = value.u8();
        const size_t count = value.u8();
        if ((segment.type != AsSegment::Set && segment.type != AsSegment::Sequence) || count == 0) {
            return false;
        }
        segment.numbers.reserve(count);
        for (size_t i = 0; i < count; ++i) {
            segment.numbers.push_back(as4 ? value.u32() : value.u16());
        }
        if (value.failed()) {
            return false;
        }
        path.push_back(std::move(segment));
    }
    return !value.failed();
}

bool read_as_path(Reader value, Scope& scope) {
    scope.read.has_as_path = true;
    return read_path(value, scope.format.as4, scope.read.attributes.as_path);
}

bool read_as4_path(Reader value, Scope& scope) {
    AsPath path;
    if (!read_path(value, true, path)) {
        return false;
    }
    scope.as4_path = std::move(path);
    return true;
}

std::optional<Aggregator> read_aggregator(Reader value, bool as4) {
    Aggregator aggregator;
    aggregator.as = as4 ? value.u32() : value.u16();
    aggregator.router_id = value.u32();
    return !value.failed() && value.done() ? std::optional(aggregator) : std::nullopt;
}

bool read_aggregator2or4(Reader value, Scope& scope) {
    auto& aggregator = scope.read.attributes.aggregator;
    aggregator = read_aggregator(value, scope.format.as4);
    return aggregator.has_value();
}

bool read_as4_aggregator(Reader value, Scope& scope) {
    scope.as4_aggregator = read_aggregator(value, true);
    return scope.as4_aggregator.has_value();
}

IpAddress address_of(View bytes) {
    if (bytes.size() < 16) {
        return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
    }
    std::array<uint8_t, 16> whole;
    std::copy_n(bytes.begin(), 16, whole.begin());
    return IpAddress::v6(whole);
}

bool read_next_hop(Reader value, Scope& scope) {
    scope.read.has_next_hop = true;
    if (value.left() != 4) {
        return false;
    }
    // With an MP_REACH_NLRI too, its next hop is the one of its routes.
    if (!scope.read.has_mp_next_hop) {
        scope.read.attributes.next_hop = address_of(value.rest());
    }
    return true;
}

template <auto Member>
bool read_u32(Reader value, Scope& scope) {
    const uint32_t number = value.u32();
    if (value.failed() || !value.done()) {
        return false;
    }
    scope.read.attributes.*Member = number;
    return true;
}

bool read_atomic_aggregate(Reader value, Scope& scope) {
    scope.read.attributes.atomic_aggregate = value.done();
    return value.done();
}

// "a nonzero multiple of 4": RFC 7606 §7.8, §7.10.
template <auto Member>
bool read_u32s(Reader value, Scope& scope) {
    if (value.done() || value.left() % 4 != 0) {
        return false;
    }
    while (!value.done()) {
        (scope.read.attributes.*Member).push_back(value.u32());
    }
    return true;
}

bool read_extended(Reader value, Scope& scope) {
    if (value.done() || value.left() % 8 != 0) {
        return false;
    }
    while (!value.done()) {
        ExtendedCommunity community;
        const View bytes = value.bytes(8);
        std::copy(bytes.begin(), bytes.end(), community.begin());
        scope.read.attributes.extended_communities.push_back(community);
    }
    return true;
}

bool read_ipv6_extended(Reader value, Scope&) {
    return !value.done() && value.left() % 20 == 0;
}

bool read_large(Reader value, Scope& scope) {
    if (value.done() || value.left() % 12 != 0) {
        return false;
    }
    while (!value.done()) {
        LargeCommunity community;
        community.administrator = value.u32();
        community.first = value.u32();
        community.second = value.u32();
        scope.read.attributes.large_communities.push_back(community);
    }
    return true;
}

// RFC 4760 §3, RFC 8950 §3: how long a next hop may be. 32: a global and a link-local address.
bool next_hop_fits(Family family, size_t size, bool extended_next_hop) {
    if (size == 16 || size == 32) {
        return family == Family::V6 || extended_next_hop;
    }
    return size == 4 && family == Family::V4;
}

AfiSafi read_family(Reader& value) {
    const uint16_t afi = value.u16();
    return {afi, value.u8()};
}

bool read_mp_reach(Reader value, Scope& scope) {
    const AfiSafi number = read_family(value);
    const View next_hop = value.bytes(value.u8());
    value.u8();  // reserved
    if (value.failed()) {
        return false;
    }
    scope.read.mp_reach = number;
    const auto family = unicast_family(number);
    if (!family || !scope.format.families[*family]) {
        return true;  // not negotiated: nothing of it is read
    }
    if (!next_hop_fits(*family, next_hop.size(), scope.format.extended_next_hop)) {
        return false;  // RFC 7606 §7.11
    }
    scope.read.attributes.next_hop = address_of(next_hop);
    scope.read.has_mp_next_hop = true;
    return decode_nlri(value.rest(), *family, scope.format.add_path[*family], scope.read.reached);
}

bool read_mp_unreach(Reader value, Scope& scope) {
    const AfiSafi number = read_family(value);
    if (value.failed()) {
        return false;
    }
    scope.read.mp_unreach = number;
    const auto family = unicast_family(number);
    if (!family || !scope.format.families[*family]) {
        return true;
    }
    return decode_nlri(value.rest(), *family, scope.format.add_path[*family], scope.read.withdrawn);
}

constexpr uint8_t kBoth = kOptional | kTransitive;
constexpr Remedy kWithdraw = Remedy::TreatAsWithdraw;

// RFC 7606 §7, one row a section; RFC 6793 §6 for AS4_…, RFC 8092 §6 for the large communities.
constexpr Rule kRules[] = {
    {AttributeType::Origin, kTransitive, kWithdraw, From::Anyone, read_origin},
    {AttributeType::AsPath, kTransitive, kWithdraw, From::Anyone, read_as_path},
    {AttributeType::NextHop, kTransitive, kWithdraw, From::Anyone, read_next_hop},
    {AttributeType::Med, kOptional, kWithdraw, From::Anyone, read_u32<&Attributes::med>},
    {AttributeType::LocalPreference, kTransitive, kWithdraw, From::InternalPeers,
     read_u32<&Attributes::local_preference>},
    {AttributeType::AtomicAggregate, kTransitive, Remedy::Discard, From::Anyone,
     read_atomic_aggregate},
    {AttributeType::Aggregator, kBoth, Remedy::Discard, From::Anyone, read_aggregator2or4},
    {AttributeType::Communities, kBoth, kWithdraw, From::Anyone,
     read_u32s<&Attributes::communities>},
    {AttributeType::OriginatorId, kOptional, kWithdraw, From::InternalPeers,
     read_u32<&Attributes::originator_id>},
    {AttributeType::ClusterList, kOptional, kWithdraw, From::InternalPeers,
     read_u32s<&Attributes::cluster_list>},
    {AttributeType::MpReach, kOptional, Remedy::Reset, From::Anyone, read_mp_reach},
    {AttributeType::MpUnreach, kOptional, Remedy::Reset, From::Anyone, read_mp_unreach},
    {AttributeType::ExtendedCommunities, kBoth, kWithdraw, From::Anyone, read_extended},
    {AttributeType::As4Path, kBoth, Remedy::Discard, From::OldSpeakers, read_as4_path},
    {AttributeType::As4Aggregator, kBoth, Remedy::Discard, From::OldSpeakers, read_as4_aggregator},
    {AttributeType::Ipv6ExtendedCommunities, kBoth, kWithdraw, From::Anyone, read_ipv6_extended},
    {AttributeType::LargeCommunities, kBoth, kWithdraw, From::Anyone, read_large},
};

}  // namespace

const Rule* find_rule(uint8_t type) {
    for (const Rule& rule : kRules) {
        if (static_cast<uint8_t>(rule.type) == type) {
            return &rule;
        }
    }
    return nullptr;
}

}  // namespace dlb::bgp
