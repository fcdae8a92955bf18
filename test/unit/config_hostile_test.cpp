// No text may do more to the reader than be refused.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/config.hpp"
#include "config_example.hpp"

namespace dlb {
namespace {

void expect_answer(const std::string& text) {
    const ConfigResult result = parse_config(text, "lb.toml");
    ASSERT_NE(result.config.has_value(), !result.errors.empty()) << text;
    const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
    for (const ConfigError& error : result.errors) {
        ASSERT_FALSE(error.problem.empty() || error.mend.empty()) << text;
        ASSERT_LE(error.line, lines) << error.to_string() << text;
        ASSERT_EQ(error.to_string().find('\n'), std::string::npos) << error.to_string();
    }
    if (result.config) {
        const ConfigResult again = parse_config(dump_config(*result.config), "dump.toml");
        ASSERT_TRUE(again.config.has_value()) << listing(again) << text;
        ASSERT_EQ(*again.config, *result.config) << text;
    }
}

std::string mutate(std::string text, std::mt19937& random) {
    static const std::vector<std::string> kPieces = {"[",
                                                     "]",
                                                     "[[",
                                                     "{",
                                                     "}",
                                                     "\"",
                                                     "'",
                                                     "\"\"\"",
                                                     "'''",
                                                     ".",
                                                     "=",
                                                     ",",
                                                     "\n",
                                                     "#",
                                                     "\\",
                                                     "\\u00e9",
                                                     "\r",
                                                     "\x7f",
                                                     "\xff",
                                                     "-",
                                                     "0b1",
                                                     "2020-13-01",
                                                     "nan",
                                                     "true",
                                                     "[bgp]\n",
                                                     "ü",
                                                     "9223372036854775808",
                                                     "port = []\n",
                                                     "ports = []\nports.x = 1\n",
                                                     "[service]\n",
                                                     "[[service]]\n",
                                                     "[service.backend]\n",
                                                     "mode = \"ipip\"\n"};
    for (auto edits = 1 + random() % 4; edits > 0; --edits) {
        const size_t at = random() % (text.size() + 1);
        const size_t from = random() % (text.size() + 1);
        switch (random() % 4) {
            case 0:
                text.insert(at, 1, static_cast<char>(random()));
                break;
            case 1:
                text.erase(at, random() % 60);
                break;
            case 2:
                text.insert(at, kPieces[random() % kPieces.size()]);
                break;
            default:
                text.insert(at, text.substr(from, random() % 60));
                break;
        }
    }
    return text;
}

// Words, values and brackets of the schema's own, in no order that makes sense.
std::string scramble(std::mt19937& random) {
    static const std::vector<std::string> kWords = {"[lb]\n",
                                                    "[[port]]\n",
                                                    "[[service]]\n",
                                                    "[[service.backend]]\n",
                                                    "[service.health]\n",
                                                    "[[port.neighbor]]\n",
                                                    "[bgp]\n",
                                                    "[[bgp.neighbor]]\n",
                                                    "[metrics]\n",
                                                    "name = ",
                                                    "device = ",
                                                    "address = ",
                                                    "vip = ",
                                                    "ports = ",
                                                    "mode = ",
                                                    "timeout = ",
                                                    "password = ",
                                                    "user = ",
                                                    "log_format = ",
                                                    "weight = ",
                                                    "\"10.0.0.1\"\n",
                                                    "\"2001:db8::/32\"\n",
                                                    "\"net_null0\"\n",
                                                    "\"web\"\n",
                                                    "[]\n",
                                                    "[80, 443]\n",
                                                    "{ udp = \"1s\" }\n",
                                                    "-1\n",
                                                    "1e400\n",
                                                    "18446744073709551616\n",
                                                    "\"\"\n",
                                                    "true\n",
                                                    "1979-05-27\n",
                                                    "\"\\u0000\"\n",
                                                    "[[[]]]\n",
                                                    "\"\"\"\n"};
    std::string text;
    for (auto words = 1 + random() % 40; words > 0; --words) {
        text += kWords[random() % kWords.size()];
    }
    return text;
}

std::string noise(std::mt19937& random) {
    std::string text;
    const bool ascii = random() % 2 == 0;
    for (auto bytes = random() % 400; bytes > 0; --bytes) {
        text += static_cast<char>(ascii ? 32 + random() % 95 : random());
    }
    return text;
}

// 11,200 texts, always the same ones.
template <typename Make>
void expect_answers(int count, Make make) {
    std::mt19937 random(1);
    for (int i = 0; i < count && !testing::Test::HasFatalFailure(); ++i) {
        expect_answer(make(random));
    }
}

TEST(ConfigHostile, MutationsGiveErrorsOrAConfiguration) {
    expect_answers(1200, [](std::mt19937& random) { return mutate(kComplete, random); });
}

TEST(ConfigHostile, WordsOutOfOrderGiveErrorsOrAConfiguration) {
    expect_answers(5000, scramble);
}

TEST(ConfigHostile, NoiseGivesErrors) {
    expect_answers(5000, noise);
}

TEST(ConfigHostile, WhatBreaksToml11) {
    constexpr size_t kMany = 100000;
    const auto repeat = [](const std::string& part, size_t count) {
        std::string out;
        while (count-- > 0) {
            out += part;
        }
        return out;
    };
    for (const std::string& text : {
             std::string(kMany, '['),
             "a = " + std::string(kMany, '['),
             "a = " + repeat("[\n", kMany),
             "a = " + repeat("{a=", 5000),
             repeat("a.", 5000) + "a = 1",
             "[" + repeat("a . ", 4000) + "a]",
             repeat("\"a\".", 4000) + "\"a\" = 1",
             std::string("service = []\n[service.health]\n"),
             std::string("[[service]]\nports = []\nports.x = 1\n"),
             std::string("a = []\n[[a.b]]\n"),
             std::string("a = '\xff\n'"),
             std::string("a = '''\n\xc3'''"),
             std::string("a = \"\"\"x"),
             std::string("a = \"\\"),
             std::string("a = 0b") + std::string(80, '1'),
             std::string(kMany, '\0'),
             std::string(17U << 20, '\n'),
             "[lb]\n" + repeat("x", 1U << 20),
             repeat("[[service]]\n", 3000),
             std::string("\xEF\xBB\xBF"),
         }) {
        expect_answer(text);
        EXPECT_FALSE(parse_config(text, "lb.toml").config.has_value()) << text.substr(0, 100);
    }
}

TEST(ConfigHostile, EndsAtAThousandErrors) {
    std::string text;
    for (int i = 0; i < 1500; ++i) {
        text += "a" + std::to_string(i) + " = 1\n";
    }
    const ConfigResult result = parse_config(text, "lb.toml");
    EXPECT_FALSE(result.config.has_value());
    ASSERT_EQ(result.errors.size(), 1001U);
    EXPECT_EQ(result.errors.back().problem, "there are more than 1000 errors");
}

}  // namespace
}  // namespace dlb
