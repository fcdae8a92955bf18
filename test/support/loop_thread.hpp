// An io_context on a thread of its own, for tests of servers.
#pragma once

#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace dlb {

// Runs `io` until it is destroyed. What happens on it is done by call().
class LoopThread {
  public:
    LoopThread() : work_(io_.get_executor()), thread_([this] { io_.run(); }) {}
    ~LoopThread() {
        io_.stop();
        thread_.join();
    }
    boost::asio::io_context& io() { return io_; }

    // Runs `work` on the thread and waits for it.
    template <typename Work>
    void call(Work work) {
        std::promise<void> done;
        boost::asio::post(io_, [&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }

  private:
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::thread thread_;
};

}  // namespace dlb
