// What the /dpdk_lb/… commands of rte_telemetry answer, and their pages. The way there is tested in
// test/system/metrics_test.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metrics/telemetry_answers.hpp"
#include "support/fake_control.hpp"

namespace dlb {
namespace {

using testing::HasSubstr;
using Rows = std::vector<TelemetryDict>;

Result<TelemetryAnswer> ask(const ControlApi& control, std::string_view name,
                            std::string_view parameters = "") {
    const TelemetryCommand* command = find_telemetry_command(name);
    return command == nullptr ? Result<TelemetryAnswer>(Error{"no such command"})
                              : command->answer(control, parameters);
}

Rows rows(const ControlApi& control, std::string_view name, std::string_view parameters = "") {
    const Result<TelemetryAnswer> answer = ask(control, name, parameters);
    EXPECT_TRUE(answer.ok()) << answer.error();
    return answer.ok() ? std::get<TelemetryPage>(answer.value()).rows : Rows{};
}

std::string value_of(const TelemetryDict& dict, std::string_view key) {
    for (const auto& [name, value] : dict) {
        if (name == key) {
            const auto* number = std::get_if<uint64_t>(&value);
            return number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
        }
    }
    return "nothing of that name";
}

TEST(Telemetry, Answers) {
    FakeControl control;
    const auto info = std::get<TelemetryDict>(ask(control, "/dpdk_lb/info").value());
    EXPECT_EQ(value_of(info, "name"), "lb1");
    EXPECT_EQ(value_of(info, "uptime_s"), "93785");
    const auto drops = std::get<TelemetryDict>(ask(control, "/dpdk_lb/drops").value());
    EXPECT_EQ(value_of(drops, "too_big"), "987654321098");
    const Rows services = rows(control, "/dpdk_lb/services");
    ASSERT_EQ(services.size(), 3);
    EXPECT_EQ(value_of(services[0], "vip"), "10.1.1.1,2001:db8:1::1");
    EXPECT_EQ(value_of(services[0], "packets"), "123456789012");
    const Rows web = rows(control, "/dpdk_lb/backends", "web");
    ASSERT_EQ(web.size(), 3);
    EXPECT_EQ(value_of(web[1], "state"), "draining");
    EXPECT_EQ(value_of(web[2], "address"), "2001:db8:ffff:1:aaaa:bbbb:cccc:2");
    EXPECT_EQ(rows(control, "/dpdk_lb/backends", "dns").size(), 1);
    EXPECT_EQ(rows(control, "/dpdk_lb/backends", "any").size(), 0);
    EXPECT_EQ(value_of(rows(control, "/dpdk_lb/workers").at(0), "busy_percent"), "87");
    EXPECT_EQ(value_of(rows(control, "/dpdk_lb/ports").at(1), "link"), "down");
}

TEST(Telemetry, ComesInPages) {
    FakeControl control;
    control.worker_list.resize(120, control.worker_list[0]);
    control.service_list.resize(1);
    control.backend_list.resize(1);
    control.backend_list.resize(kTelemetryPage + 1, control.backend_list[0]);
    EXPECT_EQ(rows(control, "/dpdk_lb/workers").size(), kTelemetryPage);
    EXPECT_EQ(rows(control, "/dpdk_lb/workers", "100").size(), 20);
    EXPECT_EQ(std::get<TelemetryPage>(ask(control, "/dpdk_lb/workers", "100").value()).from, 100);
    EXPECT_EQ(rows(control, "/dpdk_lb/workers", "120").size(), 0);
    EXPECT_EQ(rows(control, "/dpdk_lb/backends", "web").size(), kTelemetryPage);
    EXPECT_EQ(rows(control, "/dpdk_lb/backends", "web,25").size(), 1);
    EXPECT_EQ(rows(control, "/dpdk_lb/backends", "web,99999999").size(), 0);
}

TEST(Telemetry, SaysWhatIsWrong) {
    FakeControl control;
    EXPECT_THAT(ask(control, "/dpdk_lb/backends").error(), HasSubstr("name a service"));
    EXPECT_THAT(ask(control, "/dpdk_lb/backends", "wbe").error(),
                HasSubstr("no service 'wbe': /dpdk_lb/services"));
    EXPECT_THAT(ask(control, "/dpdk_lb/backends", "\xff\n" + std::string(500, 'x')).error(),
                HasSubstr("no service '??" + std::string(62, 'x') + "'"));
    for (const char* from : {"x", "-1", "1x", " ", "99999999999999999999999"}) {
        EXPECT_THAT(ask(control, "/dpdk_lb/services", from).error(), HasSubstr("give a number"));
        EXPECT_FALSE(ask(control, "/dpdk_lb/backends", std::string("web,") + from).ok());
    }
}

}  // namespace
}  // namespace dlb
