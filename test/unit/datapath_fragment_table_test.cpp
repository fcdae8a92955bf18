// FragmentTable: reordering, copies, overlaps in every relation, holes, bounds and time. The mbufs
// are only ever kept, so made-up addresses do.
#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "datapath/fragment_table.hpp"

namespace dlb {
namespace {

constexpr FragmentTransport kTransport{1, 2, 17};

DatagramKey key_of(uint32_t identification) {
    FlowKey<V4> key;
    key.source = 0x0101a8c0;
    key.destination = 0x0101010a;
    key.protocol = 17;
    return make_datagram_key(key, identification);
}

rte_mbuf* mbuf(uintptr_t number) {
    return reinterpret_cast<rte_mbuf*>(number);
}

FragmentRange range(unsigned begin, unsigned end, bool more = true) {
    return {static_cast<uint16_t>(begin), static_cast<uint16_t>(end), more};
}

class FragmentTableTest : public ::testing::Test {
  protected:
    // As the worker does; gives what came of it: "pass", "wait" or the drop's name.
    std::string take(const DatagramKey& key, const FragmentRange& part, uintptr_t number = 1) {
        const auto [failure, datagram] = table.admit(key, part, now_ms);
        if (failure != Verdict::Forwarded) {
            while (failure == Verdict::FragmentOverlap && table.next_waiting(datagram) != nullptr) {
                ++given_up;
            }
            return std::string(to_string(failure));
        }
        if (part.begin == 0) {
            table.set_transport(datagram, kTransport);
            while (rte_mbuf* waiting = table.next_waiting(datagram)) {
                released.push_back(reinterpret_cast<uintptr_t>(waiting));
            }
        } else if (table.transport_of(datagram) == nullptr) {
            table.keep(datagram, mbuf(number));
            return "wait";
        } else {
            EXPECT_EQ(table.transport_of(datagram)->source_port, kTransport.source_port);
        }
        table.forget_if_whole(datagram);
        return "pass";
    }
    std::string take(uint32_t identification, const FragmentRange& part, uintptr_t number = 1) {
        return take(key_of(identification), part, number);
    }
    unsigned sweep() {
        unsigned dropped = 0;
        table.sweep(now_ms, FragmentTable::kDatagrams, [&](rte_mbuf*) { ++dropped; });
        return dropped;
    }

