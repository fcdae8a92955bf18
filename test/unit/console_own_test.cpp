// What dpdk-lbctl does itself: its commands in the table, colours. And `show bgp`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/client_commands.hpp"
#include "console/command.hpp"
#include "console/paint.hpp"
#include "console/terminal.hpp"
#include "support/fake_control.hpp"

namespace dlb {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CommandResult run(std::string_view line) {
    FakeControl control;
    CommandResult result;
    execute(control, line, [&](CommandResult given) { result = std::move(given); });
    return result;
}

TEST(OwnCommands, AreToldFromTheDaemons) {
    const auto every = parse_own_command("watch show port stats all");
    ASSERT_TRUE(every);
    EXPECT_EQ(every->what, ClientCommand::Watch);
    EXPECT_EQ(every->seconds, 1);
    EXPECT_EQ(every->command, "show port stats all");
    const auto slow = parse_own_command("  watch 2.5 sh log 5 ");
    ASSERT_TRUE(slow);
    EXPECT_EQ(slow->seconds, 2.5);
    EXPECT_EQ(slow->command, "show log 5");
    EXPECT_EQ(parse_own_command("watch show service \"a b\"")->command, "show service \"a b\"");
    EXPECT_EQ(parse_own_command("top")->what, ClientCommand::Top);
    EXPECT_EQ(parse_own_command("top -d 0.5")->seconds, 0.5);
    EXPECT_FALSE(parse_own_command("set paging off")->on);
    EXPECT_TRUE(parse_own_command("set paging on")->on);
    for (const char* line :
         {"", " ", "show ports", "watch", "watch show", "watch reload", "watch 0 show ports",
          "watch 1e9 show ports", "watch nan show ports", "watch show ports ?", "top?", "top -d",
          "top -d 5000", "set paging", "watch show \"ports", "set backend web 10.0.0.1 weight 1"}) {
        EXPECT_FALSE(parse_own_command(line)) << line;
    }
}

TEST(OwnCommands, TheDaemonRefusesThem) {
    for (const char* line : {"watch show ports", "watch 2 show ports", "top", "set paging off"}) {
        const CommandResult result = run(line);
        EXPECT_EQ(result.status, 2) << line;
        EXPECT_THAT(result.error, HasSubstr("dpdk-lbctl runs this command itself")) << line;
    }
    EXPECT_THAT(run("watch 0 show ports").error, HasSubstr("seconds from 0.1 to 3600"));
}

TEST(OwnCommands, WatchCompletesWhatItWatches) {
    const FakeControl control;
    EXPECT_THAT(complete(control, "watch show ba").candidates, ElementsAre("backends"));
    EXPECT_THAT(complete(control, "watch 2 show service ").candidates,
                ElementsAre("any", "dns", "web"));
    EXPECT_THAT(complete(control, "watch ").candidates, Contains("show"));
    EXPECT_THAT(complete(control, "wa").candidates, ElementsAre("watch"));
    EXPECT_THAT(complete(control, "watch add ba").candidates, IsEmpty());
}

TEST(Paint, OnlyCellsBelowStateHeadersAreColoured) {
    EXPECT_EQ(paint("NAME  STATE   HEALTH\ndown  active  down\nüü    draining  \nx     other\n"),
              "\033[1mNAME  STATE   HEALTH\033[0m\n"
              "down  \033[32mactive\033[0m  \033[31mdown\033[0m\n"
              "üü    \033[33mdraining\033[0m  \n"
              "x     other\n");
    // A block ends with an empty line; what is no table stays as it is.
    EXPECT_EQ(paint("A  STATE\nx  up\n\nx  up\n"),
              "\033[1mA  STATE\033[0m\nx  \033[32mup\033[0m\n\nx  up\n");
    for (const char* plain :
         {"", "\n", "down", "up 5 times\n", "ESTATE\ndown\n", "port a  RX  TX\n"}) {
        EXPECT_EQ(paint(plain), plain);
    }
    EXPECT_EQ(paint("NAME  STATE\nx\ny     "), "\033[1mNAME  STATE\033[0m\nx\ny     ");
}

TEST(Paint, TheConsolesOwnTables) {
    const std::string backends = paint(run("show backends").text);
    EXPECT_THAT(backends, HasSubstr("\033[32mactive\033[0m"));
    EXPECT_THAT(backends, HasSubstr("\033[33mdraining\033[0m"));
    EXPECT_THAT(backends, HasSubstr("\033[31mdown\033[0m"));
    EXPECT_THAT(paint(run("show workers").text), HasSubstr("\033[31mstopped\033[0m"));
    EXPECT_THAT(paint(run("show ports").text), HasSubstr("\033[32mup\033[0m"));
}

TEST(Terminal, LinesAreCutAtCharacters) {
    EXPECT_EQ(cut_line("abc", 2), "ab");
    EXPECT_EQ(cut_line("aüb", 2), "aü");
    EXPECT_EQ(cut_line("abc", 3), "abc");
    EXPECT_EQ(cut_line("abc", 0), "");
    EXPECT_EQ(cut_line("", 5), "");
}

TEST(ShowBgp, HasItsShapesWithoutBgp) {
    EXPECT_EQ(run("show bgp").data.dump(), R"({"asn":0,"router_id":"","neighbors":[]})");
    EXPECT_EQ(run("show bgp").text, "BGP is not enabled\n");
    EXPECT_EQ(run("show bgp routes").data.dump(), "[]");
    EXPECT_EQ(run("show bgp routes").text, "BGP is not enabled\n");
    const CommandResult neighbor = run("show bgp neighbor 10.0.0.109");
    EXPECT_EQ(neighbor.status, 1);
    EXPECT_EQ(neighbor.error, "no BGP neighbor 10.0.0.109: BGP is not enabled");
    EXPECT_EQ(run("show bgp neighbor router").status, 2);
}

}  // namespace
}  // namespace dlb
