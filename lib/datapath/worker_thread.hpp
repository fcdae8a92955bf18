// WorkerThread: the loop around a Worker: when to poll, when to sleep, when to rest.
//
// "busy" polls at all times. "adaptive" sleeps on the queues' file descriptors once nothing has
// come for a while, and wakes with the first packet; where a queue has none, it looks again each
// kBlindSleepUs. Thread safety: run() on the worker's thread; the rest on the control thread.
#pragma once

#include <atomic>
#include <vector>

#include <poll.h>

#include "datapath/doorbell.hpp"
#include "datapath/worker.hpp"

namespace dlb {

struct IdlePolicy {
    bool adaptive = true;
    std::vector<int> wake_fds;     // become readable when a packet waits
    bool all_queues_wake = false;  // every RX queue of the worker has one
};

class WorkerThread {
  public:
    static constexpr unsigned kSpinUs = 20;         // empty polls before the first sleep
    static constexpr unsigned kBlindSleepUs = 700;  // without file descriptors
    static constexpr unsigned kLongSleepMs = 100;   // with them: expiry goes on

    WorkerThread(Worker& worker, Doorbell& bell, IdlePolicy policy);

    void run();  // until quit()

    void quit();
    void pause(bool paused);
    bool paused() const { return paused_.load(std::memory_order_relaxed); }

  private:
    void sleep();
    void clear_errors();
    bool must_stay_awake() const;

    Worker& worker_;
    Doorbell& bell_;
    IdlePolicy policy_;
    std::vector<pollfd> poll_fds_;  // the doorbell's first
    std::atomic<bool> quit_{false};
    std::atomic<bool> paused_{false};
};

}  // namespace dlb
