// LbModel::replace() and the bounds: all or nothing, and what stays the same keeps its slots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/model.hpp"
#include "support/model_helpers.hpp"

namespace dlb {
namespace {

using test::backend;
using test::ip;
using test::service;
using testing::HasSubstr;

LbModel empty_model() {
    return LbModel(test::addresses({"10.0.0.106", "2001:db8::106"}));
}
ServiceConfig web() {
    return service({"web", {"10.1.1.1"}, {80}, {"172.16.0.1:80", "172.16.0.2:80"}});
}
ServiceConfig shop() {
    return service({"shop", {"10.1.1.2"}, {80}, {"172.16.0.3:80"}});
}
ServiceConfig full(const std::string& name, const std::vector<std::string>& snat) {
    return service(
        {name, {"10.1.1.9"}, {443}, {"172.16.0.9:443"}, Mode::Fnat, Protocol::Tcp, snat});
}
BackendId id_of(const LbModel& model, const std::string& name, const std::string& endpoint) {
    for (const ModelBackend& b : model.find(name)->backends) {
        if (b.config.endpoint() == Endpoint::parse(endpoint)) {
            return b.id;
        }
    }
    return {};
}
// All that a model holds, to compare.
std::string picture(const LbModel& model) {
    std::string text;
    for (const ModelService& s : model.services()) {
        text += s.config.name + " " + std::to_string(s.slot) + ":";
        for (const ModelBackend& b : s.backends) {
            text += " " + b.config.endpoint().to_string() + "*" + std::to_string(b.config.weight) +
                    "#" + std::to_string(b.id.value()) + (b.draining ? "d" : "");
        }
        text += "\n";
    }
    for (const IpAddress& address : model.snat_addresses()) {
        text += address.to_string() + " ";
    }
    return text + std::to_string(model.service_slots()) + "/" +
           std::to_string(model.backend_slots());
}

TEST(Replace, TheSameChangesNothing) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.replace({web(), shop(), full("full", {"10.0.0.7"})}));
    const std::string before = picture(model);
    ASSERT_TRUE(model.replace({web(), shop(), full("full", {"10.0.0.7"})}));
    EXPECT_EQ(picture(model), before);
}

TEST(Replace, KeepsTheSlotsOfWhatStays) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.replace({web(), shop()}));
    const uint32_t web_slot = model.find("web")->slot;
    const BackendId first = id_of(model, "web", "172.16.0.1:80");
    const BackendId second = id_of(model, "web", "172.16.0.2:80");
    ServiceConfig wanted = web();
    std::swap(wanted.backends[0], wanted.backends[1]);
    wanted.backends[0].weight = 9;
    wanted.backends.push_back(backend("172.16.0.7:80"));
    wanted.scheduler = SchedulerKind::Maglev;
    wanted.timeout.udp = std::chrono::seconds(1);
    wanted.ports = {80, 443};
    ASSERT_TRUE(model.set_draining("web", ip("172.16.0.1"), {}, true));
    ASSERT_TRUE(model.replace({shop(), wanted}));
    EXPECT_EQ(model.find("web")->full_config(), wanted);
    EXPECT_EQ(model.find("web")->slot, web_slot);
    EXPECT_EQ(id_of(model, "web", "172.16.0.1:80"), first);
    EXPECT_EQ(id_of(model, "web", "172.16.0.2:80"), second);
    EXPECT_TRUE(id_of(model, "web", "172.16.0.7:80").valid());
    for (const ModelBackend& b : model.find("web")->backends) {
        EXPECT_FALSE(b.draining);  // drains end
    }
    // Gone and back: another life.
    ASSERT_TRUE(model.replace({shop()}));
    EXPECT_EQ(model.find("web"), nullptr);
    ASSERT_TRUE(model.replace({web(), shop()}));
    EXPECT_NE(id_of(model, "web", "172.16.0.1:80"), first);
}

// A service that translates in another way must not inherit flows of the old way.
TEST(Replace, AnotherWayOfTranslatingIsAnotherLife) {
    const auto changed = [](auto change) {
        LbModel model = empty_model();
        EXPECT_TRUE(model.replace({web(), shop()}));
        const BackendId before = id_of(model, "web", "172.16.0.1:80");
        const BackendId bystander = id_of(model, "shop", "172.16.0.3:80");
        ServiceConfig wanted = web();
        change(wanted);
        EXPECT_TRUE(model.replace({wanted, shop()}));
        EXPECT_EQ(id_of(model, "shop", "172.16.0.3:80"), bystander);
        EXPECT_TRUE(id_of(model, "web", "172.16.0.1:80").valid());
        return id_of(model, "web", "172.16.0.1:80") != before;
    };
    EXPECT_TRUE(changed([](ServiceConfig& s) { s.mode = Mode::Fnat; }));
    EXPECT_TRUE(changed([](ServiceConfig& s) { s.mode = Mode::Ipip; }));
    EXPECT_TRUE(changed([](ServiceConfig& s) { s.protocol = Protocol::Udp; }));
    EXPECT_TRUE(changed([](ServiceConfig& s) { s.snat = {ip("10.0.0.7")}; }));
    EXPECT_TRUE(changed([](ServiceConfig& s) { s.vip[0] = Prefix::host(ip("10.1.1.77")); }));
    EXPECT_FALSE(changed([](ServiceConfig& s) { s.sticky = false; }));
    EXPECT_FALSE(changed([](ServiceConfig& s) { s.icmp_echo = false; }));
    EXPECT_FALSE(changed([](ServiceConfig& s) { s.backends.pop_back(); }));
}

