// BfdTransport: BFD sessions over UDP, driven by one io_context.
//
// What it does with time: a session's timer goes off at its deadline, and before a session may be
// found silent all sockets are read empty, so that a thread that ran late does not blame its peer.
// Thread safety: the io_context's thread alone. REQUIRES: the io_context runs no handler any more
// once this is being destroyed. BfdThread is what other threads use.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/bfd_socket.hpp"
#include "bgp/bfd_table.hpp"
#include "net/result.hpp"

namespace dlb {

// A session changed its state.
struct BfdEvent {
    uint32_t session = 0;  // as add() gave it
    BfdPeer peer;
    BfdChange change;
    BfdTime at;

    // The path to the peer failed, as far as BFD can tell: it left Up, and not on purpose on either
    // side. What a routing protocol has to act on.
    bool failed() const;
};

// For the console.
struct BfdStatus {
    uint32_t id = 0;  // as add() gave it
    BfdPeer peer;
    BfdSessionStatus session;
    BfdCounters received{};  // by verdict
    uint16_t source_port = 0;
    uint64_t send_failures = 0;
    std::string last_send_error;  // empty: there was none
};
struct BfdReport {
    std::vector<BfdStatus> sessions;
    BfdCounters received{};  // of all packets, those of no session among them
    // How late a timer went off at worst. Where that comes near an interval, sessions that flap do
    // so for want of CPU, not because of the network.
    std::chrono::microseconds latest{0};
    bool real_time = false;  // the thread runs before ordinary ones of its core: see BfdThread
};

class BfdTransport {
  public:
    using OnChange = std::function<void(const BfdEvent&)>;

    BfdTransport(boost::asio::io_context& io, OnChange on_change);

    // Starts a session, and gives the id (its discriminator) that names it from then on.
    Result<uint32_t> add(const BfdPeer& peer, const BfdSettings& settings);
    // Tells the peer AdminDown, once, so that it does not take the silence for a failure.
    void remove(uint32_t id);
    // Error: settings out of range, or no such session.
    Result<void> change(uint32_t id, const BfdSettings& settings);
    Result<void> set_admin_down(uint32_t id, bool down);
    BfdReport report() const;

  private:
    struct Io {
        Io(boost::asio::io_context& io) : sender(io), timer(io) {}
        BfdSender sender;
        boost::asio::steady_timer timer;
        BfdTime armed = BfdTime::max();
    };

    Result<void> open_receiver(Family family, bool multihop);
    void drain();
    void act(BfdTable::Entry& entry, const BfdActions& actions, BfdTime now);
    void arm(uint32_t id, const BfdSession& session);
    void on_timer(uint32_t id);
    uint32_t draw(uint32_t bound);

    boost::asio::io_context& io_;
    OnChange on_change_;
    std::mt19937 random_{std::random_device{}()};
    BfdTable table_;
    std::map<uint32_t, Io> sessions_;
    std::chrono::microseconds latest_{0};
    std::map<std::pair<Family, bool>, std::unique_ptr<BfdReceiver>> receivers_;
};

}  // namespace dlb
