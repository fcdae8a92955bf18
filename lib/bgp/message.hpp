// Messages but UPDATE (RFC 4271 §4, RFC 2918, RFC 7313), and the Framer that cuts them from a
// stream.
//
// Shapes: encode_…() give whole messages with their header; decode_…() take a message's body,
// without it.
// Errors: a Decoded is the NOTIFICATION that is due; nothing throws.
//
// Thread safety: plain values and pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "bgp/bytes.hpp"
#include "bgp/capabilities.hpp"
#include "bgp/notification.hpp"
#include "bgp/types.hpp"

namespace dlb::bgp {

constexpr size_t kHeaderSize = 19;
constexpr size_t kMessageLimit = 4096;           // RFC 4271 §4
constexpr size_t kExtendedMessageLimit = 65535;  // RFC 8654, once both have the capability

enum class MessageType : uint8_t {
    Open = 1,
    Update = 2,
    Notification = 3,
    Keepalive = 4,
    RouteRefresh = 5,
};

struct Message {
    MessageType type;
    View body;  // valid until the Framer is touched again
};

// Bytes of a stream in, messages out. Keeps at most one message's worth of what is not whole yet,
// beside what one append() brought.
class Framer {
  public:
    void set_limit(size_t limit) { limit_ = limit; }
    void append(View bytes);
    // The next whole message; nullopt where more bytes are needed.
    // Errors: RFC 4271 §6.1. After one the stream is beyond repair.
    Decoded<std::optional<Message>> next();

  private:
    size_t limit_ = kMessageLimit;
    Bytes buffer_;
    size_t begin_ = 0;  // of what next() has not yet given
};

struct Open {
    uint8_t version = 4;
    uint32_t as = 0;  // decoded: the AS4 capability's where there is one
    std::chrono::seconds hold_time{0};
    uint32_t identifier = 0;  // host byte order; only unique within an AS (RFC 6286)
    Capabilities capabilities;
    friend bool operator==(const Open&, const Open&) = default;
};

enum class RefreshKind : uint8_t { Request = 0, Begin = 1, End = 2 };  // RFC 7313 §3.2

struct RouteRefresh {
    AfiSafi family;
    RefreshKind kind = RefreshKind::Request;
    friend bool operator==(const RouteRefresh&, const RouteRefresh&) = default;
};

Bytes encode_message(MessageType type, View body);
Bytes encode_open(const Open& open);
Bytes encode_keepalive();
Bytes encode_notification(const Notification& notification);
Bytes encode_route_refresh(const RouteRefresh& refresh);

// Errors: 2/1, 2/3 (identifier 0), 2/4, 2/6 (hold time 1 or 2), 2/2 (AS 0), 2/0.
Decoded<Open> decode_open(View body);
Notification decode_notification(View body);
// nullopt: a subtype of the future, which RFC 7313 §5 wants ignored. Errors: 7/1.
Decoded<std::optional<RouteRefresh>> decode_route_refresh(View body);

}  // namespace dlb::bgp
