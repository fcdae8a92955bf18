// What a log line looks like, and how many alike there are.
#include "control/log.hpp"

#include <chrono>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/log_limit.hpp"
#include "control/log_line.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;

const std::string kHostile[] = {
    "plain",
    "a \"quoted\" 'word' and a \\ backslash",
    "two\nlines\r\n",
    std::string("nul \0 in it", 11),
    "escape \x1b[31m red, bell \x07, del \x7f",
    "C1 \xc2\x9b"
    "31m",
    "broken \xff\xfe \xc3( \xe2\x82",
    "right: \xc3\xbc \xe2\x80\xa6 \xf0\x9f\x99\x82",
    std::string(100000, 'x') + '\n',
};

std::string line_of(const std::string& message, LineStyle style,
                    spdlog::level::level_enum level = spdlog::level::info) {
    spdlog::memory_buf_t out;
    make_line_formatter(style)->format(spdlog::details::log_msg("dpdk-lb", level, message), out);
    return {out.data(), out.size()};
}

bool is_utf8(const std::string& text) {
    try {
        static_cast<void>(nlohmann::json(text).dump());
        return true;
    } catch (const nlohmann::json::exception&) {
        return false;
    }
}

void expect_one_line(const std::string& line) {
    ASSERT_FALSE(line.empty());
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    EXPECT_TRUE(is_utf8(line)) << line;
    for (const char c : line.substr(0, line.size() - 1)) {
        EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << line;
    }
    EXPECT_EQ(line.find("\xc2\x9b"), std::string::npos) << line;
}

TEST(LogLine, IsOneLineWhateverTheMessage) {
    for (const std::string& message : kHostile) {
        for (const bool journal : {false, true}) {
            expect_one_line(line_of(message, {LogFormat::Text, journal}));
            expect_one_line(line_of(message, {LogFormat::Json, journal}));
        }
    }
}

TEST(LogLine, TextHasTimeLevelAndMessage) {
    const std::string line = line_of("forwards", {}, spdlog::level::warn);
    // 2026-11-25T22:31:39.123+00:00 warning forwards
    ASSERT_GT(line.size(), 30U);
    EXPECT_EQ(line[10], 'T');
    EXPECT_EQ(line[19], '.');
    EXPECT_EQ(line.substr(29), " warning forwards\n");
    EXPECT_EQ(on_one_line("a \"b\" c"), "a \"b\" c");
    EXPECT_EQ(on_one_line("a \"b\"\nc\\"), "a \"b\"\\nc\\\\");
    EXPECT_EQ(on_one_line("\xff"), "\xef\xbf\xbd");
}

TEST(LogLine, JsonHoldsTheMessageItself) {
    for (const std::string& message : kHostile) {
        const nlohmann::json object =
            nlohmann::json::parse(line_of(message, {LogFormat::Json, false}, spdlog::level::err));
        EXPECT_EQ(object.size(), 3U);
        EXPECT_EQ(object.at("level"), "error");
        EXPECT_EQ(object.at("time").get<std::string>().size(), 29U);
        if (is_utf8(message)) {
            EXPECT_EQ(object.at("message"), message);
        }
    }
}

TEST(LogLine, TheJournalGetsPriorities) {
    EXPECT_EQ(line_of("x", {LogFormat::Text, true}, spdlog::level::err), "<3>x\n");
    EXPECT_EQ(line_of("x", {LogFormat::Text, true}, spdlog::level::warn), "<4>x\n");
    EXPECT_EQ(line_of("x", {LogFormat::Text, true}), "<6>x\n");
    EXPECT_EQ(line_of("x", {LogFormat::Text, true}, spdlog::level::debug), "<7>x\n");
    EXPECT_TRUE(line_of("x", {LogFormat::Json, true}).starts_with("<6>{\"time\":"));
}

