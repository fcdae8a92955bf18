// Read-copy-update between the control thread and the workers, over DPDK's quiescent-state based
// reclamation.
//
//   control:  old = tables.exchange(next);  retired.push(std::move(old));  … retired.reclaim();  at
//   each tick worker:   reader.online();  loop { const T* now = tables.read(); … use now …;
//   reader.quiescent(); }
//             reader.offline() before it blocks, or ends
//
// A worker is quiescent where it holds no pointer that it got from an RcuPtr. quiescent() says so;
// an object may go once every online worker has said so after the object was replaced.
//
// Ordering: exchange() is a release, read() an acquire, so a reader sees the whole object.
// quiescent() is a release on the reader's counter and reclaim() acquires it, so all reads of the
// old object come before its destruction. Nothing orders two RcuPtrs with each other: publish
// together what belongs together.
//
// Thread safety: RcuDomain, RcuPtr::exchange and RetireList belong to the control thread; a
// ReaderSlot belongs to one worker. reclaim() never waits. Source: rte_rcu_qsbr.h; the inlined
// start and check are used, not the library's synchronize.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <utility>

#include <rte_rcu_qsbr.h>

namespace dlb {

class RcuDomain {
  public:
    explicit RcuDomain(unsigned readers)
        : readers_(readers),
          state_(static_cast<rte_rcu_qsbr*>(
              ::operator new (rte_rcu_qsbr_get_memsize(readers), std::align_val_t{64}))) {
        rte_rcu_qsbr_init(state_, readers);
        for (unsigned reader = 0; reader < readers; ++reader) {
            rte_rcu_qsbr_thread_register(state_, reader);
        }
    }
    ~RcuDomain() { ::operator delete (state_, std::align_val_t{64}); }
    RcuDomain(const RcuDomain&) = delete;
    RcuDomain& operator=(const RcuDomain&) = delete;

    unsigned readers() const { return readers_; }
    rte_rcu_qsbr* raw() const { return state_; }

    // A token that is passed once every reader has been quiescent from now on.
    uint64_t start_grace_period() { return rte_rcu_qsbr_start(state_); }
    bool passed(uint64_t token) const { return rte_rcu_qsbr_check(state_, token, false) == 1; }

    // How many grace periods this reader has yet to acknowledge; 0 for one that is offline.
    uint64_t lag(unsigned reader) const {
        const uint64_t seen = __atomic_load_n(&state_->qsbr_cnt[reader].cnt, __ATOMIC_ACQUIRE);
        const uint64_t now = __atomic_load_n(&state_->token, __ATOMIC_ACQUIRE);
        return seen == __RTE_QSBR_CNT_THR_OFFLINE || seen > now ? 0 : now - seen;
    }

  private:
    unsigned readers_;
    rte_rcu_qsbr* state_;
};

// A worker's side of the domain.
class ReaderSlot {
  public:
    ReaderSlot(RcuDomain& domain, unsigned reader) : state_(domain.raw()), reader_(reader) {
        assert(reader < domain.readers());
    }
    // A full barrier: reads that follow are not moved before it.
    void online() { rte_rcu_qsbr_thread_online(state_, reader_); }
    void offline() { rte_rcu_qsbr_thread_offline(state_, reader_); }
    // REQUIRES: online; the caller holds no protected pointer.
    void quiescent() { rte_rcu_qsbr_quiescent(state_, reader_); }

  private:
    rte_rcu_qsbr* state_;
    unsigned reader_;
};

template <typename T>
class RcuPtr {
  public:
    const T* read() const { return current_.load(std::memory_order_acquire); }
    // Publishes `next` and gives what was there, which readers may still use.
    std::unique_ptr<const T> exchange(std::unique_ptr<const T> next) {
        return std::unique_ptr<const T>(
            current_.exchange(next.release(), std::memory_order_acq_rel));
    }
    RcuPtr() = default;
    ~RcuPtr() { delete current_.load(std::memory_order_relaxed); }
    RcuPtr(const RcuPtr&) = delete;
    RcuPtr& operator=(const RcuPtr&) = delete;

  private:
    std::atomic<const T*> current_{nullptr};
};

// Things to destroy once no reader can hold them.
// Invariant: tokens do not fall from front to back.
template <typename T>
class RetireList {
  public:
    explicit RetireList(RcuDomain& domain) : domain_(domain) {}

    void push(std::unique_ptr<const T> object) {
        if (object != nullptr) {
            waiting_.push_back({domain_.start_grace_period(), std::move(object)});
        }
    }
    // Destroys what has been passed; gives how many are left.
    size_t reclaim() {
        while (!waiting_.empty() && domain_.passed(waiting_.front().token)) {
            waiting_.pop_front();
        }
        return waiting_.size();
    }
    size_t size() const { return waiting_.size(); }

  private:
    struct Retired {
        uint64_t token;
        std::unique_ptr<const T> object;
    };
    RcuDomain& domain_;
    std::deque<Retired> waiting_;
};

}  // namespace dlb
