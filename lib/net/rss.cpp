#include "net/rss.hpp"

#include <bit>

namespace dlb {

std::optional<RssView> RssView::make(std::span<const uint8_t> key,
                                     std::vector<uint16_t> redirection, RssTypes types) {
    if (key.size() < kLeastKey || !std::has_single_bit(redirection.size())) {
        return std::nullopt;
    }
    // Bit n of the input, counted from the first byte's highest, adds the 32 bits of the key that
    // begin at its bit n.
    const auto window = [&](size_t bit) {
        uint64_t five = 0;
        for (size_t i = 0; i < 5; ++i) {
            const size_t at = bit / 8 + i;
            five = five << 8 | (at < key.size() ? key[at] : 0U);
        }
        return static_cast<uint32_t>(five >> (8 - bit % 8));
    };
    auto tables = std::make_shared<ByteTables>();
    for (size_t byte = 0; byte < kHashed; ++byte) {
        for (unsigned value = 0; value < 256; ++value) {
            for (unsigned bit = 0; bit < 8; ++bit) {
                if ((value & 0x80U >> bit) != 0) {
                    tables->share[byte][value] ^= window(byte * 8 + bit);
                }
            }
        }
    }
    RssView view;
    view.bytes_ = std::move(tables);
    view.mask_ = static_cast<uint32_t>(redirection.size() - 1);
    view.redirection_ = std::move(redirection);
    view.types_ = types;
    return view;
}

}  // namespace dlb
