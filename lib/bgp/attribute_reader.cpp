#include "bgp/attribute_reader.hpp"

#include <bitset>

#include "bgp/attribute_rules.hpp"

namespace dlb::bgp {
namespace {

bool is_multiprotocol(uint8_t type) {
    return type == static_cast<uint8_t>(AttributeType::MpReach) ||
           type == static_cast<uint8_t>(AttributeType::MpUnreach);
}

bool comes_from(From from, const UpdateFormat& format) {
    switch (from) {
        case From::Anyone:
            return true;
        case From::InternalPeers:
            return format.internal;
        case From::OldSpeakers:
            return !format.as4;  // RFC 6793 §4.1: a new speaker's are discarded
    }
    return false;
}

struct Raw {
    uint8_t flags = 0;
    uint8_t type = 0;
    View value;
    View whole;  // with its header, as a NOTIFICATION quotes it
};

// nullopt where the header or the value does not fit: RFC 7606 §4.
std::optional<Raw> take_attribute(Reader& reader, View bytes) {
    const size_t begin = bytes.size() - reader.left();
    Raw raw;
    raw.flags = reader.u8();
    raw.type = reader.u8();
    const size_t size = (raw.flags & kExtendedLength) != 0 ? reader.u16() : reader.u8();
    raw.value = reader.bytes(size);
    if (reader.failed()) {
        return std::nullopt;
    }
    raw.whole = bytes.subspan(begin, bytes.size() - reader.left() - begin);
    return raw;
}

// Errors: what needs a session reset.
std::optional<Notification> apply(const Raw& raw, Scope& scope) {
    auto& faults = scope.read.faults;
    const Bytes quoted(raw.whole.begin(), raw.whole.end());
    const Rule* rule = find_rule(raw.type);
    if (rule == nullptr) {
        if ((raw.flags & kOptional) == 0) {
            return Notification(UpdateError::UnrecognizedWellKnown, quoted);  // RFC 4271 §6.3
        }
        return std::nullopt;  // nothing is passed on here, so there is nothing to keep
    }
    if (!comes_from(rule->from, scope.format)) {
        faults.push_back({Remedy::Discard, raw.type, "not from such a peer"});
        return std::nullopt;
    }
    // RFC 7606 §3 c: "in conflict with their specified values".
    if ((raw.flags & kFlagsThatMatter) != rule->flags) {
        faults.push_back({Remedy::TreatAsWithdraw, raw.type, "attribute flags"});
    }
    if (rule->read(Reader(raw.value), scope)) {
        return std::nullopt;
    }
    if (rule->malformed == Remedy::Reset) {
        return Notification(UpdateError::OptionalAttribute, quoted);  // RFC 4760 §7
    }
    faults.push_back({rule->malformed, raw.type, "malformed value"});
    return std::nullopt;
}

size_t path_length(const AsPath& path) {
    size_t length = 0;
    for (const AsSegment& segment : path) {
        length += segment.type == AsSegment::Set ? 1 : segment.numbers.size();
    }
    return length;
}

// RFC 6793 §4.2.3: what the old speakers' AS_PATH has in front of AS4_PATH, and then that.
void merge_as4(Scope& scope) {
    Attributes& attributes = scope.read.attributes;
    if (scope.as4_aggregator && attributes.aggregator) {
        if (attributes.aggregator->as != kAsTrans) {
            return;  // "AS4_AGGREGATOR and AS4_PATH SHALL be ignored"
        }
        attributes.aggregator = scope.as4_aggregator;
    }
    if (!scope.as4_path) {
        return;
    }
    const size_t whole = path_length(attributes.as_path);
    const size_t newer = path_length(*scope.as4_path);
    if (newer > whole) {
        return;
    }
    size_t lead = whole - newer;
    AsPath merged;
    for (AsSegment& segment : attributes.as_path) {
        if (lead == 0) {
            break;
        }
        const bool is_set = segment.type == AsSegment::Set;
        if (!is_set && segment.numbers.size() > lead) {
            segment.numbers.resize(lead);
        }
        lead -= is_set ? 1 : segment.numbers.size();
        merged.push_back(std::move(segment));
    }
    for (AsSegment& segment : *scope.as4_path) {
        if (!merged.empty() && merged.back().type == AsSegment::Sequence &&
            segment.type == AsSegment::Sequence) {
            auto& numbers = merged.back().numbers;
            numbers.insert(numbers.end(), segment.numbers.begin(), segment.numbers.end());
        } else {
            merged.push_back(std::move(segment));
        }
    }
    attributes.as_path = std::move(merged);
}

}  // namespace

Decoded<AttributesRead> read_attributes(View bytes, const UpdateFormat& format) {
    AttributesRead read;
    Scope scope{format, read, {}, {}};
    std::bitset<256> seen;
    Reader reader(bytes);
    while (!reader.done()) {
        const auto raw = take_attribute(reader, bytes);
        if (!raw) {
            // RFC 7606 §4: the rest cannot be told apart.
            read.only_mp_unreach = false;
            read.faults.push_back({Remedy::TreatAsWithdraw, 0, "an attribute's length overruns"});
            break;
        }
        if (raw->type != static_cast<uint8_t>(AttributeType::MpUnreach)) {
            read.only_mp_unreach = false;
        }
        if (seen[raw->type]) {
            if (is_multiprotocol(raw->type)) {  // RFC 7606 §3 g
                return Notification(UpdateError::MalformedAttributeList);
            }
            read.faults.push_back({Remedy::Discard, raw->type, "a second time"});
            continue;
        }
        seen[raw->type] = true;
        if (auto error = apply(*raw, scope)) {
            return *error;
        }
    }
    if (!format.as4) {
        merge_as4(scope);
    }
    return read;
}

}  // namespace dlb::bgp
