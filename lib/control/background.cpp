#include "control/background.hpp"

#include <csignal>
#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

namespace dlb {

Background::~Background() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Background::run(Work work) {
    waiting_.push_back(std::move(work));
    if (waiting_.size() == 1) {
        start();
    }
}

void Background::start() {
    const auto work_and_finish = [this, work = waiting_.front()] {
        boost::asio::post(io_, [this, finish = work()] { end(finish); });
    };
    try {
        thread_ = std::thread([work_and_finish] {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_BLOCK, &all, nullptr);
            work_and_finish();
        });
    } catch (const std::system_error& error) {
        spdlog::warn("no thread for a reload ({}): the control thread does it", error.what());
        boost::asio::post(io_, work_and_finish);
    }
}

void Background::end(const Finish& finish) {
    if (thread_.joinable()) {
        thread_.join();  // this was its last act
    }
    waiting_.pop_front();
    // What waits goes on whatever becomes of this one.
    if (!waiting_.empty()) {
        boost::asio::post(io_, [this] { start(); });
    }
    finish();
}

}  // namespace dlb
