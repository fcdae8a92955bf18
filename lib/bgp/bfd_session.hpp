// BfdSession: one session's state machine (RFC 5880 §6), asynchronous mode, no echo, no
// authentication, never asking for demand mode (a peer that asks for it is obeyed).
//
//   BfdSession session(discriminator, settings, draw, now);
//   send(session.on_timer(now)) whenever now >= session.deadline();
//   send(session.on_packet(packet, now)) for each packet that was found to be this session's.
//
// Pure: time comes in as an argument and does not run backwards, packets go out as values.
// Timer rules that are easy to get wrong, and where they are:
//   slow (1 s) until Up, Poll on a change             adopt_settings()       §6.8.3
//   a slower tx, a faster rx wait for the Final       adopt_settings()       §6.8.3
//   the detection time is the remote's multiplier's   detection_time()       §6.8.4
//   jitter 75–100 %, 75–90 % with multiplier 1        draw_interval()        §6.8.7
// Thread safety: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "bgp/bfd_packet.hpp"
#include "net/result.hpp"

namespace dlb {

using BfdTime = std::chrono::steady_clock::time_point;

// What we offer; the slower of the two sides counts (RFC 5880 §6.8.2, §6.8.4).
struct BfdSettings {
    std::chrono::microseconds min_tx{300'000};  // 10 ms to 1 h
    std::chrono::microseconds min_rx{300'000};  // 10 ms to 1 h
    uint8_t multiplier = 3;                     // 1 to 255

    Result<void> check() const;
    friend bool operator==(const BfdSettings&, const BfdSettings&) = default;
};

struct BfdChange {
    BfdState before = BfdState::Down;
    BfdState after = BfdState::Down;
    // AdminDown: the peer is down on purpose, which says nothing about the path (RFC 5882 §3.2).
    BfdState remote = BfdState::Down;
    BfdDiagnostic diagnostic = BfdDiagnostic::None;         // ours
    BfdDiagnostic remote_diagnostic = BfdDiagnostic::None;  // last received
};

// What an event asks for: at most one packet to send, at most one change of state.
struct BfdActions {
    BfdVerdict verdict = BfdVerdict::Accepted;  // of on_packet()
    std::optional<BfdPacket> send;
    std::optional<BfdChange> change;
};

// For the console.
struct BfdSessionStatus {
    BfdState state = BfdState::Down;
    BfdState remote_state = BfdState::Down;
    BfdDiagnostic diagnostic = BfdDiagnostic::None;         // why the state last changed
    BfdDiagnostic remote_diagnostic = BfdDiagnostic::None;  // last received
    BfdDiagnostic last_down = BfdDiagnostic::None;          // why it last left Up; None: it has not
    uint32_t discriminator = 0;
    uint32_t remote_discriminator = 0;            // 0: not known
    BfdSettings settings;                         // as asked for
    std::chrono::microseconds remote_min_tx{0};   // last received
    std::chrono::microseconds remote_min_rx{0};   // last received
    uint8_t remote_multiplier = 0;                // 0: nothing was received yet
    std::chrono::microseconds tx_interval{0};     // in force, before jitter; 0: none is sent
    std::chrono::microseconds detection_time{0};  // in force; 0: nothing was received yet
    bool polling = false;
    uint64_t ups = 0;    // times that it came Up
    uint64_t downs = 0;  // times that it left Up
    uint64_t sent = 0;
    uint64_t received = 0;  // accepted ones
    BfdTime since;          // of the last change of state
};

class BfdSession {
  public:
    // Gives an even number in [0, bound). REQUIRES: bound > 0.
    using Draw = std::function<uint32_t(uint32_t bound)>;

    // REQUIRES: discriminator != 0 and settings.check().ok().
    BfdSession(uint32_t discriminator, const BfdSettings& settings, Draw draw, BfdTime now);

    // When on_timer() is due next. May be earlier than that, never later.
    BfdTime deadline() const;
    BfdActions on_timer(BfdTime now);
    // REQUIRES: decode() accepted the packet and it belongs to this session.
    BfdActions on_packet(const BfdPacket& packet, BfdTime now);

    // Down on purpose: the peer is told, and does not take it for a failure (RFC 5880 §6.8.16).
    BfdActions set_admin_down(bool down, BfdTime now);
    // Takes effect with the peer's Final where §6.8.3 says so. REQUIRES: settings.check().ok().
    void change(const BfdSettings& settings, BfdTime now);

    BfdState state() const { return state_; }
    uint32_t discriminator() const { return discriminator_; }
    BfdSessionStatus status() const;

  private:
    struct Intervals {
        std::chrono::microseconds tx, rx;
        friend bool operator==(const Intervals&, const Intervals&) = default;
    };

    void enter(BfdState state, BfdDiagnostic diagnostic, BfdTime now, BfdActions& actions);
    void learn(const BfdPacket& packet);
    void advance(const BfdPacket& packet, BfdTime now, BfdActions& actions);
    void adopt_settings(BfdTime now);
    void start_poll();
    void finish_poll(BfdTime now);
    void forget_remote();
    BfdPacket make_packet(bool final);
    void send_now(BfdTime now, BfdActions& actions);

    bool transmits() const;
    std::chrono::microseconds tx_interval() const;
    std::chrono::microseconds detection_time() const;
    std::chrono::microseconds draw_interval();
    void reschedule(BfdTime now);

    const uint32_t discriminator_;
    BfdSettings settings_;
    Draw draw_;

    BfdState state_ = BfdState::Down;
    BfdDiagnostic diagnostic_ = BfdDiagnostic::None;
    BfdDiagnostic last_down_ = BfdDiagnostic::None;
    BfdTime since_;

    Intervals offered_;   // as the packets say
    Intervals in_force_;  // differs from offered_ only until a Final

    // Polling: packets carry P until a Final answers one that did. A change in between is not
    // surely what that Final answers, so it starts another.
    bool polling_ = false;
    bool poll_sent_ = false;
    bool poll_again_ = false;

    // What the peer said last; the initial values are §6.8.1's.
    uint32_t remote_discriminator_ = 0;
    BfdState remote_state_ = BfdState::Down;
    BfdDiagnostic remote_diagnostic_ = BfdDiagnostic::None;
    bool remote_demand_ = false;
    uint8_t remote_multiplier_ = 0;
    std::chrono::microseconds remote_min_tx_{0};
    std::chrono::microseconds remote_min_rx_{1};

    BfdTime last_sent_;
    std::chrono::microseconds scheduled_interval_{0};  // tx_interval() that next_send_ was drawn of
    BfdTime next_send_;                                // BfdTime::max(): none
    std::optional<BfdTime> last_received_;  // none: or since longer than detection_time()

    uint64_t ups_ = 0, downs_ = 0, sent_ = 0, received_ = 0;
};

}  // namespace dlb
