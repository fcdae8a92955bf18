// lb.toml as validated C++ values, and back.
//
// Errors: load_config() and parse_config() never throw for what a file holds; they return every
// error of the file at once, each with its line and its mend.
// Thread safety: pure functions over plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/bgp_config.hpp"
#include "lb/service_config.hpp"
#include "net/ip_address.hpp"

namespace dlb {

enum class IdleMode : uint8_t { Busy, Adaptive };
enum class LogLevel : uint8_t { Error, Warn, Info, Debug };
enum class LogFormat : uint8_t { Text, Json };

std::string_view to_string(IdleMode mode);
std::string_view to_string(LogLevel level);
std::string_view to_string(LogFormat format);
std::optional<LogLevel> parse_log_level(std::string_view name);
std::optional<LogFormat> parse_log_format(std::string_view name);

struct LbConfig {
    std::string name = "lb1";
    std::vector<unsigned> cores = {1};  // sorted CPU numbers, one worker each
    unsigned control_core = 0;
    IdleMode idle = IdleMode::Adaptive;
    std::string socket;  // effective path: /run/dpdk-lb/NAME.sock unless given
    bool hugepages = true;
    uint32_t memory_mb = 1024;
    uint32_t flow_table_size = 1048576;  // flows per worker
    uint32_t mbufs = 32768;              // all ports together
    std::chrono::milliseconds drain_time = std::chrono::seconds(2);
    std::string user;  // give up root for this user after start-up; "": stay
    LogLevel log_level = LogLevel::Info;
    LogFormat log_format = LogFormat::Text;

    friend bool operator==(const LbConfig&, const LbConfig&) = default;
};

struct StaticNeighbor {
    IpAddress address;
    MacAddress mac;
    friend bool operator==(const StaticNeighbor&, const StaticNeighbor&) = default;
};

struct PortConfig {
    std::string name;
    std::string device;  // a PCI address or a DPDK vdev string
    std::vector<InterfaceAddress> address;
    std::vector<IpAddress> gateway;
    std::string tap;  // default: NAME0 ; "": no twin
    uint16_t mtu = 1500;
    uint16_t vlan = 0;
    bool promiscuous = false;
    std::vector<StaticNeighbor> neighbors;

    friend bool operator==(const PortConfig&, const PortConfig&) = default;
};

struct MetricsConfig {
    std::optional<Endpoint> listen = Endpoint::parse("127.0.0.1:9477");  // none: off

    friend bool operator==(const MetricsConfig&, const MetricsConfig&) = default;
};

struct Config {
    LbConfig lb;
    std::vector<PortConfig> ports;
    std::vector<ServiceConfig> services;
    MetricsConfig metrics;
    BgpConfig bgp;

    friend bool operator==(const Config&, const Config&) = default;
};

struct ConfigError {
    std::string file;
    unsigned line = 0;    // from 1; 0: the file as a whole
    std::string key;      // "service.web.backend.weight"; empty for syntax errors
    std::string problem;  // what is wrong: "weight is -1"
    std::string mend;     // what would be right: "give a whole number from 0 to 65535"

    // "lb.toml:12: service.web.backend.weight: weight is -1; give a whole number from 0 to 65535"
    std::string to_string() const;
};

struct ConfigResult {
    std::optional<Config> config;  // set exactly when errors is empty
    std::vector<ConfigError> errors;
};

// Reads and validates FILE.
ConfigResult load_config(const std::string& file);

// The same for text at hand; `file` is the name that errors show.
ConfigResult parse_config(std::string_view text, const std::string& file);

// The effective configuration as TOML, defaults filled in. Parses back to an equal Config, where it
// has no secret: those are shown as "***", which a file may not have.
std::string dump_config(const Config& config);

// The same as single values, for telling two configurations apart key by key.
struct ConfigValue {
    // "lb.drain_time", "bgp.neighbor.10.0.0.1.asn"; of a service "scheduler", "health.interval"
    std::string key;
    std::string text;  // as TOML: "\"2s\"", "[80, 443]"
    friend bool operator==(const ConfigValue&, const ConfigValue&) = default;
};
// All but ports and services. REQUIRES: values of keys that end in "password" are shown to nobody.
std::vector<ConfigValue> list_settings(const Config& config);
std::vector<ConfigValue> list_values(const ServiceConfig& service);  // without its backends
std::vector<ConfigValue> list_values(const BackendConfig& backend);

// Checks that hold for one service on its own, and against the ports and other services: used for
// the file and for the console's edits alike. Lines are 0.
std::vector<ConfigError> validate_services(const std::vector<ServiceConfig>& services,
                                           const std::vector<PortConfig>& ports);

}  // namespace dlb
