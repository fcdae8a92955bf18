// [bgp] of lb.toml, as validated values.
//
// Thread safety: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/ip_address.hpp"

namespace dlb {

struct BfdConfig {
    bool enabled = false;
    std::chrono::milliseconds interval{300};  // 10 ms to 1 h, to send and to receive
    unsigned multiplier = 3;                  // 1 to 255

    friend bool operator==(const BfdConfig&, const BfdConfig&) = default;
};

struct BgpNeighborConfig {
    std::optional<IpAddress> address;
    std::optional<Prefix> prefix;  // in place of an address: any neighbour of it, passive
    uint32_t asn = 0;
    uint16_t port = 179;
    std::optional<IpAddress> local_address;
    std::chrono::seconds hold_time{9};  // 0, or 3 to 65535
    std::chrono::milliseconds connect_retry{5000};
    bool passive = false;
    std::string password;  // of TCP MD5; "": none. What password_file holds, where there is one
    std::string password_file;  // "": none
    bool ttl_security = false;
    unsigned multihop = 1;
    bool ipv4 = true, ipv6 = true;  // the families
    bool add_path = false;
    bool extended_next_hop = false;
    unsigned prepend = 0;
    BfdConfig bfd;

    // "10.0.0.109", "172.16.0.0/16"
    std::string name() const { return address ? address->to_string() : prefix->to_string(); }
    friend bool operator==(const BgpNeighborConfig&, const BgpNeighborConfig&) = default;
};

struct BgpCommunity {
    uint16_t asn = 0, value = 0;  // "65021:100"
    friend auto operator<=>(const BgpCommunity&, const BgpCommunity&) = default;
};
struct BgpLargeCommunity {
    uint32_t global = 0, local1 = 0, local2 = 0;  // "65021:1:2"
    friend auto operator<=>(const BgpLargeCommunity&, const BgpLargeCommunity&) = default;
};

struct BgpGracefulRestart {
    bool enabled = true;
    std::chrono::seconds restart_time{120};  // 1 to 4095

    friend bool operator==(const BgpGracefulRestart&, const BgpGracefulRestart&) = default;
};

enum class BgpAnnounce : uint8_t { Healthy, Always };

struct BgpConfig {
    bool enabled = false;  // a [bgp] without `enabled` is
    uint32_t asn = 0;
    IpAddress router_id;           // IPv4
    std::vector<Endpoint> listen;  // without `listen`: port 179 of all addresses, both families
    std::optional<IpAddress> next_hop4, next_hop6;  // none: the session's own address
    BgpAnnounce announce = BgpAnnounce::Healthy;
    std::vector<Prefix> aggregate;
    std::vector<BgpCommunity> communities;
    std::vector<BgpLargeCommunity> large_communities;
    uint32_t med = 0;
    uint32_t local_preference = 100;
    uint32_t link_bandwidth_mbps = 0;  // Mbit/s, of the extended community; 0: not sent
    BgpGracefulRestart graceful_restart;
    std::vector<BgpNeighborConfig> neighbors;

    friend bool operator==(const BgpConfig&, const BgpConfig&) = default;
};

}  // namespace dlb
