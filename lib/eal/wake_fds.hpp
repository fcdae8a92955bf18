// The descriptors that a driver waits on, found by what it opened.
//
// DPDK 22.11's AF_PACKET and AF_XDP drivers have no RX interrupts, but each of their queues is a
// socket that poll(2) takes. They open one a queue, in the queues' order, so the new sockets are
// the queues'. Thread safety: no other thread may open descriptors meanwhile.
#pragma once

#include <vector>

namespace dlb {

// All open descriptors of the process, ascending.
std::vector<int> open_descriptors();

// The sockets that have come since `before`, one a queue; empty unless there are exactly `queues`.
std::vector<int> find_wake_fds(const std::vector<int>& before, unsigned queues);

}  // namespace dlb
