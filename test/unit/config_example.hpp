// An lb.toml with every key of the contract, and what it means.
#pragma once

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "config/config.hpp"

namespace dlb {

// Every key of the contract, the ones of later versions with values that ask for nothing.
inline const std::string kComplete = R"(# The whole of it.
[lb]
name            = "edge"
cores           = "0-1,4"
control_core    = 1
idle            = "busy"
socket          = "/tmp/lb \"edge\".sock"
hugepages       = false
memory_mb       = 64
flow_table_size = 1024
mbufs           = 1_024
drain_time      = "0s"
user            = "nobody"
log_level       = "debug"
log_format      = "json"

[[port]]
name      = "uplink"
device    = "0000:3b:00.0"
address   = ["10.0.0.106/24", "2001:db8::106/64"]
gateway   = ["10.0.0.1", "fe80::1"]
tap       = "lb-up"
mtu       = 9000
vlan      = 7
promiscuous = true

[[port.neighbor]]
address = "10.0.0.1"
mac     = "02:00:00:00:00:01"

[[port]]
name      = "lan"
device    = "net_af_packet0,iface=eth1"

[[service]]
name      = "web"
vip       = ["10.1.1.1", "10.1.2.0/24", "2001:db8:1::1"]
protocol  = "udp"
ports     = [80, 443]
mode      = "fnat"
scheduler = "maglev"
snat      = ["10.0.0.107"]
tunnel_source = "10.0.0.106"
sticky    = false
persistence = "0s"
timeout   = { tcp_established = "2h", tcp_handshake = "5s", tcp_fin = "500ms", udp = "90s" }
icmp_echo = false
overflow  = "drop"
max_new_flows = 0
mss_clamp = 0
min_backends = 2

  [service.health]
  type     = "http"
  interval = "1s"
  timeout  = "500ms"
  rise     = 2
  fall     = 4
  port     = 8080
  path     = "/healthz?full=1"
  expect   = [200, 204]
  host     = "web.example"
  inside_tunnel   = false
  panic_threshold = 0.5
  command  = ""

  [[service.backend]]
  address         = "172.16.21.2"
  port            = 80
  weight          = 0
  max_connections = 0
  mac             = ""

  [[service.backend]]
  address         = "2001:db8:2::2"

[[service]]
name = "all"
vip  = "10.1.1.1"

[bgp]
enabled    = true
asn        = 65021
router_id  = "10.0.0.106"
listen     = "0.0.0.0:179"
next_hop   = ["10.0.0.106", "2001:db8::106"]
announce   = "healthy"
aggregate  = ["10.1.1.0/24"]
communities = ["65021:100"]
large_communities = ["4200000000:1:2"]
med        = 0
local_preference = 100
graceful_restart = { enabled = true, restart_time = "120s" }

  [[bgp.neighbor]]
  address   = "10.0.0.109"
  asn       = 65021
  port      = 179
  local_address = ""
  hold_time = "9s"
  connect_retry = "5s"
  passive   = false
  password  = ""
  password_file = ""
  ttl_security = false
  multihop  = 1
  families  = ["ipv4-unicast", "ipv6-unicast"]
  add_path  = false
  bfd       = { enabled = false, interval = "300ms", multiplier = 3 }

  [[bgp.neighbor]]
  prefix    = "172.16.0.0/16"
  asn       = 65021
  passive   = true

[metrics]
listen = "[::1]:9100"
)";

inline std::string listing(const ConfigResult& result) {
    std::string out;
    for (const ConfigError& error : result.errors) {
        out += error.to_string() + "\n";
    }
    return out;
}

inline Config parse_good(const std::string& text) {
    const ConfigResult result = parse_config(text, "lb.toml");
    EXPECT_TRUE(result.config.has_value()) << listing(result) << text;
    return result.config.value_or(Config());
}

