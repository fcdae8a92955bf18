// The command table: parsing, abbreviations, errors, help, completion; words and tables.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/command.hpp"
#include "console/units.hpp"
#include "console/words.hpp"
#include "support/fake_control.hpp"

namespace dlb {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class ConsoleTest : public testing::Test {
  protected:
    CommandResult run(std::string_view line) {
        std::optional<CommandResult> result;
        int answers = 0;
        execute(control_, line, [&](CommandResult given) {
            result = std::move(given);
            ++answers;
        });
        EXPECT_EQ(answers, 1) << line;
        return result.value_or(CommandResult{});
    }
    std::string error_of(std::string_view line, int status) {
        const CommandResult result = run(line);
        EXPECT_EQ(result.status, status) << line << ": " << result.error;
        EXPECT_FALSE(result.error.empty()) << line;
        EXPECT_THAT(result.error, Not(HasSubstr("\n"))) << line;
        return result.error;
    }
    std::vector<std::string> candidates(std::string_view line) {
        return complete(control_, line).candidates;
    }
    std::vector<std::string> expected(std::string_view line) {
        std::vector<std::string> words;
        for (const Expectation& each : complete(control_, line).expected) {
            words.push_back(each.word);
        }
        return words;
    }

    FakeControl control_;
};

TEST(Words, SplitKeepsQuotesAndEscapes) {
    EXPECT_THAT(split_words("  a  'b c' \"d \\\" e\"\tf\\ g '' ").value(),
                ElementsAre("a", "b c", "d \" e", "f g", ""));
    EXPECT_THAT(split_words("   ").value(), IsEmpty());
    EXPECT_FALSE(split_words("a 'b").ok());
}

TEST(Words, JoinIsTheInverseOfSplit) {
    const std::vector<std::string> words = {"a", "", "b c", "d\"e", "f'g", "h\\i", "--json"};
    EXPECT_EQ(split_words(join_words(words)).value(), words);
}

TEST(Words, NearestForgivesSlipsOnly) {
    const std::vector<std::string> words = {"show", "set", "backends"};
    EXPECT_EQ(nearest_word("shwo", words), "show");
    EXPECT_EQ(nearest_word("bakend", words), "backends");
    EXPECT_EQ(nearest_word("xyzzy", words), std::nullopt);
    EXPECT_EQ(nearest_word(std::string(10000, 'x'), words), std::nullopt);
}

TEST(Words, QuotedWordsStayOnOneLine) {
    EXPECT_EQ(quote_word("a\nb\x1b"), "\"a\\x0ab\\x1b\"");
    EXPECT_LT(quote_word(std::string(10000, 'x')).size(), 80U);
}

TEST(Units, ReadAsPeopleWriteThem) {
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1024), "1.0 KiB");
    EXPECT_EQ(human_bytes(1048575), "1.0 MiB");
    EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
    EXPECT_EQ(human_rate(0, "pps"), "0 pps");
    EXPECT_EQ(human_rate(0.5, "pps"), "0.5 pps");
    EXPECT_EQ(human_rate(14880952, "pps"), "14.88 Mpps");
    EXPECT_EQ(human_rate(999999, "bps"), "1.00 Mbps");
    EXPECT_EQ(human_duration(59.9), "59s");
    EXPECT_EQ(human_duration(60), "1m");
    EXPECT_EQ(human_duration(93784), "1d 2h");
}

TEST(Table, AlignsAndFoldsCells) {
    TextTable table({{"NAME"}, {"N", TextTable::Align::Right}});
    table.add_row({"a\nbcdef", "7"});
    table.add_row({"g…", "123"});
    EXPECT_EQ(table.to_string(),
              "NAME     N\n"
              "a        7\n"
              "bcdef\n"
              "g…     123\n");
}

TEST(Table, LetsNoControlCharacterThrough) {
    TextTable table({{"NAME"}});
    table.add_row({"\x1b[2J\x7f"});
    EXPECT_EQ(table.to_string(), "NAME\n?[2J?\n");
}

