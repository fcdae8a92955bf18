// How each path attribute is read, and what is to be done where it is malformed: RFC 7606 §7 as a
// table.
//
// Thread safety: pure functions.
#pragma once

#include <optional>

#include "bgp/attribute_reader.hpp"

namespace dlb::bgp {

// What the attributes of one UPDATE are read into.
struct Scope {
    const UpdateFormat& format;
    AttributesRead& read;
    std::optional<AsPath> as4_path;
    std::optional<Aggregator> as4_aggregator;
};

// Whether the value is well formed.
using ReadValue = bool (*)(Reader value, Scope& scope);

enum class From : uint8_t { Anyone, InternalPeers, OldSpeakers };

struct Rule {
    AttributeType type;
    uint8_t flags;  // of Optional and Transitive
    Remedy malformed;
    From from;  // others' are discarded unread
    ReadValue read;
};

constexpr uint8_t kFlagsThatMatter = kOptional | kTransitive;

const Rule* find_rule(uint8_t type);  // null: an attribute that is not known here

}  // namespace dlb::bgp
