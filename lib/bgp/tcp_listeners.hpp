// TcpListeners: where neighbours connect to, with the keys that they sign with.
// Thread safety: the io_context's one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb::bgp {

class TcpListeners {
  public:
    using Keys = std::vector<std::pair<Prefix, std::string>>;  // who signs with which password
    using Accept = std::function<void(boost::asio::ip::tcp::socket socket, const IpAddress& from)>;

    TcpListeners(boost::asio::io_context& io, Accept accept);
    ~TcpListeners();

    // Errors: the address cannot be bound; a key is too long.
    Result<void> listen(const Endpoint& endpoint, const Keys& keys);
    // On all of them. "" takes the key away.
    Result<void> set_key(const Prefix& neighbors, const std::string& password);
    void close();

  private:
    struct Listener;
    void accept(const std::shared_ptr<Listener>& listener);

    boost::asio::io_context& io_;
    Accept accept_;
    std::vector<std::shared_ptr<Listener>> listeners_;
};

}  // namespace dlb::bgp
