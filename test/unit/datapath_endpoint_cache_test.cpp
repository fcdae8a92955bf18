// EndpointCache: never another endpoint's or another snapshot's value, and a thousand at once.
#include <vector>

#include <gtest/gtest.h>

#include "datapath/endpoint_cache.hpp"
#include "net/byte_order.hpp"

namespace dlb {
namespace {

template <typename F>
typename F::Address address_of(uint32_t number) {
    const uint32_t word = Be32(0x0a010000U + number).raw();
    if constexpr (F::kFamily == Family::V4) {
        return word;
    } else {
        return {{0x0000'0000'b80d'0120U, uint64_t{word} << 32}};
    }
}

template <typename F>
class EndpointCacheTest : public testing::Test {};
using Families = testing::Types<V4, V6>;
TYPED_TEST_SUITE(EndpointCacheTest, Families);

TYPED_TEST(EndpointCacheTest, KnowsNearlyAllOfAThousandAndNoneWrongly) {
    constexpr uint32_t kEndpoints = 1000;
    EndpointCache<TypeParam, uint32_t> cache;
    std::vector<uint32_t> values(kEndpoints);
    for (uint32_t n = 0; n < kEndpoints; ++n) {
        cache.put(1, address_of<TypeParam>(n), 80, 6, &values[n]);
    }
    unsigned known = 0;
    for (uint32_t n = 0; n < kEndpoints; ++n) {
        const uint32_t* value = cache.find(1, address_of<TypeParam>(n), 80, 6);
        EXPECT_TRUE(value == nullptr || value == &values[n]) << n;
        known += value != nullptr;
        EXPECT_EQ(cache.find(1, address_of<TypeParam>(n), 81, 6), nullptr) << n;
        EXPECT_EQ(cache.find(1, address_of<TypeParam>(n), 80, 17), nullptr) << n;
    }
    EXPECT_GE(known, kEndpoints * 95 / 100);
}

TYPED_TEST(EndpointCacheTest, ForgetsWithTheSnapshotEvenWhatItFoundLast) {
    EndpointCache<TypeParam, uint32_t> cache;
    const uint32_t old_value = 1;
    const uint32_t new_value = 2;
    const auto address = address_of<TypeParam>(1);
    cache.put(1, address, 80, 6, &old_value);
    ASSERT_EQ(cache.find(1, address, 80, 6), &old_value);
    EXPECT_EQ(cache.find(2, address, 80, 6), nullptr);
    cache.put(2, address, 80, 6, &new_value);
    EXPECT_EQ(cache.find(2, address, 80, 6), &new_value);
    EXPECT_EQ(cache.find(1, address, 80, 6), nullptr);
}

}  // namespace
}  // namespace dlb
