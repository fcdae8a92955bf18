// MaglevTable: consistent hashing by lookup table.
//
// Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
// §3.4. A backend's permutation comes from its endpoint's text ("10.0.0.1:80", "[2001:db8::1]:80"):
//   offset = XXH64(text, seed 0) mod M, skip = XXH64(text, seed 1) mod (M - 1) + 1.
// Members take their turns in the order of (family, address, port), so each load balancer that
// knows the same members builds the same table, whatever order they came in. Weights: in each round
// a member earns its weight, and takes one slot for each time its credit reaches the highest
// weight; with equal weights that is the paper's algorithm.
//
// Invariants: size() is prime; every slot names a member of weight > 0, or the table is empty.
// Thread safety: immutable once built.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lb/ids.hpp"
#include "net/flow_key.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct MaglevMember {
    BackendId id;
    Endpoint endpoint;
    uint32_t weight = 1;
    friend bool operator==(const MaglevMember&, const MaglevMember&) = default;
};

class MaglevTable {
  public:
    static constexpr uint32_t kSmallSize = 65537;
    static constexpr uint32_t kLargeSize = 655373;  // from 656 members: 100 slots a member and more

    // `size` 0 chooses by the number of members. REQUIRES: otherwise a prime above members.size();
    // members.size() <= 65535.
    explicit MaglevTable(std::vector<MaglevMember> members, uint32_t size = 0);

    bool empty() const { return slots_.empty(); }
    uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }
    std::span<const MaglevMember> members() const { return members_; }  // sorted by endpoint
    std::span<const uint16_t> slots() const { return slots_; }          // indices into members()
    std::span<const BackendId> ids() const { return ids_; }             // the members' ids

    // How many slots name another endpoint than in `other`. REQUIRES: size() == other.size().
    uint32_t moved_from(const MaglevTable& other) const;

  private:
    void populate(uint32_t size);

    std::vector<MaglevMember> members_;
    std::vector<BackendId> ids_;
    std::vector<uint16_t> slots_;
};

}  // namespace dlb
