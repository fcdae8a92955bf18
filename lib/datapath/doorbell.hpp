// Doorbell: wakes a thread that sleeps on a file descriptor, and costs others one load while it
// does not.
//
//   sleeper:  prepare_sleep(); if (nothing to do) poll(fd(), …); finish_sleep();
//   others:   put work where the sleeper looks; ring();
//
// Ordering: both sides pass a full fence between their store (work, or "I sleep") and their load of
// the other's, so at least one of them sees the other: no work is left lying with its owner asleep.
// Thread safety: prepare_sleep() and finish_sleep() by the sleeper; ring() by any thread.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace dlb {

class Doorbell {
  public:
    Doorbell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        if (fd_ < 0) {
            throw std::system_error(errno, std::generic_category(), "eventfd");
        }
    }
    ~Doorbell() { close(fd_); }
    Doorbell(const Doorbell&) = delete;
    Doorbell& operator=(const Doorbell&) = delete;

    int fd() const { return fd_; }

    void prepare_sleep() {
        asleep_.store(true, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    void finish_sleep() {
        asleep_.store(false, std::memory_order_relaxed);
        eventfd_t rung;
        eventfd_read(fd_, &rung);
    }
    void ring() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (asleep_.load(std::memory_order_relaxed)) {
            eventfd_write(fd_, 1);
        }
    }

  private:
    int fd_;
    std::atomic<bool> asleep_{false};
};

}  // namespace dlb
