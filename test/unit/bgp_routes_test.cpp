// RouteTable, AdjRibOut, AdjRibIn and what a session makes of a route.
#include <gtest/gtest.h>

#include "bgp/adj_rib_in.hpp"
#include "bgp/adj_rib_out.hpp"
#include "bgp/message.hpp"
#include "bgp/route_table.hpp"
#include "bgp/update.hpp"

namespace dlb::bgp {
namespace {

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

RoutePtr route(RouteOptions options = {}) {
    return std::make_shared<const RouteOptions>(std::move(options));
}

Outlook outlook(const char* local = "10.10.1.2") {
    Outlook outlook;
    outlook.local_as = 65021;
    outlook.local_address = *IpAddress::parse(local);
    outlook.next_hop.v6 = IpAddress::parse("2001:db8::106");
    return outlook;
}

// "+10.1.1.5 -10.1.1.6 EoR4 BoRR4 …", in the order of the messages.
std::string tell(const std::vector<Bytes>& messages, const UpdateFormat& format = {}) {
    std::string text;
    const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
    for (const Bytes& message : messages) {
        const View body = View(message).subspan(kHeaderSize);
        if (message[18] == static_cast<uint8_t>(MessageType::RouteRefresh)) {
            const auto refresh = *decode_route_refresh(body).value();
            add((refresh.kind == RefreshKind::Begin ? "BoRR" : "EoRR") +
                std::string(refresh.family.afi == 1 ? "4" : "6"));
            continue;
        }
        const auto update = decode_update(body, format);
        EXPECT_TRUE(update.ok());
        for (const Nlri& nlri : update.value().withdrawn) {
            add("-" + nlri.prefix.to_string());
        }
        for (const Nlri& nlri : update.value().announced) {
            add("+" + nlri.prefix.to_string());
        }
        if (update.value().end_of_rib) {
            add(*update.value().end_of_rib == Family::V4 ? "EoR4" : "EoR6");
        }
    }
    return text;
}

TEST(BgpRouteTable, APrefixStaysWhileAnyoneHoldsIt) {
    RouteTable table;
    EXPECT_TRUE(table.add(prefix("10.1.1.5"), {}));
    EXPECT_FALSE(table.add(prefix("10.1.1.5"), {}));
    EXPECT_FALSE(table.remove(prefix("10.1.1.5")));
    EXPECT_EQ(table.entries().size(), 1U);
    EXPECT_TRUE(table.remove(prefix("10.1.1.5")));
    EXPECT_TRUE(table.entries().empty());
    EXPECT_FALSE(table.remove(prefix("10.1.1.5")));
}

TEST(BgpRouteTable, GracefulShutdownHoldsForWhatComesLater) {
    RouteTable table;
    table.add(prefix("10.1.1.5"), {});
    EXPECT_TRUE(table.set_graceful_shutdown(true));
    EXPECT_FALSE(table.set_graceful_shutdown(true));
    table.add(prefix("10.1.1.6"), {});
    for (const auto& [at, entry] : table.entries()) {
        EXPECT_TRUE(entry.route->graceful_shutdown) << at.to_string();
    }
}

TEST(BgpAdjRibOut, RoutesThenEndOfRib) {
    AdjRibOut rib;
    rib.announce(prefix("10.1.1.5"), route());
    rib.announce(prefix("2001:db8:1::5"), route());
    EXPECT_TRUE(rib.next_messages().empty());  // no session
    rib.session_up(outlook());
    EXPECT_EQ(tell(rib.next_messages()), "+10.1.1.5 +2001:db8:1::5 EoR4 EoR6");
    EXPECT_FALSE(rib.has_pending());
    EXPECT_EQ(rib.announced(), 2U);
}

TEST(BgpAdjRibOut, NoEndOfRibBeforeTheRoutesAreKnown) {
    AdjRibOut rib;
    rib.set_complete(false);
    rib.session_up(outlook());
    EXPECT_FALSE(rib.has_pending());
    rib.announce(prefix("10.1.1.5"), route());
    EXPECT_EQ(tell(rib.next_messages()), "+10.1.1.5");
    rib.set_complete(true);
    EXPECT_EQ(tell(rib.next_messages()), "EoR4 EoR6");
}

TEST(BgpAdjRibOut, WithdrawsFirstAndMergesChanges) {
    AdjRibOut rib;
    rib.session_up(outlook());
    rib.announce(prefix("10.1.1.5"), route());
    rib.announce(prefix("10.1.1.6"), route());
    rib.next_messages();
    rib.announce(prefix("10.1.1.4"), route());
    rib.announce(prefix("10.1.1.7"), route());
    rib.withdraw(prefix("10.1.1.7"));  // was never told
    rib.withdraw(prefix("10.1.1.5"));
    rib.withdraw(prefix("10.1.1.6"));
    rib.announce(prefix("10.1.1.6"), route({.med = 7}));
    EXPECT_EQ(tell(rib.next_messages()), "-10.1.1.5 +10.1.1.4 +10.1.1.6");
    rib.announce(prefix("10.1.1.4"), route());  // the same
    EXPECT_FALSE(rib.has_pending());
}

TEST(BgpAdjRibOut, WhatSharesAttributesSharesAnUpdate) {
    AdjRibOut rib;
    rib.session_up(outlook());
    rib.next_messages();
    for (int i = 0; i < 300; ++i) {
        rib.announce(Prefix::host(IpAddress::v4(10, 1, static_cast<uint8_t>(i >> 8),
                                                static_cast<uint8_t>(i))),
                     route({.med = i % 3}));
    }
    EXPECT_EQ(rib.next_messages().size(), 3U);
}

TEST(BgpAdjRibOut, MakesABoundedNumberAtATime) {
    AdjRibOut rib;
    rib.session_up(outlook());
    for (int i = 0; i < 5000; ++i) {
        rib.announce(Prefix::host(IpAddress::v4(10, 1, static_cast<uint8_t>(i >> 8),
                                                static_cast<uint8_t>(i))),
                     route());
    }
    size_t rounds = 0;
    std::string last;
    while (rib.has_pending()) {
        const auto messages = rib.next_messages(1000);
        EXPECT_LE(messages.size(), 4U);
        last = tell({messages.back()});
        ++rounds;
    }
    EXPECT_EQ(rounds, 5U);
    EXPECT_EQ(last, "EoR6");
}

TEST(BgpAdjRibOut, Refresh) {
    AdjRibOut rib;
    rib.announce(prefix("10.1.1.5"), route());
    rib.announce(prefix("2001:db8:1::5"), route());
    rib.session_up(outlook());
    rib.refresh(Family::V4, true);  // before the first End-of-RIB: no BoRR (RFC 7313 §4.1)
    EXPECT_EQ(tell(rib.next_messages()), "+10.1.1.5 +2001:db8:1::5 EoR4 EoR6");
    rib.refresh(Family::V4, false);
    EXPECT_EQ(tell(rib.next_messages()), "+10.1.1.5");
    rib.refresh(Family::V6, true);
    EXPECT_EQ(tell(rib.next_messages()), "BoRR6 +2001:db8:1::5 EoRR6");
}

TEST(BgpAdjRibOut, ANewSessionIsToldEverythingAgain) {
    AdjRibOut rib;
    rib.session_up(outlook());
    rib.announce(prefix("10.1.1.5"), route());
    rib.announce(prefix("10.1.1.6"), route());
    rib.next_messages();
    rib.withdraw(prefix("10.1.1.6"));
    rib.session_down();
    EXPECT_EQ(rib.announced(), 0U);
    EXPECT_FALSE(rib.has_pending());
    rib.session_up(outlook());
    EXPECT_EQ(tell(rib.next_messages()), "+10.1.1.5 EoR4 EoR6");
}

TEST(BgpAdjRibOut, SaysWhyARouteIsNotAnnounced) {
    AdjRibOut rib;
    Outlook no_v6 = outlook();
    no_v6.next_hop.v6.reset();
    rib.session_up(no_v6);
    rib.announce(prefix("2001:db8:1::5"), route());
    EXPECT_EQ(tell(rib.next_messages()), "EoR4 EoR6");
    const auto& entry = rib.entries().at(prefix("2001:db8:1::5"));
    EXPECT_EQ(entry.standing, AdjRibOut::Standing::Refused);
    EXPECT_EQ(entry.refusal,
              "the session runs over IPv4: set next_hop to an IPv6 address that the router can "
              "reach");
    // What is told and then cannot be told any more is withdrawn.
    rib.announce(prefix("10.1.1.5"), route());
    rib.next_messages();
    RouteOptions many;
    many.communities.assign(2000, 1);
    rib.announce(prefix("10.1.1.5"), route(many));
    rib.next_messages();
    EXPECT_EQ(tell(rib.next_messages()), "-10.1.1.5");
    EXPECT_EQ(rib.entries().at(prefix("10.1.1.5")).standing, AdjRibOut::Standing::Refused);
}

TEST(BgpNextHop, OwnAddressOrConfiguredOrNone) {
    const auto hop = [](Family family, const Outlook& outlook) {
        const auto found = next_hop_for(family, outlook);
        return found ? found.value().to_string() : "no";
    };
    Outlook plain = outlook();
    plain.next_hop.v6.reset();
    EXPECT_EQ(hop(Family::V4, plain), "10.10.1.2");
    EXPECT_EQ(hop(Family::V6, plain), "no");
    plain.next_hop.v4 = IpAddress::v4(10, 0, 0, 106);
    EXPECT_EQ(hop(Family::V4, plain), "10.0.0.106");
    Outlook v6 = outlook("fd10:1::2");
    v6.next_hop = {};
    EXPECT_EQ(hop(Family::V6, v6), "fd10:1::2");
    EXPECT_EQ(hop(Family::V4, v6), "no");
    v6.format.extended_next_hop = true;  // RFC 8950
    EXPECT_EQ(hop(Family::V4, v6), "fd10:1::2");
    for (const char* bad : {"::ffff:10.10.1.2", "fe80::1", "ff02::1", "::"}) {
        Outlook wrong = outlook();
        wrong.next_hop.v6 = IpAddress::parse(bad);
        EXPECT_EQ(hop(Family::V6, wrong), "no") << bad;
    }
}

TEST(BgpPolicy, ExternalAndInternal) {
    RouteOptions options;
    options.communities = {1};
    options.med = 5;
    options.prepend = 2;
    options.link_bandwidth = 1e6F;
    const auto external = attributes_for(options, Family::V4, outlook()).value();
    EXPECT_EQ(describe(external.as_path), "65021 65021 65021");
    EXPECT_EQ(external.med, 5U);
    EXPECT_FALSE(external.local_preference);
    EXPECT_EQ(external.extended_communities, std::vector{link_bandwidth(65021, 1e6F)});
    Outlook inside = outlook();
    inside.format.internal = true;
    const auto internal = attributes_for(options, Family::V4, inside).value();
    EXPECT_TRUE(internal.as_path.empty());
    EXPECT_EQ(internal.local_preference, 100U);
    options.graceful_shutdown = true;  // RFC 8326
    const auto leaving = attributes_for(options, Family::V4, inside).value();
    EXPECT_EQ(leaving.local_preference, 0U);
    EXPECT_EQ(leaving.communities, (std::vector<Community>{1, kGracefulShutdown}));
}

Update update_of(std::vector<Nlri> announced, std::vector<Nlri> withdrawn = {}) {
    Update update;
    update.announced = std::move(announced);
    update.withdrawn = std::move(withdrawn);
    return update;
}

TEST(BgpAdjRibIn, KeepsUpToItsBoundAndCountsTheRest) {
    AdjRibIn rib(2);
    rib.apply(
        update_of({{prefix("10.0.0.1"), 1}, {prefix("10.0.0.1"), 2}, {prefix("10.0.0.2"), 0}}));
    EXPECT_EQ(rib.routes().size(), 2U);
    EXPECT_EQ(rib.not_kept(), 1U);
    rib.apply(update_of({}, {{prefix("10.0.0.1"), 2}}));
    EXPECT_EQ(rib.routes().size(), 1U);
    rib.apply(update_of({{prefix("10.0.0.1"), 1}}));  // one that is there is no more
    EXPECT_EQ(rib.not_kept(), 1U);
}

TEST(BgpAdjRibIn, WhatARefreshDoesNotBringAgainIsGone) {  // RFC 7313 §4.2
    AdjRibIn rib(100);
    rib.apply(update_of(
        {{prefix("10.0.0.1"), 0}, {prefix("10.0.0.2"), 0}, {prefix("2001:db8::/32"), 0}}));
    rib.begin_refresh(Family::V4);
    rib.apply(update_of({{prefix("10.0.0.2"), 0}}));
    rib.end_refresh(Family::V4);
    EXPECT_EQ(rib.routes().size(), 2U);
    EXPECT_FALSE(rib.routes().contains({prefix("10.0.0.1"), 0}));
}

}  // namespace
}  // namespace dlb::bgp
