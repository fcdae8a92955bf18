// AddressFilter: whether an address may be one of a set: no is certain, yes is not.
//
// A Bloom filter of one hash. With a thousand addresses one in 64 others is taken for one of them.
// Thread safety: reads from any thread once filled.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "net/flow_key.hpp"

namespace dlb {

// A quick hash of an address, for tables that nobody can gain by filling. All its bits are good.
template <typename Address>
uint64_t mix_address(const Address& address, uint32_t salt = 0) {
    uint64_t words[2] = {};
    std::memcpy(words, &address, sizeof address);
    __extension__ using Product = unsigned __int128;
    const Product product = Product{words[0] ^ uint64_t{salt} << 32 ^ 0x9e3779b97f4a7c15U} *
                            (words[1] ^ 0xc2b2ae3d27d4eb4fU);
    return static_cast<uint64_t>(product ^ product >> 64);
}

template <typename F>
class AddressFilter {
  public:
    AddressFilter() : words_((1U << kBits) / 64) {}

    void add(const typename F::Address& address) {
        const uint64_t place = place_of(address);
        words_[place / 64] |= uint64_t{1} << place % 64;
    }
    bool may_have(const typename F::Address& address) const {
        const uint64_t place = place_of(address);
        return (words_[place / 64] >> place % 64 & 1) != 0;
    }

  private:
    static constexpr unsigned kBits = 16;
    static uint64_t place_of(const typename F::Address& address) {
        return mix_address(address) & ((1U << kBits) - 1);
    }
    std::vector<uint64_t> words_;
};

}  // namespace dlb
