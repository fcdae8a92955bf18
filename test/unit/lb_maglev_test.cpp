// MaglevTable against a second implementation in Python (maglev_oracle.py), and the promises of
// consistent hashing: fair shares, few moves, the same table everywhere.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "lb/maglev.hpp"

namespace dlb {
namespace {

using Members = std::vector<MaglevMember>;

Members make_members(unsigned count, unsigned first = 0) {
    Members members;
    for (unsigned i = first; i < first + count; ++i) {
        members.push_back(
            {BackendId(i, 1),
             {IpAddress::v4(172, 16, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)), 80},
             1});
    }
    return members;
}

Members random_members(std::mt19937& random, unsigned count, unsigned highest_weight) {
    std::set<Endpoint> endpoints;
    Members members;
    while (members.size() < count) {
        Endpoint endpoint;
        endpoint.port = static_cast<uint16_t>(random() % 3 == 0 ? 0 : random());
        if (random() % 2 == 0) {
            endpoint.address = IpAddress::v4(random() | 1);
        } else {
            std::array<uint8_t, 16> bytes{0x20, 0x01};
            for (size_t i = 2; i < 16; ++i) {  // many zeros, for the text's "::"
                bytes[i] = random() % 3 == 0 ? static_cast<uint8_t>(random()) : 0;
            }
            endpoint.address = IpAddress::v6(bytes);
        }
        if (endpoints.insert(endpoint).second) {
            const uint32_t weight = highest_weight == 1 ? 1 : random() % (highest_weight + 1);
            members.push_back({BackendId(count, 1), endpoint, weight});
        }
    }
    return members;
}

std::string to_json(const std::vector<Members>& sets) {
    std::string text = "[";
    for (const Members& members : sets) {
        text += text.size() > 1 ? ",[" : "[";
        for (size_t i = 0; i < members.size(); ++i) {
            text += (i == 0 ? "[\"" : ",[\"") + members[i].endpoint.address.to_string() + "\"," +
                    std::to_string(members[i].endpoint.port) + "," +
                    std::to_string(members[i].weight) + "]";
        }
        text += "]";
    }
    return text + "]";
}

// The oracle's tables, one a set: places in the set's members.
std::vector<std::vector<uint16_t>> ask_oracle(const std::vector<Members>& sets) {
    char file[] = "/tmp/maglev_oracle_XXXXXX";
    close(mkstemp(file));
    std::ofstream(file) << to_json(sets);
    FILE* answer =
        popen(("/usr/bin/python3 " MAGLEV_ORACLE " < " + std::string(file)).c_str(), "r");
    std::vector<std::vector<uint16_t>> tables;
    uint32_t size;
    while (answer != nullptr && std::fread(&size, sizeof size, 1, answer) == 1) {
        std::vector<uint16_t> table(size);
        if (std::fread(table.data(), 2, size, answer) != size) {
            break;
        }
        tables.push_back(std::move(table));
    }
    EXPECT_EQ(pclose(answer), 0);
    std::remove(file);
    return tables;
}

TEST(Maglev, AgreesWithTheOracle) {
    std::mt19937 random(11);
    std::vector<Members> sets = {{}, make_members(1), make_members(3), make_members(655)};
    for (const unsigned count : {1U, 2U, 7U, 50U, 200U, 600U}) {
        sets.push_back(random_members(random, count, 1));
        sets.push_back(random_members(random, count, 5));
    }
    sets.push_back(random_members(random, 700, 3));
    sets.push_back(random_members(random, 20, 1'000'000));
    sets.push_back(make_members(4));
    for (MaglevMember& member : sets.back()) {
        member.weight = 0;
    }
    const auto expected = ask_oracle(sets);
    ASSERT_EQ(expected.size(), sets.size());
    for (size_t n = 0; n < sets.size(); ++n) {
        const MaglevTable table(sets[n]);
        ASSERT_EQ(table.size(), expected[n].size()) << "set " << n;
        for (uint32_t slot = 0; slot < table.size(); ++slot) {
            ASSERT_EQ(table.members()[table.slots()[slot]], sets[n][expected[n][slot]])
                << "set " << n << " slot " << slot;
        }
    }
}

TEST(Maglev, SizesArePrimeAndFitTheNumber) {
    for (const uint32_t size : {MaglevTable::kSmallSize, MaglevTable::kLargeSize}) {
        for (uint32_t divisor = 2; divisor * divisor <= size; ++divisor) {
            ASSERT_NE(size % divisor, 0U) << size;
        }
    }
    EXPECT_EQ(MaglevTable(make_members(655)).size(), MaglevTable::kSmallSize);
    EXPECT_EQ(MaglevTable(make_members(656)).size(), MaglevTable::kLargeSize);
    EXPECT_EQ(MaglevTable(make_members(5), 13).size(), 13U);
    EXPECT_TRUE(MaglevTable({}).empty());
}

TEST(Maglev, KeepsMembersInOrderWithTheirIds) {
    Members members = make_members(300);
    std::mt19937 random(12);
    std::shuffle(members.begin(), members.end(), random);
    const MaglevTable table(members);
    ASSERT_EQ(table.members().size(), 300U);
    for (size_t i = 0; i < 300; ++i) {
        EXPECT_EQ(table.members()[i].endpoint, make_members(300)[i].endpoint);
        EXPECT_EQ(table.ids()[i], table.members()[i].id);
        EXPECT_EQ(table.ids()[i].slot(), i);
    }
}

TEST(Maglev, OrderOfInputDoesNotMatter) {
    std::mt19937 random(13);
    Members members = random_members(random, 60, 4);
    const MaglevTable first(members);
    for (int round = 0; round < 5; ++round) {
        std::shuffle(members.begin(), members.end(), random);
        EXPECT_EQ(MaglevTable(members).moved_from(first), 0U);
    }
}

std::vector<uint32_t> shares(const MaglevTable& table) {
    std::vector<uint32_t> shares(table.members().size());
    for (const uint16_t member : table.slots()) {
        ++shares[member];
    }
    return shares;
}

TEST(Maglev, SharesFollowWeights) {
    std::mt19937 random(14);
    for (const unsigned count : {1U, 3U, 10U, 100U, 655U, 700U}) {
        Members members = make_members(count);
        uint64_t total = 0;
        for (MaglevMember& member : members) {
            member.weight = count == 10 ? 1 + random() % 20 : 1 + random() % 3;
            total += member.weight;
        }
        const MaglevTable table(members);
        const auto got = shares(table);
        for (size_t i = 0; i < count; ++i) {
            const double ideal =
                1.0 * table.members()[i].weight * table.size() / static_cast<double>(total);
            EXPECT_NEAR(got[i], ideal, ideal * 0.02 + 1)
                << count << " members, weight " << table.members()[i].weight;
        }
    }
}

TEST(Maglev, WeightZeroTakesNothing) {
    Members members = make_members(5);
    members[2].weight = 0;
    const auto got = shares(MaglevTable(members));
    EXPECT_EQ(got[2], 0U);
    EXPECT_NEAR(got[0], MaglevTable::kSmallSize / 4.0, 2);
    members = make_members(1);
    members[0].weight = 0;
    EXPECT_TRUE(MaglevTable(members).empty());
}

// The paper's figure 12 sees a few per cent; here at most 2 % of the others' slots move.
TEST(Maglev, OneGoneMovesFewOfTheOthers) {
    for (const unsigned count : {2U, 5U, 20U, 100U, 400U}) {
        const MaglevTable before(make_members(count));
        for (const unsigned gone : {0U, count / 2, count - 1}) {
            Members members = make_members(count);
            members.erase(members.begin() + gone);
            const MaglevTable after(members);
            const uint32_t own = shares(before)[gone];
            const uint32_t moved = after.moved_from(before);
            EXPECT_GE(moved, own);
            EXPECT_LE(moved - own, before.size() * 2 / 100) << count << " members";
            // Back again, it has the very slots it had.
            EXPECT_EQ(MaglevTable(make_members(count)).moved_from(before), 0U);
        }
    }
}

TEST(Maglev, AWeightChangeMovesAboutItsShare) {
    Members members = make_members(50);
    const MaglevTable before(members);
    members[7].weight = 2;
    const MaglevTable after(members);
    const uint32_t gained = shares(after)[7] - shares(before)[7];
    EXPECT_GE(after.moved_from(before), gained);
    EXPECT_LE(after.moved_from(before), before.size() * 15 / 100);
}

TEST(Maglev, CountsMovesByEndpointNotByPlace) {
    const MaglevTable one(make_members(3), 101);
    Members renamed = make_members(3);
    renamed[1].id = BackendId(99, 7);
    EXPECT_EQ(MaglevTable(renamed, 101).moved_from(one), 0U);
    EXPECT_EQ(MaglevTable(make_members(3, 100), 101).moved_from(one), 101U);
}

}  // namespace
}  // namespace dlb
