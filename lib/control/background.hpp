// Background: work that takes longer than BGP and BFD can be silent, on a thread of its own:
// reading a file of a thousand services, building the tables of as many.
//
// Thread safety: run() and what follows on the thread of the io_context, which outlives it.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include <boost/asio/io_context.hpp>

namespace dlb {

class Background {
  public:
    using Finish = std::function<void()>;
    // Runs on the other thread; what it returns runs on the io_context's. It may touch only what
    // it owns.
    using Work = std::function<Finish()>;

    explicit Background(boost::asio::io_context& io) : io_(io) {}
    ~Background();  // waits for the work under way, which is not finished any more
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    // One at a time: later work starts once what was before is finished.
    void run(Work work);

  private:
    void start();
    void end(const Finish& finish);

    boost::asio::io_context& io_;
    std::deque<Work> waiting_;  // the first one is under way
    std::thread thread_;
};

}  // namespace dlb
