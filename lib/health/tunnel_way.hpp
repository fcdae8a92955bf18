// TunnelWay: takes a probe's packets to the VIP on one backend, by the service's tunnel or MAC
// rewrite.
//
// No route of the kernel's leads to a VIP by a backend of our choice. So the probe's socket is
// bound to a port's twin, and its local port says which backend the packets are for; whoever reads
// the twin sends them there. Answers come straight to the socket's address. Thread safety: one
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "health/probe.hpp"
#include "lb/ids.hpp"
#include "net/ip_address.hpp"

namespace dlb {

// What a packet is known by; of ICMP, the echo identifier stands for the port.
struct ProbePort {
    Family family = Family::V4;
    uint8_t protocol = 0;  // IANA's number
    uint16_t port = 0;     // host byte order
    friend bool operator==(const ProbePort&, const ProbePort&) = default;
};

class TunnelWay {
  public:
    struct Start {
        ProbeResult refusal;  // Passed: there is a way
        std::string device;   // to bind to, with an address of it
        IpAddress source;
    };

    // `family`: the VIP's.
    virtual Start start(BackendId backend, Family family) const = 0;
    // From here on, packets from this port to `vip` go to `backend`. False: it is taken, or some of
    // another check may still be on their way.
    virtual bool claim(const ProbePort& port, const IpAddress& vip, BackendId backend) = 0;
    // The socket is closed; what it has sent is not lost.
    virtual void release(const ProbePort& port) = 0;

  protected:
    ~TunnelWay() = default;
};

// A claim for as long as the socket is open.
class TunnelClaim {
  public:
    TunnelClaim() = default;
    TunnelClaim(TunnelWay& way, const ProbePort& port) : way_(&way), port_(port) {}
    TunnelClaim(TunnelClaim&& other) noexcept
        : way_(std::exchange(other.way_, nullptr)), port_(other.port_) {}
    TunnelClaim& operator=(TunnelClaim&& other) noexcept {
        std::swap(way_, other.way_);
        std::swap(port_, other.port_);
        return *this;
    }
    ~TunnelClaim() {
        if (way_ != nullptr) {
            way_->release(port_);
        }
    }
    const ProbePort& port() const { return port_; }

  private:
    TunnelWay* way_ = nullptr;
    ProbePort port_;
};

}  // namespace dlb
