// Speaker: the BGP speaker over TCP. What the rest of the program uses of lib/bgp.
//
//   Speaker speaker(io, config, log);
//   if (auto started = speaker.start(); !started) …
//   speaker.announce(vip, options);   // once for each who holds it
//   speaker.withdraw(vip);
//
// It imports nothing: what neighbours announce can be looked at and is otherwise of no effect (RFC
// 8212 in spirit), and it announces only what announce() was told.
//
// Thread safety: the io_context's one thread. `done` is called from there, never from within a
// call; the log may be.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/config.hpp"
#include "bgp/route_table.hpp"
#include "bgp/state.hpp"
#include "bgp/tcp_listeners.hpp"
#include "bgp/tcp_peer.hpp"
#include "net/result.hpp"

namespace dlb::bgp {

// How a drain goes: RFC 8326's community, then after `graceful` the withdrawals, then after
// `settle` the Cease.
struct DrainTimes {
    std::chrono::milliseconds graceful{3000};
    std::chrono::milliseconds settle{1000};
};

class Speaker {
  public:
    using Log = std::function<void(const std::string& line)>;  // without secrets

    Speaker(boost::asio::io_context& io, SpeakerConfig config, Log log);
    ~Speaker();
    Speaker(const Speaker&) = delete;
    Speaker& operator=(const Speaker&) = delete;

    // Listens and connects. Errors: what in the configuration cannot work, an address that cannot
    // be bound.
    Result<void> start();

    // One more, one less who wants the prefix announced; the options given last count. Sent once
    // the io_context's present handler returns, all of its changes together, withdrawals first.
    void announce(const Prefix& prefix, RouteOptions options);
    void withdraw(const Prefix& prefix);
    void withdraw_all();
    void routes_complete();               // the first routes are there: see SpeakerConfig
    void set_graceful_shutdown(bool on);  // RFC 8326, on every route

    // For a reload. A neighbour that is to change is removed and added again.
    // Errors: as start(); one is there already; none is there.
    Result<void> add_neighbor(const PeerConfig& config);
    Result<void> remove_neighbor(const IpAddress& neighbor);  // Cease 6/3
    // Those of prefixes whose entry is gone or another are removed as by remove_neighbor().
    // Errors: as start(), and nothing has changed then.
    Result<void> set_dynamic(std::vector<DynamicConfig> dynamic);

    // Errors: no such neighbour, and as Peer::request_refresh().
    Result<void> request_refresh(const IpAddress& neighbor, Family family);
    Result<void> reset(const IpAddress& neighbor, const std::string& text);  // Cease 6/4
    Result<void> reset(const IpAddress& neighbor, const Notification& notification);

    // Leaves for good: `text` is what the neighbours' operators read (RFC 9003). `done` once every
    // connection is closed.
    void drain(const DrainTimes& times, const std::string& text, std::function<void()> done);
    // Leaves for a successor, which starts with SpeakerConfig::restarted: closes without
    // NOTIFICATION, and the neighbours keep the routes (RFC 4724). Before, each session is opened
    // anew, since a neighbour goes by the restart time that it was offered last.
    void upgrade(std::function<void()> done);

    const SpeakerConfig& config() const { return config_; }
    const RouteTable& routes() const { return routes_; }
    std::vector<PeerState> state() const;
    const Peer* find(const IpAddress& neighbor) const;  // null: none
    // By address. `dynamic`: found by a prefix.
    void visit(const std::function<void(const Peer& peer, bool dynamic)>& look) const;
    uint64_t refused_connections() const { return refused_; }

  private:
    Result<void> check() const;
    void take(boost::asio::ip::tcp::socket socket, const IpAddress& from);
    const DynamicConfig* dynamic_of(const IpAddress& from) const;
    std::shared_ptr<TcpPeer> add_dynamic(const IpAddress& from);
    std::shared_ptr<TcpPeer> make_peer(PeerConfig config, bool dynamic);
    void forget_quiet();
    void tell(const Prefix& prefix);
    void send_soon();
    void leave(std::function<void()> done, const std::function<void(Peer&, TimePoint)>& farewell);
    void check_quiet();
    void await_reopened(std::vector<IpAddress> peers, TimePoint until, std::function<void()> done);
    void abandon_all(std::function<void()> done);

    boost::asio::io_context& io_;
    SpeakerConfig config_;
    Log log_;
    std::mt19937 random_{std::random_device{}()};
    RouteTable routes_;
    TcpListeners listeners_;
    std::map<IpAddress, std::shared_ptr<TcpPeer>> peers_;
    std::vector<std::shared_ptr<TcpPeer>> leaving_;  // removed; their last connections close
    boost::asio::steady_timer drain_timer_;
    std::function<void()> left_;
    uint64_t refused_ = 0;
    bool sending_soon_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace dlb::bgp
