#include "bgp/attributes.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace dlb::bgp {
namespace {

constexpr size_t kSegmentLimit = 255;  // RFC 4271 §4.3: the count is one byte
constexpr uint8_t kWellKnown = kTransitive;
constexpr uint8_t kOptionalTransitive = kOptional | kTransitive;

bool fits_two_bytes(uint32_t as) {
    return as <= std::numeric_limits<uint16_t>::max();
}

bool needs_as4_path(const AsPath& path) {
    return std::any_of(path.begin(), path.end(), [](const AsSegment& segment) {
        return !std::all_of(segment.numbers.begin(), segment.numbers.end(), fits_two_bytes);
    });
}

Bytes encode_path(const AsPath& path, bool as4) {
    Writer writer;
    for (const AsSegment& segment : path) {
        for (size_t begin = 0; begin < segment.numbers.size(); begin += kSegmentLimit) {
            const size_t count = std::min(kSegmentLimit, segment.numbers.size() - begin);
            writer.u8(segment.type);
            writer.u8(static_cast<uint8_t>(count));
            for (size_t i = begin; i < begin + count; ++i) {
                const uint32_t as = segment.numbers[i];
                if (as4) {
                    writer.u32(as);
                } else {
                    writer.u16(fits_two_bytes(as) ? static_cast<uint16_t>(as) : kAsTrans);
                }
            }
        }
    }
    return writer.take();
}

Bytes encode_u32(uint32_t value) {
    Writer writer;
    writer.u32(value);
    return writer.take();
}

Bytes encode_u32s(const std::vector<uint32_t>& values) {
    Writer writer;
    for (const uint32_t value : values) {
        writer.u32(value);
    }
    return writer.take();
}

Bytes encode_aggregator(const Aggregator& aggregator, bool as4) {
    Writer writer;
    if (as4) {
        writer.u32(aggregator.as);
    } else {
        writer.u16(fits_two_bytes(aggregator.as) ? static_cast<uint16_t>(aggregator.as) : kAsTrans);
    }
    writer.u32(aggregator.router_id);
    return writer.take();
}

void write_communities(Writer& writer, const Attributes& attributes) {
    if (!attributes.communities.empty()) {
        write_attribute(writer, kOptionalTransitive, AttributeType::Communities,
                        encode_u32s(attributes.communities));
    }
    if (attributes.originator_id) {
        write_attribute(writer, kOptional, AttributeType::OriginatorId,
                        encode_u32(*attributes.originator_id));
    }
    if (!attributes.cluster_list.empty()) {
        write_attribute(writer, kOptional, AttributeType::ClusterList,
                        encode_u32s(attributes.cluster_list));
    }
    if (!attributes.extended_communities.empty()) {
        Writer value;
        for (const ExtendedCommunity& community : attributes.extended_communities) {
            value.bytes(community);
        }
        write_attribute(writer, kOptionalTransitive, AttributeType::ExtendedCommunities,
                        value.view());
    }
}

void write_large_communities(Writer& writer, const Attributes& attributes) {
    if (attributes.large_communities.empty()) {
        return;
    }
    Writer value;
    for (const LargeCommunity& community : attributes.large_communities) {
        value.u32(community.administrator);
        value.u32(community.first);
        value.u32(community.second);
    }
    write_attribute(writer, kOptionalTransitive, AttributeType::LargeCommunities, value.view());
}

// Digits alone, in one range; nullopt for anything else.
std::optional<uint32_t> parse_number(std::string_view text, uint32_t limit) {
    if (text.empty() || text.size() > 10) {
        return std::nullopt;
    }
    uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    return value <= limit ? std::optional(static_cast<uint32_t>(value)) : std::nullopt;
}

std::string_view take_part(std::string_view& text) {
    const size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    text = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    return part;
}

constexpr std::pair<const char*, Community> kWellKnownCommunities[] = {
    {"graceful-shutdown", kGracefulShutdown},
    {"no-export", kNoExport},
    {"no-advertise", 0xffffff02},
    {"no-export-subconfed", 0xffffff03},
    {"blackhole", 0xffff029a},
};

}  // namespace

ExtendedCommunity link_bandwidth(uint32_t as, float bytes_per_second) {
    const uint32_t bits = std::bit_cast<uint32_t>(bytes_per_second);
    const uint16_t as2 = fits_two_bytes(as) ? static_cast<uint16_t>(as) : kAsTrans;
    return {0x40,
            0x04,
            static_cast<uint8_t>(as2 >> 8),
            static_cast<uint8_t>(as2),
            static_cast<uint8_t>(bits >> 24),
            static_cast<uint8_t>(bits >> 16),
            static_cast<uint8_t>(bits >> 8),
            static_cast<uint8_t>(bits)};
}

