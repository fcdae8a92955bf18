// The UDP sockets of BFD (RFC 5881 §4 and §5, RFC 5883 §5).
//
// One receiving socket for each family and each port, bound to every address: a packet's own
// addresses, interface and hop limit come with it. One sending socket a session, with a source port
// of its own from 49152 on and hop limit 255. Needs no privilege.
// Errors: one line that names the mend. Thread safety: those of one io_context's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/bfd_table.hpp"
#include "net/result.hpp"

namespace dlb {

class BfdReceiver {
  public:
    using Take = std::function<void(std::span<const uint8_t> payload, const BfdArrival& arrival)>;

    BfdReceiver(boost::asio::io_context& io, Family family, bool multihop, Take take);

    Result<void> open();
    // Reads all there is; in a flood of more than 200,000 datagrams a second, so many of them, so
    // that the thread leaves something of its core to others.
    void drain();

  private:
    void wait();
    bool receive_one();

    boost::asio::ip::udp::socket socket_;
    boost::asio::steady_timer rest_;
    Family family_;
    bool multihop_;
    Take take_;
    BfdTime window_;       // when the budget was last filled up
    unsigned budget_ = 0;  // datagrams
};

class BfdSender {
  public:
    explicit BfdSender(boost::asio::io_context& io) : socket_(io) {}

    using Taken = std::function<bool(uint16_t port)>;

    // `first_port`: where to look for a free source port first, in 49152 to 65535. `taken`: ports
    // that another session has, if with another local address or family.
    Result<void> open(const BfdPeer& peer, uint16_t first_port, const Taken& taken);
    // False, and errno text in last_error(), when the kernel did not take it.
    bool send(std::span<const uint8_t> payload);

    uint16_t source_port() const { return source_port_; }
    uint64_t failures() const { return failures_; }
    const std::string& last_error() const { return last_error_; }  // empty: there was none

  private:
    Result<void> bind(const BfdPeer& peer, uint16_t first_port, const Taken& taken);

    boost::asio::ip::udp::socket socket_;
    boost::asio::ip::udp::endpoint destination_;
    uint16_t source_port_ = 0;
    uint64_t failures_ = 0;
    std::string last_error_;
};

}  // namespace dlb
