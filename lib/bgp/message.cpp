#include "bgp/message.hpp"

#include <algorithm>
#include <limits>

namespace dlb::bgp {
namespace {

constexpr size_t kMarkerSize = 16;
constexpr uint8_t kVersion = 4;
constexpr uint8_t kCapabilityParameter = 2;
constexpr uint8_t kExtendedParameters = 255;  // RFC 9072 §2

// RFC 4271 §6.1: the least length of each type; a KEEPALIVE has no other.
bool length_fits(MessageType type, size_t length) {
    switch (type) {
        case MessageType::Open:
            return length >= 29 && length <= kMessageLimit;  // RFC 8654 §4: never extended
        case MessageType::Update:
            return length >= 23;
        case MessageType::Notification:
            return length >= 21;
        case MessageType::Keepalive:
            return length == kHeaderSize;
        case MessageType::RouteRefresh:
            return length >= 23;
    }
    return false;
}

bool is_known(uint8_t type) {
    return type >= static_cast<uint8_t>(MessageType::Open) &&
           type <= static_cast<uint8_t>(MessageType::RouteRefresh);
}

// RFC 4271 §6.2: "If one of the Optional Parameters in the OPEN message is not recognized" it is
// 2/4; "recognized, but is malformed" is 2/0.
std::optional<Notification> decode_parameters(Reader parameters, bool extended, Open& open) {
    while (!parameters.done()) {
        const uint8_t type = parameters.u8();
        const size_t size = extended ? parameters.u16() : parameters.u8();
        const View value = parameters.bytes(size);
        if (parameters.failed()) {
            return Notification(OpenError::Unspecific);
        }
        if (type != kCapabilityParameter) {
            return Notification(OpenError::UnsupportedParameter);
        }
        if (auto error = decode_capabilities(value, open.capabilities)) {
            return error;
        }
    }
    return std::nullopt;
}

}  // namespace

void Framer::append(View bytes) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(begin_));
    begin_ = 0;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Decoded<std::optional<Message>> Framer::next() {
    const View pending = View(buffer_).subspan(begin_);
    // RFC 4271 §6.1. The marker is judged as it comes: what is no BGP is told early.
    const View marker = pending.first(std::min(pending.size(), kMarkerSize));
    if (std::any_of(marker.begin(), marker.end(), [](uint8_t byte) { return byte != 0xff; })) {
        return Notification(HeaderError::NotSynchronized);
    }
    if (pending.size() < kHeaderSize) {
        return std::optional<Message>();
    }
    Reader reader(pending.subspan(kMarkerSize));
    const uint16_t length = reader.u16();
    const uint8_t type = reader.u8();
    const Bytes length_field(pending.begin() + kMarkerSize, pending.begin() + kMarkerSize + 2);
    if (length < kHeaderSize || length > limit_) {
        return Notification(HeaderError::BadLength, length_field);
    }
    if (!is_known(type)) {
        return Notification(HeaderError::BadType, {type});
    }
    if (!length_fits(static_cast<MessageType>(type), length)) {
        return Notification(HeaderError::BadLength, length_field);
    }
    if (pending.size() < length) {
        return std::optional<Message>();
    }
    begin_ += length;
    return std::optional<Message>(Message{static_cast<MessageType>(type),
                                          pending.subspan(kHeaderSize, length - kHeaderSize)});
}

Bytes encode_message(MessageType type, View body) {
    Bytes message(kMarkerSize, 0xff);
    const size_t length = kHeaderSize + body.size();
    message.reserve(length);
    message.push_back(static_cast<uint8_t>(length >> 8));
    message.push_back(static_cast<uint8_t>(length));
    message.push_back(static_cast<uint8_t>(type));
    message.insert(message.end(), body.begin(), body.end());
    return message;
}

