// A BFD session under a clock that the test turns, and packets of a peer to feed it.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <vector>

#include "bgp/bfd_session.hpp"

namespace dlb::bfd_test {

using namespace std::chrono_literals;
using std::chrono::microseconds;

inline constexpr uint32_t kOurs = 0x0a0b0c0d;
inline constexpr uint32_t kTheirs = 0x01020304;
inline constexpr BfdSettings kFast{50ms, 50ms, 3};

inline BfdSession::Draw random_draw(unsigned seed = 1) {
    return [engine = std::mt19937(seed)](uint32_t bound) mutable {
        return std::uniform_int_distribution<uint32_t>(0, bound - 1)(engine);
    };
}
// Always the longest interval: no jitter.
inline uint32_t longest(uint32_t bound) {
    return bound - 1;
}

// A packet that the peer may send at any time.
inline BfdPacket from_peer(BfdState state, const BfdSettings& settings = kFast) {
    BfdPacket packet;
    packet.state = state;
    packet.multiplier = settings.multiplier;
    packet.my_discriminator = kTheirs;
    packet.your_discriminator = kOurs;
    packet.desired_min_tx = settings.min_tx;
    packet.required_min_rx = settings.min_rx;
    return packet;
}

struct Sent {
    BfdTime at;
    BfdPacket packet;
};

// Everything that the session sends and changes, in order.
class Rig {
  public:
    explicit Rig(const BfdSettings& settings = kFast, BfdSession::Draw draw = longest)
        : session(kOurs, settings, std::move(draw), now) {}

    void take(const BfdActions& actions) {
        if (actions.send) {
            sent.push_back({now, *actions.send});
        }
        if (actions.change) {
            changes.push_back(*actions.change);
        }
    }
    BfdActions receive(const BfdPacket& packet) {
        const BfdActions actions = session.on_packet(packet, now);
        take(actions);
        return actions;
    }
    BfdActions receive(BfdState state) { return receive(from_peer(state)); }
    // Turns the clock; timers go off when they are due.
    void run(microseconds duration) {
        const BfdTime end = now + duration;
        while (session.deadline() <= end) {
            now = std::max(now, session.deadline());
            take(session.on_timer(now));
        }
        now = end;
    }
    // As run(), with a packet of the peer each `every`.
    void run_fed(microseconds duration, microseconds every, const BfdPacket& packet) {
        for (const BfdTime end = now + duration; now < end;) {
            receive(packet);
            run(every);
        }
    }
    // Brings it up the way of §6.2, the peer's Final to our first Poll included.
    void come_up() {
        receive(BfdState::Down);
        receive(BfdState::Init);
        finish_poll();
    }
    void finish_poll(const BfdSettings& peer = kFast) {
        for (int i = 0; i < 3 && session.status().polling; ++i) {
            take(session.on_timer(now = std::max(now, session.deadline())));
            BfdPacket answer = from_peer(BfdState::Up, peer);
            answer.final = true;
            receive(answer);
        }
    }
    // Into `state` with no packet of the peer's but what it takes.
    void go_to(BfdState state) {
        if (state == BfdState::AdminDown) {
            take(session.set_admin_down(true, now));
        } else if (state == BfdState::Init) {
            receive(BfdState::Down);
        } else if (state == BfdState::Up) {
            come_up();
        }
        sent.clear();
        changes.clear();
    }

    BfdTime now{1h};
    BfdSession session;
    std::vector<Sent> sent;
    std::vector<BfdChange> changes;
};

}  // namespace dlb::bfd_test