TEST(Replace, GivesSlotsBack) {
    LbModel model = empty_model();
    ServiceConfig changing = web();
    for (int round = 0; round < 300; ++round) {
        const std::string number = std::to_string(round % 250);
        changing.backends[0] = backend("172.16.9." + number + ":80");
        changing.mode = round % 3 == 0 ? Mode::Ipip : Mode::Nat;
        ServiceConfig passing = shop();
        passing.name = "shop" + number;
        ASSERT_TRUE(model.replace({changing, passing}));
    }
    EXPECT_LT(model.backend_slots(), 100U);
    EXPECT_LT(model.service_slots(), 100U);
}

TEST(Replace, RemembersSnatAddresses) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.replace({full("full", {"10.0.0.7", "10.0.0.8"})}));
    // The ports' addresses stand in for the family that the service gives none of.
    EXPECT_EQ(model.snat_addresses(), test::addresses({"10.0.0.7", "10.0.0.8", "2001:db8::106"}));
    ASSERT_TRUE(model.replace({full("full", {"10.0.0.8", "10.0.0.9"})}));
    EXPECT_EQ(model.snat_addresses(),
              test::addresses({"10.0.0.7", "10.0.0.8", "2001:db8::106", "10.0.0.9"}));
    ASSERT_TRUE(model.replace({}));
    EXPECT_EQ(model.snat_addresses().size(), 4U);  // they only grow: flows name them by slot
    EXPECT_EQ(model.snat_of(full("x", {"10.0.0.8"}), Family::V4), test::addresses({"10.0.0.8"}));
    EXPECT_EQ(model.snat_of(full("x", {"10.0.0.8"}), Family::V6),
              test::addresses({"2001:db8::106"}));
    EXPECT_EQ(model.snat_of(full("x", {}), Family::V4), test::addresses({"10.0.0.106"}));
}

TEST(Replace, TunnelSources) {
    LbModel model(test::addresses({"10.0.0.106", "10.0.0.107", "2001:db8::106"}));
    ServiceConfig config = web();
    EXPECT_EQ(model.tunnel_source_of(config, Family::V4), Prefix::host(ip("10.0.0.106")));
    EXPECT_EQ(model.tunnel_source_of(config, Family::V6), Prefix::host(ip("2001:db8::106")));
    config.tunnel_source = {*Prefix::parse("10.9.9.0/24")};
    EXPECT_EQ(model.tunnel_source_of(config, Family::V4), *Prefix::parse("10.9.9.0/24"));
    EXPECT_EQ(model.tunnel_source_of(config, Family::V6), Prefix::host(ip("2001:db8::106")));
    EXPECT_EQ(LbModel(test::addresses({"10.0.0.1"})).tunnel_source_of(config, Family::V6),
              std::nullopt);
}

std::vector<BackendConfig> many_backends(uint32_t count) {
    std::vector<BackendConfig> backends(count);
    for (uint32_t i = 0; i < count; ++i) {
        backends[i].address = IpAddress::v4(Be32(0xac100000 + i).raw());
    }
    return backends;
}

TEST(Bounds, ServicesAndBackends) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.replace({shop(), full("full", {})}));
    const std::string before = picture(model);
    std::vector<ServiceConfig> wanted(kMaxServices + 1, shop());
    for (size_t i = 0; i < wanted.size(); ++i) {
        wanted[i].name = std::to_string(i);
    }
    Result<void> result = model.replace(wanted);
    EXPECT_THAT(result.error(), HasSubstr(std::to_string(kMaxServices)));
    EXPECT_EQ(picture(model), before);
    wanted.pop_back();
    LbModel other = empty_model();
    EXPECT_TRUE(other.replace(wanted));
    EXPECT_FALSE(other.add_service(web()));

    wanted.resize(3);
    for (ServiceConfig& each : wanted) {
        each.backends = many_backends(50'000);
    }
    result = model.replace(wanted);
    EXPECT_THAT(result.error(), HasSubstr(std::to_string(BackendId::kMaxSlots)));
    EXPECT_EQ(picture(model), before);
    wanted.resize(1);
    wanted[0].backends = many_backends(65'535);
    result = model.replace(wanted);
    EXPECT_THAT(result.error(), HasSubstr("65534"));
    EXPECT_FALSE(model.add_service(wanted[0]));
    EXPECT_EQ(picture(model), before);
}

// A table's slots are 16-bit numbers of members: the bound holds for one more by hand, too.
TEST(Bounds, OneBackendMoreByHand) {
    LbModel model = empty_model();
    ServiceConfig large = web();
    large.backends = many_backends(65'534);
    ASSERT_TRUE(model.add_service(large));
    const Result<void> result = model.add_backend("web", backend("10.9.9.9:80"));
    EXPECT_THAT(result.error(), HasSubstr("65534"));
    EXPECT_EQ(model.find("web")->backends.size(), 65'534U);
}

TEST(Bounds, SnatAddresses) {
    LbModel model = empty_model();
    ServiceConfig wanted = full("full", {});
    for (uint32_t i = 0; i < kMaxSnatAddresses; ++i) {
        wanted.snat.push_back(IpAddress::v4(Be32(0x0a050000 + i).raw()));
    }
    const std::string before = picture(model);
    EXPECT_THAT(model.replace({web(), wanted}).error(), HasSubstr("SNAT"));  // and one for IPv6
    EXPECT_EQ(picture(model), before);
    EXPECT_FALSE(model.add_service(wanted));
    EXPECT_EQ(picture(model), before);
    wanted.snat.pop_back();
    EXPECT_TRUE(model.replace({web(), wanted}));
}

}  // namespace
}  // namespace dlb