    FragmentTable table;
    uint32_t now_ms = 1000;
    unsigned given_up = 0;
    std::vector<uintptr_t> released;
};

TEST_F(FragmentTableTest, InOrder) {
    EXPECT_EQ(take(1, range(0, 800)), "pass");
    EXPECT_EQ(take(1, range(800, 1600)), "pass");
    EXPECT_EQ(table.count(), 1U);
    EXPECT_EQ(take(1, range(1600, 1601, false)), "pass");
    EXPECT_EQ(table.count(), 0U);  // it is whole
}

TEST_F(FragmentTableTest, WhatComesEarlyFollowsTheFirstInOrderOfArrival) {
    EXPECT_EQ(take(1, range(1600, 1700, false), 30), "wait");
    EXPECT_EQ(take(1, range(800, 1600), 20), "wait");
    EXPECT_EQ(take(2, range(800, 900, false), 99), "wait");
    EXPECT_EQ(table.waiting(), 3U);
    EXPECT_EQ(take(1, range(0, 800)), "pass");
    EXPECT_EQ(released, (std::vector<uintptr_t>{30, 20}));
    EXPECT_EQ(table.waiting(), 1U);
    EXPECT_EQ(table.count(), 1U);
}

TEST_F(FragmentTableTest, KeysTellDatagramsApart) {
    FlowKey<V4> four;
    four.source = 1;
    four.protocol = 6;
    FlowKey<V4> other = four;
    other.protocol = 17;
    EXPECT_FALSE(make_datagram_key(four, 1) == make_datagram_key(other, 1));
    EXPECT_FALSE(make_datagram_key(four, 1) == make_datagram_key(four, 2));
    FlowKey<V6> six;
    six.protocol = 6;
    FlowKey<V6> chained = six;
    chained.protocol = 60;
    EXPECT_EQ(make_datagram_key(six, 1), make_datagram_key(chained, 1));  // RFC 8200 §4.5
    EXPECT_FALSE(make_datagram_key(FlowKey<V4>{}, 1) == make_datagram_key(FlowKey<V6>{}, 1));
    // Ports are no part: later fragments have none.
    FlowKey<V4> with_ports = four;
    with_ports.source_port = 9;
    EXPECT_EQ(make_datagram_key(four, 1), make_datagram_key(with_ports, 1));
}

TEST_F(FragmentTableTest, CopiesGoWithoutTheDatagram) {
    take(1, range(0, 800));
    take(1, range(800, 1600));
    take(1, range(2400, 2500, false));
    EXPECT_EQ(take(1, range(0, 800)), "fragment_duplicate");
    EXPECT_EQ(take(1, range(800, 1600)), "fragment_duplicate");
    EXPECT_EQ(take(1, range(2400, 2500, false)), "fragment_duplicate");
    EXPECT_EQ(take(1, range(1600, 2400)), "pass");
    EXPECT_EQ(table.count(), 0U);
}

TEST_F(FragmentTableTest, CopiesOfWhatWaitsToo) {
    EXPECT_EQ(take(1, range(1600, 1700, false)), "wait");
    EXPECT_EQ(take(1, range(800, 1600)), "wait");
    EXPECT_EQ(take(1, range(800, 1600)), "fragment_duplicate");
    EXPECT_EQ(take(1, range(1600, 1700, false)), "fragment_duplicate");
    EXPECT_EQ(take(1, range(0, 800)), "pass");
    EXPECT_EQ(released.size(), 2U);
}

// RFC 5722: the datagram with 0..800, 800..1600 and, last, 3200..3300 is given up by each of these,
// and so is all that comes later.
TEST_F(FragmentTableTest, OverlapsInEveryRelation) {
    const FragmentRange overlaps[] = {
        range(0, 8),               // the first, shorter
        range(0, 808),             // the first, longer
        range(0, 1600),            // both
        range(8, 16),              // inside one
        range(792, 808),           // over the border of two
        range(792, 800),           // the end of one
        range(800, 808),           // the beginning of one
        range(400, 1200),          // of the right length, at the wrong place
        range(1592, 1608),         // out of the known part
        range(1592, 3208),         // over the hole
        range(1600, 3208),         // over the end of the hole
        range(3192, 3208),         // into the last
        range(3200, 3296),         // the beginning of the last
        range(3200, 4000),         // beyond the end
        range(3296, 3300, false),  // another last, inside
        range(3200, 3299, false),  // the last, shorter
        range(3200, 3301, false),  // the last, longer
        range(800, 1600, false),   // an end before the end
        range(1600, 1700, false),
        range(3304, 3312),  // behind the end
        range(3304, 3305, false),
        range(0, 65535, false),
    };
    uint32_t identification = 1;
    for (const FragmentRange& overlap : overlaps) {
        ++identification;
        ASSERT_EQ(take(identification, range(0, 800)), "pass");
        ASSERT_EQ(take(identification, range(800, 1600)), "pass");
        ASSERT_EQ(take(identification, range(3200, 3300, false)), "pass");
        EXPECT_EQ(take(identification, overlap), "fragment_overlap")
            << overlap.begin << ".." << overlap.end;
        EXPECT_EQ(take(identification, range(1600, 2400)), "fragment_overlap");
        EXPECT_EQ(take(identification, range(0, 800)), "fragment_overlap");
    }
}

TEST_F(FragmentTableTest, AnOverlapTakesWhatWaitsWithIt) {
    EXPECT_EQ(take(1, range(800, 1600)), "wait");
    EXPECT_EQ(take(1, range(1600, 2400)), "wait");
    EXPECT_EQ(take(1, range(1592, 1600)), "fragment_overlap");
    EXPECT_EQ(given_up, 2U);
    EXPECT_EQ(table.waiting(), 0U);
    EXPECT_EQ(take(1, range(0, 800)), "fragment_overlap");
    EXPECT_EQ(table.count(), 1U);
    now_ms += FragmentTable::kLifeMs;
    EXPECT_EQ(sweep(), 0U);
    EXPECT_EQ(table.count(), 0U);
}

// Where pieces differ in length, a known range may be several of them: no copy, to be sure.
TEST_F(FragmentTableTest, UnevenPiecesHaveNoCopies) {
    take(1, range(0, 800));
    take(1, range(800, 1200));
    EXPECT_EQ(take(1, range(0, 800)), "fragment_overlap");
    take(2, range(0, 800));
    take(2, range(800, 1600));
    EXPECT_EQ(take(2, range(0, 1600)), "fragment_overlap");
}

// Every order of eight pieces, with every piece sent twice: each passes just once.
TEST_F(FragmentTableTest, EveryOrderPassesEachPieceOnce) {
    std::vector<unsigned> order = {0, 1, 2, 3, 4, 5, 6, 7};
    uint32_t identification = 0;
    do {
        ++identification;
        released.clear();
        unsigned passed = 0;
        for (const unsigned piece : order) {
            const FragmentRange part =
                range(piece * 80, piece == 7 ? 563 : piece * 80 + 80, piece != 7);
            const std::string result = take(identification, part, piece + 1);
            ASSERT_TRUE(result == "pass" || result == "wait");
            passed += result == "pass";
            if (piece != order.back()) {  // with the last of all the datagram is forgotten
                ASSERT_EQ(take(identification, part), "fragment_duplicate");
            }
        }
        ASSERT_EQ(passed + released.size(), 8U);
        ASSERT_EQ(table.count(), 0U);
        ASSERT_EQ(table.waiting(), 0U);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(FragmentTableTest, HolesAreBounded) {
    EXPECT_EQ(take(1, range(0, 8)), "pass");
    for (unsigned hole = 1; hole < FragmentTable::kRanges; ++hole) {
        EXPECT_EQ(take(1, range(hole * 16, hole * 16 + 8)), "pass");
    }
    EXPECT_EQ(take(1, range(6400, 6408)), "fragment_limit");
    EXPECT_EQ(take(1, range(8, 16)), "pass");  // closes one
    EXPECT_EQ(take(1, range(6400, 6408)), "pass");
    EXPECT_EQ(take(1, range(6416, 6424)), "fragment_limit");
}

TEST_F(FragmentTableTest, WaitingIsBoundedForOneAndForAll) {
    for (unsigned piece = 1; piece <= FragmentTable::kWaitingEach; ++piece) {
        EXPECT_EQ(take(1, range(piece * 8, piece * 8 + 8)), "wait");
    }
    EXPECT_EQ(take(1, range(800, 808)), "fragment_limit");
    for (uint32_t other = 2; table.waiting() < FragmentTable::kWaiting; ++other) {
        EXPECT_EQ(take(other, range(8, 16)), "wait");
    }
    const uint32_t known = table.count();
    EXPECT_EQ(take(9999, range(8, 16)), "fragment_limit");
    EXPECT_EQ(table.count(), known);  // it does not even take up a datagram
    EXPECT_EQ(take(9999, range(0, 8)), "pass");
    EXPECT_EQ(take(9999, range(8, 16)), "pass");
    EXPECT_EQ(take(1, range(0, 8)), "pass");
    EXPECT_EQ(take(5555, range(8, 16)), "wait");  // there is room again
}

TEST_F(FragmentTableTest, DatagramsAreBounded) {
    for (uint32_t id = 1; id <= FragmentTable::kDatagrams; ++id) {
        EXPECT_EQ(take(id, range(0, 800)), "pass");
    }
    EXPECT_EQ(take(5000, range(0, 800)), "fragment_limit");
    EXPECT_EQ(take(17, range(800, 900, false)), "pass");
    EXPECT_EQ(take(5000, range(0, 800)), "pass");
    now_ms += FragmentTable::kLifeMs;
    sweep();
    EXPECT_EQ(table.count(), 0U);
    for (uint32_t id = 1; id <= FragmentTable::kDatagrams; ++id) {
        EXPECT_EQ(take(id, range(0, 800)), "pass");
    }
}

TEST_F(FragmentTableTest, TimeEndsADatagramOnAClockThatWraps) {
    for (const uint32_t start : {0U, 1000U, 0xffffffffU - 100U, 0x7fffffffU}) {
        now_ms = start;
        EXPECT_EQ(take(1, range(800, 1600)), "wait");
        EXPECT_EQ(take(2, range(0, 800)), "pass");
        now_ms = start + FragmentTable::kLifeMs - 1;
        EXPECT_EQ(sweep(), 0U);
        EXPECT_EQ(table.count(), 2U);
        now_ms = start + FragmentTable::kLifeMs;
        EXPECT_EQ(sweep(), 1U);
        EXPECT_EQ(table.count(), 0U);
        EXPECT_EQ(table.waiting(), 0U);
    }
}

TEST_F(FragmentTableTest, SweepsInSlices) {
    for (uint32_t id = 1; id <= 100; ++id) {
        take(id, range(8, 16));
    }
    now_ms += FragmentTable::kLifeMs;
    unsigned dropped = 0;
    for (unsigned step = 0; step < FragmentTable::kDatagrams / 8; ++step) {
        const unsigned before = dropped;
        table.sweep(now_ms, 8, [&](rte_mbuf*) { ++dropped; });
        EXPECT_LE(dropped - before, 8U);
    }
    EXPECT_EQ(dropped, 100U);
}

TEST_F(FragmentTableTest, ClearGivesBackAllThatWaits) {
    for (uintptr_t id = 1; id <= 50; ++id) {
        take(static_cast<uint32_t>(id), range(8, 16), id);
    }
    uintptr_t sum = 0;
    table.clear([&](rte_mbuf* kept) { sum += reinterpret_cast<uintptr_t>(kept); });
    EXPECT_EQ(sum, 50U * 51 / 2);
    EXPECT_EQ(table.waiting(), 0U);
}

// Against a plain model: a map of bytes. What passes never covers a byte twice, and all that was
// given to the table comes out once.
TEST_F(FragmentTableTest, RandomFragmentsNeverOverlapInWhatPasses) {
    std::mt19937 random(7);
    std::map<uint32_t, std::vector<bool>> seen;
    std::map<uint32_t, bool> given_up_ids;
    for (unsigned round = 0; round < 200'000; ++round) {
        const uint32_t id = random() % 64;
        const unsigned begin = random() % 24 * 8;
        const unsigned length = 8 + random() % 3 * 8;
        const bool more = begin == 0 || random() % 8 != 0;
        const uint32_t known = table.count();
        const std::string result = take(id, range(begin, begin + length, more), round + 1);
        auto& bytes = seen[id];
        bytes.resize(256);
        const bool fresh = std::none_of(bytes.begin() + begin, bytes.begin() + begin + length,
                                        [](bool covered) { return covered; });
        if (result == "pass" || result == "wait") {
            ASSERT_TRUE(fresh);
            ASSERT_FALSE(given_up_ids[id]);
            std::fill_n(bytes.begin() + begin, length, true);
        } else if (result == "fragment_duplicate") {
            ASSERT_FALSE(fresh);
        } else if (result == "fragment_overlap") {
            given_up_ids[id] = true;
        }
        if (table.count() < known) {  // it was whole
            seen.erase(id);
        }
        if (round % 512 == 0) {
            now_ms += FragmentTable::kLifeMs;
            sweep();
            ASSERT_EQ(table.count(), 0U);
            ASSERT_EQ(table.waiting(), 0U);
            seen.clear();
            given_up_ids.clear();
        }
    }
}

}  // namespace
}  // namespace dlb
