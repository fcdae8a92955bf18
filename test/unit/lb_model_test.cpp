// LbModel: edits, their errors, replace(), and which slots and generations backends have.
#include <algorithm>
#include <set>

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
ServiceConfig dns() {
    ServiceConfig config = service({"dns", {"10.1.1.2"}, {53}, {"172.16.0.3:53"}});
    config.protocol = Protocol::Udp;
    return config;
}
BackendId id_of(const LbModel& model, const std::string& name, const std::string& endpoint) {
    for (const ModelBackend& b : model.find(name)->backends) {
        if (b.config.endpoint() == Endpoint::parse(endpoint)) {
            return b.id;
        }
    }
    return {};
}

TEST(BackendId, PacksSlotAndGeneration) {
    const BackendId id(BackendId::kMaxSlots - 1, BackendId::kGenerations - 1);
    EXPECT_EQ(id.slot(), BackendId::kMaxSlots - 1);
    EXPECT_EQ(id.generation(), BackendId::kGenerations - 1);
    EXPECT_EQ(BackendId::from_value(id.value()), id);
    EXPECT_TRUE(BackendId(0, 1).valid());
    EXPECT_FALSE(BackendId().valid());
    EXPECT_NE(BackendId(1, 1), BackendId(1, 2));
    EXPECT_LE(kMaxServices, 1U << BackendId::kSlotBits);
}

TEST(SlotAllocator, GenerationsWrapPastZero) {
    SlotAllocator slots(1);
    for (int round = 0; round < 3; ++round) {
        for (uint32_t generation = 1; generation < BackendId::kGenerations; ++generation) {
            const auto id = slots.take();
            ASSERT_TRUE(id);
            ASSERT_TRUE(id->valid());
            ASSERT_EQ(id->slot(), 0U);
            ASSERT_EQ(id->generation(), generation);
            ASSERT_FALSE(slots.take());
            ASSERT_EQ(slots.in_use(), 1U);
            slots.give_back(*id);
            ASSERT_EQ(slots.in_use(), 0U);
        }
    }
}

TEST(SlotAllocator, NeverGivesASlotTwice) {
    constexpr uint32_t kLimit = 300;
    SlotAllocator slots(kLimit);
    std::vector<BackendId> taken;
    std::set<uint32_t> values;  // every id that ever was: none comes twice in so short a time
    uint32_t seed = 1;
    for (int round = 0; round < 20'000; ++round) {
        seed = seed * 1103515245 + 12345;
        if ((seed >> 16) % 100 < 52) {
            const auto id = slots.take();
            ASSERT_EQ(id.has_value(), taken.size() < kLimit);
            if (id) {
                ASSERT_LT(id->slot(), kLimit);
                ASSERT_TRUE(values.insert(id->value()).second);
                ASSERT_TRUE(std::none_of(taken.begin(), taken.end(),
                                         [&](BackendId t) { return t.slot() == id->slot(); }));
                taken.push_back(*id);
            }
        } else if (!taken.empty()) {
            std::swap(taken.back(), taken[(seed >> 8) % taken.size()]);
            slots.give_back(taken.back());
            taken.pop_back();
        }
        ASSERT_EQ(slots.in_use(), taken.size());
        ASSERT_LE(slots.in_use(), slots.high_water());
    }
}

TEST(SlotAllocator, LetsSlotsRest) {
    SlotAllocator slots(1000);
    std::vector<BackendId> given;
    for (int i = 0; i < 10; ++i) {
        given.push_back(*slots.take());
    }
    slots.give_back(given[3]);
    for (int i = 0; i < 60; ++i) {
        EXPECT_NE(slots.take()->slot(), 3U);
    }
}

TEST(LbModel, AddsAndFindsServices) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.add_service(web()));
    ASSERT_TRUE(model.add_service(dns()));
    ASSERT_NE(model.find("web"), nullptr);
    EXPECT_EQ(model.find("web")->full_config(), web());
    EXPECT_EQ(model.find("dns")->full_config(), dns());
    EXPECT_EQ(model.find("nothing"), nullptr);
    EXPECT_NE(model.find("web")->slot, model.find("dns")->slot);
    EXPECT_EQ(model.services().size(), 2U);
    EXPECT_EQ(model.backend_slots(), 3U);
}

