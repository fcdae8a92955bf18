#include "lb/maglev.hpp"

#include <algorithm>
#include <string>

namespace dlb {

namespace {

constexpr uint16_t kFree = UINT16_MAX;

// One member's walk over the table: offset, offset + skip, … (mod size). The size is prime, so it
// meets each slot.
struct Permutation {
    uint32_t next;
    uint32_t skip;
    uint32_t size;

    Permutation(const Endpoint& endpoint, uint32_t table_size) : size(table_size) {
        const std::string name = endpoint.to_string();
        next = static_cast<uint32_t>(XXH64(name.data(), name.size(), 0) % size);
        skip = static_cast<uint32_t>(XXH64(name.data(), name.size(), 1) % (size - 1) + 1);
    }
    uint32_t take() {
        const uint32_t slot = next;
        next += skip;
        next -= next >= size ? size : 0;
        return slot;
    }
};

}  // namespace

MaglevTable::MaglevTable(std::vector<MaglevMember> members, uint32_t size)
    : members_(std::move(members)) {
    std::sort(members_.begin(), members_.end(),
              [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
    for (const MaglevMember& member : members_) {
        ids_.push_back(member.id);
    }
    if (std::any_of(members_.begin(), members_.end(), [](const auto& m) { return m.weight > 0; })) {
        populate(size != 0 ? size : members_.size() <= 655 ? kSmallSize : kLargeSize);
    }
}

void MaglevTable::populate(uint32_t size) {
    slots_.assign(size, kFree);
    std::vector<Permutation> permutations;
    permutations.reserve(members_.size());
    uint64_t highest = 0;
    for (const MaglevMember& member : members_) {
        permutations.emplace_back(member.endpoint, size);
        highest = std::max<uint64_t>(highest, member.weight);
    }
    std::vector<uint64_t> credit(members_.size(), 0);
    for (uint32_t filled = 0;;) {
        for (size_t i = 0; i < members_.size(); ++i) {
            credit[i] += members_[i].weight;
            if (members_[i].weight == 0 || credit[i] < highest) {
                continue;
            }
            credit[i] -= highest;
            uint32_t slot = permutations[i].take();
            while (slots_[slot] != kFree) {
                slot = permutations[i].take();
            }
            slots_[slot] = static_cast<uint16_t>(i);
            if (++filled == size) {
                return;
            }
        }
    }
}

uint32_t MaglevTable::moved_from(const MaglevTable& other) const {
    uint32_t moved = 0;
    for (uint32_t slot = 0; slot < size(); ++slot) {
        moved += members_[slots_[slot]].endpoint != other.members_[other.slots_[slot]].endpoint;
    }
    return moved;
}

}  // namespace dlb
