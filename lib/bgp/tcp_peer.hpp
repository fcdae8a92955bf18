// TcpPeer: a Peer with its connections and its timer on an io_context.
// Thread safety: the io_context's one thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/peer.hpp"
#include "bgp/tcp_link.hpp"

namespace dlb::bgp {

class TcpPeer : public std::enable_shared_from_this<TcpPeer>,
                private Transport,
                private TcpLink::Events {
  public:
    TcpPeer(boost::asio::io_context& io, const SpeakerConfig& speaker, PeerConfig config,
            const RouteTable& routes, bool dynamic, std::function<double()> jitter);
    ~TcpPeer() override;

    // Runs an operation of Peer's at the present time.
    template <typename Operation>
    auto with(Operation&& operation) {
        struct Settle {
            TcpPeer& self;
            ~Settle() { self.settle(); }
        } settle{*this};
        return operation(peer_, Clock::now());
    }
    void accept(boost::asio::ip::tcp::socket socket);

    const Peer& peer() const { return peer_; }
    bool dynamic() const { return dynamic_; }
    bool quiet() const { return links_.empty(); }  // no connection, not even one that closes
    size_t backlog() const;

    // A line for the log: without secrets.
    std::function<void(const std::string& line)> on_log;
    std::function<void()> on_quiet;

  private:
    void connect(LinkId link) override;
    void send(LinkId link, Bytes bytes) override;
    void close(LinkId link) override;
    size_t backlog(LinkId link) const override;
    IpAddress local_address(LinkId link) const override;

    void link_connected(LinkId link) override;
    void link_received(LinkId link, View bytes) override;
    void link_wrote(LinkId link, size_t rest) override;
    void link_disconnected(LinkId link, const std::string& why) override;
    void link_closed(LinkId link) override;

    void settle();  // after each event: the timer, the log
    void log_error();
    SocketRules rules() const;
    std::shared_ptr<TcpLink> make_link(LinkId id);

    boost::asio::io_context& io_;
    boost::asio::steady_timer timer_;
    TimePoint armed_ = TimePoint::max();
    uint32_t local_as_;
    bool dynamic_;
    std::map<LinkId, std::shared_ptr<TcpLink>> links_;
    uint64_t errors_ = 0;    // of the session's, already looked at
    std::string last_line_;  // of the log: said once
    Peer peer_;              // last: it refers to the rest
};

}  // namespace dlb::bgp
