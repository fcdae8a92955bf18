// The looking glass: `show bgp …`, as JSON and as text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/command.hpp"
#include "console/paint.hpp"
#include "support/fake_control.hpp"

namespace dlb {
namespace {

using testing::HasSubstr;
using testing::Not;

class LookingGlass : public testing::Test {
  protected:
    LookingGlass() {
        control.bgp_status.enabled = true;
        control.bgp_status.asn = 65021;
        control.bgp_status.router_id = IpAddress::parse("10.0.0.106");
        control.bgp_status.phase = "running";
        BgpNeighborStatus up;
        up.address = *IpAddress::parse("10.0.0.1");
        up.asn = 65000;
        up.state = "Established";
        up.uptime_s = 3661;
        up.hold_time_s = 9;
        up.keepalive_s = 3;
        up.hold_left_s = 7.25;
        up.router_id = IpAddress::parse("10.0.0.1");
        up.offered = "ipv4-unicast refresh";
        up.received = "ipv4-unicast";
        up.routes_announced = 2;
        up.routes_received = 1;
        up.messages_sent = {1, 2, 0, 30, 0};
        up.bfd = BgpBfdStatus{
            "up", "up", "control detection time expired", "", 60, 300, 300, 900, 1, 700, 690,
            2,    false};
        BgpNeighborStatus down;
        down.address = *IpAddress::parse("2001:db8::1");
        down.asn = 4200000000;
        down.state = "Active";
        down.retry_in_s = 1.5;
        down.last_error = "Connection refused";
        down.likely_cause = "no BGP speaker listens at port 179 there";
        control.bgp_status.neighbors = {up, down};
        control.bgp_status.waiting = {"172.16.0.0/16"};
        BgpRouteStatus out;
        out.prefix = *Prefix::parse("10.1.1.1");
        out.services = {"web"};
        out.communities = {"65021:100"};
        out.announced_to = {{up.address, "10.0.0.106"}};
        BgpRouteStatus kept;
        kept.prefix = *Prefix::parse("10.1.1.2");
        kept.services = {"dns"};
        kept.reason = "fewer than min_backends usable: 0 of 1";
        BgpRouteStatus six;
        six.prefix = *Prefix::parse("2001:db8:1::1");
        six.refused = {{up.address, "no IPv6 next hop"}};
        six.reason = "no IPv6 next hop";
        control.bgp_route_list = {out, kept, six};
        BgpReceivedRoute heard;
        heard.prefix = *Prefix::parse("10.9.0.0/16");
        heard.next_hop = "10.0.0.1";
        heard.as_path = "65000 65001";
        heard.origin = "igp";
        heard.communities = {"65000:1", "65000:2"};
        control.bgp_heard[up.address] = {heard};
    }

    CommandResult run(const std::string& line) {
        CommandResult got;
        execute(control, line, [&](CommandResult result) { got = std::move(result); });
        return got;
    }

