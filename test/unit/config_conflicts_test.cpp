// Values that are right alone and wrong together: within a port, a service, and between them.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config_mistake.hpp"

namespace dlb {
namespace {

std::string second_port(const std::string& lines) {
    return kPort + "[[port]]\n" + lines + "\n";
}
std::string neighbor(const std::string& lines) {
    return port("[[port.neighbor]]\n" + lines);
}
// A service whose own keys all are in `lines`.
std::string service_of(const std::string& lines) {
    return kPort + "[[service]]\n" + lines + "\n";
}
std::string second_service(const std::string& lines) {
    return service("ports = [80, 443]\n[[service]]\n" + lines);
}
// Ports without an address of one family.
const std::string kPortV4 =
    "[[port]]\nname = \"up\"\ndevice = \"net_null0\"\naddress = \"10.0.0.106/24\"\n";

const std::vector<Mistake> kPorts = {
    {"none", "", "port", "there is no port", "[[port]]"},
    {"same_name", second_port("name = \"up\" #!\ndevice = \"net_null1\"\ntap = \"\""),
     "port.up.name", "both have the name 'up'", "of its own"},
    {"same_vdev", second_port("name = \"b\"\ndevice = \"net_null0,copy=1\" #!"), "port.b.device",
     "ports 'up' and 'b' both have device net_null0", "of its own"},
    {"same_pci",
     "[[port]]\nname = \"a\"\ndevice = \"0000:3b:00.0\"\n[[port]]\nname = \"b\"\n"
     "device = \"3B:00.0,arg=1\" #!\n",
     "port.b.device", "device 0000:3b:00.0", "of its own"},
    {"same_interface",
     "[[port]]\nname = \"a\"\ndevice = \"net_af_packet0,iface=eth0\"\n[[port]]\nname = \"b\"\n"
     "device = \"net_af_xdp0,start_queue=1,iface=eth0\" #!\n",
     "port.b.device", "interface eth0", "of its own"},
    {"same_tap", second_port("name = \"b\"\ndevice = \"net_null1\"\ntap = \"up0\" #!"),
     "port.b.tap", "interface up0", "no other interface"},
    {"tap_is_device",
     second_port("name = \"b\"\ndevice = \"net_af_packet0,iface=eth0\"\ntap = \"eth0\" #!"),
     "port.b.tap", "interface eth0 is there twice", "no other interface"},
    {"tap_default_long", "[[port]] #!\nname = \"a23456789012345\"\ndevice = \"net_null0\"\n",
     "port.a23456789012345.tap", "'a234567890123450', which is longer than 15", "give tap"},
    {"same_address",
     second_port("name = \"b\"\ndevice = \"net_null1\"\naddress = \"10.0.0.106/16\" #!"),
     "port.b.address", "both have address 10.0.0.106", "once"},
    {"address_multicast",
     second_port("name = \"b\"\ndevice = \"net_null1\"\naddress = \"224.0.0.1/24\" #!"),
     "port.b.address", "a multicast address", "unicast"},
    {"mtu_v6", port("mtu = 1279 #!"), "port.up.mtu", "too small for the port's IPv6", "1280"},
    {"gateway_second", port("gateway = [\"10.0.0.1\", \"10.0.0.2\"] #!"), "port.up.gateway",
     "10.0.0.2 is the second of its family", "at most one"},
    {"gateway_off_link", port("gateway = \"10.0.1.1\" #!"), "port.up.gateway",
     "10.0.1.1 is in no subnet", "on the link"},
    {"gateway_v6_off_link", port("gateway = \"2001:db8:1::1\" #!"), "port.up.gateway",
     "is in no subnet", "on the link"},
    {"gateway_self", port("gateway = \"10.0.0.106\" #!"), "port.up.gateway", "port's own address",
     "router"},
    {"neighbor_twice",
     neighbor("address = \"10.0.0.1\"\nmac = \"02:00:00:00:00:01\"\n[[port.neighbor]]\n"
              "address = \"10.0.0.1\" #!\nmac = \"02:00:00:00:00:02\""),
     "port.up.neighbor.address", "twice", "one"},
    {"neighbor_multicast", neighbor("address = \"ff02::1\" #!\nmac = \"02:00:00:00:00:01\""),
     "port.up.neighbor.address", "a multicast address", "unicast"},
    {"neighbor_mac_zero", neighbor("address = \"10.0.0.1\"\nmac = \"00:00:00:00:00:00\" #!"),
     "port.up.neighbor.mac", "00:00:00:00:00:00", "unicast MAC"},
    {"neighbor_mac_group", neighbor("address = \"10.0.0.1\"\nmac = \"01:00:5e:00:00:01\" #!"),
     "port.up.neighbor.mac", "01:00:5e:00:00:01", "unicast MAC"},
};

const std::vector<Mistake> kServices = {
    {"no_vip", service_of("name = \"web\"\nvip = [] #!"), "service.web.vip", "no vip", "one"},
    {"vip_multicast", service_of("name = \"web\"\nvip = \"239.1.1.1\" #!"), "service.web.vip",
     "vip 239.1.1.1 is a multicast address", "unicast"},
    {"vip_loopback", service_of("name = \"web\"\nvip = [\"10.1.1.1\",\n\"::1\"] #!"),
     "service.web.vip", "vip ::1 is a loopback address", "unicast"},
    {"vip_unspecified", service_of("name = \"web\"\nvip = \"0.0.0.0\" #!"), "service.web.vip",
     "is the unspecified address", "unicast"},
    {"vip_wide", service_of("name = \"web\"\nvip = \"126.0.0.0/7\" #!"), "service.web.vip",
     "contains a loopback address", "unicast"},
    {"vip_twice", service_of("name = \"web\"\nvip = [\"10.1.1.1\",\n\"10.1.1.1/32\"] #!"),
     "service.web.vip", "twice", "once"},
    {"vip_over_port", service_of("name = \"web\"\nvip = \"10.0.0.64/26\" #!"), "service.web.vip",
     "vip 10.0.0.64/26 contains address 10.0.0.106 of port 'up'", "without it"},
    {"vip_over_gateway",
     port("gateway = \"10.0.0.1\"\n[[service]]\nname = \"web\"\nvip = \"10.0.0.0/29\" #!"),
     "service.web.vip", "contains gateway 10.0.0.1 of port 'up'", "without it"},
    {"ports_twice", service("ports = [80, 443,\n80] #!"), "service.web.ports",
     "port 80 is there twice", "once"},
    {"snat_multicast", service("snat = [\"ff02::1\"] #!"), "service.web.snat", "multicast", ""},
    {"snat_twice", service("snat = [\"10.0.0.7\", \"10.0.0.7\"] #!"), "service.web.snat",
     "snat 10.0.0.7 is there twice", "once"},
    {"tunnel_source_second",
     service("tunnel_source = [\"10.0.0.7\", \"2001:db8::7\", \"10.0.0.8\"] #!"),
     "service.web.tunnel_source", "10.0.0.8 is the second of its family", "at most one"},
    {"tunnel_source_prefix_gue", service("mode = \"gue\"\ntunnel_source = [\"10.9.0.0/16\"] #!"),
     "service.web.tunnel_source", "10.9.0.0/16 is a prefix, and the mode is gue", "only mode ipip"},
    {"tunnel_source_loopback", service("mode = \"ipip\"\ntunnel_source = [\"127.0.0.0/16\"] #!"),
     "service.web.tunnel_source", "loopback", ""},
    {"mss_clamp_dr", service("mode = \"dr\"\nmss_clamp = 1400 #!"), "service.web.mss_clamp",
     "mode dr cannot clamp the MSS", "mode nat or fnat"},
    {"mss_clamp_tunnel", service("mode = \"vxlan\"\nmss_clamp = 1400 #!"), "service.web.mss_clamp",
     "mode vxlan cannot clamp", "mss_clamp = 0"},
    {"mss_clamp_udp", service("protocol = \"udp\"\nmss_clamp = 1400 #!"), "service.web.mss_clamp",
     "udp has no MSS", "mss_clamp = 0"},
    {"fnat_no_source",
     kPortV4 + "[[service]] #!\nname = \"web\"\nvip = \"2001:db8:1::1\"\nmode = \"fnat\"\n",
     "service.web.snat", "no IPv6 source address", "in snat, or to a port"},
    {"family_nat", backend("address = \"2001:db8::9\" #!"), "service.web.backend.address",
     "backend 2001:db8::9 is IPv6", "mode nat keeps the family"},
    {"family_dr", service("mode = \"dr\"\n[[service.backend]]\naddress = \"2001:db8::9\" #!"),
     "service.web.backend.address", "is IPv6 and no vip", "mode ipip"},
    {"tunnel_no_source",
     kPortV4 + kService + "mode = \"ipip\"\n[[service.backend]]\naddress = \"2001:db8::9\" #!\n",
     "service.web.backend.address", "no IPv6 source address", "in tunnel_source, or to a port"},
    {"backend_in_vip_prefix",
     service_of("name = \"web\"\nvip = \"10.0.0.8/29\"\n[[service.backend]]\n"
                "address = \"10.0.0.11\" #!"),
     "service.web.backend.address", "backend 10.0.0.11 lies in the service's own vip 10.0.0.8/29",
     "the server's address"},
    {"backend_is_another_vip",
     service("[[service.backend]]\naddress = \"10.1.1.9\" #!\n[[service]]\nname = \"api\"\n"
             "vip = \"10.1.1.9\""),
     "service.web.backend.address", "backend 10.1.1.9 is a vip of service 'api'",
     "the server's address"},
    {"backend_is_own_address", backend("address = \"10.0.0.106\" #!"),
     "service.web.backend.address", "is the address of port 'up'", "the server's address"},
    {"dr_off_link", service("mode = \"dr\"\n[[service.backend]]\naddress = \"172.16.0.9\" #!"),
     "service.web.backend.address", "in no port's subnet", "on a port's link"},
    {"dr_port",
     service("mode = \"dr\"\nports = [80]\n[[service.backend]]\naddress = \"10.0.0.9\"\n"
             "port = 8080 #!"),
     "service.web.backend.port", "mode dr cannot translate", "set port = 0, or use mode nat"},
    {"vxlan_mac", service("mode = \"vxlan\"\n[[service.backend]] #!\naddress = \"10.9.0.9\"\n"),
     "service.web.backend.mac", "has no unicast mac", "the backend's VXLAN interface"},
    {"vxlan_multicast_mac",
     service("mode = \"vxlan\"\n[[service.backend]]\naddress = \"10.9.0.9\"\n"
             "mac = \"01:00:5e:00:00:01\" #!\n"),
     "service.web.backend.mac", "has no unicast mac", "the backend's VXLAN interface"},
    {"ipip_port",
     service("mode = \"ipip\"\nports = [80]\n[[service.backend]]\naddress = \"10.9.0.9\"\n"
             "port = 8080 #!"),
     "service.web.backend.port", "mode ipip cannot translate", "set port = 0, or use mode nat"},
    {"backend_twice",
     backend("address = \"10.9.0.1\"\nport = 80\n[[service.backend]]\naddress = \"10.9.0.1\" #!\n"
             "port = 80"),
     "service.web.backend.address", "backend 10.9.0.1:80 is there twice", "one"},
    {"backend_multicast", backend("address = \"224.0.0.9\" #!"), "service.web.backend.address",
     "backend 224.0.0.9 is a multicast address", "unicast"},
    {"backend_is_vip", backend("address = \"10.1.1.1\" #!"), "service.web.backend.address",
     "service's own vip", "server's address"},
    {"same_name", second_service("name = \"web\" #!\nvip = \"10.1.1.2\""), "service.web.name",
     "two services are named 'web'", "of its own"},
    {"same_claim", second_service("name = \"api\"\nvip = \"10.1.1.1\" #!\nports = [8080, 443, 80]"),
     "service.api.vip", "services 'web' and 'api' both claim tcp 10.1.1.1, port 443", "another"},
    {"same_claim_every_port",
     service_of("name = \"a\"\nvip = \"10.1.1.0/24\"\n[[service]]\nname = \"b\"\n"
                "vip = [\"10.1.1.1\",\n\"10.1.1.0/24\"] #!"),
     "service.b.vip", "services 'a' and 'b' both claim tcp 10.1.1.0/24, every port", "another"},
};

// What rests on flows, without them.
const std::vector<Mistake> kState = {
    {"lc", service("scheduler = \"lc\" #!\nsticky = false"), "service.web.scheduler",
     "scheduler lc counts connections", "sticky = true"},
    {"wlc_udp", service("scheduler = \"wlc\" #!\nprotocol = \"udp\"\nsticky = false"),
     "service.web.scheduler", "scheduler wlc counts connections", "maglev or sh"},
    {"rr_tcp", service("scheduler = \"rr\" #!\nsticky = false"), "service.web.scheduler",
     "rr would tear TCP connections apart", "sticky = true"},
    {"random_tcp", service("scheduler = \"random\" #!\nsticky = false"), "service.web.scheduler",
     "random would tear", "sticky = true"},
    {"persistence", service("persistence = \"5m\" #!\nsticky = false"), "service.web.persistence",
     "persistence needs flows", "sticky = true"},
    {"max_new_flows", service("max_new_flows = 5 #!\nsticky = false"), "service.web.max_new_flows",
     "counts flows", "sticky = true"},
    {"max_connections",
     service("sticky = false\n[[service.backend]]\naddress = \"10.9.0.1\"\nmax_connections = 9 #!"),
     "service.web.backend.max_connections", "counts connections", "sticky = true"},
};
INSTANTIATE_TEST_SUITE_P(State, ConfigMistake, testing::ValuesIn(kState), case_name);

INSTANTIATE_TEST_SUITE_P(Ports, ConfigMistake, testing::ValuesIn(kPorts), case_name);
INSTANTIATE_TEST_SUITE_P(Services, ConfigMistake, testing::ValuesIn(kServices), case_name);

// What looks like a clash and is none.
TEST(ConfigConflicts, AllowedTogether) {
    for (const std::string& text : {
             second_service("name = \"b\"\nvip = \"10.1.1.1\""),  // every port, and two of them
             second_service("name = \"b\"\nvip = \"10.1.1.1\"\nprotocol = \"udp\"\nports = [80]"),
             second_service("name = \"b\"\nvip = \"10.1.1.0/24\"\nports = [80]"),
             second_service("name = \"b\"\nvip = \"10.1.1.2\"\nports = [80]"),
             service_of("name = \"own\"\nvip = \"10.0.0.106\"\nports = [80]"),
             service_of("name = \"own\"\nvip = \"10.0.0.106\""),
             service("min_backends = 0"),
             port("gateway = [\"10.0.0.1\", \"fe80::1\"]"),
             port("mtu = 1280"),
             kPortV4 + "mtu = 576\n",
             service("mode = \"dr\"\nports = [80, 443]\n[[service.backend]]\n"
                     "address = \"10.0.0.9\"\nport = 443"),
             service("mode = \"ipip\"\n[[service.backend]]\naddress = \"2001:db8:9::9\""),
             backend("address = \"10.9.0.1\"\nport = 80\n[[service.backend]]\n"
                     "address = \"10.9.0.1\"\nport = 81"),
             second_port("name = \"b\"\ndevice = \"net_null1\"\naddress = \"10.0.0.107/24\""),
             second_port("name = \"b\"\ndevice = \"net_null1\"\ntap = \"\"\n[[port]]\n"
                         "name = \"c\"\ndevice = \"net_null2\"\ntap = \"\""),
         }) {
        const ConfigResult result = parse_config(text, "lb.toml");
        EXPECT_TRUE(result.config.has_value()) << text << result.errors.at(0).to_string();
    }
}

// A check that rests on a value in error is not made; the same check of another service is.
TEST(ConfigConflicts, OneMistakeHidesOnlyWhatRestsOnIt) {
    const std::string backend_v6 = "[[service.backend]]\naddress = \"2001:db8::9\"\n";
    const std::string wrong_mode = service("mode = \"rn\" #8\n" + backend_v6);
    const std::string wrong_vip =
        "[[service]]\nname = \"b\"\nvip = \"10.1.1.256\" #14\n" + backend_v6;
    const std::string wrong_backend =
        "[[service]]\nname = \"c\"\nvip = \"10.1.1.3\"\n" + backend_v6;
    const ConfigResult result = parse_config(wrong_mode + wrong_vip + wrong_backend, "lb.toml");
    std::vector<unsigned> lines;
    for (const ConfigError& error : result.errors) {
        lines.push_back(error.line);
    }
    EXPECT_EQ(lines, (std::vector<unsigned>{8, 14, 21}));
}

// The console's edits pass the same checks, without lines.
TEST(ConfigConflicts, ValidateServices) {
    const auto base = parse_config(service("ports = [80]"), "lb.toml").config;
    ASSERT_TRUE(base.has_value());
    EXPECT_TRUE(validate_services(base->services, base->ports).empty());

    std::vector<ServiceConfig> services = base->services;
    services.push_back(services.front());
    services.back().name = "a b";
    services.back().mode = Mode::Vxlan;
    services.back().ports = {0};
    services.back().vip = {*Prefix::parse("10.1.1.1"), *Prefix::parse("224.0.0.1")};
    BackendConfig backend;
    backend.address = *IpAddress::parse("10.0.0.9");
    backend.weight = 70000;
    services.front().backends = {backend, backend};
    services.front().backends[1].weight = 1;
    backend.weight = 1;
    services.back().backends = {backend};

    std::vector<std::string> found;
    for (const ConfigError& error : validate_services(services, base->ports)) {
        EXPECT_EQ(error.line, 0U);
        EXPECT_EQ(error.file, "");
        found.push_back(error.to_string());
    }
    const std::vector<std::string> expected = {
        "service.web.backend.weight: weight is 70000; give a whole number from 0 to 65535",
        "service.web.backend.address: backend 10.0.0.9 is there twice; keep one of the two",
        "service.name: name is \"a b\"; give 1 to 64 letters, digits, '_', '.' or '-'",
        "service.vip: vip 224.0.0.1 is a multicast address; give a unicast address or prefix",
        "service.ports: ports holds 0; give ports from 1 to 65535; ports = [] is every port",
        "service.backend.mac: backend 10.0.0.9 has no unicast mac, and mode vxlan needs one; give "
        "the MAC address of the backend's VXLAN interface",
    };
    EXPECT_EQ(found, expected);
}

TEST(ConfigConflicts, ServicesNamedWhenTheyClash) {
    auto config = parse_config(service("ports = [80]"), "lb.toml").config;
    ASSERT_TRUE(config.has_value());
    config->services.push_back(config->services.front());
    config->services.back().name = "api";
    const auto errors = validate_services(config->services, config->ports);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(
        errors[0].to_string(),
        "service.api.vip: services 'web' and 'api' both claim tcp 10.1.1.1, port 80; give one "
        "of them another vip, protocol or port");
}

}  // namespace
}  // namespace dlb
