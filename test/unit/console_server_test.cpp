// The console's socket: protocol, bounds, bad clients, the socket's file.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "console/server.hpp"
#include "console_support.hpp"

namespace dlb {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string command(const std::string& line, bool json = false) {
    return Json({{"command", line}, {"json", json}}).dump() + '\n';
}

Json parsed(const std::string& line) {
    return Json::parse(line, nullptr, false);
}

bool exists(const std::string& path) {
    return std::filesystem::exists(std::filesystem::symlink_status(path));
}

// A socket file that nobody listens on.
void make_stale_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
}

TEST(ConsoleServer, AnswersTextAndJson) {
    ConsoleFixture console;
    ASSERT_TRUE(console.started().ok()) << console.started().error();
    RawClient client(console.socket());
    const Json text = client.ask({{"command", "show flows count"}});
    EXPECT_EQ(text, Json({{"status", 0}, {"output", "2\n"}, {"error", ""}}));
    const Json json = client.ask({{"command", "show flows count"}, {"json", true}});
    EXPECT_EQ(json["output"], "{\"flows\":2}");
    const Json error = client.ask({{"command", "show nope"}, {"json", true}});
    EXPECT_EQ(error["status"], 2);
    EXPECT_EQ(error["output"], "");
    EXPECT_THAT(error["error"].get<std::string>(), HasSubstr("unknown word"));
    EXPECT_EQ(client.ask({{"command", "quit"}})["quit"], true);
    EXPECT_EQ(client.ask({{"command", ""}})["status"], 0);
}

TEST(ConsoleServer, Completes) {
    ConsoleFixture console;
    RawClient client(console.socket());
    const Json reply = client.ask({{"complete", "show ba"}});
    EXPECT_EQ(reply["candidates"], Json({"backends"}));
    EXPECT_EQ(reply["expected"][0]["word"], "backends");
}

TEST(ConsoleServer, PipelinedRequestsAreAnsweredInOrder) {
    ConsoleFixture console;
    RawClient client(console.socket());
    std::thread sender([&] {
        for (int i = 0; i < 2000; ++i) {
            client.send(command("help no" + std::to_string(i)));
        }
        client.end_of_input();
    });
    for (int i = 0; i < 2000; ++i) {
        EXPECT_THAT(client.line(), HasSubstr("\\\"no" + std::to_string(i) + "\\\"")) << i;
    }
    sender.join();
    EXPECT_TRUE(client.is_closed());
}

TEST(ConsoleServer, AnswersOnceTheWorkersDo) {
    ConsoleFixture console;
    RawClient client(console.socket());
    console.loop().call([&] { console.control().hold = true; });
    client.send(command("show flows") + command("show flows count"));
    EXPECT_EQ(client.line(100), "");  // the second waits for the first
    console.loop().call([&] {
        console.control().held.at(0)();
        console.control().hold = false;
    });
    EXPECT_THAT(client.line(), HasSubstr("198.51.100.7"));
    EXPECT_EQ(parsed(client.line())["output"], "2\n");
}

TEST(ConsoleServer, LateAnswersFindNoClientAndDoNoHarm) {
    ConsoleFixture console({.answer_timeout = 100ms});
    console.loop().call([&] { console.control().hold = true; });
    {
        RawClient impatient(console.socket());
        impatient.send(command("show flows"));
        EXPECT_THAT(impatient.line(), HasSubstr("workers do not answer"));
        impatient.send(command("explain tcp 1.2.3.4:5 10.1.1.1:80"));
        EXPECT_THAT(impatient.line(), HasSubstr("workers do not answer"));
        console.loop().call([&] { console.control().held.at(0)(); });
        EXPECT_EQ(impatient.line(50), "");
    }
    console.loop().call([&] { console.control().held.at(1)(); });
    console.stop();
    console.loop().call([&] { console.control().held.at(1)(); });
}

TEST(ConsoleServer, GarbageGetsOneErrorEach) {
    ConsoleFixture console;
    RawClient client(console.socket());
    const std::string deep(30000, '[');
    std::string deep_object;
    for (int i = 0; i < 5000; ++i) {
        deep_object += "{\"command\":";
    }
    for (const std::string& garbage :
         {std::string("garbage"), std::string(), std::string("{}"), std::string("[1,2]"),
          std::string("{\"command\":7}"), std::string("{\"command\":\"\xff\xfe\"}"),
          std::string("\0\0\0", 3), deep, deep_object, std::string("null"),
          deep + std::string(30000, ']')}) {
        ASSERT_TRUE(client.send(garbage + '\n'));
        const Json reply = parsed(client.line());
        EXPECT_EQ(reply["status"], 2) << garbage.substr(0, 20);
        EXPECT_THAT(reply["error"].get<std::string>(), HasSubstr("not a request"));
    }
    // Escaped control characters and lone surrogates are JSON, and no command.
    client.send("{\"command\":\"a\\u0000\\u001b\\nb\"}\n");
    EXPECT_EQ(parsed(client.line())["status"], 2);
    EXPECT_EQ(client.ask({{"command", "show flows count"}})["status"], 0);
}

