// [service.health]: what a check's type needs, and what it cannot do.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config_mistake.hpp"

namespace dlb {
namespace {

// The service of config_mistake.hpp with these keys of its own, a check and a backend.
std::string health(const std::string& service_keys, const std::string& health_keys,
                   const std::string& backend_keys) {
    // What is missing is reported at its table.
    const bool missing = health_keys.find("#!") == std::string::npos;
    return service(service_keys + "\n[service.health]" + (missing ? " #!" : "") + "\n" +
                   health_keys + "\n[[service.backend]]\naddress = \"10.0.0.2\"\n" + backend_keys);
}
std::string checked(const std::string& health_keys) {
    return health("ports = [80]", health_keys, "port = 80");
}

const std::string kInside = "type = \"tcp\"\ninside_tunnel = true #!";

const std::vector<Mistake> kHealth = {
    {"exec_without_command", checked("type = \"exec\""), "service.web.health.command",
     "type exec has no command", "command = \"/usr/local/bin/check\""},
    {"command_without_exec", checked("type = \"tcp\"\ncommand = \"true\" #!"),
     "service.web.health.command", "the check's type is tcp", "set type = \"exec\""},
    {"zero_in_command", checked("type = \"exec\"\ncommand = \"a\\u0000b\" #!"),
     "service.web.health.command", "command is", "without control characters"},
    {"relative_path", checked("type = \"http\"\npath = \"healthz\" #!"), "service.web.health.path",
     "path is \"healthz\"", "starts with '/'"},
    {"empty_path", checked("type = \"https\"\npath = \"\" #!"), "service.web.health.path",
     "path is \"\"", "starts with '/'"},
    {"space_in_path", checked("type = \"http\"\npath = \"/a b\" #!"), "service.web.health.path",
     "path is \"/a b\"", "%20"},
    {"second_header_in_path", checked("type = \"http\"\npath = \"/\\r\\nX: y\" #!"),
     "service.web.health.path", "path is", "without control characters"},
    {"second_header_in_host", checked("type = \"http\"\nhost = \"a\\r\\nX: y\" #!"),
     "service.web.health.host", "host is", "without control characters"},
    {"space_in_host", checked("type = \"http\"\nhost = \"a b\" #!"), "service.web.health.host",
     "host is \"a b\"", "a host's name alone"},
    {"url_as_host", checked("type = \"http\"\nhost = \"http://a/\" #!"), "service.web.health.host",
     "host is", "a host's name alone"},
    {"no_status", checked("type = \"http\"\nexpect = [] #!"), "service.web.health.expect",
     "names no status", "[200]"},
    {"many_ports", health("ports = [80, 443]", "type = \"tcp\"", ""), "service.web.health.port",
     "which port of backend 10.0.0.2 to check is open", "give health.port"},
    {"every_port", health("", "type = \"http\"", ""), "service.web.health.port", "every port",
     "give health.port, or check by icmp"},
    {"inside_nat",
     service("ports = [80]\n[service.health]\ntype = \"tcp\"\ninside_tunnel = true #!\n"),
     "service.web.health.inside_tunnel", "mode nat has no VIP on its backends",
     "remove inside_tunnel"},
    {"inside_fnat", health("ports = [80]\nmode = \"fnat\"", kInside, ""),
     "service.web.health.inside_tunnel", "mode fnat", "asks the backend's own address"},
    {"program_inside",
     health("ports = [80]\nmode = \"ipip\"",
            "type = \"exec\"\ncommand = \"true\"\ninside_tunnel = true #!", ""),
     "service.web.health.inside_tunnel", "to a program", "set type to tcp"},
    {"many_ports_inside",
     health("ports = [80, 443]\nmode = \"ipip\"", "type = \"tcp\"\ninside_tunnel = true", ""),
     "service.web.health.port", "which port of backend 10.0.0.2 to check is open",
     "give health.port"},
    {"inside_without_twin",
     "[[port]]\nname = \"up\"\ndevice = \"net_null0\"\naddress = [\"10.0.0.106/24\"]\ntap = "
     "\"\"\n" +
         kService + "ports = [80]\nmode = \"ipip\"\n[service.health]\n" + kInside +
         "\n[[service.backend]]\naddress = \"10.0.0.2\"\n",
     "service.web.health.inside_tunnel", "no port with a tap has an IPv4 address",
     "give a port an IPv4 address and a tap"},
    {"inside_without_the_family",
     "[[port]]\nname = \"up\"\ndevice = \"net_null0\"\naddress = [\"10.0.0.106/24\"]\n"
     "[[service]]\nname = \"web\"\nvip = \"2001:db8:1::1\"\nports = [80]\nmode = \"ipip\"\n"
     "[service.health]\n" +
         kInside + "\n[[service.backend]]\naddress = \"10.0.0.2\"\n",
     "service.web.health.inside_tunnel", "IPv6 address to ask vip 2001:db8:1::1 from",
     "give a port an IPv6 address"},
    {"inside_to_ourselves",
     kPort +
         "[[service]]\nname = \"web\"\nvip = \"10.0.0.106\"\nports = [80]\nmode = "
         "\"ipip\"\n[service.health]\n" +
         kInside + "\n[[service.backend]]\naddress = \"10.0.0.2\"\n",
     "service.web.health.inside_tunnel", "vip 10.0.0.106 is the address of port",
     "put another vip first"},
};

class ConfigHealthMistake : public ConfigMistake {};
TEST_P(ConfigHealthMistake, IsOneError) {
    expect_one_error();
}
INSTANTIATE_TEST_SUITE_P(Health, ConfigHealthMistake, testing::ValuesIn(kHealth), case_name);

TEST(ConfigHealth, IsTaken) {
    for (const std::string& text : {
             checked("type = \"tcp\""),
             // A check that takes longer than the interval holds the next one back.
             checked("type = \"tcp\"\ninterval = \"1s\"\ntimeout = \"5s\""),
             health("ports = [80, 443]", "type = \"tcp\"\nport = 8080", ""),
             health("ports = [80, 443]", "type = \"icmp\"", ""),
             health("ports = [80]", "type = \"http\"", ""),
             health("", "type = \"exec\"\ncommand = \"exit 0\"", ""),
             checked("type = \"none\"\npath = \"\""),
             health("ports = [80]\nmode = \"dr\"", "type = \"tcp\"\ninside_tunnel = true", ""),
             health("ports = [80, 443]\nmode = \"gue\"",
                    "type = \"http\"\nport = 80\ninside_tunnel = true", ""),
             health("mode = \"ipip\"", "type = \"icmp\"\ninside_tunnel = true", ""),
         }) {
        const ConfigResult result = parse_config(text, "lb.toml");
        EXPECT_TRUE(result.config.has_value()) << text << result.errors.front().to_string();
    }
}

}  // namespace
}  // namespace dlb
