// FlowTable<F>: its bounds, its neighbours' safety, expiry. See flow_model_test.cpp for the long
// run.
#include "flow/flow_table.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace dlb {
namespace {

template <typename F>
FlowKey<F> make_key(uint64_t n) {
    FlowKey<F> key;
    std::memcpy(&key.source, &n, std::min(sizeof n, sizeof key.source));
    key.destination_port = static_cast<uint16_t>(n >> 32);
    key.protocol = kProtocolTcp;
    return key;
}

template <typename F>
class FlowTableTest : public testing::Test {};
struct FamilyNames {
    template <typename F>
    static std::string GetName(int) {
        return F::kFamily == Family::V4 ? "V4" : "V6";
    }
};
using Families = testing::Types<V4, V6>;
TYPED_TEST_SUITE(FlowTableTest, Families, FamilyNames);

TYPED_TEST(FlowTableTest, FindsWhatWasInserted) {
    using Table = FlowTable<TypeParam>;
    Table table(100, allocate_pages);
    ASSERT_TRUE(table.valid());
    const auto key = make_key<TypeParam>(1);
    EXPECT_EQ(table.find(key, key.hash()), Table::kNone);
    const uint32_t index = table.insert(key, key.hash());
    ASSERT_NE(index, Table::kNone);
    EXPECT_EQ(table.count(), 1U);
    EXPECT_EQ(table.find(key, key.hash()), index);
    EXPECT_EQ(Table::key_of(table.entry(index)), key);
    EXPECT_EQ(table.entry(index).state, FlowState::Free);
    EXPECT_EQ(table.entry(index).backend, 0U);
    EXPECT_EQ(table.entry(index).expires, 0U);
    EXPECT_EQ(table.entry(index).reply_hash, 0U);
    EXPECT_EQ(table.entry(index).snat_port, 0);
    table.erase(index);
    EXPECT_EQ(table.count(), 0U);
    EXPECT_EQ(table.find(key, key.hash()), Table::kNone);
}

// Each field of the key tells flows apart, even under one and the same hash.
TYPED_TEST(FlowTableTest, ComparesTheWholeKey) {
    using Table = FlowTable<TypeParam>;
    Table table(100, allocate_pages);
    FlowKey<TypeParam> key = make_key<TypeParam>(1);
    const uint64_t hash = key.hash();
    ASSERT_NE(table.insert(key, hash), Table::kNone);
    for (size_t byte = 0; byte < offsetof(FlowKey<TypeParam>, zero); ++byte) {
        FlowKey<TypeParam> other = key;
        reinterpret_cast<uint8_t*>(&other)[byte] ^= 0x10;
        EXPECT_EQ(table.find(other, hash), Table::kNone) << byte;
    }
}

TYPED_TEST(FlowTableTest, FillsToItsCapacity) {
    using Table = FlowTable<TypeParam>;
    for (const uint32_t capacity : {1U, 2U, 7U, 64U, 1000U, 4096U, 100'000U}) {
        Table table(capacity, allocate_pages);
        ASSERT_TRUE(table.valid());
        std::set<uint32_t> seen;
        for (uint64_t n = 0; n < capacity; ++n) {
            const auto key = make_key<TypeParam>(n * 0x9e3779b97f4a7c15);
            const uint32_t index = table.insert(key, key.hash());
            ASSERT_LT(index, capacity) << n << " of " << capacity;
            ASSERT_TRUE(seen.insert(index).second);
        }
        const auto key = make_key<TypeParam>(12345);
        EXPECT_EQ(table.insert(key, key.hash()), Table::kNone);
        EXPECT_EQ(table.count(), capacity);
        EXPECT_EQ(table.find(key, key.hash()), Table::kNone);
        // One gone makes room for one.
        table.erase(capacity / 2);
        EXPECT_EQ(table.insert(key, key.hash()), capacity / 2);
        EXPECT_EQ(table.insert(make_key<TypeParam>(77), make_key<TypeParam>(77).hash()),
                  Table::kNone);
    }
}

// The emptier bucket takes a new key: with a reply hash each, full pairs of buckets stay away for
// long.
TYPED_TEST(FlowTableTest, HalfFullHasRoomForEachReplyHash) {
    using Table = FlowTable<TypeParam>;
    constexpr uint32_t kCapacity = 1 << 17;
    Table table(kCapacity, allocate_pages);
    std::mt19937 random(1);
    for (uint64_t n = 0; n < kCapacity / 2; ++n) {
        const auto key = make_key<TypeParam>(n * 0x9e3779b97f4a7c15);
        const uint32_t index = table.insert(key, key.hash());
        ASSERT_NE(index, Table::kNone) << n;
        ASSERT_TRUE(table.index_reply(index, static_cast<uint32_t>(random()) | 1)) << n;
    }
}

// Fills both buckets of `hash` with 16 replies; gives the entries that are found by it.
template <typename F>
std::vector<uint32_t> crowd(FlowTable<F>& table, uint32_t hash) {
    std::vector<uint32_t> crowd;
    for (uint64_t n = 0; n < 64; ++n) {
        const auto key = make_key<F>(1'000'000 + n);
        const uint32_t index = table.insert(key, key.hash());
        EXPECT_NE(index, FlowTable<F>::kNone);
        if (!table.index_reply(index, hash)) {
            EXPECT_EQ(table.entry(index).reply_hash, 0U);
            break;
        }
        crowd.push_back(index);
    }
    return crowd;
}

TYPED_TEST(FlowTableTest, LikelyEntriesAreOfEitherBucket) {
    using Table = FlowTable<TypeParam>;
    constexpr uint32_t kFlows = 4096;
    Table table(kFlows, allocate_pages);
    for (uint64_t n = 1; n <= kFlows; ++n) {
        ASSERT_NE(table.insert(make_key<TypeParam>(n), make_key<TypeParam>(n).hash()),
                  Table::kNone);
    }
    unsigned likely = 0;
    unsigned elsewhere = 0;
    for (uint64_t n = 1; n <= kFlows; ++n) {
        const auto key = make_key<TypeParam>(n);
        uint32_t index = table.prefetch_entry(key.hash());
        if (index == Table::kNone) {
            index = table.prefetch_entry_elsewhere(key.hash());
            ++elsewhere;
        }
        ASSERT_NE(index, Table::kNone);
        likely += table.holds(index, key) ? 1 : 0;
    }
    EXPECT_GT(elsewhere, 0U);
    EXPECT_GT(likely, kFlows - 10);  // a tag may be another's too
    for (uint64_t n = 1; n <= kFlows; ++n) {
        const auto key = make_key<TypeParam>(n);
        table.erase(table.find(key, key.hash()));
    }
    for (uint64_t n = 1; n <= kFlows; ++n) {
        const uint64_t hash = make_key<TypeParam>(n).hash();
        EXPECT_EQ(table.prefetch_entry(hash), Table::kNone);
        EXPECT_EQ(table.prefetch_entry_elsewhere(hash), Table::kNone);
    }
}

TYPED_TEST(FlowTableTest, FullBucketsRefuseAndHarmNobody) {
    using Table = FlowTable<TypeParam>;
    Table table(4096, allocate_pages);
    constexpr uint32_t kHash = 0xabcdef12;
    const std::vector<uint32_t> crowded = crowd<TypeParam>(table, kHash);
    ASSERT_GE(crowded.size(), 14U);  // but for keys of their own that happen to lie there
    ASSERT_LE(crowded.size(), 16U);
    std::set<uint32_t> rivals;
    table.for_each_rival(kHash, [&](uint32_t index) { rivals.insert(index); });
    EXPECT_GE(rivals.size(), crowded.size());
    EXPECT_TRUE(std::includes(rivals.begin(), rivals.end(), crowded.begin(), crowded.end()));
    // Look for keys of the same two buckets: they are refused, and everyone else stays.
    unsigned refused = 0;
    const uint32_t before = table.count();
    for (uint64_t n = 0; refused < 3 && n < 10'000'000; ++n) {
        const auto key = make_key<TypeParam>(n + 5'000'000);
        const uint32_t index = table.insert(key, key.hash());
        if (index == Table::kNone) {
            ++refused;
            EXPECT_EQ(table.find(key, key.hash()), Table::kNone);
            EXPECT_EQ(table.count(), before);
        } else {
            table.erase(index);
        }
    }
    EXPECT_EQ(refused, 3U);
    for (const uint32_t index : crowded) {
        const auto key = Table::key_of(table.entry(index));
        EXPECT_EQ(table.find(key, key.hash()), index);
        const uint32_t found =
            table.find_reply(kHash, [&](const auto& entry) { return Table::key_of(entry) == key; });
        EXPECT_EQ(found, index);
    }
    // The end of any rival makes room.
    table.erase(crowded[3]);
    const auto key = make_key<TypeParam>(3);
    const uint32_t index = table.insert(key, key.hash());
    EXPECT_TRUE(table.index_reply(index, kHash));
}

// A tag of zero means a free place: hashes whose tag would be zero take up places all the same.
TYPED_TEST(FlowTableTest, HashesWithATagOfZero) {
    uint32_t inverse = 1;  // of the multiplier that makes tags, by Newton's method
    for (int i = 0; i < 5; ++i) {
        inverse *= 2 - 0x9e3779b1U * inverse;
    }
    ASSERT_EQ(inverse * 0x9e3779b1U, 1U);
    for (const uint32_t hash : {inverse * 5, inverse * 0xffff}) {
        FlowTable<TypeParam> table(4096, allocate_pages);
        const auto crowded = crowd<TypeParam>(table, hash);
        EXPECT_GE(crowded.size(), 12U);
        EXPECT_LE(crowded.size(), 16U);
    }
}

TYPED_TEST(FlowTableTest, ReplyHashMayFallOnItsOwnKey) {
    using Table = FlowTable<TypeParam>;
    Table table(64, allocate_pages);
    const auto key = make_key<TypeParam>(9);
    const uint32_t index = table.insert(key, key.hash());
    const auto hash = static_cast<uint32_t>(key.hash());  // same buckets, same tag
    ASSERT_TRUE(table.index_reply(index, hash));
    EXPECT_EQ(table.find_reply(hash, [](const auto&) { return true; }), index);
    table.erase(index);
    unsigned left = 0;
    table.for_each_rival(hash, [&](uint32_t) { ++left; });
    EXPECT_EQ(left, 0U);
    EXPECT_EQ(table.find_reply(hash, [](const auto&) { return true; }), Table::kNone);
}

TYPED_TEST(FlowTableTest, FindReplyAsksWhoItIs) {
    using Table = FlowTable<TypeParam>;
    Table table(64, allocate_pages);
    const auto key = make_key<TypeParam>(9);
    const uint32_t index = table.insert(key, key.hash());
    // By its own key's hash a flow is no reply's.
    EXPECT_EQ(table.find_reply(static_cast<uint32_t>(key.hash()), [](const auto&) { return true; }),
              Table::kNone);
    ASSERT_TRUE(table.index_reply(index, 0x1234));
    EXPECT_EQ(table.find_reply(0x1234, [](const auto&) { return false; }), Table::kNone);
    EXPECT_EQ(table.find_reply(0x1235, [](const auto&) { return true; }), Table::kNone);
    EXPECT_EQ(table.find_reply(0x1234, [](const auto&) { return true; }), index);
}

TYPED_TEST(FlowTableTest, SweepEndsWhatIsDue) {
    using Table = FlowTable<TypeParam>;
    // Also over the end of the clock, 2^32 ms.
    for (const uint32_t start : {1000U, 0xffffff80U, 0x7fffffc0U}) {
        Table table(64, allocate_pages);
        for (uint32_t n = 0; n < 10; ++n) {
            const auto key = make_key<TypeParam>(n);
            auto& entry = table.entry(table.insert(key, key.hash()));
            entry.state = FlowState::Established;
            entry.expires = start + n * 20;
        }
        for (uint32_t passed = 0; passed < 200; passed += 10) {
            table.sweep(start + passed, 64, [&](uint32_t index) {
                EXPECT_LE(table.entry(index).expires - start, passed);
                table.erase(index);
            });
            EXPECT_EQ(table.count(), 10 - std::min(10U, passed / 20 + 1)) << start << '+' << passed;
        }
    }
}

TYPED_TEST(FlowTableTest, SweepGoesRoundInSlices) {
    using Table = FlowTable<TypeParam>;
    Table table(100, allocate_pages);
    table.sweep(1, 10, [](uint32_t) { ADD_FAILURE(); });  // nothing yet
    for (uint32_t n = 0; n < 50; ++n) {
        const auto key = make_key<TypeParam>(n);
        table.entry(table.insert(key, key.hash())).state = FlowState::Udp;
    }
    std::vector<unsigned> visits(50);
    for (int round = 0; round < 15; ++round) {
        table.sweep(5, 10, [&](uint32_t index) { ++visits[index]; });
    }
    EXPECT_EQ(visits, std::vector<unsigned>(50, 3));  // 150 steps over 50 entries
}

TYPED_TEST(FlowTableTest, NeedsLittleMemory) {
    constexpr uint32_t kFlows = 1 << 20;
    const size_t per_flow = FlowTable<TypeParam>::memory_needed(kFlows) / kFlows;
    EXPECT_LE(per_flow, TypeParam::kFamily == Family::V4 ? 64U : 128U);
    size_t asked = 0;
    const FlowTable<TypeParam> table(kFlows, [&](size_t size) {
        asked += size;
        return allocate_pages(size);
    });
    EXPECT_EQ(asked, FlowTable<TypeParam>::memory_needed(kFlows));
}

TYPED_TEST(FlowTableTest, SaysWhenThereIsNoMemory) {
    int calls = 0;
    const FlowTable<TypeParam> table(1024, [&](size_t size) {
        return ++calls == 2 ? ZeroedMemory(nullptr, [](void*) {}) : allocate_pages(size);
    });
    EXPECT_FALSE(table.valid());
}

TEST(HasCome, OnAClockThatWraps) {
    EXPECT_TRUE(has_come(5, 5));
    EXPECT_TRUE(has_come(5, 6));
    EXPECT_FALSE(has_come(6, 5));
    EXPECT_TRUE(has_come(0xfffffff0, 3));
    EXPECT_FALSE(has_come(3, 0xfffffff0));
    EXPECT_FALSE(has_come(0x7fffffff, 0));
}

}  // namespace
}  // namespace dlb
