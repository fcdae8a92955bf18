// build(): what a snapshot holds, what it shares with the one before, and which replies of NAT
// backends can be told without their flow.
#include <gtest/gtest.h>

#include "lb/model.hpp"
#include "lb/scheduler.hpp"
#include "support/model_helpers.hpp"

namespace dlb {
namespace {

// The backend of a new flow with this hash, where no backend has connections.
const BackendEntry* schedule(const LbSnapshot& lb, const ServiceEntry& service, Family client,
                             uint64_t hash) {
    static const Scheduler scheduler(0, 1);
    const NewFlow flow{.client = client, .flow_hash = hash};
    return scheduler.decide(lb, service, flow, [](BackendId) { return 0U; }).backend;
}

using test::backend;
using test::ip;
using test::service;
using test::wire;

LbModel model_of(const std::vector<ServiceConfig>& services) {
    LbModel model(test::addresses({"10.0.0.106", "2001:db8::106"}));
    const Result<void> replaced = model.replace(services);
    EXPECT_TRUE(replaced) << replaced.error();
    return model;
}

TEST(Build, IsPure) {
    const LbModel model = model_of({service({"web", {"10.1.1.1"}, {80}, {"172.16.0.1:80"}})});
    const auto one = build(model, nullptr);
    const auto two = build(model, one.get());
    EXPECT_EQ(one->version, 1U);
    EXPECT_EQ(two->version, 2U);
    EXPECT_EQ(build(model, one.get())->version, 2U);
    EXPECT_EQ(one->backends.size(), two->backends.size());
}

TEST(Build, EmptyModel) {
    const auto snapshot = build(LbModel({}), nullptr);
    EXPECT_TRUE(snapshot->services.empty() && snapshot->backends.empty());
    EXPECT_EQ(snapshot->v4.find_service(1, 2, 6).vip, nullptr);
    EXPECT_EQ(snapshot->find_backend(BackendId(0, 1)), nullptr);
    EXPECT_EQ(snapshot->find_backend(BackendId()), nullptr);
}

TEST(Build, SharesMaglevTablesOfWhatStays) {
    LbModel model =
        model_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80", "172.16.0.2:80"}}),
                  service({"b", {"10.1.1.2"}, {80}, {"172.16.0.3:80"}}),
                  service({"none", {"10.1.1.3"}, {80}, {}})});
    const uint32_t a = model.find("a")->slot;
    const uint32_t b = model.find("b")->slot;
    const auto first = build(model, nullptr);
    const auto again = build(model, first.get());
    EXPECT_EQ(again->maglev[a][0], first->maglev[a][0]);
    EXPECT_EQ(again->maglev[b][0], first->maglev[b][0]);
    ASSERT_TRUE(model.add_backend("b", backend("172.16.0.4:80")));
    const auto more = build(model, again.get());
    EXPECT_EQ(more->maglev[a][0], first->maglev[a][0]);
    EXPECT_NE(more->maglev[b][0], first->maglev[b][0]);
    EXPECT_EQ(more->services[a].maglev[0].slots, first->maglev[a][0]->slots().data());
    // The tables outlive the snapshots that made them.
    ASSERT_TRUE(model.set_weight("b", ip("172.16.0.4"), {}, 3));
    const auto weighted = build(model, more.get());
    EXPECT_NE(weighted->maglev[b][0], more->maglev[b][0]);
    EXPECT_EQ(weighted->maglev[a][0], first->maglev[a][0]);
    ASSERT_TRUE(model.set_draining("a", ip("172.16.0.1"), {}, true));
    const auto drained = build(model, weighted.get());
    EXPECT_NE(drained->maglev[a][0], first->maglev[a][0]);
    EXPECT_EQ(drained->maglev[a][0]->members().size(), 1U);
    ASSERT_TRUE(model.set_draining("a", ip("172.16.0.1"), {}, false));
    const auto undrained = build(model, drained.get());
    EXPECT_EQ(undrained->maglev[a][0]->moved_from(*first->maglev[a][0]),
              0U);  // the very slots it had
}

// Another life of a backend has another id: the old table would name the dead.
TEST(Build, DoesNotShareTablesOfAnotherLife) {
    LbModel model = model_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80"}})});
    const auto first = build(model, nullptr);
    ASSERT_TRUE(model.del_backend("a", ip("172.16.0.1"), {}));
    ASSERT_TRUE(model.add_backend("a", backend("172.16.0.1:80")));
    const auto second = build(model, first.get());
    EXPECT_NE(second->maglev[0][0], first->maglev[0][0]);
    const BackendEntry* found = schedule(*second, second->services[0], Family::V4, 12345);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->id, model.find("a")->backends[0].id);
    EXPECT_EQ(second->find_backend(first->maglev[0][0]->ids()[0]), nullptr);
}

