// BfdTable: all sessions, by discriminator and by address; the reception rules (RFC 5880 §6.8.6)
// from the first to the last, each with its count.
//
// Once a peer echoes our discriminator that alone says whose a packet is, whatever its source
// address (§6.3). Discriminators are drawn at random: who cannot see the packets cannot guess them.
// Pure: time and chance come in as arguments. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bgp/bfd_session.hpp"
#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb {

struct BfdPeer {
    IpAddress remote;
    std::optional<IpAddress> local;  // none: the kernel chooses, and packets to any are taken
    unsigned interface = 0;          // index; 0: any. Needed where `remote` is an fe80:: address
    bool multihop = false;           // RFC 5883 instead of RFC 5881
    uint8_t minimum_hop_limit = 0;   // multihop only; a single hop demands 255 (RFC 5881 §5)

    Result<void> check() const;
};

// How a packet came.
struct BfdArrival {
    IpAddress local, remote;
    unsigned interface = 0;
    bool multihop = false;  // by the port that it came to
    uint8_t hop_limit = 0;
};

class BfdTable {
  public:
    struct Entry {
        BfdPeer peer;
        BfdSession session;
        BfdCounters counters{};  // of the packets that were found to be this session's
    };
    struct Received {
        Entry* entry = nullptr;  // null: no session's
        BfdActions actions;
    };

    explicit BfdTable(BfdSession::Draw draw) : draw_(std::move(draw)) {}

    // Gives the local discriminator, which names the session from then on.
    Result<uint32_t> add(const BfdPeer& peer, const BfdSettings& settings, BfdTime now);
    void remove(uint32_t discriminator);
    Entry* find(uint32_t discriminator);  // null: there is none
    // An entry stays where it is until removed.
    const std::map<uint32_t, Entry>& entries() const { return entries_; }

    Received receive(std::span<const uint8_t> payload, const BfdArrival& arrival, BfdTime now);
    // Of all packets, those of no session among them.
    const BfdCounters& counters() const { return counters_; }

  private:
    BfdVerdict select(const BfdPacket& packet, const BfdArrival& arrival, Entry*& entry);
    Entry* find_peer(const BfdArrival& arrival);
    uint32_t new_discriminator();

    BfdSession::Draw draw_;
    std::map<uint32_t, Entry> entries_;
    std::multimap<std::pair<IpAddress, bool>, uint32_t> peers_;  // (remote, multihop)
    BfdCounters counters_{};
};

}  // namespace dlb
