// The BGP codec on anything: the first byte chooses how the session was negotiated, the rest is the
// stream. Linked with libFuzzer (clang) it is a fuzz target; test/unit/bgp_mutation_test.cpp drives
// the same function with mutations of its own.
#include <cstdlib>

#include "bgp/message.hpp"
#include "bgp/update.hpp"

namespace dlb::bgp {
namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// What is read without a fault and written again reads the same.
void round_trip(const Update& update, const UpdateFormat& format) {
    if (!update.faults.empty() || update.announced.empty() || !update.attributes.next_hop) {
        return;
    }
    const Family family = update.announced.front().prefix.family();
    std::vector<Nlri> prefixes;
    for (const Nlri& nlri : update.announced) {
        if (nlri.prefix.family() == family) {
            prefixes.push_back(nlri);
        }
    }
    const auto messages = encode_announcements(family, prefixes, update.attributes, format);
    if (!messages.ok()) {
        return;
    }
    std::vector<Nlri> again;
    for (const Bytes& message : messages.value()) {
        require(message.size() <= format.limit);
        const auto decoded = decode_update(View(message).subspan(kHeaderSize), format);
        require(decoded.ok());
        require(decoded.value().faults.empty());
        require(!format.as4 || decoded.value().attributes == update.attributes);
        again.insert(again.end(), decoded.value().announced.begin(),
                     decoded.value().announced.end());
    }
    require(again == prefixes);
}

void open(View body) {
    const auto decoded = decode_open(body);
    if (decoded) {
        describe(decoded.value().capabilities);
    } else {
        describe(decoded.error());
    }
}

void update(View body, const UpdateFormat& format) {
    const auto decoded = decode_update(body, format);
    if (!decoded) {
        require(decoded.error().code == ErrorCode::UpdateMessage);
        encode_notification(decoded.error());
        return;
    }
    require(!decoded.value().treated_as_withdraw || decoded.value().announced.empty());
    describe(decoded.value().attributes.as_path);
    round_trip(decoded.value(), format);
}

void handle(const Message& message, const UpdateFormat& format) {
    switch (message.type) {
        case MessageType::Open:
            open(message.body);
            break;
        case MessageType::Update:
            update(message.body, format);
            break;
        case MessageType::Notification:
            describe(decode_notification(message.body));
            break;
        case MessageType::Keepalive:
            break;
        case MessageType::RouteRefresh:
            (void)decode_route_refresh(message.body);
            break;
    }
}

}  // namespace
}  // namespace dlb::bgp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace dlb::bgp;
    if (size == 0) {
        return 0;
    }
    UpdateFormat format;
    format.internal = (data[0] & 1) != 0;
    format.as4 = (data[0] & 2) == 0;
    format.add_path.v4 = (data[0] & 4) != 0;
    format.add_path.v6 = (data[0] & 8) != 0;
    format.extended_next_hop = (data[0] & 16) != 0;
    format.limit = (data[0] & 32) != 0 ? kExtendedMessageLimit : kMessageLimit;
    Framer framer;
    framer.set_limit(format.limit);
    framer.append(View(data + 1, size - 1));
    for (;;) {
        const auto next = framer.next();
        if (!next) {
            encode_notification(next.error());
            return 0;
        }
        if (!next.value()) {
            return 0;
        }
        handle(*next.value(), format);
    }
}
