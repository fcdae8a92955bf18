// ControlPort: one [[port]] with all that belongs to it: the device, its twin in the kernel, and
// what keeps the kernel quiet on the interface that they share.
//
// Errors: open_ports() gives one line that names the mend; all that was opened is closed again
// then. Thread safety: the control thread's.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/config.hpp"
#include "datapath/next_hops.hpp"
#include "eal/port.hpp"
#include "kernel/ingress_guard.hpp"
#include "kernel/membership.hpp"
#include "kernel/tap.hpp"

namespace dlb {

struct ControlPort {
    PortConfig config;
    DeviceString device;
    // In this order, so that the twin goes first at the end and the kernel gets its interface back
    // last.
    std::optional<IngressGuard> guard;
    std::optional<PacketMembership> membership;
    std::optional<Port> port;
    std::optional<Tap> tap;

    PortLink link() const;
};

// What a packet buffer must hold, whichever port its packet comes by.
uint32_t largest_frame_room(const std::vector<PortConfig>& configs);

Result<std::vector<ControlPort>> open_ports(const std::string& name,
                                            const std::vector<PortConfig>& configs,
                                            uint16_t workers, rte_mempool* pool);

}  // namespace dlb
