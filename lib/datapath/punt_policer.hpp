// PuntPolicer: how many packets of each class a worker gives to the kernel.
//
// Each session with a router has a budget of its own; other classes are cut in kShares by the
// sender, so that a flood in one neighbour's name takes nothing from most of the others.
// Thread safety: one worker's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "datapath/known_sessions.hpp"
#include "datapath/punt_class.hpp"

namespace dlb {

struct PuntRate {
    uint32_t per_second;
    uint32_t burst;  // up to 4 million
};

class TokenBucket {
  public:
    // `now_ms` may wrap around.
    bool take(PuntRate rate, uint32_t now_ms) {
        const uint64_t gained = uint64_t{now_ms - seen_ms_} * rate.per_second;
        seen_ms_ = now_ms;
        const uint64_t full = uint64_t{rate.burst} * kToken;
        thousandths_ = static_cast<uint32_t>(std::min(thousandths_ + gained, full));
        if (thousandths_ < kToken) {
            return false;
        }
        thousandths_ -= kToken;
        return true;
    }

  private:
    static constexpr uint32_t kToken = 1000;
    uint32_t thousandths_ = UINT32_MAX;  // full, whatever the rate
    uint32_t seen_ms_ = 0;
};

class PuntPolicer {
  public:
    static constexpr unsigned kShares = 16;
    // Of each worker. A session's is far above what BGP needs for a full table, and BFD at 3 ms.
    static constexpr PuntRate kSession{10'000, 1024};
    // Of each share.
    static constexpr PuntRate kTcpOpening{100, 100};
    static constexpr PuntRate kTcpUnknown{200, 100};
    static constexpr PuntRate kBfdOpening{200, 100};
    static constexpr PuntRate kNeighbor{500, 100};
    // Of the worker: what the control thread can give to the kernel and yet do the rest of its
    // work.
    static constexpr PuntRate kOrdinary{50'000, 4096};

    // False: its class has had what it gets.
    bool admit(PuntKind kind, uint32_t now_ms) {
        switch (kind.cls) {
            case PuntClass::Session:
                return sessions_[kind.share % KnownSessions::kSlots].take(kSession, now_ms);
            case PuntClass::TcpOpening:
                return tcp_openings_[kind.share % kShares].take(kTcpOpening, now_ms);
            case PuntClass::TcpUnknown:
                return tcp_unknown_[kind.share % kShares].take(kTcpUnknown, now_ms);
            case PuntClass::BfdOpening:
                return bfd_openings_[kind.share % kShares].take(kBfdOpening, now_ms);
            case PuntClass::Neighbor:
                return neighbors_[kind.share % kShares].take(kNeighbor, now_ms);
            case PuntClass::Ordinary:
                break;
        }
        return ordinary_.take(kOrdinary, now_ms);
    }

  private:
    using Shares = std::array<TokenBucket, kShares>;
    Shares tcp_openings_, tcp_unknown_, bfd_openings_, neighbors_;
    TokenBucket ordinary_;
    std::array<TokenBucket, KnownSessions::kSlots> sessions_;
};

}  // namespace dlb
