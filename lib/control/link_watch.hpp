// LinkWatch: the links of ports on the kernel's interfaces, as the kernel sees them. DPDK's
// AF_PACKET and AF_XDP drivers say "up" whatever happens.
//
// Thread safety: the control thread's. Never waits.
#pragma once

#include <string>
#include <vector>

#include "control/ports.hpp"
#include "kernel/link.hpp"

namespace dlb {

class LinkWatch {
  public:
    // The ports are open: their interfaces are there.
    explicit LinkWatch(const std::vector<ControlPort>& ports);

    // Logs what has changed. Once a second.
    void look();
    // Any port's link, now.
    bool is_up(size_t port) const;

  private:
    struct Watched {
        size_t port;
        int ifindex;
        LinkState last = LinkState::Up;
    };

    void tell(const Watched& watched) const;

    const std::vector<ControlPort>& ports_;
    std::vector<Watched> watched_;
};

}  // namespace dlb
