// Capabilities as sets: what this thread has, and what dpdk-lb needs. capabilities(7)
// Thread safety: pure functions, but for own_capabilities(), which is the calling thread's.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include <linux/capability.h>

#include "config/config.hpp"

namespace dlb {

using CapabilitySet = uint64_t;  // a bit each: 1 << CAP_NET_ADMIN

constexpr CapabilitySet capabilities(std::initializer_list<unsigned> list) {
    CapabilitySet set = 0;
    for (const unsigned capability : list) {
        set |= CapabilitySet{1} << capability;
    }
    return set;
}

// The effective ones.
CapabilitySet own_capabilities();

// Without them the start fails: for the ports, and to become `user`.
CapabilitySet capabilities_to_start(const Config& config);
// To go on, reload and end. More than the present services need, as a reload may bring others.
CapabilitySet capabilities_to_run(const Config& config);

// "CAP_NET_ADMIN and CAP_NET_RAW"
std::string capability_names(CapabilitySet set);
// "cap_net_admin,cap_net_raw", as setcap(8) takes it.
std::string setcap_names(CapabilitySet set);

}  // namespace dlb
