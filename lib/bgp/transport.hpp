// Transport: how a Peer reaches its neighbour. lib/bgp has TCP over Asio (tcp_transport.hpp); tests
// have their own.
//
// What happens on a connection comes back as Peer's events, never from within one of these calls.
// Thread safety: one thread.
#pragma once

#include <cstddef>

#include "bgp/session.hpp"
#include "net/ip_address.hpp"

namespace dlb::bgp {

class Transport {
  public:
    virtual ~Transport() = default;
    virtual void connect(LinkId link) = 0;
    virtual void send(LinkId link, Bytes bytes) = 0;
    virtual void close(LinkId link) = 0;            // once all is sent; no more events of this link
    virtual size_t backlog(LinkId link) const = 0;  // bytes that wait for the kernel
    virtual IpAddress local_address(LinkId link) const = 0;  // REQUIRES: connected
};

}  // namespace dlb::bgp
