// Hostile input at the console's doors: one clear error each, and nothing kept of it.
#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/command.hpp"
#include "console_support.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int kRounds = 10000;

size_t open_files() {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
}

// Bytes of memory that this process has.
size_t resident() {
    std::ifstream file("/proc/self/statm");
    size_t all = 0, here = 0;
    file >> all >> here;
    return here * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

// The most that a process may grow by under input that it refuses.
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kGrowth = size_t{512} << 20;  // what was freed is kept back; leaks it finds itself
#else
constexpr size_t kGrowth = size_t{16} << 20;
#endif

std::string random_bytes(std::mt19937& random, size_t most) {
    std::string bytes(random() % (most + 1), ' ');
    for (char& byte : bytes) {
        byte = static_cast<char>(random());
    }
    return bytes;
}

// Every keyword of the table, and values good and bad.
std::vector<std::string> vocabulary() {
    std::vector<std::string> words = {"10.0.0.1",
                                      "2001:db8::1",
                                      "10.1.1.0/24",
                                      "[2001:db8::1]:80",
                                      "web",
                                      "80",
                                      "0",
                                      "-1",
                                      "65536",
                                      "99999999999999999999",
                                      "1e308",
                                      "nan",
                                      "''",
                                      "\"",
                                      "'",
                                      "\\",
                                      "?",
                                      "--json",
                                      "|",
                                      ";",
                                      "%s%n",
                                      "$(reboot)",
                                      "../../etc/passwd",
                                      "\xff\xfe",
                                      "\x1b[2J",
                                      std::string("\0", 1),
                                      std::string(5000, 'a')};
    for (const CommandSyntax& syntax : CommandTable::instance().syntaxes()) {
        for (const SyntaxToken& token : syntax.head) {
            words.insert(words.end(), token.keywords.begin(), token.keywords.end());
        }
        for (const SyntaxGroup& group : syntax.groups) {
            for (const SyntaxToken& token : group.tokens) {
                words.insert(words.end(), token.keywords.begin(), token.keywords.end());
            }
        }
    }
    return words;
}

std::string hostile_line(std::mt19937& random, const std::vector<std::string>& words) {
    switch (random() % 8) {
        case 0:
            return random_bytes(random, 200);
        case 1:
            return std::string(random() % 20000, "\"'\\ x\t"[random() % 6]);
        default:
            break;
    }
    std::string line;
    for (unsigned length = random() % 14; length > 0; --length) {
        line += words[random() % words.size()] + (random() % 16 == 0 ? "" : " ");
    }
    return line;
}

void expect_clear(int status, const std::string& error, const std::string& line) {
    EXPECT_TRUE(status >= 0 && status <= 2) << line;
    EXPECT_EQ(status == 0, error.empty()) << line;
    EXPECT_LT(error.size(), 400U) << line;
    EXPECT_TRUE(std::none_of(error.begin(), error.end(), [](char c) {
        return static_cast<uint8_t>(c) < 0x20 || c == 0x7f;
    })) << error;
}

TEST(ConsoleHostile, TenThousandLinesGetOneClearAnswerEach) {
    FakeControl control;
    std::mt19937 random(3);
    const std::vector<std::string> words = vocabulary();
    size_t before = 0;
    unsigned refused = 0;
    for (int i = 0; i < kRounds; ++i) {
        const std::string line = hostile_line(random, words);
        int answers = 0;
        execute(control, line, [&](const CommandResult& result) {
            ++answers;
            refused += result.status != 0 ? 1 : 0;
            expect_clear(result.status, result.error, line);
        });
        ASSERT_EQ(answers, 1) << line;
        complete(control, line);
        control.calls.clear();
        before = i == kRounds / 10 ? resident() : before;
    }
    EXPECT_GT(refused, static_cast<unsigned>(kRounds) / 2);
    EXPECT_LT(refused, static_cast<unsigned>(kRounds));  // some lines must get through
    EXPECT_LT(resident(), before + kGrowth);
}

TEST(ConsoleHostile, TenThousandInputsAtTheSocketLeaveNothingBehind) {
    ConsoleFixture console;
    std::mt19937 random(11);
    const std::vector<std::string> words = vocabulary();
    RawClient other(console.socket());
    ASSERT_EQ(other.ask({{"command", "show flows count"}})["status"], 0);
    const size_t files = open_files();
    size_t before = 0;
    auto client = std::make_unique<RawClient>(console.socket());
    for (int i = 0; i < kRounds; ++i) {
        std::string line;
        if (random() % 2 == 0) {
            line = Json({{random() % 8 == 0 ? "complete" : "command", hostile_line(random, words)},
                         {"json", random() % 2 == 0}})
                       .dump(-1, ' ', false, Json::error_handler_t::replace);
        } else {
            line = hostile_line(random, words);
            std::replace(line.begin(), line.end(), '\n', ' ');
        }
        const unsigned fate = random() % 40;
        if (fate == 0) {  // half a request, and gone
            client->send(line.substr(0, line.size() / 2));
        } else if (fate == 1) {  // gone before the answer
            client->send(line + '\n');
        } else {
            ASSERT_TRUE(client->send(line + '\n')) << i;
            const Json reply = Json::parse(client->line(), nullptr, false);
            ASSERT_TRUE(reply.is_object()) << i << ' ' << line;
            if (reply.contains("status")) {
                expect_clear(reply["status"].get<int>(), reply["error"].get<std::string>(), line);
            }
        }
        if (fate <= 1) {
            client = std::make_unique<RawClient>(console.socket());
            ASSERT_TRUE(client->connected()) << i;
        }
        before = i == kRounds / 10 ? resident() : before;
    }
    client.reset();
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (console.clients() > 1 && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    EXPECT_EQ(console.clients(), 1U);
    EXPECT_EQ(open_files(), files);
    EXPECT_LT(resident(), before + kGrowth);
    EXPECT_EQ(other.ask({{"command", "show flows count"}})["status"], 0);
}

TEST(ConsoleHostile, HalfARequestAndNoMoreGetsAnError) {
    ConsoleFixture console;
    for (const char* text :
         {"{\"command\":\"show po", "x", "{", "\"", "{\"command\":\"show nope\"}"}) {
        RawClient client(console.socket());
        client.send(text);
        client.end_of_input();
        const Json reply = Json::parse(client.line(), nullptr, false);
        ASSERT_TRUE(reply.is_object()) << text;
        EXPECT_EQ(reply["status"], 2) << text;
        EXPECT_TRUE(client.is_closed()) << text;
    }
    RawClient silent(console.socket());
    silent.end_of_input();
    EXPECT_EQ(silent.line(), "");
    EXPECT_TRUE(silent.is_closed());
}

TEST(ConsoleHostile, ByteByByteHoldsNobodyUp) {
    ConsoleFixture console;
    RawClient slow(console.socket()), other(console.socket());
    const std::string request = "{\"command\":\"show flows count\"}\n";
    for (const char byte : request) {
        ASSERT_TRUE(slow.send({&byte, 1}));
        ASSERT_EQ(other.ask({{"command", "show flows count"}})["status"], 0);
    }
    EXPECT_THAT(slow.line(), HasSubstr("\"status\":0"));
}

TEST(ConsoleHostile, ThousandsOfConnectionsLeaveRoomForTheNext) {
    ConsoleFixture console;
    const size_t files = open_files();
    for (int round = 0; round < 20; ++round) {
        std::vector<std::unique_ptr<RawClient>> crowd;
        for (int i = 0; i < 100; ++i) {
            crowd.push_back(std::make_unique<RawClient>(console.socket()));
            ASSERT_TRUE(crowd.back()->connected());
        }
        // The last one's refusal: all before it have been looked at.
        EXPECT_THAT(crowd.back()->line(), HasSubstr("\"status\":1"));
        EXPECT_LE(console.clients(), 100U);
    }
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (console.clients() > 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    EXPECT_EQ(open_files(), files);
    RawClient next(console.socket());
    EXPECT_EQ(next.ask({{"command", "show flows count"}})["status"], 0);
}

}  // namespace
}  // namespace dlb
