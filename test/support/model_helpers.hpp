// Short ways to write services, backends and addresses in tests. Everything aborts on a bad text.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "lb/model.hpp"
#include "net/flow_key.hpp"

namespace dlb::test {

inline IpAddress ip(const std::string& text) {
    return IpAddress::parse(text).value();
}

// "172.16.0.1:80", "[2001:db8::1]:80"
inline BackendConfig backend(const std::string& endpoint, uint32_t weight = 1) {
    const Endpoint parsed = Endpoint::parse(endpoint).value();
    BackendConfig config;
    config.address = parsed.address;
    config.port = parsed.port;
    config.weight = weight;
    return config;
}

struct ServiceText {
    std::string name;
    std::vector<std::string> vip;
    std::vector<uint16_t> ports;
    std::vector<std::string> backends;
    Mode mode = Mode::Nat;
    Protocol protocol = Protocol::Tcp;
    std::vector<std::string> snat = {};
};

inline ServiceConfig service(const ServiceText& text) {
    ServiceConfig config;
    config.name = text.name;
    for (const std::string& vip : text.vip) {
        config.vip.push_back(Prefix::parse(vip).value());
    }
    config.ports = text.ports;
    config.mode = text.mode;
    config.protocol = text.protocol;
    for (const std::string& endpoint : text.backends) {
        config.backends.push_back(backend(endpoint));
    }
    for (const std::string& address : text.snat) {
        config.snat.push_back(ip(address));
    }
    return config;
}

inline std::vector<IpAddress> addresses(const std::vector<std::string>& texts) {
    std::vector<IpAddress> parsed;
    for (const std::string& text : texts) {
        parsed.push_back(ip(text));
    }
    return parsed;
}

// A port as packets carry it.
inline uint16_t wire(uint16_t port) {
    return Be16(port).raw();
}

}  // namespace dlb::test