TEST(LogLine, TheJournalIsKnownByItsStream) {
    struct stat status {};
    ASSERT_EQ(fstat(STDERR_FILENO, &status), 0);
    const std::string ours = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    EXPECT_TRUE(is_journal(ours.c_str(), STDERR_FILENO));
    EXPECT_FALSE(is_journal((ours + "1").c_str(), STDERR_FILENO));
    EXPECT_FALSE(is_journal("", STDERR_FILENO));
    EXPECT_FALSE(is_journal(nullptr, STDERR_FILENO));
    EXPECT_FALSE(is_journal(ours.c_str(), -1));
}

TEST(LogLimit, TemplatesLeaveOutWhatDiffers) {
    EXPECT_EQ(log_template("neighbour 10.0.0.1 of port 'a' is gone after 5s"),
              log_template("neighbour 2001:db8::1 of port 'b c' is gone after 12s"));
    EXPECT_NE(log_template("neighbour 10.0.0.1 came"), log_template("neighbour 10.0.0.1 went"));
    EXPECT_EQ(log_template("it's one open quote"), "it's one open quote");
}

TEST(LogLimit, PassesABurstAndCountsTheRest) {
    LogLimit limit;
    const LogLimit::Clock::time_point start{};
    unsigned passed = 0;
    for (int i = 0; i < 100; ++i) {
        passed += limit.passes(2, "backend 10.0.0." + std::to_string(i) + " is down", start);
    }
    EXPECT_EQ(passed, LogLimit::kBurst);
    EXPECT_TRUE(limit.passes(2, "another kind", start));
    EXPECT_TRUE(limit.passes(4, "backend 10.0.0.1 is down", start)) << "of another level";
    EXPECT_TRUE(limit.over(start + LogLimit::kInterval - 1ms).empty());
    const auto over = limit.over(start + LogLimit::kInterval);
    ASSERT_EQ(over.size(), 1U);
    EXPECT_EQ(over[0].count, 100 - LogLimit::kBurst);
    EXPECT_EQ(over[0].level, 2);
    EXPECT_EQ(over[0].example, "backend 10.0.0.99 is down");
    EXPECT_TRUE(limit.over(start + 2 * LogLimit::kInterval).empty()) << "told once";
    EXPECT_TRUE(limit.passes(2, "backend 10.0.0.1 is down", start + LogLimit::kInterval));
}

TEST(LogLimit, SlowRepetitionIsNeverSuppressed) {
    LogLimit limit;
    LogLimit::Clock::time_point now{};
    for (int i = 0; i < 200; ++i, now += 1000ms * LogLimit::kInterval.count() / LogLimit::kBurst) {
        EXPECT_TRUE(limit.passes(2, "tick", now)) << i;
    }
}

TEST(LogLimit, ForgetsWhatIsOldWhenThereAreManyKinds) {
    LogLimit limit;
    const LogLimit::Clock::time_point start{};
    const auto kind = [](size_t i) {
        std::string word;
        for (; i > 0; i /= 26) {
            word += static_cast<char>('a' + i % 26);
        }
        return word + " x";
    };
    for (size_t i = 0; i < 3 * LogLimit::kMostTemplates; ++i) {
        EXPECT_TRUE(limit.passes(2, kind(i), start));
    }
    EXPECT_TRUE(limit.passes(2, "later", start + LogLimit::kInterval));
}

TEST(Log, StartUpIsToldInFullAndTheRestLimited) {
    LbConfig lb;
    start_log(lb);
    constexpr unsigned kMany = 3 * LogLimit::kBurst;
    for (unsigned i = 0; i < kMany; ++i) {
        spdlog::error("start-up error {}", i);
    }
    EXPECT_EQ(recent_log(1000).size(), kMany);
    limit_log();
    for (unsigned i = 0; i < kMany; ++i) {
        spdlog::error("later error {}", i);
    }
    const std::vector<std::string> lines = recent_log(1000);
    EXPECT_EQ(lines.size(), kMany + LogLimit::kBurst);
    EXPECT_TRUE(lines.back().ends_with(" error later error 19")) << lines.back();

    lb.log_level = LogLevel::Error;
    lb.log_format = LogFormat::Json;
    set_log(lb);
    spdlog::info("not told");
    EXPECT_EQ(recent_log(1000), lines);
}

}  // namespace
}  // namespace dlb
