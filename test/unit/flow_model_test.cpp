// FlowTable<F> against std::unordered_map: a million random operations, each answer compared.
#include <algorithm>
#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "flow/flow_table.hpp"

namespace dlb {
namespace {

template <typename F>
class Model {
  public:
    static constexpr uint32_t kCapacity = 2000;
    static constexpr uint32_t kKeys = 12'000;
    static constexpr uint32_t kReplyHashes = 40;  // few: flows share them

    void step() {
        ++now_;
        const FlowKey<F> key = make_key(random_() % kKeys);
        switch (random_() % 8) {
            case 0:
            case 1:
            case 2:
                insert(key);
                break;
            case 3:
            case 4:
                find(key);
                break;
            case 5:
                erase(key);
                break;
            case 6:
                index_reply(key);
                break;
            default:
                find_reply(static_cast<uint32_t>(random_() % kReplyHashes + 1));
                break;
        }
        if (now_ % 64 == 0) {
            sweep();
        }
        ASSERT_EQ(table_.count(), flows_.size());
    }
    void check_all() {
        for (uint32_t n = 0; n < kKeys; ++n) {
            find(make_key(n));
        }
        for (uint32_t hash = 1; hash <= kReplyHashes; ++hash) {
            find_reply(hash);
        }
    }
    unsigned refused = 0, replies_refused = 0, replies_found = 0, expired = 0;

  private:
    struct Flow {
        uint32_t index;
        uint32_t reply_hash = 0;
        uint32_t expires;
        uint32_t backend;
    };
    struct Hash {
        size_t operator()(const FlowKey<F>& key) const {
            return std::hash<std::string_view>()({reinterpret_cast<const char*>(&key), sizeof key});
        }
    };

    static FlowKey<F> make_key(uint64_t n) {
        FlowKey<F> key;
        std::memcpy(&key.source, &n, sizeof(uint32_t));
        key.source_port = static_cast<uint16_t>(n * 7);
        key.protocol = n % 2 == 0 ? kProtocolTcp : kProtocolUdp;
        return key;
    }
    // Where none of the 16 places is free, a refusal is right.
    bool crowded(uint64_t hash) {
        unsigned rivals = 0;
        table_.for_each_rival(hash, [&](uint32_t) { ++rivals; });
        return rivals == 16;
    }
    void insert(const FlowKey<F>& key) {
        if (flows_.count(key) != 0) {
            return;
        }
        const uint32_t index = table_.insert(key, key.hash());
        if (index == FlowTable<F>::kNone) {
            ASSERT_TRUE(flows_.size() == kCapacity || crowded(key.hash()));
            ++refused;
            return;
        }
        ASSERT_EQ(by_index_.count(index), 0U);
        const Flow flow{index, 0, now_ + static_cast<uint32_t>(random_() % 30000),
                        static_cast<uint32_t>(random_())};
        table_.entry(index).state = FlowState::Established;
        table_.entry(index).expires = flow.expires;
        table_.entry(index).backend = flow.backend;
        flows_[key] = flow;
        by_index_[index] = key;
    }
    void find(const FlowKey<F>& key) {
        const uint32_t index = table_.find(key, key.hash());
        const auto flow = flows_.find(key);
        if (flow == flows_.end()) {
            ASSERT_EQ(index, FlowTable<F>::kNone);
            return;
        }
        ASSERT_EQ(index, flow->second.index);
        const auto& entry = table_.entry(index);
        ASSERT_EQ(entry.backend, flow->second.backend);
        ASSERT_EQ(entry.expires, flow->second.expires);
        ASSERT_EQ(entry.reply_hash, flow->second.reply_hash);
        ASSERT_EQ(FlowTable<F>::key_of(entry), key);
    }
    void forget(FlowKey<F> key) {
        const Flow& flow = flows_.at(key);
        auto& sharing = by_reply_[flow.reply_hash];
        sharing.erase(std::remove(sharing.begin(), sharing.end(), flow.index), sharing.end());
        table_.erase(flow.index);
        by_index_.erase(flow.index);
        flows_.erase(key);
    }
    void erase(const FlowKey<F>& key) {
        if (flows_.count(key) != 0) {
            forget(key);
        }
    }
    void index_reply(const FlowKey<F>& key) {
        const auto flow = flows_.find(key);
        if (flow == flows_.end() || flow->second.reply_hash != 0) {
            return;
        }
        const auto hash = static_cast<uint32_t>(random_() % kReplyHashes + 1);
        if (!table_.index_reply(flow->second.index, hash)) {
            ASSERT_TRUE(crowded(hash));
            ++replies_refused;
            return;
        }
        flow->second.reply_hash = hash;
        by_reply_[hash].push_back(flow->second.index);
    }
    // Each flow with this hash is found by asking for it, and no other.
    void find_reply(uint32_t hash) {
        std::vector<uint32_t> seen;
        const uint32_t none = table_.find_reply(hash, [&](const FlowEntry<F>& entry) {
            seen.push_back(flows_.at(FlowTable<F>::key_of(entry)).index);
            return false;
        });
        ASSERT_EQ(none, FlowTable<F>::kNone);
        std::sort(seen.begin(), seen.end());
        seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
        std::vector<uint32_t> expected = by_reply_[hash];
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(seen, expected);
        replies_found += static_cast<unsigned>(seen.size());
    }
    void sweep() {
        table_.sweep(now_, 200, [&](uint32_t index) {
            ASSERT_TRUE(has_come(flows_.at(by_index_.at(index)).expires, now_));
            ++expired;
            forget(by_index_.at(index));
        });
    }

    FlowTable<F> table_{kCapacity, allocate_pages};
    std::mt19937_64 random_{7};
    uint32_t now_ = 0xfff80000;  // the clock wraps on the way
    std::unordered_map<FlowKey<F>, Flow, Hash> flows_;
    std::unordered_map<uint32_t, FlowKey<F>> by_index_;
    std::unordered_map<uint32_t, std::vector<uint32_t>> by_reply_;
};

template <typename F>
void run_model() {
    Model<F> model;
    for (int step = 0; step < 1'000'000; ++step) {
        model.step();
        if (testing::Test::HasFatalFailure()) {
            FAIL() << "at step " << step;
        }
    }
    model.check_all();
    EXPECT_GT(model.refused, 100U);
    EXPECT_GT(model.replies_refused, 0U);
    EXPECT_GT(model.replies_found, 10'000U);
    EXPECT_GT(model.expired, 1000U);
}

TEST(FlowModel, V4) {
    run_model<V4>();
}
TEST(FlowModel, V6) {
    run_model<V6>();
}

}  // namespace
}  // namespace dlb