TEST(Build, EachIdInATableResolves) {
    LbModel model =
        model_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80", "172.16.0.2:80"}}),
                  service({"b", {"2001:db8:1::1"}, {}, {"[2001:db8::1]:0"}})});
    ASSERT_TRUE(model.del_backend("a", ip("172.16.0.1"), {}));
    const auto snapshot = build(model, nullptr);
    for (const ModelService& s : model.services()) {
        const ServiceEntry& entry = snapshot->services[s.slot];
        EXPECT_TRUE(entry.used);
        EXPECT_GT(entry.maglev[0].size + entry.maglev[1].size, 0U);
        for (const MaglevView& table : entry.maglev) {
            for (uint32_t slot = 0; slot < table.size; ++slot) {
                const BackendEntry* found = snapshot->find_backend(table.ids[table.slots[slot]]);
                ASSERT_NE(found, nullptr);
                ASSERT_EQ(found->service, s.slot);
                ASSERT_EQ(&snapshot->service_of(*found), &entry);
            }
        }
    }
    // The upper half of the hash chooses the slot.
    const ServiceEntry& entry = snapshot->services[0];
    for (const uint64_t hash : {uint64_t{0}, UINT64_MAX, uint64_t{0x8000000000000000}}) {
        ASSERT_NE(schedule(*snapshot, entry, Family::V4, hash), nullptr);
    }
}

// Translation and direct modes cannot change a packet's family; tunnels take any.
TEST(Build, SchedulesWithinTheClientsFamilyButForTunnels) {
    for (const Mode mode : {Mode::Nat, Mode::Fnat, Mode::Dr, Mode::Ipip, Mode::Gre, Mode::Gue,
                            Mode::Fou, Mode::Vxlan}) {
        const LbModel model =
            model_of({service({"a",
                               {"10.1.1.1", "2001:db8:1::1"},
                               {80},
                               {"172.16.0.1:80", "172.16.0.2:80", "[2001:db8:16::1]:80"},
                               mode})});
        const auto snapshot = build(model, nullptr);
        const auto& tables = snapshot->maglev[0];
        if (is_tunnel(mode)) {
            EXPECT_EQ(tables[0], tables[1]);
            EXPECT_EQ(tables[0]->members().size(), 3U);
        } else {
            EXPECT_EQ(tables[0]->members().size(), 2U) << to_string(mode);
            EXPECT_EQ(tables[1]->members().size(), 1U) << to_string(mode);
        }
        for (const Family client : {Family::V4, Family::V6}) {
            for (uint64_t hash = 0; hash < 1000; ++hash) {
                const BackendEntry* found =
                    schedule(*snapshot, snapshot->services[0], client, hash * 0x9e3779b97f4a7c15);
                ASSERT_NE(found, nullptr);
                ASSERT_TRUE(is_tunnel(mode) || found->family == client) << to_string(mode);
            }
        }
        const auto again = build(model, snapshot.get());
        EXPECT_EQ(again->maglev[0], tables);
    }
}

TEST(Build, DrainingAndWeightZeroTakeNoNewFlowsAndResolve) {
    LbModel model =
        model_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80", "172.16.0.2:80"}})});
    ASSERT_TRUE(model.set_draining("a", ip("172.16.0.1"), {}, true));
    ASSERT_TRUE(model.set_weight("a", ip("172.16.0.2"), {}, 0));
    const auto snapshot = build(model, nullptr);
    EXPECT_EQ(snapshot->services[0].maglev[0].size, 0U);
    EXPECT_EQ(schedule(*snapshot, snapshot->services[0], Family::V4, 1), nullptr);
    for (const ModelBackend& b : model.find("a")->backends) {
        const BackendEntry* entry = snapshot->find_backend(b.id);
        ASSERT_NE(entry, nullptr);
        EXPECT_FALSE(entry->takes_new_flows);
        EXPECT_EQ(entry->address, b.config.address);
        EXPECT_EQ(entry->port, wire(80));
        EXPECT_NE(snapshot->v4.find_reply(b.config.address.v4_word(), wire(80), 6), nullptr);
    }
}

