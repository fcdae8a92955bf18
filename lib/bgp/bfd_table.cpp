#include "bgp/bfd_table.hpp"

#include <limits>
#include <string>

namespace dlb {
namespace {

constexpr uint8_t kSingleHopLimit = 255;

// Whether some packet could be both peers' as far as they differ in one of these.
template <typename T>
bool overlap(const T& a, const T& b) {
    return !a || !b || a == b;
}

bool comes_to(const BfdPeer& peer, const BfdArrival& arrival) {
    return (!peer.local || *peer.local == arrival.local) &&
           (peer.interface == 0 || peer.interface == arrival.interface);
}

bool hops_allowed(const BfdPeer& peer, uint8_t hop_limit) {
    return peer.multihop ? hop_limit >= peer.minimum_hop_limit : hop_limit == kSingleHopLimit;
}

void count(BfdCounters& counters, BfdVerdict verdict) {
    ++counters[static_cast<size_t>(verdict)];
}

}  // namespace

Result<void> BfdPeer::check() const {
    const std::string name = "BFD peer " + remote.to_string();
    if (remote.is_unspecified() || remote.is_multicast()) {
        return Error{name + ": give one host's address"};
    }
    if (local && local->family() != remote.family()) {
        return Error{name + ": the local address " + local->to_string() +
                     " is of another family; give one of the peer's"};
    }
    if (remote.is_v6() && remote.is_link_local() && interface == 0) {
        return Error{name + " is link-local: name its interface"};
    }
    return {};
}

Result<uint32_t> BfdTable::add(const BfdPeer& peer, const BfdSettings& settings, BfdTime now) {
    if (auto checked = peer.check(); !checked) {
        return Error{checked.error()};
    }
    if (auto checked = settings.check(); !checked) {
        return Error{checked.error()};
    }
    const std::pair key(peer.remote, peer.multihop);
    const auto [first, last] = peers_.equal_range(key);
    for (auto it = first; it != last; ++it) {
        const BfdPeer& other = entries_.at(it->second).peer;
        if (overlap(peer.local, other.local) && overlap(peer.interface, other.interface)) {
            return Error{"BFD peer " + peer.remote.to_string() +
                         " has a session already: remove that first, or tell them apart by local "
                         "address or interface"};
        }
    }
    const uint32_t discriminator = new_discriminator();
    entries_.try_emplace(discriminator,
                         Entry{peer, BfdSession(discriminator, settings, draw_, now), {}});
    peers_.emplace(key, discriminator);
    return discriminator;
}

void BfdTable::remove(uint32_t discriminator) {
    const auto entry = entries_.find(discriminator);
    if (entry == entries_.end()) {
        return;
    }
    std::erase_if(peers_, [&](const auto& item) { return item.second == discriminator; });
    entries_.erase(entry);
}

BfdTable::Entry* BfdTable::find(uint32_t discriminator) {
    const auto entry = entries_.find(discriminator);
    return entry == entries_.end() ? nullptr : &entry->second;
}

BfdTable::Received BfdTable::receive(std::span<const uint8_t> payload, const BfdArrival& arrival,
                                     BfdTime now) {
    Received received;
    BfdPacket packet;
    BfdVerdict verdict = decode(payload, packet);
    if (verdict == BfdVerdict::Accepted) {
        verdict = select(packet, arrival, received.entry);
    }
    if (verdict == BfdVerdict::Accepted) {
        received.actions = received.entry->session.on_packet(packet, now);
        verdict = received.actions.verdict;
    }
    received.actions.verdict = verdict;
    count(counters_, verdict);
    if (received.entry != nullptr) {
        count(received.entry->counters, verdict);
    }
    return received;
}

// From "If the Your Discriminator field is nonzero" to the rules on the A bit. A session of one
// hop is not found by the multihop port, where no hop limit would protect it.
BfdVerdict BfdTable::select(const BfdPacket& packet, const BfdArrival& arrival, Entry*& entry) {
    if (packet.your_discriminator != 0) {
        entry = find(packet.your_discriminator);
        if (entry != nullptr && entry->peer.multihop != arrival.multihop) {
            entry = nullptr;
        }
        if (entry == nullptr) {
            return BfdVerdict::UnknownDiscriminator;
        }
    } else {
        if (packet.state != BfdState::Down && packet.state != BfdState::AdminDown) {
            return BfdVerdict::StateWithoutSession;
        }
        entry = find_peer(arrival);
        if (entry == nullptr) {
            return BfdVerdict::UnknownPeer;
        }
    }
    if (!hops_allowed(entry->peer, arrival.hop_limit)) {
        return BfdVerdict::BadHopLimit;
    }
    return packet.authentication ? BfdVerdict::Authentication : BfdVerdict::Accepted;
}

BfdTable::Entry* BfdTable::find_peer(const BfdArrival& arrival) {
    const auto [first, last] = peers_.equal_range({arrival.remote, arrival.multihop});
    for (auto it = first; it != last; ++it) {
        Entry& entry = entries_.at(it->second);
        if (comes_to(entry.peer, arrival)) {
            return &entry;
        }
    }
    return nullptr;
}

uint32_t BfdTable::new_discriminator() {
    uint32_t discriminator = 0;
    while (discriminator == 0 || entries_.contains(discriminator)) {
        discriminator = draw_(std::numeric_limits<uint32_t>::max());
    }
    return discriminator;
}

}  // namespace dlb
