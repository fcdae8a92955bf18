#include "control/link_watch.hpp"

#include <spdlog/spdlog.h>

namespace dlb {

LinkWatch::LinkWatch(const std::vector<ControlPort>& ports) : ports_(ports) {
    for (size_t port = 0; port < ports.size(); ++port) {
        if (ports[port].device.borrows_interface()) {
            // 0, which no interface has: it has gone since.
            watched_.push_back({port, interface_index(ports[port].device.interface).value_or(0)});
        }
    }
}

void LinkWatch::look() {
    for (Watched& watched : watched_) {
        const LinkState now = link_state(watched.ifindex);
        if (now != watched.last) {
            watched.last = now;
            tell(watched);
        }
    }
}

void LinkWatch::tell(const Watched& watched) const {
    const ControlPort& port = ports_[watched.port];
    const std::string& interface = port.device.interface;
    switch (watched.last) {
        case LinkState::Up:
            spdlog::info("port '{}': the link of {} is up", port.config.name, interface);
            break;
        case LinkState::Down:
            spdlog::warn("port '{}': the link of {} is down; `ip link show {}` tells more",
                         port.config.name, interface, interface);
            break;
        case LinkState::Gone:
            spdlog::error("port '{}': interface {} is gone; bring it back and restart dpdk-lb",
                          port.config.name, interface);
            break;
    }
}

bool LinkWatch::is_up(size_t port) const {
    for (const Watched& watched : watched_) {
        if (watched.port == port) {
            return link_state(watched.ifindex) == LinkState::Up;
        }
    }
    return ports_[port].port->link_up();
}

}  // namespace dlb
