#include "bgp/notification.hpp"

#include <algorithm>
#include <array>

namespace dlb::bgp {
namespace {

using Names = std::array<const char*, 12>;

constexpr std::array<const char*, 9> kCodes = {"",
                                               "message header",
                                               "OPEN message",
                                               "UPDATE message",
                                               "hold timer expired",
                                               "finite state machine",
                                               "Cease",
                                               "ROUTE-REFRESH message",
                                               "send hold timer expired"};

constexpr std::array<Names, 9> kSubcodes = {{
    {},
    {"unspecific", "connection not synchronized", "bad message length", "bad message type"},
    {"unspecific", "unsupported version", "bad peer AS", "bad BGP identifier",
     "unsupported optional parameter", "authentication failure", "unacceptable hold time",
     "unsupported capability", nullptr, nullptr, nullptr, "role mismatch"},
    {"unspecific", "malformed attribute list", "unrecognized well-known attribute",
     "missing well-known attribute", "attribute flags", "attribute length", "invalid ORIGIN",
     "AS routing loop", "invalid NEXT_HOP", "optional attribute", "invalid network field",
     "malformed AS_PATH"},
    {},
    {"unspecific", "unexpected message in OpenSent", "unexpected message in OpenConfirm",
     "unexpected message in Established"},
    {"unspecific", "maximum number of prefixes reached", "administrative shutdown",
     "peer de-configured", "administrative reset", "connection rejected",
     "other configuration change", "connection collision resolution", "out of resources",
     "hard reset", "BFD down"},
    {"unspecific", "invalid message length"},
    {},
}};

bool carries_text(const Notification& notification) {
    return notification.is(Cease::AdministrativeShutdown) ||
           notification.is(Cease::AdministrativeReset);
}

Notification inside_of(const Notification& hard) {
    Reader reader(hard.data);
    const auto code = static_cast<ErrorCode>(reader.u8());
    const uint8_t subcode = reader.u8();
    const View data = reader.rest();
    return {code, subcode, Bytes(data.begin(), data.end())};
}

}  // namespace

Notification cease_with_text(Cease cease, std::string_view text) {
    size_t size = std::min<size_t>(text.size(), 255);
    while (size < text.size() && size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) {
        --size;
    }
    Bytes data;
    if (size > 0) {
        data.push_back(static_cast<uint8_t>(size));
        data.insert(data.end(), text.begin(), text.begin() + static_cast<ptrdiff_t>(size));
    }
    return {cease, std::move(data)};
}

Notification hard_reset(const Notification& inner) {
    Bytes data = {static_cast<uint8_t>(inner.code), inner.subcode};
    data.insert(data.end(), inner.data.begin(), inner.data.end());
    return {Cease::HardReset, std::move(data)};
}

std::string shutdown_text(const Notification& notification) {
    if (notification.is(Cease::HardReset) && notification.data.size() >= 2) {
        const Notification inner = inside_of(notification);
        return carries_text(inner) ? shutdown_text(inner) : "";
    }
    if (!carries_text(notification)) {
        return "";
    }
    Reader reader(notification.data);
    const View bytes = reader.bytes(reader.u8());
    std::string text(bytes.begin(), bytes.end());
    // RFC 9003 §4: another's text reaches logs and terminals.
    std::replace_if(
        text.begin(), text.end(),
        [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; }, ' ');
    return text;
}

std::string describe(const Notification& notification) {
    const auto code = static_cast<size_t>(notification.code);
    std::string text = code >= 1 && code < kCodes.size() ? kCodes[code] : "unknown error";
    const char* subcode =
        code >= 1 && code < kSubcodes.size() && notification.subcode < kSubcodes[code].size()
            ? kSubcodes[code][notification.subcode]
            : nullptr;
    if (subcode != nullptr) {
        text += std::string(": ") + subcode;
    }
    text += " (" + std::to_string(code) + "/" + std::to_string(notification.subcode) + ")";
    if (notification.is(Cease::HardReset) && notification.data.size() >= 2) {
        const Notification inner = inside_of(notification);
        return inner.is(Cease::HardReset) ? text : text + " for " + describe(inner);
    }
    const std::string words = shutdown_text(notification);
    return words.empty() ? text : text + ", \"" + words + "\"";
}

}  // namespace dlb::bgp