TEST(Syntax, BrokenPatternsAreRefused) {
    for (const char* pattern :
         {"", "NAME:port show", "show FOO", "show [count] flows", "show [count", "show X:nope"}) {
        EXPECT_THROW(CommandSyntax::parse(pattern), std::logic_error) << pattern;
    }
}

TEST(Syntax, ShowsWithoutTypes) {
    EXPECT_EQ(CommandSyntax::parse("set x A:address [port P:backend-port] (weight W:weight)...")
                  .to_string(),
              "set x A [port P] weight W...");
}

TEST_F(ConsoleTest, EmptyLineDoesNothing) {
    for (const char* line : {"", "   ", "\t\r\n"}) {
        const CommandResult result = run(line);
        EXPECT_EQ(result.status, 0);
        EXPECT_EQ(result.text, "");
    }
}

TEST_F(ConsoleTest, KeywordsMayBeAbbreviated) {
    EXPECT_EQ(run("sh back").data, run("show backends").data);
    EXPECT_EQ(run("s p uplink st").data, run("show port uplink stats").data);
    EXPECT_EQ(run("sh port st").data, run("show port stats").data);
    EXPECT_EQ(run("sh fl c").data, run("show flows count").data);
    EXPECT_EQ(run("reload --dry").data, run("reload --dry-run").data);
    EXPECT_TRUE(run("q").quit);
}

TEST_F(ConsoleTest, ExactKeywordIsNoAbbreviation) {
    // "port" is a prefix of "ports", "service" of "services".
    EXPECT_THAT(error_of("show port", 2), HasSubstr("give NAME or stats"));
    EXPECT_THAT(error_of("show service", 2), HasSubstr("give NAME"));
}

TEST_F(ConsoleTest, AmbiguousAbbreviationsAreRefused) {
    EXPECT_EQ(error_of("sh", 2), "\"sh\" may be show or shutdown: type more of it");
    EXPECT_THAT(error_of("st", 2), HasSubstr("start or stop"));
    EXPECT_THAT(error_of("show po", 2), HasSubstr("ports or port"));
    EXPECT_THAT(control_.calls, IsEmpty());
}

TEST_F(ConsoleTest, PortsNamedLikeKeywordsCanBeShown) {
    control_.port_list[0].name = "stats";
    EXPECT_EQ(run("show port stats stats").data["name"], "stats");
    EXPECT_TRUE(run("show port stats").data.is_array());
}

TEST_F(ConsoleTest, UnknownCommandsGetASuggestion) {
    EXPECT_EQ(error_of("shwo ports", 2), "unknown command \"shwo\": did you mean \"show\"?");
    EXPECT_EQ(error_of("show bakends", 2),
              "unknown word \"bakends\" after \"show\": did you mean \"backends\"?");
    EXPECT_EQ(error_of("frobnicate", 2),
              "unknown command \"frobnicate\": \"help\" lists the commands");
    EXPECT_THAT(error_of("show frobnicate", 2), HasSubstr("give version, uptime"));
    EXPECT_EQ(error_of("show version now", 2),
              "unexpected \"now\" after \"show version\": the command ends there");
}

TEST_F(ConsoleTest, MissingArgumentsAreNamed) {
    EXPECT_EQ(error_of("add backend web", 2),
              "\"add backend web\" is not complete: give ADDRESS next "
              "(add backend SERVICE ADDRESS [port P] [weight W] [mac MAC])");
    EXPECT_THAT(error_of("add backend web 10.0.0.1 port", 2), HasSubstr("give P next"));
    EXPECT_THAT(error_of("set backend web 10.0.0.1 port 80", 2), HasSubstr("give weight next"));
    EXPECT_THAT(error_of("add service web port 80", 2), HasSubstr("give vip next"));
}

