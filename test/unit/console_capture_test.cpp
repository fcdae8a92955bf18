// `capture`, whose answer takes as long as it takes: what it asks for, and how its client is
// watched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/command.hpp"
#include "console_support.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string request(const std::string& line) {
    return Json{{"command", line}, {"json", true}}.dump() + '\n';
}

CommandResult run(FakeControl& control, std::string_view line) {
    CommandResult result;
    execute(control, line, [&](CommandResult given) { result = std::move(given); });
    return result;
}

TEST(ConsoleCapture, AsksForWhatTheLineSays) {
    FakeControl control;
    const CommandResult result =
        run(control, R"(capture uplink /tmp/x.pcap filter "tcp port 80" count 7 seconds 3)");
    ASSERT_EQ(result.status, 0) << result.error;
    EXPECT_EQ(control.capture_query.port, "uplink");
    EXPECT_EQ(control.capture_query.file, "/tmp/x.pcap");
    EXPECT_EQ(control.capture_query.filter, "tcp port 80");
    EXPECT_EQ(control.capture_query.count, 7U);
    EXPECT_EQ(control.capture_query.seconds, 3U);
    EXPECT_EQ(result.data, (Json{{"file", "/tmp/x.pcap"},
                                 {"packets", 1000},
                                 {"missed", 3},
                                 {"bytes", 123456},
                                 {"reason", "count"}}));
    EXPECT_EQ(result.text, "/tmp/x.pcap: 1000 packets, 3 missed, 123456 bytes; ended by count\n");
    run(control, "capture uplink /tmp/x.pcap");
    EXPECT_EQ(control.capture_query.count, 1000U);
    EXPECT_EQ(control.capture_query.seconds, 60U);
    EXPECT_EQ(control.capture_query.filter, "");
}

TEST(ConsoleCapture, RefusesWhatCannotBe) {
    FakeControl control;
    EXPECT_EQ(run(control, "capture uplink x.pcap").status, 2);
    EXPECT_EQ(run(control, "capture uplink /tmp/x.pcap count 0").status, 2);
    EXPECT_EQ(run(control, "capture uplink /tmp/x.pcap seconds 3601").status, 2);
    EXPECT_EQ(run(control, "capture uplink /tmp/x.pcap filter tcp port 80").status, 2);
    EXPECT_EQ(run(control, "capture uplonk /tmp/x.pcap").status, 1);
    EXPECT_EQ(control.capture_query.port, "") << "it was asked all the same";
    control.capture_result = Error{"filter: syntax error"};
    const CommandResult failed = run(control, "capture uplink /tmp/x.pcap");
    EXPECT_EQ(failed.status, 1);
    EXPECT_EQ(failed.error, "filter: syntax error");
}

TEST(ConsoleCapture, IsWaitedForLongerThanOtherAnswers) {
    ConsoleFixture console({.answer_timeout = 50ms});
    RawClient client(console.socket());
    console.loop().call([&] { console.control().hold = true; });
    client.send(request("capture uplink /tmp/x.pcap"));
    EXPECT_EQ(client.line(300), "");
    console.loop().call([&] {
        EXPECT_FALSE(console.control().capture_query.abandoned());
        console.control().held.at(0)();
    });
    EXPECT_THAT(client.line(), HasSubstr("123456"));
}

TEST(ConsoleCapture, KnowsThatItsClientIsGoneAndThatOneIsOnlySilent) {
    ConsoleFixture console;
    std::function<bool()> abandoned;
    auto client = std::make_unique<RawClient>(console.socket());
    console.loop().call([&] { console.control().hold = true; });
    client->send(request("capture uplink /tmp/x.pcap"));
    client->end_of_input();
    for (bool asked = false; !asked;) {
        console.loop().call([&] { asked = !console.control().held.empty(); });
    }
    console.loop().call([&] {
        abandoned = console.control().capture_query.abandoned;
        EXPECT_FALSE(abandoned()) << "it still waits for the answer";
    });
    client.reset();
    console.loop().call([&] {
        EXPECT_TRUE(abandoned());
        console.control().held.at(0)();  // an answer that nobody gets
    });
    while (console.clients() != 0) {
        std::this_thread::yield();
    }
    console.loop().call([&] { EXPECT_TRUE(abandoned()); });
}

}  // namespace
}  // namespace dlb