    FakeControl control;
};

TEST_F(LookingGlass, ShowBgp) {
    const CommandResult shown = run("show bgp");
    EXPECT_EQ(shown.text,
              "AS 65021, router id 10.0.0.106, running\n"
              "\n"
              "NEIGHBOR     AS          STATE        UP     SENT  RECEIVED  FLAPS  BFD\n"
              "10.0.0.1     65000       Established  1h 1m     2         1      0  up\n"
              "2001:db8::1  4200000000  Active       -         0         0      0  -\n"
              "172.16.0.0/16: nobody of it has connected\n"
              "\n"
              "2001:db8::1 Active: Connection refused\n"
              "  likely: no BGP speaker listens at port 179 there\n");
    const Json& data = shown.data;
    EXPECT_EQ(data["asn"], 65021);
    EXPECT_EQ(data["router_id"], "10.0.0.106");
    ASSERT_EQ(data["neighbors"].size(), 2U);
    const Json& first = data["neighbors"][0];
    EXPECT_EQ(first["address"], "10.0.0.1");
    EXPECT_EQ(first["asn"], 65000);
    EXPECT_EQ(first["state"], "Established");
    EXPECT_EQ(first["uptime_s"], 3661);
    EXPECT_EQ(first["sent"], 2);
    EXPECT_EQ(first["received"], 1);
    EXPECT_EQ(first["bfd"]["state"], "up");
    EXPECT_EQ(data["neighbors"][1]["likely_cause"], "no BGP speaker listens at port 179 there");
    EXPECT_TRUE(data["neighbors"][1]["bfd"].is_null());
}

TEST_F(LookingGlass, StatesAreColoured) {
    const std::string painted = paint(run("show bgp").text);
    EXPECT_THAT(painted, HasSubstr("\033[32mEstablished\033[0m"));
    EXPECT_THAT(painted, HasSubstr("\033[33mActive\033[0m"));
}

TEST_F(LookingGlass, ShowOneNeighbor) {
    const std::string text = run("show bgp neighbor 10.0.0.1").text;
    EXPECT_THAT(text, HasSubstr("BGP neighbor 10.0.0.1, AS 65000\n"));
    EXPECT_THAT(text, HasSubstr("  state         Established for 1h 1m\n"));
    EXPECT_THAT(text, HasSubstr("  hold time     9s, 7.2s left; keepalive every 3s\n"));
    EXPECT_THAT(text, HasSubstr("  we offered    ipv4-unicast refresh\n"));
    EXPECT_THAT(text, HasSubstr("keepalives       30         0\n"));
    EXPECT_THAT(text, HasSubstr("BFD up for 1m\n"));
    EXPECT_THAT(text, HasSubstr("  detection      900 ms without a packet\n"));
    EXPECT_THAT(text,
                HasSubstr("  flaps          1, the last by: control detection time expired\n"));
    EXPECT_THAT(text, HasSubstr("ordinary: a busy CPU may make it flap"));
    EXPECT_EQ(run("show bgp neighbor 10.0.0.1").data["messages_sent"]["keepalives"], 30);
    const std::string down = run("show bgp neighbor 2001:db8::1").text;
    EXPECT_THAT(down, HasSubstr("  next attempt  in 1.5s\n"));
    EXPECT_THAT(down, HasSubstr("  last error    Connection refused\n"));
    EXPECT_THAT(down, Not(HasSubstr("hold time")));
    const CommandResult none = run("show bgp neighbor 10.0.0.9");
    EXPECT_EQ(none.status, 1);
    EXPECT_EQ(none.error, "no BGP neighbor 10.0.0.9: `show bgp` lists them");
}

TEST_F(LookingGlass, ShowRoutes) {
    const CommandResult shown = run("show bgp routes");
    EXPECT_EQ(shown.text,
              "ANNOUNCED    NEXT HOP    TO        COMMUNITIES\n"
              "10.1.1.1/32  10.0.0.106  10.0.0.1  65021:100\n"
              "\n"
              "NOT ANNOUNCED      REASON\n"
              "10.1.1.2/32        fewer than min_backends usable: 0 of 1\n"
              "2001:db8:1::1/128  no IPv6 next hop\n"
              "\n"
              "2001:db8:1::1/128 not to 10.0.0.1: no IPv6 next hop\n");
    const Json& first = shown.data[0];
    EXPECT_EQ(first["prefix"], "10.1.1.1/32");
    EXPECT_EQ(first["next_hop"], "10.0.0.106");
    EXPECT_EQ(first["communities"], Json::array({"65021:100"}));
    EXPECT_EQ(first["announced_to"], Json::array({"10.0.0.1"}));
    EXPECT_EQ(first["announced"], true);
    EXPECT_TRUE(first["reason"].is_null());
    EXPECT_EQ(shown.data[1]["announced_to"], Json::array());
    EXPECT_EQ(shown.data[1]["reason"], "fewer than min_backends usable: 0 of 1");
}

TEST_F(LookingGlass, ShowWhatANeighborAnnounced) {
    const CommandResult shown = run("show bgp neighbor 10.0.0.1 routes");
    EXPECT_THAT(shown.text, HasSubstr("10.9.0.0/16  10.0.0.1  65000 65001  -    65000:1 65000:2"));
    EXPECT_EQ(shown.data[0]["as_path"], "65000 65001");
    EXPECT_EQ(run("show bgp neighbor 10.0.0.9 routes").status, 1);
}

TEST_F(LookingGlass, ResetRefreshAndHandover) {
    EXPECT_EQ(run("reset bgp neighbor 10.0.0.1").status, 0);
    EXPECT_EQ(run("refresh bgp neighbor 10.0.0.1").status, 0);
    EXPECT_EQ(run("reset bgp neighbor 10.0.0.9").error,
              "no BGP neighbor 10.0.0.9: `show bgp` lists them");
    EXPECT_EQ(run("shutdown handover").status, 0);
    EXPECT_THAT(control.calls,
                testing::ElementsAre("reset bgp 10.0.0.1", "refresh bgp 10.0.0.1", "hand over"));
}

}  // namespace
}  // namespace dlb
