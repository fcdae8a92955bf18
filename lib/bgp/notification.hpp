// Notification: how one side tells the other what ended the session (RFC 4271 §4.5, §6), which is
// also how the codec reports what it could not take. Decoded<T>: a T, or the Notification due.
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "bgp/bytes.hpp"

namespace dlb::bgp {

enum class ErrorCode : uint8_t {
    MessageHeader = 1,
    OpenMessage = 2,
    UpdateMessage = 3,
    HoldTimerExpired = 4,
    StateMachine = 5,
    Cease = 6,
    RouteRefresh = 7,     // RFC 7313 §5
    SendHoldExpired = 8,  // RFC 9687
};
enum class HeaderError : uint8_t { NotSynchronized = 1, BadLength = 2, BadType = 3 };
enum class OpenError : uint8_t {
    Unspecific = 0,
    UnsupportedVersion = 1,
    BadPeerAs = 2,
    BadIdentifier = 3,
    UnsupportedParameter = 4,
    UnacceptableHoldTime = 6,
    UnsupportedCapability = 7,  // RFC 5492 §5
};
enum class UpdateError : uint8_t {
    MalformedAttributeList = 1,
    UnrecognizedWellKnown = 2,
    MissingWellKnown = 3,
    AttributeFlags = 4,
    AttributeLength = 5,
    InvalidOrigin = 6,
    InvalidNextHop = 8,
    OptionalAttribute = 9,
    InvalidNetwork = 10,
    MalformedAsPath = 11,
};
enum class StateError : uint8_t {
    InOpenSent = 1,
    InOpenConfirm = 2,
    InEstablished = 3
};                            // RFC 6608
enum class Cease : uint8_t {  // RFC 4486; 8538: HardReset; 9384: BfdDown
    MaximumPrefixes = 1,
    AdministrativeShutdown = 2,
    PeerDeconfigured = 3,
    AdministrativeReset = 4,
    ConnectionRejected = 5,
    ConfigurationChange = 6,
    Collision = 7,
    OutOfResources = 8,
    HardReset = 9,
    BfdDown = 10,
};
enum class RefreshError : uint8_t { InvalidLength = 1 };

struct Notification {
    ErrorCode code = ErrorCode::Cease;
    uint8_t subcode = 0;
    Bytes data;

    Notification() = default;
    Notification(ErrorCode code, uint8_t subcode, Bytes data = {})
        : code(code), subcode(subcode), data(std::move(data)) {}
    Notification(HeaderError error, Bytes data = {})  // NOLINT: implicit by design, as below
        : Notification(ErrorCode::MessageHeader, static_cast<uint8_t>(error), std::move(data)) {}
    Notification(OpenError error, Bytes data = {})  // NOLINT
        : Notification(ErrorCode::OpenMessage, static_cast<uint8_t>(error), std::move(data)) {}
    Notification(UpdateError error, Bytes data = {})  // NOLINT
        : Notification(ErrorCode::UpdateMessage, static_cast<uint8_t>(error), std::move(data)) {}
    Notification(StateError error, Bytes data = {})  // NOLINT
        : Notification(ErrorCode::StateMachine, static_cast<uint8_t>(error), std::move(data)) {}
    Notification(Cease error, Bytes data = {})  // NOLINT
        : Notification(ErrorCode::Cease, static_cast<uint8_t>(error), std::move(data)) {}
    Notification(RefreshError error, Bytes data = {})  // NOLINT
        : Notification(ErrorCode::RouteRefresh, static_cast<uint8_t>(error), std::move(data)) {}

    bool is(Cease cease) const {
        return code == ErrorCode::Cease && subcode == static_cast<uint8_t>(cease);
    }
    friend bool operator==(const Notification&, const Notification&) = default;
};

// A Cease with a text for the people on the other side (RFC 9003 §2); cut at 255 bytes, and never
// inside a UTF-8 character.
Notification cease_with_text(Cease cease, std::string_view text);

// RFC 8538 §3: what ends a session for good where both sides set the N bit. The notification given
// is carried inside.
Notification hard_reset(const Notification& inner);

// The text that a shutdown carries, control characters replaced; empty where there is none.
std::string shutdown_text(const Notification& notification);

// "OPEN message: bad peer AS (2/2)", with the shutdown text or what a hard reset carries.
std::string describe(const Notification& notification);

template <typename T>
class [[nodiscard]] Decoded {
  public:
    Decoded(T value) : outcome_(std::move(value)) {}             // NOLINT: implicit by design
    Decoded(Notification error) : outcome_(std::move(error)) {}  // NOLINT
    bool ok() const { return outcome_.index() == 0; }
    explicit operator bool() const { return ok(); }
    T& value() { return std::get<0>(outcome_); }
    const T& value() const { return std::get<0>(outcome_); }
    const Notification& error() const { return std::get<1>(outcome_); }

  private:
    std::variant<T, Notification> outcome_;
};

}  // namespace dlb::bgp
