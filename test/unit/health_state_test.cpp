// Rise, fall, damping and panic, on a clock of the test's own.
#include <vector>

#include <gtest/gtest.h>

#include "health/state.hpp"

namespace dlb {
namespace {

using Change = HealthState::Change;
using Level = HealthState::Level;
using std::chrono::seconds;

class HealthStateTest : public testing::Test {
  protected:
    Change pass() { return state.note(true, rise, fall, now); }
    Change fail() { return state.note(false, rise, fall, now); }
    // Up and down again within `time`, with single checks.
    Change flap(seconds time) {
        rise = fall = 1;
        now += time / 2;
        pass();
        now += time - time / 2;
        return fail();
    }

    HealthState state;
    HealthState::Time now{seconds(1000)};
    uint16_t rise = 1, fall = 3;
};

TEST_F(HealthStateTest, UnknownIsInUseUntilFallChecksHaveFailed) {
    EXPECT_EQ(state.level(), Level::Unknown);
    EXPECT_TRUE(state.usable());
    EXPECT_EQ(fail(), Change::None);
    EXPECT_EQ(fail(), Change::None);
    EXPECT_TRUE(state.usable());
    EXPECT_TRUE(state.falling());
    EXPECT_EQ(fail(), Change::Down);
    EXPECT_FALSE(state.usable());
    EXPECT_FALSE(state.falling());
    EXPECT_EQ(state.failed_in_row(), 3U);
}

TEST_F(HealthStateTest, TheFirstGoodCheckMakesUnknownUp) {
    rise = 3;
    EXPECT_EQ(fail(), Change::None);
    EXPECT_EQ(pass(), Change::Known);
    EXPECT_EQ(state.level(), Level::Up);
    EXPECT_EQ(pass(), Change::None);
}

TEST_F(HealthStateTest, RiseAndFallCountChecksInARow) {
    rise = 2;
    pass();
    for (int i = 0; i < 10; ++i) {  // never three in a row
        EXPECT_EQ(fail(), Change::None);
        EXPECT_EQ(fail(), Change::None);
        EXPECT_EQ(pass(), Change::None);
    }
    EXPECT_EQ((std::vector{fail(), fail(), fail()}),
              (std::vector{Change::None, Change::None, Change::Down}));
    for (int i = 0; i < 10; ++i) {  // never two in a row
        EXPECT_EQ(pass(), Change::None);
        EXPECT_EQ(fail(), Change::None);
    }
    EXPECT_EQ((std::vector{pass(), pass()}), (std::vector{Change::None, Change::Up}));
    EXPECT_TRUE(state.usable());
}

TEST_F(HealthStateTest, FailingForeverIsOneChange) {
    int changes = 0;
    for (int i = 0; i < 100000; ++i) {
        changes += fail() == Change::None ? 0 : 1;
    }
    EXPECT_EQ(changes, 1);
    EXPECT_EQ(state.penalty(now), 0) << "a backend that never was up does not flap";
}

TEST_F(HealthStateTest, TheFourthFallInShortTimeDampens) {
    EXPECT_EQ(flap(seconds(5)), Change::Down);
    EXPECT_EQ(flap(seconds(5)), Change::Down);
    EXPECT_EQ(flap(seconds(5)), Change::Down);
    EXPECT_EQ(flap(seconds(5)), Change::Damped);
    EXPECT_EQ(pass(), Change::Held);
    EXPECT_FALSE(state.usable());
    EXPECT_EQ(state.level(), Level::Up);
    EXPECT_TRUE(state.damped());
}

TEST_F(HealthStateTest, ADampedBackendComesBackWhenItHasCalmed) {
    while (flap(seconds(2)) != Change::Damped) {
    }
    EXPECT_EQ(pass(), Change::Held);
    const HealthState::Time fell = now;
    Change change = Change::None;
    while (change == Change::None && now - fell < std::chrono::hours(1)) {
        now += seconds(1);
        change = pass();
    }
    EXPECT_EQ(change, Change::Up);
    EXPECT_TRUE(state.usable());
    EXPECT_FALSE(state.damped());
    EXPECT_GT(now - fell, seconds(60));
    EXPECT_LE(now - fell, HealthState::kLongestRest);
}

TEST_F(HealthStateTest, OneThatGoesOnFlappingStaysOut) {
    while (flap(seconds(2)) != Change::Damped) {
    }
    for (int i = 0; i < 1000; ++i) {
        flap(seconds(10));
        ASSERT_FALSE(state.usable()) << i;
    }
    // However long that went on, the rest is bounded.
    now += HealthState::kLongestRest + seconds(1);
    EXPECT_EQ(pass(), Change::Up);
}

TEST_F(HealthStateTest, ADampedBackendThatIsDownWhenTheRestEndsRisesAsUsual) {
    while (flap(seconds(2)) != Change::Damped) {
    }
    now += HealthState::kLongestRest * 2;
    rise = 2;
    EXPECT_EQ(fail(), Change::None);
    EXPECT_FALSE(state.usable());
    EXPECT_EQ(pass(), Change::None);
    EXPECT_EQ(pass(), Change::Up);
}

TEST_F(HealthStateTest, FallsFarApartDoNotDampen) {
    for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(flap(seconds(60)), Change::Down) << i;
    }
}

TEST(HealthPanic, IsMoreThanTheShare) {
    EXPECT_FALSE(is_panic(4, 4, 0)) << "off";
    EXPECT_FALSE(is_panic(2, 4, 0.5));
    EXPECT_TRUE(is_panic(3, 4, 0.5));
    EXPECT_FALSE(is_panic(4, 4, 1.0)) << "more than all cannot be";
    EXPECT_TRUE(is_panic(1, 1, 0.99));
    EXPECT_FALSE(is_panic(0, 0, 0.5));
}

}  // namespace
}  // namespace dlb
