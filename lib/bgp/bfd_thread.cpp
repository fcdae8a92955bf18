#include "bgp/bfd_thread.hpp"

#include <csignal>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>
#include <sched.h>

namespace dlb {
namespace {

bool ask_for_real_time() {
    sched_param lowest{};
    lowest.sched_priority = sched_get_priority_min(SCHED_RR);
    return pthread_setschedparam(pthread_self(), SCHED_RR, &lowest) == 0;
}

// Signals are the creator's to handle.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        sigdelset(&all, SIGRTMAX);  // has every thread of dpdk-lb give up its rights
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_;
};

}  // namespace

struct BfdThread::State {
    State(boost::asio::any_io_executor executor, OnChange on_change)
        : executor_(std::move(executor)),
          on_change_(std::make_shared<OnChange>(std::move(on_change))),
          transport_(std::in_place, io_, [this](const BfdEvent& event) {
              answer([event](const OnChange& changed) { changed(event); });
          }) {}

    // On the BFD thread: has `call` run on the creator's, if we are still there then.
    template <typename Call>
    void answer(Call call) {
        boost::asio::post(executor_,
                          [alive = std::weak_ptr(on_change_), call = std::move(call)]() mutable {
                              if (const auto on_change = alive.lock()) {
                                  call(*on_change);
                              }
                          });
    }
    template <typename Call>
    void request(Call call) {
        boost::asio::post(io_, [this, call = std::move(call)]() mutable { call(*transport_); });
    }

    boost::asio::any_io_executor executor_;
    std::shared_ptr<OnChange> on_change_;  // also says, to what was posted, that we are there
    boost::asio::io_context io_{1};
    std::optional<BfdTransport> transport_;  // the BFD thread's
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        io_.get_executor()};
    bool real_time_ = false;  // the BFD thread's
    std::thread thread_;
};

BfdThread::BfdThread(boost::asio::any_io_executor executor, OnChange on_change)
    : state_(std::make_unique<State>(std::move(executor), std::move(on_change))) {
    const SignalsBlocked blocked;
    state_->thread_ = std::thread([state = state_.get()] {
        pthread_setname_np(pthread_self(), "bfd");
        state->real_time_ = ask_for_real_time();
        state->io_.run();
    });
}

BfdThread::~BfdThread() {
    state_->request([&io = state_->io_](BfdTransport& transport) {
        for (const BfdStatus& session : transport.report().sessions) {
            transport.remove(session.id);
        }
        io.stop();
    });
    state_->thread_.join();
    state_->transport_.reset();
}

void BfdThread::add(const BfdPeer& peer, const BfdSettings& settings,
                    std::function<void(Result<uint32_t>)> done) {
    state_->request([state = state_.get(), peer, settings,
                     done = std::move(done)](BfdTransport& transport) mutable {
        state->answer([done = std::move(done),
                       added = transport.add(peer, settings)](const OnChange&) { done(added); });
    });
}

void BfdThread::remove(uint32_t id) {
    state_->request([id](BfdTransport& transport) { transport.remove(id); });
}

void BfdThread::change(uint32_t id, const BfdSettings& settings, Done done) {
    state_->request([state = state_.get(), id, settings,
                     done = std::move(done)](BfdTransport& transport) mutable {
        state->answer(
            [done = std::move(done), result = transport.change(id, settings)](const OnChange&) {
                if (done) {
                    done(result);
                }
            });
    });
}

void BfdThread::set_admin_down(uint32_t id, bool down, Done done) {
    state_->request(
        [state = state_.get(), id, down, done = std::move(done)](BfdTransport& transport) mutable {
            state->answer([done = std::move(done),
                           result = transport.set_admin_down(id, down)](const OnChange&) {
                if (done) {
                    done(result);
                }
            });
        });
}

void BfdThread::report(std::function<void(BfdReport)> done) {
    state_->request(
        [state = state_.get(), done = std::move(done)](BfdTransport& transport) mutable {
            BfdReport report = transport.report();
            report.real_time = state->real_time_;
            state->answer([done = std::move(done), report = std::move(report)](
                              const OnChange&) mutable { done(std::move(report)); });
        });
}

}  // namespace dlb