// Each error names what is wrong and how to mend it, and nothing has changed.
TEST(LbModel, RefusesInOneLine) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.add_service(web()));
    ASSERT_TRUE(model.add_backend("web", backend("172.16.0.2:81")));
    const auto before = model.find("web")->full_config();
    const auto address = ip("172.16.0.9");
    const struct {
        Result<void> result;
        std::vector<const char*> says;
    } cases[] = {
        {model.add_service(web()), {"'web'", "already", "another name"}},
        {model.del_service("x"), {"no service 'x'", "show services"}},
        {model.add_backend("x", backend("1.1.1.1:1")), {"no service 'x'", "show services"}},
        {model.add_backend("web", backend("172.16.0.1:80")),
         {"'web'", "172.16.0.1", "port 80", "already", "set backend"}},
        {model.del_backend("x", address, 80), {"no service 'x'"}},
        {model.del_backend("web", address, 80),
         {"'web'", "no backend 172.16.0.9 port 80", "show backends web"}},
        {model.del_backend("web", address, {}), {"no backend 172.16.0.9;"}},
        {model.del_backend("web", ip("172.16.0.1"), 81), {"no backend 172.16.0.1 port 81"}},
        {model.set_weight("web", ip("172.16.0.2"), {}, 5), {"several", "172.16.0.2", "`port P`"}},
        {model.set_weight("x", address, {}, 5), {"no service 'x'"}},
        {model.set_draining("web", ip("172.16.0.2"), {}, true), {"several", "`port P`"}},
        {model.set_draining("web", address, {}, true), {"no backend 172.16.0.9"}},
    };
    for (const auto& c : cases) {
        EXPECT_FALSE(c.result.ok());
        for (const char* says : c.says) {
            EXPECT_THAT(c.result.error(), HasSubstr(says));
        }
        EXPECT_EQ(c.result.error().find('\n'), std::string::npos);
        EXPECT_NE(c.result.error().back(), '.');
    }
    EXPECT_EQ(model.find("web")->full_config(), before);
    EXPECT_EQ(model.services().size(), 1U);
}

TEST(LbModel, EditsBackends) {
    LbModel model = empty_model();
    ASSERT_TRUE(model.add_service(web()));
    const BackendId first = id_of(model, "web", "172.16.0.1:80");
    ASSERT_TRUE(model.set_weight("web", ip("172.16.0.1"), {}, 7));
    EXPECT_EQ(model.find("web")->backends[0].config.weight, 7U);
    ASSERT_TRUE(model.set_draining("web", ip("172.16.0.1"), 80, true));
    EXPECT_TRUE(model.find("web")->backends[0].draining);
    EXPECT_FALSE(model.find("web")->backends[0].takes_new_flows());
    ASSERT_TRUE(model.set_draining("web", ip("172.16.0.1"), 80, false));
    EXPECT_TRUE(model.find("web")->backends[0].takes_new_flows());
    ASSERT_TRUE(model.set_weight("web", ip("172.16.0.1"), {}, 0));
    EXPECT_FALSE(model.find("web")->backends[0].takes_new_flows());
    EXPECT_EQ(id_of(model, "web", "172.16.0.1:80"), first);  // all that changes no identity
    ASSERT_TRUE(model.del_backend("web", ip("172.16.0.1"), 80));
    EXPECT_EQ(model.find("web")->backends.size(), 1U);
    EXPECT_EQ(model.find("web")->backends[0].config, backend("172.16.0.2:80"));
    ASSERT_TRUE(model.add_backend("web", backend("172.16.0.1:80")));
    EXPECT_NE(id_of(model, "web", "172.16.0.1:80"), first);  // another life
}

// After deletions slots are used again, with another generation.
TEST(LbModel, ReusesSlots) {
    LbModel model = empty_model();
    std::set<uint32_t> values;
    for (int round = 0; round < 1000; ++round) {
        ASSERT_TRUE(model.add_service(web()));
        for (const ModelBackend& b : model.find("web")->backends) {
            ASSERT_TRUE(values.insert(b.id.value()).second);
        }
        ASSERT_TRUE(model.del_service("web"));
    }
    EXPECT_LT(model.backend_slots(), 100U);
    EXPECT_LT(model.service_slots(), 100U);
}

}  // namespace
}  // namespace dlb
