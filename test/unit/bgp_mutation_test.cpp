// 10,000 mutations of each type of message, and every prefix of each, through the fuzz target. Each
// input lies alone in a heap block of its very size, so that AddressSanitizer sees a read behind
// it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "bgp/bytes.hpp"
#include "support/bgp_session_lab.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace dlb::bgp {
namespace {

using namespace std::chrono_literals;

void run(const Bytes& input) {
    const auto block = std::make_unique<uint8_t[]>(input.size());
    std::copy(input.begin(), input.end(), block.get());
    LLVMFuzzerTestOneInput(block.get(), input.size());
}

std::vector<std::filesystem::path> corpus() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(BGP_CORPUS)) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

Bytes read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

constexpr size_t kBegin = 1 + 19;  // the format's byte and the header

// The header stays in step with the size, or nothing would ever reach the decoders.
void mend_length(Bytes& input) {
    if (input.size() >= kBegin) {
        input[17] = static_cast<uint8_t>((input.size() - 1) >> 8);
        input[18] = static_cast<uint8_t>(input.size() - 1);
    }
}

void mutate(Bytes& input, std::mt19937& random) {
    const size_t at = kBegin + random() % std::max<size_t>(input.size() - kBegin + 1, 1);
    const auto place = input.begin() + static_cast<ptrdiff_t>(std::min(at, input.size()));
    switch (random() % 5) {
        case 0:
            input[random() % input.size()] = static_cast<uint8_t>(random());
            break;
        case 1:
            if (place != input.end()) {
                *place ^= static_cast<uint8_t>(1 << random() % 8);
            }
            break;
        case 2:
            input.insert(place, 1 + random() % 8, static_cast<uint8_t>(random()));
            break;
        case 3:
            input.erase(place, input.begin() + static_cast<ptrdiff_t>(
                                                   std::min(input.size(), at + random() % 8)));
            break;
        default:
            if (place != input.end()) {
                static constexpr uint8_t kEdges[] = {0,  1,  2,   4,   16,  31,
                                                     32, 33, 127, 128, 129, 255};
                *place = kEdges[random() % std::size(kEdges)];
            }
    }
    mend_length(input);
}

TEST(BgpMutations, EveryPrefix) {
    for (const auto& path : corpus()) {
        const Bytes whole = read_file(path);
        for (size_t size = 0; size <= whole.size(); ++size) {
            Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
            run(cut);
            mend_length(cut);
            run(cut);
        }
    }
}

TEST(BgpMutations, TenThousandOfEachMessage) {
    const auto files = corpus();
    ASSERT_GE(files.size(), 8U);
    for (const auto& path : files) {
        const Bytes seed = read_file(path);
        ASSERT_GE(seed.size(), kBegin) << path;
        std::mt19937 random(4271);
        for (int round = 0; round < 10'000; ++round) {
            Bytes input = seed;
            input[0] = static_cast<uint8_t>(random());
            for (uint32_t i = 1 + random() % 4; i > 0 && input.size() >= kBegin; --i) {
                mutate(input, random);
            }
            run(input);
        }
    }
}

// Whatever comes, a session ends with one NOTIFICATION at most, and can be had again.
TEST(BgpMutations, SessionsInEachState) {
    std::mt19937 random(4271);
    std::vector<Bytes> seeds;
    for (const auto& path : corpus()) {
        seeds.push_back(read_file(path));
    }
    for (int round = 0; round < 6000; ++round) {
        test::SessionLab lab;
        lab.session.start(lab.now);
        lab.session.connected(lab.now, 1);
        if (round % 3 > 0) {
            lab.hear(1, encode_open(test::usual_open()));
        }
        if (round % 3 > 1) {
            lab.hear(1, encode_keepalive());
        }
        lab.did();
        const uint64_t before = lab.session.sent().notifications;
        for (int i = 0; i < 4; ++i) {
            Bytes input = seeds[random() % seeds.size()];
            mutate(input, random);
            lab.session.received(lab.now, 1, View(input).subspan(1));
        }
        ASSERT_LE(lab.session.sent().notifications - before, 1U);
        lab.session.disconnected(lab.now, 1, "closed by the neighbour");
        lab.pass(2s);
        ASSERT_EQ(lab.session.state(), State::Connect);
    }
}

}  // namespace
}  // namespace dlb::bgp
