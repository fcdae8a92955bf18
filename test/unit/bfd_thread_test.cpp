// BfdThread: requests and answers between two threads. Sessions over real sockets: test/interop.
#include "bgp/bfd_thread.hpp"

#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "bfd_support.hpp"

namespace dlb {
namespace {

using namespace bfd_test;

class BfdThreadTest : public testing::Test {
  protected:
    // Runs the creator's loop until `count` answers have come.
    void run_until(unsigned count) {
        const auto guard = boost::asio::make_work_guard(io_);
        while (answers_.size() < count) {
            ASSERT_NE(io_.run_one_for(10s), 0U) << "no answer in 10 s";
        }
    }
    auto note() {
        return [this](const Result<void>& result) {
            EXPECT_EQ(std::this_thread::get_id(), creator_);
            answers_.push_back(result.error());
        };
    }

    const std::thread::id creator_ = std::this_thread::get_id();
    boost::asio::io_context io_;
    std::vector<std::string> answers_;
    unsigned events_ = 0;
};

TEST_F(BfdThreadTest, AnswersComeInOrderOnTheCreatorsThread) {
    BfdThread bfd(io_.get_executor(), [this](const BfdEvent&) { ++events_; });
    bfd.add({}, kFast, [this](const Result<uint32_t>& added) {
        EXPECT_EQ(std::this_thread::get_id(), creator_);
        answers_.push_back(added.error());
    });
    bfd.change(7, kFast, note());
    bfd.change(7, {50ms, 50ms, 0}, note());
    bfd.change(7, kFast);  // without a listener
    bfd.set_admin_down(8, true, note());
    bfd.remove(9);
    bfd.report([this](const BfdReport& report) {
        answers_.push_back(std::to_string(report.sessions.size()) + " sessions");
    });
    run_until(5);
    EXPECT_EQ(answers_, (std::vector<std::string>{
                            "BFD peer 0.0.0.0: give one host's address",
                            "BFD: no session 7: it was removed",
                            "BFD: a multiplier of 0: give 1 to 255",
                            "BFD: no session 8: it was removed",
                            "0 sessions",
                        }));
    EXPECT_EQ(events_, 0U);
}

TEST_F(BfdThreadTest, NothingComesOnceItIsGone) {
    for (int i = 0; i < 50; ++i) {
        BfdThread bfd(io_.get_executor(), [this](const BfdEvent&) { ++events_; });
        bfd.change(7, kFast, note());
        bfd.report([this](const BfdReport&) { answers_.emplace_back("report"); });
    }  // joined: what was answered waits in the loop
    EXPECT_GT(io_.run(), 0U) << "something did wait";
    EXPECT_TRUE(answers_.empty());
}

TEST(BfdEvent, AFailureIsNotWhatAnySideDidOnPurpose) {
    BfdEvent event;
    event.change = {BfdState::Up, BfdState::Down, BfdState::Down,
                    BfdDiagnostic::DetectionTimeExpired, BfdDiagnostic::None};
    EXPECT_TRUE(event.failed());
    event.change.remote = BfdState::AdminDown;
    EXPECT_FALSE(event.failed());
    event.change.remote = BfdState::Down;
    event.change.after = BfdState::AdminDown;
    EXPECT_FALSE(event.failed());
    event.change = {BfdState::Init, BfdState::Down, BfdState::Down,
                    BfdDiagnostic::DetectionTimeExpired, BfdDiagnostic::None};
    EXPECT_FALSE(event.failed()) << "it never was Up";
}

}  // namespace
}  // namespace dlb