TEST(ConsoleServer, InvalidUtf8FromTheControlPlaneIsReplaced) {
    ConsoleFixture console;
    console.loop().call([&] {
        console.control().log_lines = {"bad \xff\xc3 byte"};
        console.control().edit_error = "two\nlines \xfe";
    });
    RawClient client(console.socket());
    for (const bool json : {false, true}) {
        EXPECT_EQ(client.ask({{"command", "show log"}, {"json", json}})["status"], 0);
    }
    EXPECT_THAT(client.ask({{"command", "reload"}})["error"].get<std::string>(),
                HasSubstr("two lines"));
}

TEST(ConsoleServer, TooLongLinesEndTheConnection) {
    ConsoleFixture console;
    RawClient fits(console.socket());
    EXPECT_EQ(fits.ask({{"command", std::string(65000, 'x')}})["status"], 2);
    EXPECT_EQ(fits.ask({{"command", "show flows count"}})["status"], 0);
    for (const char* end : {"", "\n"}) {
        RawClient client(console.socket());
        client.send(std::string(100 * 1024, 'x') + end);
        EXPECT_THAT(client.line(), HasSubstr("more than 65536 bytes"));
        EXPECT_TRUE(client.is_closed());
    }
    RawClient flood(console.socket());
    const std::string chunk(1 << 20, 'x');
    while (flood.send(chunk)) {
        flood.line(0);
        if (flood.is_closed(0)) {
            break;
        }
    }
    EXPECT_EQ(fits.ask({{"command", "show flows count"}})["status"], 0);
}

TEST(ConsoleServer, TenThousandRandomInputs) {
    ConsoleFixture console;
    std::mt19937 random(7);
    static constexpr char kAlphabet[] = "{}[]\":,\\n u0command\"show help\xff\x00\x1b\xc3";
    auto client = std::make_unique<RawClient>(console.socket());
    for (int i = 0; i < 10000; ++i) {
        std::string line;
        for (unsigned length = random() % 60; length > 0; --length) {
            line += kAlphabet[random() % (sizeof kAlphabet - 1)];
        }
        line = random() % 3 == 0 ? "{\"command\":\"show " + line + "\"}\n" : line + '\n';
        if (random() % 50 == 0) {  // cut short, and gone without reading
            client->send(line.substr(0, line.size() / 2));
            client = std::make_unique<RawClient>(console.socket());
            continue;
        }
        ASSERT_TRUE(client->send(line));
        ASSERT_TRUE(parsed(client->line()).is_object()) << i;
    }
    RawClient after(console.socket());
    EXPECT_EQ(after.ask({{"command", "show flows count"}})["status"], 0);
}

TEST(ConsoleServer, ClientThatNeverReadsIsDropped) {
    ConsoleFixture console({.write_timeout = 200ms});
    RawClient deaf(console.socket());
    RawClient other(console.socket());
    const timeval patience{0, 100000};
    ::setsockopt(deaf.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto start = std::chrono::steady_clock::now();
    while (deaf.send(command("help")) && std::chrono::steady_clock::now() - start < 5s) {
    }
    // The others are served meanwhile.
    EXPECT_EQ(other.ask({{"command", "show flows count"}})["status"], 0);
    while (console.clients() > 1 && std::chrono::steady_clock::now() - start < 10s) {
        std::this_thread::sleep_for(20ms);
    }
    EXPECT_EQ(console.clients(), 1U);
    EXPECT_TRUE(deaf.is_closed());
}

TEST(ConsoleServer, OversizedAnswersAreRefusedInsteadOfQueued) {
    ConsoleFixture console({.max_output = 4096});
    console.loop().call([&] { console.control().toml = std::string(10000, '#'); });
    RawClient client(console.socket());
    const Json reply = client.ask({{"command", "show config"}});
    EXPECT_EQ(reply["status"], 1);
    EXPECT_THAT(reply["error"].get<std::string>(), HasSubstr("more than 4096"));
}

TEST(ConsoleServer, MegabytesAreDeliveredWhole) {
    ConsoleFixture console;
    console.loop().call([&] { console.control().toml = std::string(5000000, '#'); });
    RawClient client(console.socket());
    EXPECT_EQ(client.ask({{"command", "show config"}})["output"].get<std::string>().size(),
              5000000U);
}

TEST(ConsoleServer, ThereIsAMostOfClients) {
    ConsoleFixture console({.max_clients = 3});
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<RawClient>(console.socket()));
        EXPECT_EQ(clients.back()->ask({{"command", "show uptime"}})["status"], 0);
    }
    {
        RawClient refused(console.socket());
        EXPECT_THAT(refused.line(), HasSubstr("3 consoles are connected"));
        EXPECT_TRUE(refused.is_closed());
    }
    clients.clear();
    while (console.clients() > 0) {
        std::this_thread::sleep_for(5ms);
    }
    RawClient next(console.socket());
    EXPECT_EQ(next.ask({{"command", "show uptime"}})["status"], 0);
}