inline Config complete_config() {
    Config config;
    config.lb.name = "edge";
    config.lb.cores = {0, 1, 4};
    config.lb.control_core = 1;
    config.lb.idle = IdleMode::Busy;
    config.lb.socket = "/tmp/lb \"edge\".sock";
    config.lb.hugepages = false;
    config.lb.memory_mb = 64;
    config.lb.flow_table_size = 1024;
    config.lb.mbufs = 1024;
    config.lb.drain_time = std::chrono::milliseconds(0);
    config.lb.user = "nobody";
    config.lb.log_level = LogLevel::Debug;
    config.lb.log_format = LogFormat::Json;
    PortConfig uplink;
    uplink.name = "uplink";
    uplink.device = "0000:3b:00.0";
    uplink.address = {*InterfaceAddress::parse("10.0.0.106/24"),
                      *InterfaceAddress::parse("2001:db8::106/64")};
    uplink.gateway = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fe80::1")};
    uplink.tap = "lb-up";
    uplink.mtu = 9000;
    uplink.vlan = 7;
    uplink.promiscuous = true;
    uplink.neighbors = {{*IpAddress::parse("10.0.0.1"), *MacAddress::parse("02:00:00:00:00:01")}};
    PortConfig lan;
    lan.name = "lan";
    lan.device = "net_af_packet0,iface=eth1";
    lan.tap = "lan0";
    config.ports = {uplink, lan};
    ServiceConfig web;
    web.name = "web";
    web.vip = {*Prefix::parse("10.1.1.1"), *Prefix::parse("10.1.2.0/24"),
               *Prefix::parse("2001:db8:1::1")};
    web.protocol = Protocol::Udp;
    web.ports = {80, 443};
    web.mode = Mode::Fnat;
    web.snat = {*IpAddress::parse("10.0.0.107")};
    web.tunnel_source = {*Prefix::parse("10.0.0.106")};
    web.sticky = false;
    web.timeout = {std::chrono::hours(2), std::chrono::seconds(5), std::chrono::milliseconds(500),
                   std::chrono::seconds(90)};
    web.icmp_echo = false;
    web.min_backends = 2;
    web.health.type = HealthType::Http;
    web.health.interval = std::chrono::seconds(1);
    web.health.timeout = std::chrono::milliseconds(500);
    web.health.rise = 2;
    web.health.fall = 4;
    web.health.port = 8080;
    web.health.path = "/healthz?full=1";
    web.health.expect = {200, 204};
    web.health.host = "web.example";
    web.health.panic_threshold = 0.5;
    web.backends = {{*IpAddress::parse("172.16.21.2"), 80, 0, 0, {}},
                    {*IpAddress::parse("2001:db8:2::2"), 0, 1, 0, {}}};
    ServiceConfig all;
    all.name = "all";
    all.vip = {*Prefix::parse("10.1.1.1")};
    config.services = {web, all};
    config.metrics.listen = Endpoint::parse("[::1]:9100");

    BgpConfig& bgp = config.bgp;
    bgp.enabled = true;
    bgp.asn = 65021;
    bgp.router_id = *IpAddress::parse("10.0.0.106");
    bgp.listen = {*Endpoint::parse("0.0.0.0:179")};
    bgp.next_hop4 = IpAddress::parse("10.0.0.106");
    bgp.next_hop6 = IpAddress::parse("2001:db8::106");
    bgp.aggregate = {*Prefix::parse("10.1.1.0/24")};
    bgp.communities = {{65021, 100}};
    bgp.large_communities = {{4200000000, 1, 2}};
    BgpNeighborConfig& router = bgp.neighbors.emplace_back();
    router.address = IpAddress::parse("10.0.0.109");
    router.asn = 65021;
    BgpNeighborConfig& pods = bgp.neighbors.emplace_back();
    pods.prefix = Prefix::parse("172.16.0.0/16");
    pods.asn = 65021;
    pods.passive = true;
    return config;
}

}  // namespace dlb
