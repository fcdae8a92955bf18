// TcpLink: one TCP connection of a neighbour's, over Asio.
// Thread safety: the io_context's one thread.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/session.hpp"
#include "bgp/socket_options.hpp"
#include "net/ip_address.hpp"

namespace dlb::bgp {

boost::asio::ip::tcp::endpoint to_asio(const Endpoint& endpoint);
IpAddress from_asio(const boost::asio::ip::address& address);  // ::ffff:a.b.c.d as a.b.c.d

class TcpLink : public std::enable_shared_from_this<TcpLink> {
  public:
    // Called from the io_context only, never from within a call of TcpLink's.
    class Events {
      public:
        virtual void link_connected(LinkId link) = 0;
        virtual void link_received(LinkId link, View bytes) = 0;
        virtual void link_wrote(LinkId link, size_t rest) = 0;
        virtual void link_disconnected(LinkId link, const std::string& why) = 0;
        virtual void link_closed(LinkId link) = 0;  // after close(): all is done

      protected:
        ~Events() = default;
    };

    TcpLink(boost::asio::io_context& io, LinkId id, Events& events);

    void connect(const Endpoint& remote, const std::optional<IpAddress>& local,
                 const SocketRules& rules);
    void adopt(boost::asio::ip::tcp::socket socket);  // one that was accepted
    void send(Bytes bytes);
    // Sends what waits, shuts down, and closes at the neighbour's FIN: a close() at once could make
    // a reset of it, and lose the NOTIFICATION. Only link_closed() comes after this.
    void close();
    void detach();  // closes at once; no event comes any more

    size_t backlog() const { return backlog_; }
    IpAddress local_address() const;

  private:
    Result<void> prepare(const Endpoint& remote, const std::optional<IpAddress>& local,
                         const SocketRules& rules);
    void read();
    void write();
    void begin_shutdown();
    void finish();
    void disconnected(const std::string& why);

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer linger_;
    LinkId id_;
    Events* events_;  // null: detached
    std::array<uint8_t, 65536> buffer_;
    std::deque<Bytes> queue_;
    size_t written_ = 0;  // of the first in the queue
    size_t backlog_ = 0;
    bool connected_ = false;
    bool writing_ = false;
    bool closing_ = false;
    bool finished_ = false;
};

}  // namespace dlb::bgp