TEST_F(ConsoleTest, BadValuesAreNamedWithTheirMend) {
    EXPECT_EQ(error_of("add backend web 10.0.0", 2),
              "ADDRESS is \"10.0.0\": give an IPv4 or IPv6 address");
    for (const char* port : {"65536", "-1", "80x", "99999999999999999999", "8 0", "0x50"}) {
        EXPECT_EQ(run(std::string("add backend web 10.0.0.1 port ") + port).status, 2) << port;
    }
    EXPECT_THAT(error_of("add service x vip 10.1.1.1 mode nope", 2), HasSubstr("MODE is \"nope\""));
    EXPECT_THAT(error_of("add service x vip 10.1.1.1 protocol sctp", 2),
                EndsWith("give tcp or udp"));
    EXPECT_THAT(error_of("add service x vip 10.1.1.1/8", 2), StartsWith("VIP is"));
    EXPECT_THAT(error_of("add service x vip 10.1.1.1 port 80,,81", 2), StartsWith("P is"));
    EXPECT_THAT(error_of("show flows limit 0", 2), StartsWith("N is"));
    EXPECT_THAT(error_of("explain tcp 10.0.0.1 10.1.1.1:80", 2), StartsWith("SRC:SPORT is"));
    EXPECT_THAT(error_of("explain tcp 2001:db8::1:80 [2001:db8::2]:80", 2), HasSubstr("[ADDRESS]"));
    EXPECT_THAT(error_of("explain tcp 10.0.0.1:1 [2001:db8::2]:80", 2), HasSubstr("families"));
    EXPECT_THAT(control_.calls, IsEmpty());
}

TEST_F(ConsoleTest, GroupsComeInAnyOrderAndOnce) {
    run("add backend web 10.0.0.1 weight 7 port 81");
    EXPECT_EQ(control_.added_backend.port, 81);
    EXPECT_EQ(control_.added_backend.weight, 7U);
    EXPECT_EQ(error_of("add backend web 10.0.0.1 port 80 port 81", 2),
              "\"port\" is given twice: give it once");
    EXPECT_EQ(run("set backend web 10.0.0.1 weight 3 port 80").status, 0);
    EXPECT_EQ(run("show flows limit 5 service web").status, 0);
}

TEST_F(ConsoleTest, OverlongCommandsAreRefused) {
    std::string line = "help";
    for (int i = 0; i < 1000; ++i) {
        line += " x";
    }
    EXPECT_THAT(error_of(line, 2), HasSubstr("at most 256"));
    EXPECT_THAT(candidates(line), IsEmpty());
    EXPECT_LT(error_of(std::string(60000, 'x'), 2).size(), 200U);
}

TEST_F(ConsoleTest, HelpCoversEveryCommand) {
    const CommandTable& table = CommandTable::instance();
    const std::string all = run("help").text;
    ASSERT_EQ(table.commands().size(), table.syntaxes().size());
    EXPECT_EQ(run("help").data.size(), table.commands().size());
    for (size_t i = 0; i < table.commands().size(); ++i) {
        const std::string syntax = table.syntaxes()[i].to_string();
        EXPECT_THAT(all, HasSubstr("  " + syntax));
        EXPECT_FALSE(table.commands()[i].help.empty()) << syntax;
        EXPECT_LE(table.commands()[i].help.size(), 70U) << syntax;
        EXPECT_TRUE(table.commands()[i].handler) << syntax;
        std::string keywords = "help";
        const std::string anything = "10.0.0.1:1";
        for (const SyntaxToken& token : table.syntaxes()[i].head) {
            if (token.is_argument() && !token.type->valid(anything)) {
                break;
            }
            keywords += " " + (token.is_argument() ? anything : token.keywords.front());
        }
        EXPECT_THAT(run(keywords).text, HasSubstr(std::string(table.commands()[i].help)));
    }
}

TEST_F(ConsoleTest, HelpNarrowsDown) {
    const std::string show = run("help show").text;
    EXPECT_THAT(show, HasSubstr("show backends [SERVICE]"));
    EXPECT_THAT(show, Not(HasSubstr("add backend")));
    const std::string detail = run("help add backend").text;
    EXPECT_THAT(detail, StartsWith("add backend SERVICE ADDRESS [port P] [weight W] [mac MAC]\n"));
    EXPECT_THAT(detail, HasSubstr("an IPv4 or IPv6 address"));
    EXPECT_THAT(detail, HasSubstr("The weight is 1 unless given."));
    error_of("help frobnicate", 2);
}