std::optional<float> link_bandwidth_of(const ExtendedCommunity& community) {
    if ((community[0] & ~0x40) != 0 || community[1] != 0x04) {
        return std::nullopt;
    }
    Reader reader(View(community).subspan(4));
    return std::bit_cast<float>(reader.u32());
}

void write_attribute(Writer& writer, uint8_t flags, AttributeType type, View value) {
    const bool extended = value.size() > 255;
    writer.u8(extended ? flags | kExtendedLength : flags);
    writer.u8(static_cast<uint8_t>(type));
    if (extended) {
        writer.u16(static_cast<uint16_t>(value.size()));
    } else {
        writer.u8(static_cast<uint8_t>(value.size()));
    }
    writer.bytes(value);
}

Bytes encode_attributes(const Attributes& attributes, bool as4, bool with_next_hop) {
    Writer writer;
    write_attribute(writer, kWellKnown, AttributeType::Origin,
                    Bytes{static_cast<uint8_t>(attributes.origin)});
    write_attribute(writer, kWellKnown, AttributeType::AsPath,
                    encode_path(attributes.as_path, as4));
    if (with_next_hop) {
        const auto& bytes = attributes.next_hop->bytes();
        write_attribute(writer, kWellKnown, AttributeType::NextHop, View(bytes).first(4));
    }
    if (attributes.med) {
        write_attribute(writer, kOptional, AttributeType::Med, encode_u32(*attributes.med));
    }
    if (attributes.local_preference) {
        write_attribute(writer, kWellKnown, AttributeType::LocalPreference,
                        encode_u32(*attributes.local_preference));
    }
    if (attributes.atomic_aggregate) {
        write_attribute(writer, kWellKnown, AttributeType::AtomicAggregate, {});
    }
    if (attributes.aggregator) {
        write_attribute(writer, kOptionalTransitive, AttributeType::Aggregator,
                        encode_aggregator(*attributes.aggregator, as4));
    }
    write_communities(writer, attributes);
    if (!as4 && needs_as4_path(attributes.as_path)) {
        write_attribute(writer, kOptionalTransitive, AttributeType::As4Path,
                        encode_path(attributes.as_path, true));
    }
    if (!as4 && attributes.aggregator && !fits_two_bytes(attributes.aggregator->as)) {
        write_attribute(writer, kOptionalTransitive, AttributeType::As4Aggregator,
                        encode_aggregator(*attributes.aggregator, true));
    }
    write_large_communities(writer, attributes);
    return writer.take();
}

std::string describe(const AsPath& path) {
    static constexpr const char* kOpen[] = {"?", "{", "", "(", "["};
    static constexpr const char* kClose[] = {"?", "}", "", ")", "]"};
    std::string text;
    for (const AsSegment& segment : path) {
        const size_t type = segment.type <= 4 ? segment.type : 0;
        const char* between = segment.type == AsSegment::Set ? "," : " ";
        text += text.empty() ? kOpen[type] : std::string(" ") + kOpen[type];
        for (size_t i = 0; i < segment.numbers.size(); ++i) {
            text += (i == 0 ? "" : between) + std::to_string(segment.numbers[i]);
        }
        text += kClose[type];
    }
    return text;
}

std::string describe(const LargeCommunity& community) {
    return std::to_string(community.administrator) + ":" + std::to_string(community.first) + ":" +
           std::to_string(community.second);
}

std::string describe_community(Community community) {
    for (const auto& [name, value] : kWellKnownCommunities) {
        if (value == community) {
            return name;
        }
    }
    return std::to_string(community >> 16) + ":" + std::to_string(community & 0xffff);
}

std::optional<Community> parse_community(std::string_view text) {
    for (const auto& [name, value] : kWellKnownCommunities) {
        if (name == text) {
            return value;
        }
    }
    const size_t colons = std::count(text.begin(), text.end(), ':');
    const auto high = parse_number(take_part(text), 0xffff);
    const auto low = parse_number(text, 0xffff);
    return colons == 1 && high && low ? std::optional(*high << 16 | *low) : std::nullopt;
}

std::optional<LargeCommunity> parse_large_community(std::string_view text) {
    constexpr uint32_t kAny = std::numeric_limits<uint32_t>::max();
    const size_t colons = std::count(text.begin(), text.end(), ':');
    const auto administrator = parse_number(take_part(text), kAny);
    const auto first = parse_number(take_part(text), kAny);
    const auto second = parse_number(text, kAny);
    if (colons != 2 || !administrator || !first || !second) {
        return std::nullopt;
    }
    return LargeCommunity{*administrator, *first, *second};
}

}  // namespace dlb::bgp
