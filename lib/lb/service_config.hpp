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

// How the backends of one service are checked; without effect where `type` is None.
struct HealthConfig {
    HealthType type = HealthType::None;
    std::chrono::milliseconds interval = std::chrono::seconds(5);
    std::chrono::milliseconds timeout = std::chrono::seconds(5);  // of one check
    uint16_t rise = 1;                     // good checks in a row until a backend is up again
    uint16_t fall = 3;                     // failed ones in a row until it is down
    uint16_t port = 0;                     // 0: the backend's own
    std::string path = "/";                // http, https
    std::vector<uint16_t> expect = {200};  // http, https: good status codes
    std::string host;                      // http, https: "": the backend's address
    bool inside_tunnel = false;            // tunnels, dr: ask the VIP on the backend
    double panic_threshold = 0;            // more than this share down: keep all; 0: off
    std::string command;                   // exec

    friend bool operator==(const HealthConfig&, const HealthConfig&) = default;
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
    HealthConfig health;
    std::vector<BackendConfig> backends;

    friend bool operator==(const ServiceConfig&, const ServiceConfig&) = default;
};

// Flows that were set up for one of the two can go on with the other.
inline bool forwards_alike(const ServiceConfig& a, const ServiceConfig& b) {
    return a.mode == b.mode && a.snat == b.snat && a.vip == b.vip && a.protocol == b.protocol;
}

}  // namespace dlb
