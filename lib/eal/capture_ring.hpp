// CaptureRing: copies of frames on their way from one worker to the control thread.
//
// Records of any length lie one after the other in a block of bytes. The producer never waits: a
// frame without room is counted. Thread safety: write(), miss() and publish() on one thread; peek()
// and pop() on one other; missed() on any.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace dlb {

enum class CaptureDirection : uint8_t { Received, Sent };

struct CapturedFrame {
    uint64_t tsc = 0;  // when, by rte_rdtsc()
    CaptureDirection direction = CaptureDirection::Received;
    uint32_t length = 0;    // of the frame, bytes
    uint32_t captured = 0;  // of `data`, bytes; at most `length`
    const uint8_t* data = nullptr;
};

class CaptureRing {
  public:
    // `size`: bytes, a power of two. Written here once, so that no page is first touched by a
    // worker.
    explicit CaptureRing(size_t size) : size_(size), bytes_(std::make_unique<uint8_t[]>(size)) {
        assert(std::has_single_bit(size) && size >= 2 * kAlign);
    }
    CaptureRing(const CaptureRing&) = delete;
    CaptureRing& operator=(const CaptureRing&) = delete;

    // Adds a record that `fill(data)` writes `frame.captured` bytes of. False, and a miss: it is
    // full.
    template <typename Fill>
    bool write(const CapturedFrame& frame, Fill fill) {
        const size_t need = record_size(frame.captured);
        const size_t offset = head_ & (size_ - 1);
        const size_t to_end = size_ - offset;
        const size_t skipped = to_end < need ? to_end : 0;  // a record does not wrap around
        if (size_ - (head_ - seen_tail_) < need + skipped) {
            seen_tail_ = tail_.load(std::memory_order_acquire);
            if (size_ - (head_ - seen_tail_) < need + skipped) {
                miss();
                return false;
            }
        }
        if (skipped != 0) {
            header_at(offset) = Header{.tsc = 0, .size = skipped, .length = 0, .captured = kSkip};
            head_ += skipped;
        }
        Header& header = header_at(head_ & (size_ - 1));
        header = Header{frame.tsc, need, frame.length, frame.captured, frame.direction};
        fill(reinterpret_cast<uint8_t*>(&header) + sizeof(Header));
        head_ += need;
        return true;
    }
    // Shows the consumer what was written.
    void publish() { published_.store(head_, std::memory_order_release); }
    void miss() {
        missed_.store(missed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

    // The oldest frame; its data are valid until pop(). False: there is none.
    bool peek(CapturedFrame& frame) {
        uint64_t tail = tail_.load(std::memory_order_relaxed);
        while (tail != published_.load(std::memory_order_acquire)) {
            const Header& header = header_at(tail & (size_ - 1));
            if (header.captured != kSkip) {
                frame = {header.tsc, header.direction, header.length, header.captured,
                         reinterpret_cast<const uint8_t*>(&header) + sizeof(Header)};
                return true;
            }
            tail += header.size;
            tail_.store(tail, std::memory_order_release);
        }
        return false;
    }
    // REQUIRES: peek() gave a frame.
    void pop() {
        const uint64_t tail = tail_.load(std::memory_order_relaxed);
        tail_.store(tail + header_at(tail & (size_ - 1)).size, std::memory_order_release);
    }

    uint64_t missed() const { return missed_.load(std::memory_order_relaxed); }

  private:
    struct Header {
        uint64_t tsc;
        uint64_t size;  // of the record with this header, bytes
        uint32_t length, captured;
        CaptureDirection direction = CaptureDirection::Received;
    };
    static constexpr size_t kAlign = 64;  // a header always fits before the end of the block
    static constexpr uint32_t kSkip = UINT32_MAX;
    static_assert(sizeof(Header) <= kAlign);

    static size_t record_size(uint32_t captured) {
        return (sizeof(Header) + captured + kAlign - 1) & ~(kAlign - 1);
    }
    Header& header_at(size_t offset) { return *reinterpret_cast<Header*>(&bytes_[offset]); }

    const size_t size_;
    std::unique_ptr<uint8_t[]> bytes_;
    // Positions only grow. The producer's, then the consumer's.
    alignas(64) uint64_t head_ = 0;
    uint64_t seen_tail_ = 0;
    std::atomic<uint64_t> missed_{0};
    alignas(64) std::atomic<uint64_t> published_{0};
    alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace dlb
