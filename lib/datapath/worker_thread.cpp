#include "datapath/worker_thread.hpp"

#include <sys/socket.h>

#include <rte_cycles.h>
#include <rte_pause.h>

namespace dlb {

WorkerThread::WorkerThread(Worker& worker, Doorbell& bell, IdlePolicy policy)
    : worker_(worker), bell_(bell), policy_(std::move(policy)) {
    poll_fds_.push_back({bell_.fd(), POLLIN, 0});
    for (const int fd : policy_.wake_fds) {
        poll_fds_.push_back({fd, POLLIN, 0});
    }
}

void WorkerThread::quit() {
    quit_.store(true, std::memory_order_relaxed);
    bell_.ring();
}

void WorkerThread::pause(bool paused) {
    paused_.store(paused, std::memory_order_relaxed);
    bell_.ring();
}

bool WorkerThread::must_stay_awake() const {
    return quit_.load(std::memory_order_relaxed) || worker_.has_job() ||
           (!paused() && worker_.has_ring_work());
}

void WorkerThread::run() {
    const uint64_t spin = rte_get_tsc_hz() / 1'000'000 * kSpinUs;
    worker_.reader().online();
    uint64_t last_work = rte_rdtsc();
    while (!quit_.load(std::memory_order_relaxed)) {
        if (paused()) {
            worker_.rest_once();
            if (!worker_.has_job()) {
                sleep();
            }
            continue;
        }
        if (worker_.poll_once() != 0) {
            last_work = rte_rdtsc();
        } else if (policy_.adaptive && rte_rdtsc() - last_work > spin) {
            sleep();
        } else {
            rte_pause();
        }
    }
    worker_.reader().offline();
}

// A socket keeps the error of an interface that went down, and would end each sleep at once, until
// it is read.
void WorkerThread::clear_errors() {
    for (const pollfd& polled : poll_fds_) {
        if ((polled.revents & POLLERR) != 0) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(polled.fd, SOL_SOCKET, SO_ERROR, &error, &size);
        }
    }
}

void WorkerThread::sleep() {
    worker_.reader().offline();
    bell_.prepare_sleep();
    if (!must_stay_awake()) {
        const bool listen = !paused();
        const bool deaf = listen && !policy_.all_queues_wake;
        const timespec limit =
            deaf ? timespec{0, kBlindSleepUs * 1000L} : timespec{0, kLongSleepMs * 1'000'000L};
        if (ppoll(poll_fds_.data(), listen ? poll_fds_.size() : 1, &limit, nullptr) > 0) {
            clear_errors();
        }
    }
    bell_.finish_sleep();
    worker_.reader().online();
}

}  // namespace dlb
