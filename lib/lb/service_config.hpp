// A service and its backends as an operator describes them: what lb.toml, the console and discovery
// write, and what LbModel keeps. Plain values, comparable, free of run-time state. Thread safety:
// as any plain value.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/types.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct BackendConfig {
    IpAddress address;
    uint16_t port = 0;             // 0: the client's own destination port
    uint32_t weight = 1;           // 0: takes no new flow, keeps the old ones
    uint32_t max_connections = 0;  // 0: no bound
    MacAddress mac;                // vxlan: inner destination; zero: none given

    Endpoint endpoint() const { return {address, port}; }
    friend bool operator==(const BackendConfig&, const BackendConfig&) = default;
};

struct ServiceConfig {
    std::string name;
    std::vector<Prefix> vip;
    Protocol protocol = Protocol::Tcp;
    std::vector<uint16_t> ports;  // empty: every port
    Mode mode = Mode::Nat;
    SchedulerKind scheduler = SchedulerKind::Maglev;
    std::vector<IpAddress> snat;  // fnat: empty: the port's address of the VIP's family
    // At most one a family; empty: the port's address. ipip: the host bits of a prefix carry the
    // flow's hash.
    std::vector<Prefix> tunnel_source;
    uint32_t vni = 1;          // vxlan
    uint16_t tunnel_port = 0;  // gue, fou, vxlan; 0: the mode's default
    bool sticky = true;
    std::chrono::milliseconds persistence{0};  // 0: off
    FlowTimeouts timeout;
    bool icmp_echo = true;
    Overflow overflow = Overflow::Drop;
    uint32_t max_new_flows = 0;  // per second; 0: no bound
    uint16_t mss_clamp = 0;      // nat, fnat: the TCP MSS at most, in bytes; 0: as it is
    uint32_t min_backends = 1;
    std::vector<BackendConfig> backends;

    friend bool operator==(const ServiceConfig&, const ServiceConfig&) = default;
};

}  // namespace dlb
