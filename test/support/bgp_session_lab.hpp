// A Session on a clock of the test's own, and the neighbour's messages for it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "bgp/message.hpp"
#include "bgp/session.hpp"

namespace dlb::test {

using bgp::LinkId;
using bgp::Session;
using bgp::State;
using namespace std::chrono_literals;

inline bgp::Capabilities usual_capabilities(uint32_t as) {
    bgp::Capabilities offered;
    offered.families = {bgp::unicast(Family::V4), bgp::unicast(Family::V6)};
    offered.route_refresh = true;
    offered.as4 = as;
    return offered;
}

inline bgp::SessionConfig usual_session() {
    bgp::SessionConfig config;
    config.local_as = 65021;
    config.remote_as = 65000;
    config.router_id = 0x0a0a0102;
    config.hold_time = 9s;
    config.capabilities = usual_capabilities(65021);
    return config;
}

inline bgp::Open usual_open() {
    bgp::Open open;
    open.as = 65000;
    open.identifier = 0x0a0a0101;
    open.hold_time = 90s;
    open.capabilities = usual_capabilities(65000);
    return open;
}

struct SessionLab {
    explicit SessionLab(bgp::SessionConfig config = usual_session())
        : session(std::move(config), [this] { return jitter; }) {}

    // What came out since the last call, as text: "connect 1", "send 1 OPEN", "close 1", "up 1" …
    // A NOTIFICATION tells its code: "send 1 4/0".
    std::string did() {
        std::string text;
        for (const bgp::Action& action : session.take_actions()) {
            text += (text.empty() ? "" : ", ") + tell(action);
        }
        return text;
    }
    void pass(std::chrono::milliseconds time) {
        now += time;
        session.tick(now);
    }
    void hear(LinkId link, const bgp::Bytes& bytes) { session.received(now, link, bytes); }
    // Up by a connection of ours, number 1; all that it did is taken.
    void establish(const bgp::Open& open = usual_open()) {
        session.start(now);
        session.connected(now, 1);
        session.wrote(now, 1, 0);
        hear(1, bgp::encode_open(open));
        hear(1, bgp::encode_keepalive());
        session.wrote(now, 1, 0);
        did();
    }

    std::string tell(const bgp::Action& action) {
        namespace act = bgp::action;
        if (const auto* connect = std::get_if<act::Connect>(&action)) {
            return "connect " + std::to_string(connect->link);
        }
        if (const auto* send = std::get_if<act::Send>(&action)) {
            last_sent = send->bytes;
            return "send " + std::to_string(send->link) + " " + name(send->bytes);
        }
        if (const auto* close = std::get_if<act::Close>(&action)) {
            return "close " + std::to_string(close->link);
        }
        if (const auto* up = std::get_if<act::Up>(&action)) {
            return "up " + std::to_string(up->link);
        }
        if (std::holds_alternative<act::Down>(action)) {
            return "down";
        }
        return std::holds_alternative<act::Routes>(action) ? "routes" : "refresh";
    }
    static std::string name(const bgp::Bytes& message) {
        static constexpr const char* kNames[] = {"?", "OPEN", "UPDATE", "", "KEEPALIVE", "REFRESH"};
        return message[18] == 3 ? std::to_string(message[19]) + "/" + std::to_string(message[20])
                                : kNames[message[18]];
    }

    double jitter = 1;
    bgp::TimePoint now = bgp::TimePoint() + 1000s;
    Session session;
    bgp::Bytes last_sent;
};

}  // namespace dlb::test