TEST(ConsoleServer, LastLineNeedsNoNewline) {
    ConsoleFixture console;
    RawClient client(console.socket());
    client.send("{\"command\":\"show flows count\"}");
    client.end_of_input();
    EXPECT_EQ(parsed(client.line())["output"], "2\n");
    EXPECT_TRUE(client.is_closed());
}

TEST(ConsoleServer, StopDropsClientsAndRemovesTheSocket) {
    ConsoleFixture console;
    RawClient client(console.socket());
    EXPECT_EQ(client.ask({{"command", "show uptime"}})["status"], 0);
    console.stop();
    EXPECT_TRUE(client.is_closed());
    EXPECT_FALSE(exists(console.socket()));
    EXPECT_EQ(console.clients(), 0U);
}

TEST(ConsoleSocketFile, HasMode0600WhateverTheUmask) {
    const mode_t before = ::umask(0);
    {
        ConsoleFixture console;
        struct stat status {};
        ASSERT_EQ(::stat(console.socket().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0600U);
        EXPECT_TRUE(S_ISSOCK(status.st_mode));
    }
    ::umask(before);
}

TEST(ConsoleSocketFile, MakesTheDirectoryWith0755) {
    TemporaryDirectory directory;
    const mode_t before = ::umask(077);
    {
        ConsoleFixture console({.socket = directory / "a/b/lb1.sock"});
        EXPECT_TRUE(console.started().ok()) << console.started().error();
        for (const char* made : {"a", "a/b"}) {
            struct stat status {};
            ASSERT_EQ(::stat((directory / made).c_str(), &status), 0);
            EXPECT_EQ(status.st_mode & 07777, 0755U);
        }
    }
    ::umask(before);
}

TEST(ConsoleSocketFile, StaleOneIsReplaced) {
    TemporaryDirectory directory;
    make_stale_socket(directory / "lb1.sock");
    ConsoleFixture console({.socket = directory / "lb1.sock"});
    ASSERT_TRUE(console.started().ok()) << console.started().error();
    RawClient client(console.socket());
    EXPECT_EQ(client.ask({{"command", "show uptime"}})["status"], 0);
}

TEST(ConsoleSocketFile, LiveOneIsRefusedAndKept) {
    ConsoleFixture console;
    {
        ConsoleFixture second({.socket = console.socket()});
        EXPECT_FALSE(second.started().ok());
        EXPECT_EQ(second.started().error(), "another dpdk-lb answers on " + console.socket() +
                                                ": choose another [lb] name or socket");
    }
    RawClient client(console.socket());
    EXPECT_EQ(client.ask({{"command", "show uptime"}})["status"], 0);
}

TEST(ConsoleSocketFile, OtherFilesAreLeftAlone) {
    TemporaryDirectory directory;
    for (const bool symlink : {false, true}) {
        const std::string path = directory / (symlink ? "link" : "file");
        if (symlink) {
            std::filesystem::create_symlink("/etc/passwd", path);
        } else {
            ::close(::creat(path.c_str(), 0600));
        }
        ConsoleFixture console({.socket = path});
        EXPECT_THAT(console.started().error(), HasSubstr("not a socket"));
        EXPECT_TRUE(exists(path));
    }
}

TEST(ConsoleSocketFile, ImpossiblePathsAreErrors) {
    ConsoleFixture too_long({.socket = "/tmp/" + std::string(200, 'x')});
    EXPECT_THAT(too_long.started().error(), HasSubstr("205 bytes"));
    ConsoleFixture no_directory({.socket = "/proc/none/lb1.sock"});
    EXPECT_THAT(no_directory.started().error(), HasSubstr("/proc/none"));
}

TEST(ConsoleSocketFile, AnothersSocketIsNotRemoved) {
    TemporaryDirectory directory;
    const std::string path = directory / "lb1.sock";
    {
        ConsoleFixture console({.socket = path});
        ASSERT_TRUE(console.started().ok());
        std::filesystem::rename(path, path + ".moved");
        make_stale_socket(path);
    }
    EXPECT_TRUE(exists(path));
}

}  // namespace
}  // namespace dlb
