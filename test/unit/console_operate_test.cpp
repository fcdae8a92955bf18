// reload, commit, drain and routes by hand: what the console asks for and how it answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/command.hpp"
#include "console_support.hpp"
#include "support/fake_control.hpp"

namespace dlb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ConsoleOperateTest : public testing::Test {
  protected:
    CommandResult run(std::string_view line) {
        CommandResult result;
        execute(control_, line, [&](CommandResult given) { result = std::move(given); });
        return result;
    }
    CommandResult done(std::string_view line) {
        CommandResult result = run(line);
        EXPECT_EQ(result.status, 0) << line << ": " << result.error;
        return result;
    }

    FakeControl control_;
};

TEST_F(ConsoleOperateTest, Reload) {
    EXPECT_EQ(done("reload").data, Json({{"ok", true}}));
    EXPECT_THAT(control_.calls, ElementsAre("reload"));
}

TEST_F(ConsoleOperateTest, DryRunShowsThePlanAndChangesNothing) {
    const CommandResult dry = done("reload --dry-run");
    EXPECT_EQ(dry.text,
              "~ backend web 172.16.21.2:80 weight 1 -> 5 (set by hand)\n"
              "web: 33.4 % of new flows go elsewhere; flows known to the table stay\n"
              "VIP 10.1.1.1 is withdrawn by hand\n");
    EXPECT_EQ(dry.data["ok"], true);
    const Json& change = dry.data["changes"][0];
    EXPECT_EQ(change["action"], "~");
    EXPECT_EQ(change["kind"], "backend");
    EXPECT_EQ(change["address"], "172.16.21.2");
    EXPECT_EQ(change["port"], 80);
    EXPECT_EQ(change["values"][0]["before"], "1");
    EXPECT_EQ(change["values"][0]["by_hand"], true);
    EXPECT_EQ(dry.data["moves"][0]["new_flows"], 0.334);
    EXPECT_EQ(dry.data["kept"].size(), 1U);
    control_.plan = {};
    EXPECT_EQ(done("reload --dry-run").text, "nothing would change\n");
    EXPECT_THAT(control_.calls, IsEmpty());
}

TEST_F(ConsoleOperateTest, ShowChanges) {
    EXPECT_THAT(done("show changes").text, HasSubstr("weight 1 -> 5"));
    EXPECT_EQ(done("show changes").data["unconfirmed_ms"], nullptr);
    control_.plan = {};
    EXPECT_EQ(done("show changes").text, "services and backends are those of the file\n");
    done("commit confirmed 60s");
    EXPECT_EQ(done("show changes").data["unconfirmed_ms"], 60000);
    EXPECT_THAT(done("show changes").text, HasSubstr("is taken back in 60 s unless \"commit\""));
}

TEST_F(ConsoleOperateTest, CommitConfirmedThenCommit) {
    EXPECT_EQ(run("commit").status, 1);
    EXPECT_THAT(done("commit confirmed 2m").text, HasSubstr("taken back in 2m unless"));
    EXPECT_EQ(control_.confirm_within, std::chrono::minutes(2));
    EXPECT_EQ(run("commit confirmed 60s").status, 1);
    done("commit");
    EXPECT_EQ(control_.confirm_within, std::nullopt);
    EXPECT_THAT(control_.calls, ElementsAre("commit confirmed", "commit"));
}

TEST_F(ConsoleOperateTest, CommitConfirmedThenRollback) {
    EXPECT_EQ(run("rollback").status, 1);
    done("commit confirmed 500ms");
    done("rollback");
    EXPECT_THAT(control_.calls, ElementsAre("commit confirmed", "rollback"));
}

TEST_F(ConsoleOperateTest, BadTimesDoNotParse) {
    for (const char* line :
         {"commit confirmed 60", "commit confirmed 0s", "commit confirmed 25h", "commit confirmed",
          "drain backend web 172.16.21.2 wait 0s", "drain backend web 172.16.21.2 5s"}) {
        EXPECT_EQ(run(line).status, 2) << line;
    }
    EXPECT_THAT(control_.calls, IsEmpty());
}

