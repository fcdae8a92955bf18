// Reader and Writer: numbers in network byte order, every read bounded.
//
// Errors: a read past the end gives zeroes and sets failed(), which stays set.
// Thread safety: plain values. A Reader does not own its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace dlb::bgp {

using Bytes = std::vector<uint8_t>;
using View = std::span<const uint8_t>;

class Reader {
  public:
    explicit Reader(View bytes) : bytes_(bytes) {}

    size_t left() const { return bytes_.size(); }
    bool done() const { return bytes_.empty(); }
    bool failed() const { return failed_; }

    uint8_t u8() { return static_cast<uint8_t>(number(1)); }
    uint16_t u16() { return static_cast<uint16_t>(number(2)); }
    uint32_t u32() { return number(4); }
    View bytes(size_t size) {  // empty where there are not that many
        if (size > bytes_.size()) {
            failed_ = true;
            bytes_ = {};
            return {};
        }
        const View taken = bytes_.first(size);
        bytes_ = bytes_.subspan(size);
        return taken;
    }
    View rest() { return bytes(left()); }

  private:
    uint32_t number(size_t size) {
        uint32_t value = 0;
        for (const uint8_t byte : bytes(size)) {
            value = value << 8 | byte;
        }
        return value;
    }

    View bytes_;
    bool failed_ = false;
};

class Writer {
  public:
    void u8(uint8_t value) { bytes_.push_back(value); }
    void u16(uint16_t value) {
        u8(static_cast<uint8_t>(value >> 8));
        u8(static_cast<uint8_t>(value));
    }
    void u32(uint32_t value) {
        u16(static_cast<uint16_t>(value >> 16));
        u16(static_cast<uint16_t>(value));
    }
    void bytes(View bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

    // A length field to come: its place, to be handed to close8() or close16() once what it
    // measures is written.
    size_t open8() {
        u8(0);
        return bytes_.size();
    }
    size_t open16() {
        u16(0);
        return bytes_.size();
    }
    void close8(size_t begin) { bytes_[begin - 1] = static_cast<uint8_t>(bytes_.size() - begin); }
    void close16(size_t begin) { set16(begin - 2, bytes_.size() - begin); }
    void set16(size_t at, size_t value) {
        bytes_[at] = static_cast<uint8_t>(value >> 8);
        bytes_[at + 1] = static_cast<uint8_t>(value);
    }

    size_t size() const { return bytes_.size(); }
    View view() const { return bytes_; }
    Bytes take() { return std::move(bytes_); }

  private:
    Bytes bytes_;
};

}  // namespace dlb::bgp
