#include "config/schema.hpp"

#include <chrono>
#include <string>

#include "config/notation.hpp"
#include "lb/types.hpp"

namespace dlb::conf {

namespace {

using namespace std::chrono_literals;
using Fields = std::vector<Field>;

constexpr int64_t kMost16 = 65535;
constexpr int64_t kMost32 = 4294967295;
constexpr int64_t kMostCount = int64_t{1} << 27;

Field one(std::string_view key, Rule rule, std::string_view help = {},
          std::string_view usual = {}) {
    return {key, Shape::One, std::move(rule), {}, false, help, usual};
}
Field many(std::string_view key, Rule rule, std::string_view help = {},
           std::string_view usual = {}) {
    return {key, Shape::Many, std::move(rule), {}, false, help, usual};
}
Field table(std::string_view key, Fields fields, std::string_view help = {}) {
    return {key, Shape::Table, {}, std::move(fields), false, help, {}};
}
Field tables(std::string_view key, Fields fields, std::string_view help = {}) {
    return {key, Shape::Tables, {}, std::move(fields), false, help, {}};
}
Field required(Field field) {
    field.required = true;
    return field;
}

Field secret(Field field) {
    field.secret = true;
    return field;
}

template <typename Enum>
Rule one_of_enum(unsigned count) {
    std::vector<std::string> names;
    for (unsigned i = 0; i < count; ++i) {
        names.emplace_back(to_string(static_cast<Enum>(i)));
    }
    return one_of(std::move(names));
}

Rule timeout() {
    return duration(100ms, 24h);
}
Rule any_duration() {
    return duration(0ms, 24h);
}
Rule port_number() {
    return integer(1, kMost16);
}
Rule port_or_zero() {
    return integer(0, kMost16);
}

Fields lb_fields() {
    return {one("name", name(kLbNameLength),
                "Names this load balancer, its socket and DPDK's files. Each on one machine needs "
                "its own."),
            one("cores", cores(),
                "The CPUs of the workers. Each worker has one RX queue of every port."),
            one("control_core", integer(0, kLastCpu),
                "The CPU of the control thread. It may be a worker's where idle is adaptive."),
            one("idle", one_of({"busy", "adaptive"}),
                "What a worker does without packets: busy polls on at 100 %, adaptive sleeps."),
            one("socket", socket_path(), "The console's socket, made with mode 0600.",
                "/run/dpdk-lb/NAME.sock"),
            one("hugepages", boolean(),
                "Take memory from hugepages. false takes plain memory, for laptops and CI."),
            one("memory_mb", integer(64, 16777216),
                "DPDK's memory in MiB: packet buffers, and flow tables where there are hugepages."),
            one("flow_table_size", integer(1024, kMostCount), "Flows that a worker can keep."),
            one("mbufs", integer(1024, kMostCount), "Packet buffers, of all ports together."),
            one("drain_time", any_duration(),
                "How long to forward on after SIGTERM or SIGINT before the end."),
            one("user", text(), "The user to run as once started. The empty string stays root."),
            one("log_level", one_of({"error", "warn", "info", "debug"}),
                "The least important messages that are logged."),
            one("log_format", one_of({"text", "json"}),
                "Log lines as text for people, or each as one JSON object.")};
}

Fields port_fields() {
    return {
        required(
            one("name", name(kPortNameLength), "The port's name in the console and in metrics.")),
        required(one("device", device(),
                     "A PCI address, or a DPDK device string such as net_af_packet0,iface=eth0.")),
        many("address", interface_address(),
             "The port's own addresses, each with the length of its subnet's prefix."),
        many("gateway", address(), "Next hops of the default routes, at most one a family."),
        one("tap", interface_name_or_none(),
            "The port's twin in the kernel, which owns the addresses. The empty string: no twin.",
            "NAME0"),
        one("mtu", integer(576, 9216), "The largest IP packet that the port sends, in bytes."),
        one("vlan", integer(0, 4094), "The 802.1Q tag of its packets. 0: untagged."),
        one("promiscuous", boolean(), "Take frames to other MAC addresses too."),
        tables("neighbor",
               {required(one("address", address(),
                             "The address of a neighbour that is not to be asked for.")),
                required(one("mac", mac(), "Its MAC address."))},
               "Neighbours with a fixed MAC address; the others are learned from the kernel.")};
}

Fields health_fields() {
    return {one("type", one_of_enum<HealthType>(kHealthTypes),
                "What is tried: a connection, a request, a datagram, a ping, or a command.",
                "\"none\""),
            one("interval", timeout(), "From one check of a backend to the next."),
            one("timeout", timeout(), "How long one check may take."),
            one("rise", integer(1, kMost16), "Good checks in a row until a backend is up again."),
            one("fall", integer(1, kMost16), "Failed checks in a row until a backend is down."),
            one("port", port_or_zero(), "The port that is checked. 0: the backend's own."),
            one("path", text(), "http and https: the path that is asked for."),
            many("expect", integer(100, 599), "http and https: the status codes of a good answer."),
            one("host", text(),
                "http and https: the Host header. The empty string: the backend's address."),
            one("inside_tunnel", boolean(),
                "Tunnels and dr: check the VIP on the backend, the way that clients' packets go."),
            one("panic_threshold", share(),
                "Where more than this share of the backends fails at once, keep all. 0: off."),
            one("command", text(),
                "exec: run with LB_ADDRESS and LB_PORT set. Exit status 0 is healthy.")};
}

Fields backend_fields() {
    return {required(one("address", address(), "The backend's address.")),
            one("port", port_or_zero(),
                "The port that it listens on. 0: the client's own destination port."),
            one("weight", integer(0, kMost16),
                "Its share of new flows. 0: it takes no new flow and keeps those it has."),
            one("max_connections", integer(0, kMost32), "Flows at most. 0: no bound."),
            one("mac", or_empty(mac()), "vxlan: the MAC address of the backend's VXLAN interface.",
                "\"\"")};
}

Fields service_fields() {
    return {
        required(one("name", name(kServiceNameLength),
                     "The service's name in the console and in metrics.")),
        required(many(
            "vip", prefix(),
            "The addresses that clients use, one or more. A prefix stands for all its addresses.")),
        one("protocol", one_of({"tcp", "udp"}), "The protocol of its packets."),
        many("ports", port_number(), "The destination ports. [] takes every port."),
        one("mode", one_of_enum<Mode>(kModes),
            "How packets get to a backend: by translated addresses, by MAC, or in a tunnel."),
        one("scheduler", one_of_enum<SchedulerKind>(kSchedulers),
            "How a backend is chosen for a new flow."),
        many("snat", address(), "fnat: the addresses that backends see as source.",
             "the port's address"),
        many("tunnel_source", prefix(),
             "Tunnels: the source of the outer packet, at most one a family.",
             "the port's address"),
        one("vni", integer(0, (1 << 24) - 1), "vxlan: the network identifier.", "1"),
        one("tunnel_port", port_number(),
            "gue, fou and vxlan: the UDP destination port of the outer packet.",
            "gue 6080, fou 8285, vxlan 8472"),
        one("sticky", boolean(),
            "Keep flows in the flow table. false goes by the hash alone, without state."),
        one("persistence", any_duration(),
            "How long a client's address keeps its backend. 0s: off."),
        table("timeout",
              {one("tcp_established", timeout(),
                   "How long an established TCP flow is kept without packets."),
               one("tcp_handshake", timeout(),
                   "The same for a TCP flow whose handshake is not complete."),
               one("tcp_fin", timeout(), "The same for a TCP flow that ends."),
               one("udp", timeout(), "The same for a UDP flow.")},
              "How long flows are kept without packets."),
        one("icmp_echo", boolean(), "The VIP answers ping."),
        one("overflow", one_of({"drop", "reset"}),
            "Where no backend takes a new flow: drop its packets, or reset the connection."),
        one("max_new_flows", integer(0, kMost32), "New flows a second at most. 0: no bound."),
        one("mss_clamp", integer(0, kMost16),
            "nat and fnat: the TCP MSS at most, in bytes. 0: as it is.", "0"),
        one("min_backends", integer(0, kMost16),
            "With fewer usable backends the VIP is not announced."),
        table("health", health_fields(), "How the backends are checked."),
        tables("backend", backend_fields(), "The backends."),
        table("discovery",
              {one("type", one_of({"kubernetes", "file", "dns"}), "Where backends come from."),
               one("namespace", text(), "kubernetes: the Service's namespace.", "\"default\""),
               one("name", text(), "The name of what is watched: for kubernetes the Service."),
               one("port", port_or_its_name(), "The port of the backends, or its name.")},
              "Backends that are found, in place of [[service.backend]] or beside them.")};
}

Fields bgp_neighbor_fields() {
    return {
        one("address", address(), "The neighbour's address."),
        one("prefix", prefix(),
            "In place of an address: any neighbour of this prefix, with passive."),
        one("asn", integer(1, kMost32), "The neighbour's AS number."),
        one("port", port_number(), "The TCP port to connect to.", "179"),
        one("local_address", or_empty(address()),
            "The address to connect from. The empty string: the kernel chooses.", "\"\""),
        one("hold_time", any_duration(), "Without a message for so long the session ends.",
            "\"9s\""),
        one("connect_retry", timeout(), "From one attempt to connect to the next.", "\"5s\""),
        one("passive", boolean(), "Wait for the neighbour to connect.", "false"),
        secret(one("password", text(), "The key of TCP MD5.", "\"\"")),
        one("password_file", text(), "A file with that key.", "\"\""),
        one("ttl_security", boolean(), "Take packets with a hop limit of 255 only (GTSM).",
            "false"),
        one("multihop", integer(1, 255), "How many hops away the neighbour may be.", "1"),
        many("families", one_of({"ipv4-unicast", "ipv6-unicast"}),
             "The address families that are announced.", "both"),
        one("add_path", boolean(), "Announce several paths of one prefix.", "false"),
        one("extended_next_hop", boolean(),
            "Announce IPv4 VIPs with an IPv6 next hop where the neighbour can (RFC 8950).",
            "false"),
        one("prepend", integer(0, 16),
            "eBGP: how often the own AS number stands in the path once more.", "0"),
        table("bfd",
              {one("enabled", boolean(), "Watch the neighbour by BFD.", "false"),
               one("interval", duration(10ms, 1h), "From one BFD packet to the next.", "\"300ms\""),
               one("multiplier", integer(1, 255),
                   "The neighbour is gone after so many lost packets.", "3")},
              "Bidirectional forwarding detection, RFC 5880.")};
}

Fields bgp_fields() {
    return {
        one("enabled", boolean(), "Announce VIPs by BGP.", "true where there is a [bgp]"),
        one("asn", integer(1, kMost32), "The AS number of this load balancer."),
        one("router_id", or_empty(ipv4_address()), "The BGP identifier, an IPv4 address.",
            "the first IPv4 address of a port"),
        one("listen", or_empty(endpoint()),
            "Where neighbours may connect to. The empty string: nowhere.", "\"0.0.0.0:179\""),
        many("next_hop", address(), "The next hops that are announced, one a family.",
             "the port's addresses"),
        one("announce", one_of({"healthy", "always"}),
            "healthy announces a VIP while it has a usable backend, always does it in any case.",
            "\"healthy\""),
        many("aggregate", prefix(), "Prefixes to announce in place of the VIPs inside them.", "[]"),
        many("communities", numbers_with_colons(2, kMost16), "Communities of the announced routes.",
             "[]"),
        many("large_communities", numbers_with_colons(3, kMost32),
             "Large communities of the announced routes.", "[]"),
        one("med", integer(0, kMost32), "The multi-exit discriminator of the announced routes.",
            "0"),
        one("local_preference", integer(0, kMost32),
            "iBGP: the local preference of the announced routes.", "100"),
        one("link_bandwidth", integer(0, 1000000),
            "Mbit/s, as a link-bandwidth extended community: routers weigh paths by it. 0: none.",
            "0"),
        table("graceful_restart",
              {one("enabled", boolean(),
                   "Ask neighbours to keep the routes while dpdk-lb restarts.", "true"),
               one("restart_time", any_duration(), "How long they keep them.", "\"120s\"")},
              "Graceful restart, RFC 4724."),
        tables("neighbor", bgp_neighbor_fields(), "A router to announce to.")};
}

}  // namespace

const std::vector<Field>& schema() {
    static const Fields fields = {
        table("lb", lb_fields(), "This load balancer and its process."),
        tables("port", port_fields(), "A port: a device that DPDK drives."),
        tables("service", service_fields(),
               "A service: addresses and ports that clients use, and how backends are chosen."),
        table("bgp", bgp_fields(), "Announcing the VIPs to routers."),
        table("metrics",
              {one("listen", or_empty(endpoint()),
                   "Where Prometheus finds /metrics. The empty string: off.")},
              "Prometheus."),
        table("kubernetes",
              {one("api", text(),
                   "The API server, https://host:port. The empty string: that of the cluster it "
                   "runs in.",
                   "\"\""),
               one("token_file", text(), "A file with the token of a service account.", "\"\""),
               one("ca_file", text(), "A file with the certificates that the server is held to.",
                   "\"\""),
               one("kubeconfig", text(), "A kubeconfig to take all of this from.", "\"\"")},
              "How to reach Kubernetes."),
    };
    return fields;
}

}  // namespace dlb::conf