TEST_F(ConsoleTest, QuestionMarkTellsWhatMayStandThere) {
    EXPECT_THAT(run("show ?").text, HasSubstr("backends   weight, state"));
    EXPECT_THAT(run("show fl?").text, StartsWith("flows  "));
    EXPECT_THAT(run("add backend web 10.0.0.1 ?").text, HasSubstr("port     P: a port from 0"));
    EXPECT_THAT(run("?").text, HasSubstr("shutdown"));
    error_of("frob ?", 2);
}

TEST_F(ConsoleTest, CompletesKeywords) {
    EXPECT_THAT(candidates("show ba"), ElementsAre("backends"));
    EXPECT_THAT(candidates("sh ba"), ElementsAre("backends"));
    EXPECT_THAT(candidates("show port"), ElementsAre("port", "ports"));
    EXPECT_THAT(candidates("s"), ElementsAre("set", "show", "shutdown", "start", "stop"));
    EXPECT_THAT(candidates(""), Contains("explain"));
    EXPECT_THAT(candidates("help add b"), ElementsAre("backend"));
    EXPECT_THAT(candidates("add service x vip 10.1.1.1 protocol "), ElementsAre("tcp", "udp"));
    EXPECT_THAT(candidates("show \"ba"), IsEmpty());
    EXPECT_THAT(candidates("frob "), IsEmpty());
}

TEST_F(ConsoleTest, CompletesNamesAndAddresses) {
    EXPECT_THAT(candidates("show port u"), ElementsAre("uplink"));
    EXPECT_THAT(candidates("show port "), ElementsAre("downlink", "stats", "uplink"));
    EXPECT_THAT(candidates("show service "), ElementsAre("any", "dns", "web"));
    EXPECT_THAT(candidates("del backend web 172.16.21.2 port "), ElementsAre("80"));
    EXPECT_THAT(candidates("del backend dns "), ElementsAre("172.16.21.9"));
    EXPECT_THAT(candidates("add backend dns "), IsEmpty());
    EXPECT_THAT(candidates("add service x vip 10.1.1.1 mode "),
                ElementsAre("dr", "fnat", "fou", "gre", "gue", "ipip", "nat", "vxlan"));
}

TEST_F(ConsoleTest, CompletionTellsWhatIsExpected) {
    EXPECT_THAT(expected("show backends "), ElementsAre("SERVICE", "<enter>"));
    EXPECT_THAT(expected("show flows count "), ElementsAre("service", "limit", "<enter>"));
    EXPECT_THAT(expected("explain tcp "), ElementsAre("SRC:SPORT"));
}

TEST_F(ConsoleTest, HandlerThatThrowsIsAnError) {
    class Throwing : public FakeControl {
        std::vector<WorkerStatus> workers() const override { throw std::runtime_error("boom"); }
    } control;
    CommandResult result;
    execute(control, "show workers", [&](CommandResult given) { result = std::move(given); });
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.error, HasSubstr("boom"));
}

TEST_F(ConsoleTest, RandomLinesNeverCrash) {
    std::mt19937 random(1);
    const std::vector<std::string> words = {
        "show",    "s",         "port",     "add",  "backend",
        "service", "vip",       "10.0.0.1", "80",   "[2001:db8::1]:80",
        "tcp",     "?",         "\"",       "help", "\\",
        "weight",  "--dry-run", "\xff",     "x",    "reload"};
    for (int i = 0; i < 10000; ++i) {
        std::string line;
        for (unsigned length = random() % 12; length > 0; --length) {
            line += words[random() % words.size()] + (random() % 8 == 0 ? "" : " ");
        }
        const CommandResult result = run(line);
        EXPECT_EQ(result.status == 0, result.error.empty()) << line;
        complete(control_, line);
    }
}

}  // namespace
}  // namespace dlb
