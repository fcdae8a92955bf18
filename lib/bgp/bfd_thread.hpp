// BfdThread: BFD on a thread of its own, used from another one's event loop.
//
//   BfdThread bfd(control_io.get_executor(), [&](const BfdEvent& event) { … });
//   bfd.add(peer, settings, [&](Result<uint32_t> session) { … });
//
// Why a thread (docs/adr/0009-bfd-thread.md): the control loop may be busy for 100 ms with a new
// configuration or a large snapshot. At 50 ms × 3 the peer waits 150 ms, and up to 50 ms of those
// are gone since our last packet: sessions driven by that loop would flap. This thread sleeps but
// for some 20 packets a second and session. It shares the creator's cores, and asks for the lowest
// real-time priority, so that it runs at once when it wakes; a flood gets a bounded share of the
// core (BfdReceiver). Without CAP_SYS_NICE it is an ordinary thread, and BfdReport says so.
//
// Requests are posted to the thread and answered by a post back; nothing here waits. Events come in
// the order in which they happened, on the executor given. No answer and no event comes any more
// once this is destroyed.
// Thread safety: one thread, the executor's; destroy it there too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "bgp/bfd_transport.hpp"
#include "net/result.hpp"

namespace dlb {

class BfdThread {
  public:
    using OnChange = BfdTransport::OnChange;
    using Done = std::function<void(Result<void>)>;  // may be empty

    // Throws std::system_error when the system gives no thread.
    BfdThread(boost::asio::any_io_executor executor, OnChange on_change);
    // Removes each session as remove() does, and joins: bounded by some system calls a session.
    ~BfdThread();
    BfdThread(const BfdThread&) = delete;
    BfdThread& operator=(const BfdThread&) = delete;

    // As in BfdTransport.
    void add(const BfdPeer& peer, const BfdSettings& settings,
             std::function<void(Result<uint32_t>)> done);
    void remove(uint32_t id);
    void change(uint32_t id, const BfdSettings& settings, Done done = {});
    void set_admin_down(uint32_t id, bool down, Done done = {});
    void report(std::function<void(BfdReport)> done);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace dlb
