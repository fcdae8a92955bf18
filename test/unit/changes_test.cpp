// find_changes(): what differs, key by key, and what of it was done by hand.
#include "control/changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config file(const std::string& services, const std::string& lb = "") {
    const ConfigResult result = parse_config("[lb]\nname = \"lb1\"\n" + lb +
                                                 "[[port]]\nname = \"up\"\ndevice = \"net_null0\"\n"
                                                 "address = [\"10.0.0.106/24\"]\n" +
                                                 services,
                                             "lb.toml");
    for (const ConfigError& error : result.errors) {
        ADD_FAILURE() << error.to_string();
    }
    return result.config.value_or(Config());
}

std::string service(const std::string& name, const std::string& vip, const std::string& keys,
                    const std::vector<std::string>& backends) {
    std::string text = "[[service]]\nname = \"" + name + "\"\nvip = [\"" + vip +
                       "\"]\nprotocol = \"tcp\"\nports = [80]\nmode = \"dr\"\n" + keys;
    for (const std::string& backend : backends) {
        text += "[[service.backend]]\nport = 80\naddress = " + backend + "\n";
    }
    return text;
}

std::vector<std::string> texts(const std::vector<ReloadChange>& changes) {
    std::vector<std::string> lines;
    for (const ReloadChange& change : changes) {
        lines.push_back(change.to_string());
    }
    return lines;
}

std::vector<std::string> between(const Config& now, const Config& next) {
    return texts(find_changes(state_of(now), state_of(next), nullptr));
}

const std::string kTwo[] = {"\"10.0.0.2\"", "\"10.0.0.3\""};

TEST(Changes, TheSameFileChangesNothing) {
    const Config same = file(service("web", "10.1.1.1", "", {kTwo[0], kTwo[1]}));
    EXPECT_THAT(between(same, same), IsEmpty());
    const Config turned = file(service("web", "10.1.1.1", "", {kTwo[1], kTwo[0]}));
    EXPECT_THAT(between(same, turned), IsEmpty());
}

TEST(Changes, NamesEachKeyWithBothValues) {
    const Config now = file(service("web", "10.1.1.1", "scheduler = \"rr\"\n", {kTwo[0]}));
    const Config next = file(service("web", "10.1.1.1",
                                     "scheduler = \"maglev\"\nmin_backends = 2\npersistence = "
                                     "\"10s\"\n[service.health]\ntype = \"tcp\"\n",
                                     {"\"10.0.0.2\"\nweight = 7"}),
                             "drain_time = \"5s\"\n");
    EXPECT_THAT(between(now, next), testing::Contains("~ setting lb.drain_time 2s -> 5s"));
    EXPECT_THAT(between(now, next), testing::Contains("~ backend web 10.0.0.2:80 weight 1 -> 7"));
    const std::vector<ReloadChange> changes = find_changes(state_of(now), state_of(next), nullptr);
    ASSERT_EQ(changes.size(), 3U);
    EXPECT_THAT(changes[1].to_string(),
                testing::StartsWith("~ service web scheduler rr -> maglev, persistence 0s -> 10s, "
                                    "min_backends 1 -> 2, health.type default -> tcp"));
}

TEST(Changes, ServicesAndBackendsComeAndGo) {
    const Config now = file(service("web", "10.1.1.1", "", {kTwo[0]}) +
                            service("old", "10.1.1.2", "", {kTwo[0], kTwo[1]}));
    const Config next =
        file(service("web", "10.1.1.1", "", {kTwo[1]}) + service("new", "10.1.1.3", "", {kTwo[0]}));
    EXPECT_THAT(between(now, next),
                ElementsAre("+ backend web 10.0.0.3:80", "- backend web 10.0.0.2:80",
                            "+ service new with 1 backend", "- service old with 2 backends"));
}

// The running state has four changes by hand; the file has changed in other ways.
TEST(Changes, TellsWhatWasDoneByHand) {
    const Config loaded = file(service("web", "10.1.1.1", "", {kTwo[0], kTwo[1]}) +
                               service("gone", "10.1.1.2", "", {kTwo[0]}));
    LbState running = state_of(loaded);
    running.services.pop_back();
    ServiceState& web = running.services[0];
    web.config.backends[0].weight = 9;
    web.draining.insert(web.config.backends[0].endpoint());
    web.config.backends.erase(web.config.backends.begin() + 1);
    web.config.backends.push_back(web.config.backends[0]);
    web.config.backends[1].address = IpAddress::parse("10.0.0.9").value();
    web.config.backends[1].weight = 1;
    const Config next = file(service("web", "10.1.1.1", "sticky = false\n", {kTwo[0], kTwo[1]}) +
                             service("gone", "10.1.1.2", "", {kTwo[0]}));
    const LbState before = state_of(loaded);
    EXPECT_THAT(texts(find_changes(running, state_of(next), &before)),
                ElementsAre("~ service web sticky true -> false",
                            "~ backend web 10.0.0.2:80 weight 9 -> 1 (set by hand), draining true "
                            "-> false (set by hand)",
                            "+ backend web 10.0.0.3:80 (removed by hand)",
                            "- backend web 10.0.0.9:80 (added by hand)",
                            "+ service gone with 1 backend (removed by hand)"));
}

TEST(Changes, WhatCannotChangeWhileItRuns) {
    const Config now = file("");
    EXPECT_EQ(fixed_differences(now, file("", "drain_time = \"9s\"\nlog_level = \"debug\"\n")), "");
    EXPECT_EQ(fixed_differences(now, file("", "memory_mb = 512\nmbufs = 4096\n")),
              "lb.memory_mb, lb.mbufs");
    EXPECT_EQ(fixed_differences(now, file("[metrics]\nlisten = \"\"\n")), "");
    EXPECT_EQ(fixed_differences(now, file("", "user = \"nobody\"\nlog_format = \"json\"\n")),
              "lb.user");
    Config other = now;
    other.ports[0].mtu = 9000;
    EXPECT_EQ(fixed_differences(now, other), "port");
}

}  // namespace
}  // namespace dlb
