#include "bgp/update.hpp"

#include <algorithm>

#include "bgp/message.hpp"
#include "bgp/nlri.hpp"

namespace dlb::bgp {
namespace {

struct Fields {
    View withdrawn;
    View attributes;
    View reachable;
};

// RFC 4271 §6.3 and RFC 7606 §3 b: lengths that do not fit the message reset the session.
std::optional<Fields> split(View body) {
    Reader reader(body);
    Fields fields;
    fields.withdrawn = reader.bytes(reader.u16());
    fields.attributes = reader.bytes(reader.u16());
    if (reader.failed()) {
        return std::nullopt;
    }
    fields.reachable = reader.rest();
    return fields;
}

// RFC 7606 §3 d.
void check_mandatory(AttributesRead& read, bool plain, bool multiprotocol) {
    if (!plain && !multiprotocol) {
        return;
    }
    const std::pair<bool, AttributeType> needed[] = {
        {read.has_origin, AttributeType::Origin},
        {read.has_as_path, AttributeType::AsPath},
        {read.has_next_hop || !plain, AttributeType::NextHop},
    };
    for (const auto& [there, type] : needed) {
        if (!there) {
            read.faults.push_back({Remedy::TreatAsWithdraw, static_cast<uint8_t>(type), "missing"});
        }
    }
}

std::optional<Family> end_of_rib(const Fields& fields, const AttributesRead& read) {
    if (!fields.withdrawn.empty() || !fields.reachable.empty()) {
        return std::nullopt;
    }
    if (fields.attributes.empty()) {
        return Family::V4;
    }
    if (read.only_mp_unreach && read.mp_unreach && read.withdrawn.empty() && read.faults.empty()) {
        return unicast_family(*read.mp_unreach);
    }
    return std::nullopt;
}

void append(std::vector<Nlri>& to, const std::vector<Nlri>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

// What stands around the prefixes of an UPDATE, so that its size is known before.
struct Frame {
    bool multiprotocol = false;
    AttributeType type = AttributeType::MpReach;
    Bytes head;              // MP_REACH_NLRI or MP_UNREACH_NLRI up to the prefixes
    bool withdrawn = false;  // IPv4's Withdrawn Routes field
    Bytes after;             // attributes that follow

    size_t size() const {
        return kHeaderSize + 4 + after.size() + (multiprotocol ? 4 + head.size() : 0);
    }
};

Bytes build(const Frame& frame, View nlri) {
    Writer writer;
    const size_t withdrawn = writer.open16();
    if (frame.withdrawn) {
        writer.bytes(nlri);
    }
    writer.close16(withdrawn);
    const size_t attributes = writer.open16();
    if (frame.multiprotocol) {
        // RFC 7606 §5.1: it "SHALL be encoded as the very first path attribute".
        writer.u8(kOptional | kExtendedLength);
        writer.u8(static_cast<uint8_t>(frame.type));
        const size_t value = writer.open16();
        writer.bytes(frame.head);
        writer.bytes(nlri);
        writer.close16(value);
    }
    writer.bytes(frame.after);
    writer.close16(attributes);
    if (!frame.withdrawn && !frame.multiprotocol) {
        writer.bytes(nlri);
    }
    return encode_message(MessageType::Update, writer.view());
}

std::vector<Bytes> pack(const Frame& frame, const std::vector<Nlri>& prefixes, bool add_path,
                        size_t limit) {
    const size_t room = limit - frame.size();
    std::vector<Bytes> messages;
    Writer nlri;
    for (const Nlri& prefix : prefixes) {
        if (nlri.size() + nlri_size(prefix, add_path) > room) {
            messages.push_back(build(frame, nlri.view()));
            nlri = Writer();
        }
        encode_nlri(nlri, prefix, add_path);
    }
    if (nlri.size() > 0) {
        messages.push_back(build(frame, nlri.view()));
    }
    return messages;
}

Bytes mp_reach_head(Family family, const IpAddress& next_hop) {
    Writer writer;
    writer.u16(afi_of(family));
    writer.u8(unicast(family).safi);
    writer.u8(static_cast<uint8_t>(next_hop.size()));
    writer.bytes(View(next_hop.bytes()).first(next_hop.size()));
    writer.u8(0);
    return writer.take();
}

Bytes mp_unreach_head(Family family) {
    Writer writer;
    writer.u16(afi_of(family));
    writer.u8(unicast(family).safi);
    return writer.take();
}

}  // namespace

Decoded<Update> decode_update(View body, const UpdateFormat& format) {
    const auto fields = split(body);
    if (!fields) {
        return Notification(UpdateError::MalformedAttributeList);
    }
    Update update;
    std::vector<Nlri> plain;
    const bool add_path = format.add_path[Family::V4];
    // RFC 7606 §5.3, §3 j: prefixes that cannot be read leave nothing to withdraw.
    if (!decode_nlri(fields->withdrawn, Family::V4, add_path, update.withdrawn) ||
        !decode_nlri(fields->reachable, Family::V4, add_path, plain)) {
        return Notification(UpdateError::InvalidNetwork);
    }
    auto outcome = read_attributes(fields->attributes, format);
    if (!outcome) {
        return outcome.error();
    }
    AttributesRead& read = outcome.value();
    const bool reaches = !plain.empty() || read.mp_reach.has_value();
    check_mandatory(read, !plain.empty(), read.mp_reach.has_value());
    update.end_of_rib = end_of_rib(*fields, read);
    update.treated_as_withdraw = std::any_of(
        read.faults.begin(), read.faults.end(),
        [](const AttributeFault& fault) { return fault.remedy == Remedy::TreatAsWithdraw; });
    // RFC 7606 §5.2: attributes in error and no route that they belong to: it may have been lost.
    if (update.treated_as_withdraw && !reaches) {
        return Notification(UpdateError::MalformedAttributeList);
    }
    append(update.withdrawn, read.withdrawn);
    auto& reached = update.treated_as_withdraw ? update.withdrawn : update.announced;
    append(reached, plain);
    append(reached, read.reached);
    update.attributes = std::move(read.attributes);
    update.faults = std::move(read.faults);
    return update;
}

Result<std::vector<Bytes>> encode_announcements(Family family, const std::vector<Nlri>& prefixes,
                                                const Attributes& attributes,
                                                const UpdateFormat& format) {
    const IpAddress& next_hop = *attributes.next_hop;
    const bool plain = family == Family::V4 && next_hop.is_v4();
    if (family == Family::V6 && next_hop.is_v4()) {
        return Error{"an IPv6 route needs an IPv6 next hop, not " + next_hop.to_string()};
    }
    if (family == Family::V4 && !plain && !format.extended_next_hop) {
        return Error{"an IPv4 route with the IPv6 next hop " + next_hop.to_string() +
                     " needs a neighbour that offers RFC 8950"};
    }
    Frame frame;
    frame.after = encode_attributes(attributes, format.as4, plain);
    if (!plain) {
        frame.multiprotocol = true;
        frame.head = mp_reach_head(family, next_hop);
    }
    constexpr size_t kLongestPrefix = 4 + 1 + 16;
    if (frame.size() + kLongestPrefix > format.limit) {
        return Error{"the attributes take " + std::to_string(frame.after.size()) +
                     " bytes and leave no room for a prefix; use fewer communities"};
    }
    return pack(frame, prefixes, format.add_path[family], format.limit);
}

std::vector<Bytes> encode_withdrawals(Family family, const std::vector<Nlri>& prefixes,
                                      const UpdateFormat& format) {
    Frame frame;
    if (family == Family::V4) {
        frame.withdrawn = true;
    } else {
        frame.multiprotocol = true;
        frame.type = AttributeType::MpUnreach;
        frame.head = mp_unreach_head(family);
    }
    return pack(frame, prefixes, format.add_path[family], format.limit);
}

Bytes encode_end_of_rib(Family family) {
    if (family == Family::V4) {
        return encode_message(MessageType::Update, Bytes(4, 0));
    }
    Frame frame;
    frame.multiprotocol = true;
    frame.type = AttributeType::MpUnreach;
    frame.head = mp_unreach_head(family);
    return build(frame, {});
}

}  // namespace dlb::bgp
