// RcuDomain, RcuPtr, RetireList: what is retired lives until each online reader was quiescent.
#include "rcu/rcu.hpp"

#include <array>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace dlb {
namespace {

// Counts its own end.
struct Tracked {
    explicit Tracked(int& ended) : ended_(ended) {}
    ~Tracked() { ++ended_; }
    Tracked(const Tracked&) = delete;
    Tracked& operator=(const Tracked&) = delete;

  private:
    int& ended_;
};

class Rcu : public testing::Test {
  protected:
    void retire() { retired_.push(std::make_unique<const Tracked>(ended_)); }

    int ended_ = 0;
    RcuDomain domain_{3};
    RetireList<Tracked> retired_{domain_};
    ReaderSlot a_{domain_, 0}, b_{domain_, 1}, c_{domain_, 2};
};

TEST_F(Rcu, OfflineReadersDoNotHoldThingsUp) {
    retire();
    EXPECT_EQ(ended_, 0);
    EXPECT_EQ(retired_.reclaim(), 0U);
    EXPECT_EQ(ended_, 1);
}

TEST_F(Rcu, EachOnlineReaderMustHaveBeenQuiescent) {
    a_.online();
    b_.online();
    retire();
    EXPECT_EQ(retired_.reclaim(), 1U);
    a_.quiescent();
    EXPECT_EQ(retired_.reclaim(), 1U);
    a_.quiescent();  // again: it does not count for b
    EXPECT_EQ(retired_.reclaim(), 1U);
    EXPECT_EQ(ended_, 0);
    b_.quiescent();
    EXPECT_EQ(retired_.reclaim(), 0U);
    EXPECT_EQ(ended_, 1);
}

TEST_F(Rcu, QuiescentBeforeTheRetirementIsNotEnough) {
    a_.online();
    a_.quiescent();
    retire();
    EXPECT_EQ(retired_.reclaim(), 1U);
    a_.quiescent();
    EXPECT_EQ(retired_.reclaim(), 0U);
}

TEST_F(Rcu, GoingOfflineIsQuiescent) {
    a_.online();
    b_.online();
    retire();
    a_.quiescent();
    b_.offline();
    EXPECT_EQ(retired_.reclaim(), 0U);
    retire();
    b_.online();  // after the retirement: it cannot have seen the object
    a_.quiescent();
    EXPECT_EQ(retired_.reclaim(), 0U);
}

TEST_F(Rcu, ReclaimsInOrderAndAsFarAsItCan) {
    a_.online();
    for (int n = 1; n <= 5; ++n) {
        retire();
        if (n == 3) {
            a_.quiescent();
        }
    }
    EXPECT_EQ(retired_.size(), 5U);
    EXPECT_EQ(retired_.reclaim(), 2U);  // the first three are passed
    EXPECT_EQ(ended_, 3);
    EXPECT_EQ(retired_.reclaim(), 2U);
    a_.quiescent();
    EXPECT_EQ(retired_.reclaim(), 0U);
    EXPECT_EQ(ended_, 5);
}

TEST_F(Rcu, Lag) {
    EXPECT_EQ(domain_.readers(), 3U);
    for (unsigned reader = 0; reader < 3; ++reader) {
        EXPECT_EQ(domain_.lag(reader), 0U);
    }
    a_.online();
    b_.online();
    for (int n = 0; n < 4; ++n) {
        retire();
    }
    EXPECT_EQ(domain_.lag(0), 4U);
    EXPECT_EQ(domain_.lag(1), 4U);
    EXPECT_EQ(domain_.lag(2), 0U);  // offline
    a_.quiescent();
    EXPECT_EQ(domain_.lag(0), 0U);
    EXPECT_EQ(domain_.lag(1), 4U);
    retire();
    EXPECT_EQ(domain_.lag(0), 1U);
    b_.offline();
    EXPECT_EQ(domain_.lag(1), 0U);
}

TEST_F(Rcu, Tokens) {
    a_.online();
    const uint64_t first = domain_.start_grace_period();
    const uint64_t second = domain_.start_grace_period();
    EXPECT_LT(first, second);
    EXPECT_FALSE(domain_.passed(first));
    a_.quiescent();
    EXPECT_TRUE(domain_.passed(second));
    EXPECT_TRUE(domain_.passed(first));
}

TEST_F(Rcu, NothingIsNothingToRetire) {
    a_.online();
    retired_.push(nullptr);
    EXPECT_EQ(retired_.size(), 0U);
}

TEST_F(Rcu, PointerGivesBackWhatWasThere) {
    RcuPtr<Tracked> pointer;
    EXPECT_EQ(pointer.read(), nullptr);
    auto object = std::make_unique<const Tracked>(ended_);
    const Tracked* first = object.get();
    EXPECT_EQ(pointer.exchange(std::move(object)), nullptr);
    EXPECT_EQ(pointer.read(), first);
    auto old = pointer.exchange(std::make_unique<const Tracked>(ended_));
    EXPECT_EQ(old.get(), first);
    EXPECT_NE(pointer.read(), first);
    EXPECT_EQ(ended_, 0);
}

TEST(RcuEnd, DestroysWhatIsLeft) {
    int ended = 0;
    {
        RcuDomain domain(1);
        RcuPtr<Tracked> pointer;
        RetireList<Tracked> retired(domain);
        ReaderSlot reader(domain, 0);
        reader.online();
        pointer.exchange(std::make_unique<const Tracked>(ended));
        retired.push(std::make_unique<const Tracked>(ended));
        reader.offline();
    }
    EXPECT_EQ(ended, 2);
}

// Readers that look at an object all the time, each part of which must be whole and not yet
// poisoned by its destructor.
struct Sealed {
    explicit Sealed(uint64_t value) { parts.fill(value); }
    ~Sealed() { parts.fill(kDead); }
    static constexpr uint64_t kDead = 0xdeaddeaddeaddead;
    mutable std::array<uint64_t, 32> parts;
};

TEST(RcuThreads, ReadersNeverSeeTheDead) {
    RcuDomain domain(2);
    RcuPtr<Sealed> pointer;
    RetireList<Sealed> retired(domain);
    pointer.exchange(std::make_unique<const Sealed>(0));
    std::atomic<bool> stop{false};
    std::atomic<unsigned> torn{0};
    std::atomic<uint64_t> rounds{0};
    std::vector<std::thread> readers;
    for (unsigned n = 0; n < 2; ++n) {
        readers.emplace_back([&, n] {
            ReaderSlot reader(domain, n);
            uint64_t last = 0;
            reader.online();
            while (!stop.load(std::memory_order_relaxed)) {
                const Sealed& now = *pointer.read();
                const uint64_t value = now.parts[0];
                for (const uint64_t part : now.parts) {
                    torn += part != value;
                }
                torn += value == Sealed::kDead || value < last;  // never back to an older one
                last = value;
                reader.quiescent();
                ++rounds;
                if (last % 16 == 0) {  // leave the core to others, as a worker that sleeps does
                    reader.offline();
                    std::this_thread::yield();
                    reader.online();
                }
            }
            reader.offline();
        });
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    uint64_t published = 0;
    while (std::chrono::steady_clock::now() < end) {
        retired.push(pointer.exchange(std::make_unique<const Sealed>(++published)));
        retired.reclaim();
        if (published % 64 == 0) {
            std::this_thread::yield();
        }
    }
    stop = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    EXPECT_EQ(torn, 0U);
    EXPECT_GT(rounds, 100U);
    EXPECT_GT(published, 100U);
    EXPECT_EQ(retired.reclaim(), 0U);
}

}  // namespace
}  // namespace dlb