TEST(Build, TimeoutsByState) {
    ServiceConfig config = service({"a", {"10.1.1.1"}, {80}, {}});
    config.timeout = {std::chrono::minutes(15), std::chrono::seconds(31), std::chrono::seconds(32),
                      std::chrono::seconds(33)};
    auto timeouts = build(model_of({config}), nullptr)->services[0].timeout_ms;
    const auto of = [&](FlowState state) { return timeouts[static_cast<unsigned>(state)]; };
    EXPECT_EQ(of(FlowState::Established), 900'000U);
    EXPECT_EQ(of(FlowState::Handshake), 31'000U);
    EXPECT_EQ(of(FlowState::Fin), 32'000U);
    EXPECT_EQ(of(FlowState::Closed), 10'000U);
    EXPECT_EQ(of(FlowState::Udp), 33'000U);
    config.timeout.tcp_fin = std::chrono::seconds(2);
    timeouts = build(model_of({config}), nullptr)->services[0].timeout_ms;
    EXPECT_EQ(of(FlowState::Closed), 2'000U);
}

TEST(Build, OwnAddressesAndSnatSlots) {
    const auto full = [](const std::string& name, std::vector<std::string> snat) {
        return service({name,
                        {"10.1.1.1", "2001:db8:1::1"},
                        {80},
                        {},
                        Mode::Fnat,
                        Protocol::Tcp,
                        std::move(snat)});
    };
    auto other = full("b", {"10.0.0.8", "10.0.0.7"});
    other.ports = {81};
    const LbModel model = model_of({full("a", {"10.0.0.7", "2001:db8::7"}), other});
    const auto snapshot = build(model, nullptr);
    EXPECT_EQ(snapshot->snat_addresses,
              test::addresses({"10.0.0.7", "2001:db8::7", "10.0.0.8", "2001:db8::106"}));
    const auto slots = [&](const char* name, Family family) {
        return snapshot->services[model.find(name)->slot].snat_slots(family);
    };
    EXPECT_EQ(slots("a", Family::V4), (std::vector<uint16_t>{0}));
    EXPECT_EQ(slots("a", Family::V6), (std::vector<uint16_t>{1}));
    EXPECT_EQ(slots("b", Family::V4), (std::vector<uint16_t>{2, 0}));
    EXPECT_EQ(slots("b", Family::V6), (std::vector<uint16_t>{3}));
    const AddressEntry* own = snapshot->v4.find_address(ip("10.0.0.106").v4_word());
    ASSERT_NE(own, nullptr);
    EXPECT_TRUE(own->local);
    EXPECT_EQ(own->snat_slot, -1);
    own = snapshot->v4.find_address(ip("10.0.0.7").v4_word());
    ASSERT_NE(own, nullptr);
    EXPECT_FALSE(own->local);
    EXPECT_EQ(own->snat_slot, 0);
    own = snapshot->v6.find_address(raw_address<V6>(ip("2001:db8::106")));
    ASSERT_NE(own, nullptr);
    EXPECT_TRUE(own->local);
    EXPECT_EQ(own->snat_slot, 3);
    EXPECT_EQ(snapshot->v4.find_address(ip("10.0.0.9").v4_word()), nullptr);
    // Full NAT needs its flows, whatever the service says.
    auto loose = full("a", {});
    loose.sticky = false;
    EXPECT_TRUE(build(model_of({loose}), nullptr)->services[0].sticky);
}

TEST(Build, TunnelsHaveOuterHeaders) {
    ServiceConfig config =
        service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:0", "[2001:db8:16::1]:0"}, Mode::Ipip});
    config.tunnel_source = {Prefix::host(ip("10.0.0.9"))};
    const LbModel model = model_of({config});
    const auto snapshot = build(model, nullptr);
    for (const ModelBackend& b : model.find("a")->backends) {
        const BackendEntry& entry = *snapshot->find_backend(b.id);
        const bool v4 = b.config.address.is_v4();
        const auto expected =
            make_outer_header(ip(v4 ? "10.0.0.9" : "2001:db8::106"), b.config.address);
        EXPECT_EQ(entry.family, b.config.address.family());
        EXPECT_EQ(entry.outer.bytes, expected.bytes);
        EXPECT_EQ(entry.outer.length, v4 ? 20 : 40);
        EXPECT_EQ(entry.outer.flow_bits, 0);
    }
    config.tunnel_source = {*Prefix::parse("10.9.0.0/16"), *Prefix::parse("2001:db8:9::/48")};
    const LbModel wide = model_of({config});
    const auto spread = build(wide, nullptr);
    for (const ModelBackend& b : wide.find("a")->backends) {
        const BackendEntry& entry = *spread->find_backend(b.id);
        EXPECT_EQ(entry.outer.flow_bits, b.config.address.is_v4() ? 16 : 32);
    }
    const auto plain =
        build(model_of({service({"a", {"10.1.1.1"}, {80}, {"172.16.0.1:80"}, Mode::Dr})}), nullptr);
    EXPECT_EQ(plain->backends[0].outer.length, 0);
}

}  // namespace
}  // namespace dlb