Bytes encode_open(const Open& open) {
    Writer writer;
    writer.u8(open.version);
    // RFC 6793 §4.1: an AS of four bytes stands in the capability alone.
    writer.u16(open.as > std::numeric_limits<uint16_t>::max() ? kAsTrans
                                                              : static_cast<uint16_t>(open.as));
    writer.u16(static_cast<uint16_t>(open.hold_time.count()));
    writer.u32(open.identifier);
    const size_t parameters = writer.open8();
    const Bytes capabilities = encode_capabilities(open.capabilities);
    if (!capabilities.empty()) {
        writer.u8(kCapabilityParameter);
        const size_t value = writer.open8();
        writer.bytes(capabilities);
        writer.close8(value);
    }
    writer.close8(parameters);
    return encode_message(MessageType::Open, writer.view());
}

Bytes encode_keepalive() {
    return encode_message(MessageType::Keepalive, {});
}

Bytes encode_notification(const Notification& notification) {
    Writer writer;
    writer.u8(static_cast<uint8_t>(notification.code));
    writer.u8(notification.subcode);
    // What is quoted is cut: a NOTIFICATION may be as long as any other message and no longer.
    const size_t room = kMessageLimit - kHeaderSize - 2;
    writer.bytes(View(notification.data).first(std::min(room, notification.data.size())));
    return encode_message(MessageType::Notification, writer.view());
}

Bytes encode_route_refresh(const RouteRefresh& refresh) {
    Writer writer;
    writer.u16(refresh.family.afi);
    writer.u8(static_cast<uint8_t>(refresh.kind));
    writer.u8(refresh.family.safi);
    return encode_message(MessageType::RouteRefresh, writer.view());
}

Decoded<Open> decode_open(View body) {
    Reader reader(body);
    Open open;
    open.version = reader.u8();
    if (open.version != kVersion) {
        // RFC 4271 §6.2: the data is the largest version supported, in two bytes.
        return Notification(OpenError::UnsupportedVersion, {0, kVersion});
    }
    open.as = reader.u16();
    open.hold_time = std::chrono::seconds(reader.u16());
    open.identifier = reader.u32();
    size_t size = reader.u8();
    bool extended = false;
    if (size == kExtendedParameters && reader.left() >= 3 &&
        body[body.size() - reader.left()] == kExtendedParameters) {
        reader.u8();
        size = reader.u16();
        extended = true;
    }
    if (reader.failed() || size != reader.left()) {
        return Notification(OpenError::Unspecific);
    }
    if (auto error = decode_parameters(Reader(reader.rest()), extended, open)) {
        return *error;
    }
    const bool as_in_two_bytes_is_zero = open.as == 0;
    open.as = open.capabilities.as4.value_or(open.as);
    if (open.as == 0 || as_in_two_bytes_is_zero) {
        return Notification(OpenError::BadPeerAs);  // RFC 7607 §2
    }
    if (open.identifier == 0) {
        return Notification(OpenError::BadIdentifier);  // RFC 6286 §2.2
    }
    if (open.hold_time.count() == 1 || open.hold_time.count() == 2) {
        return Notification(OpenError::UnacceptableHoldTime);  // RFC 4271 §6.2
    }
    return open;
}

Notification decode_notification(View body) {
    Reader reader(body);
    const auto code = static_cast<ErrorCode>(reader.u8());
    const uint8_t subcode = reader.u8();
    const View data = reader.rest();
    return {code, subcode, Bytes(data.begin(), data.end())};
}

Decoded<std::optional<RouteRefresh>> decode_route_refresh(View body) {
    Reader reader(body);
    RouteRefresh refresh;
    refresh.family.afi = reader.u16();
    const uint8_t kind = reader.u8();
    refresh.family.safi = reader.u8();
    if (kind > static_cast<uint8_t>(RefreshKind::End)) {
        return std::optional<RouteRefresh>();
    }
    refresh.kind = static_cast<RefreshKind>(kind);
    // RFC 7313 §5: of exactly four bytes, and the whole message is quoted. A request may go on with
    // filters (RFC 5291), which were not offered and are not read.
    if (reader.failed() || (refresh.kind != RefreshKind::Request && !reader.done())) {
        return Notification(RefreshError::InvalidLength,
                            encode_message(MessageType::RouteRefresh, body));
    }
    return std::optional<RouteRefresh>(refresh);
}

}  // namespace dlb::bgp