TEST_F(ConsoleOperateTest, DrainBackendSaysHowManyConnectionsItHas) {
    const CommandResult drained = done("drain backend web 172.16.21.2 port 80");
    EXPECT_EQ(drained.data["connections"], 12);
    EXPECT_EQ(drained.text,
              "backend 172.16.21.2 port 80 of web drains: it takes no new flow; 12 connections are "
              "open\n");
    EXPECT_EQ(control_.drain_query.timeout.count(), 0);
    EXPECT_EQ(control_.drain_query.port, 80);
    EXPECT_THAT(control_.calls, ElementsAre("drain web 172.16.21.2"));
}

TEST_F(ConsoleOperateTest, DrainBackendWaits) {
    EXPECT_EQ(run("drain backend web 172.16.21.2 wait 5s").error,
              "backend 172.16.21.2 of web: 12 connections are open after 5s; wait longer, or `del "
              "backend` cuts them off");
    EXPECT_EQ(control_.drain_query.timeout, std::chrono::seconds(5));
    control_.connections = 0;
    EXPECT_EQ(done("drain backend web 172.16.21.2 wait").text,
              "backend 172.16.21.2 of web is drained: no connection is left\n");
    EXPECT_EQ(control_.drain_query.timeout, std::chrono::seconds(60));
}

TEST_F(ConsoleOperateTest, RoutesByHand) {
    done("withdraw 10.1.1.1,2001:db8:1::1");
    done("announce 10.1.1.1");
    done("drain");
    done("undrain");
    EXPECT_THAT(control_.calls, ElementsAre("withdraw 10.1.1.1", "withdraw 2001:db8:1::1",
                                            "announce 10.1.1.1", "drain", "undrain"));
    EXPECT_EQ(run("withdraw nonsense").status, 2);
    control_.edit_error = "no service has the VIP";
    EXPECT_EQ(run("withdraw 10.9.9.9").status, 1);
}

TEST_F(ConsoleOperateTest, OnlyWhatIsSaidToTakeTimeDoes) {
    const auto takes_time = [&](const char* line) {
        return execute(control_, line, [](const CommandResult&) {});
    };
    EXPECT_TRUE(takes_time("reload"));
    EXPECT_TRUE(takes_time("drain backend web 172.16.21.2 wait"));
    EXPECT_FALSE(takes_time("drain"));
    EXPECT_FALSE(takes_time("show services"));
}

// A session's limit for answers does not hold for them.
TEST(ConsoleOperate, LongCommandsOutliveTheAnswerTimeout) {
    ConsoleFixture console({.answer_timeout = std::chrono::milliseconds(50)});
    console.loop().call([&] { console.control().hold = true; });
    RawClient client(console.socket());
    client.send("{\"command\":\"drain backend web 172.16.21.2 wait 1h\"}\n");
    EXPECT_EQ(client.line(300), "");
    console.loop().call([&] {
        console.control().connections = 0;
        ASSERT_EQ(console.control().held.size(), 1U);
        EXPECT_TRUE(console.control().drain_wanted());
        console.control().held[0]();
    });
    EXPECT_THAT(client.line(), HasSubstr("is drained"));
}

TEST(ConsoleOperate, AClientThatLeavesEndsItsWait) {
    ConsoleFixture console;
    console.loop().call([&] { console.control().hold = true; });
    {
        RawClient client(console.socket());
        client.send("{\"command\":\"drain backend web 172.16.21.2 wait 1h\"}\n");
        while (true) {
            bool asked = false;
            console.loop().call([&] { asked = !console.control().held.empty(); });
            if (asked) {
                break;
            }
            std::this_thread::yield();
        }
        EXPECT_EQ(console.clients(), 1U);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (console.clients() != 0 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    EXPECT_EQ(console.clients(), 0U);
    console.loop().call([&] {
        EXPECT_FALSE(console.control().drain_wanted());
        console.control().held[0]();  // an answer that comes all the same goes nowhere
    });
}

// One that says that it asks no more still gets its answer.
TEST(ConsoleOperate, AClientThatOnlyEndsItsInputIsAnswered) {
    ConsoleFixture console;
    console.loop().call([&] { console.control().hold = true; });
    RawClient client(console.socket());
    client.send("{\"command\":\"reload\"}\n");
    client.end_of_input();
    EXPECT_EQ(client.line(100), "");
    console.loop().call([&] { console.control().held.at(0)(); });
    EXPECT_THAT(client.line(), HasSubstr("is applied"));
}

}  // namespace
}  // namespace dlb
