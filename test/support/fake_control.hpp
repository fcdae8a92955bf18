// A ControlApi with canned answers, for tests of what is built on it. Its data are a busy load
// balancer's: IPv6, 12-digit counters, several services.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control/api.hpp"

namespace dlb {

class FakeControl : public ControlApi {
  public:
    FakeControl() {
        make_ports();
        make_services();
        make_flows();
    }

    // Answers; tests change them as they like.
    VersionInfo version_info = {"0.1.0", "22.11.7", "lb1", 93784.5};
    std::string toml = "[lb]\nname = \"lb1\"\n";
    std::vector<PortStatus> port_list;
    std::vector<std::pair<std::string, uint64_t>> xstats = {{"rx_good_packets", 123456789012},
                                                            {"rx_q0_errors", 0}};
    std::vector<WorkerStatus> worker_list;
    std::vector<ServiceStatus> service_list;
    std::vector<BackendStatus> backend_list;
    std::vector<NeighborStatus> neighbor_list;
    std::vector<RouteStatus> route_list;
    std::vector<MemoryStatus> memory_list;
    std::vector<std::string> log_lines;
    std::vector<std::pair<std::string, uint64_t>> drop_list = {{"no_service", 0},
                                                               {"no_backend", 1234},
                                                               {"no_neighbor", 17},
                                                               {"bad_checksum", 0},
                                                               {"too_big", 987654321098}};
    std::vector<FlowStatus> flow_list;
    std::vector<HealthStatus> health_list;
    ReloadStatus reloads;
    BgpStatus bgp_status;
    std::vector<BgpRouteStatus> bgp_route_list;
    std::map<IpAddress, std::vector<BgpReceivedRoute>> bgp_heard;  // by neighbour
    Explanation explanation;
    ReloadPlan plan = {{{ChangeAction::Changed,
                         "web",
                         endpoint("172.16.21.2:80"),
                         {{"weight", "1", "5", true}},
                         false,
                         0}},
                       {{"web", 0.334, false, false, 0, 0}},
                       {"VIP 10.1.1.1 is withdrawn by hand"}};
    // The commit that waits, as Control keeps it.
    std::optional<std::chrono::milliseconds> confirm_within;
    uint64_t connections = 12;  // of a backend that drains

    std::string edit_error;  // not empty: every edit fails with it
    // Keep the callbacks of flows(), explain(), await_drained() and the reloads.
    bool hold = false;
    std::function<bool()> drain_wanted;
    DrainQuery drain_query;
    std::vector<std::function<void()>> held;
    std::vector<std::string> calls;  // what was asked to change, in order
    ServiceConfig added_service;
    BackendConfig added_backend;
    std::optional<uint16_t> given_port;
    uint32_t given_weight = 0;
    FlowQuery flow_query;
    ExplainQuery explain_query;
    CaptureQuery capture_query;
    Result<CaptureReport> capture_result = CaptureReport{"/tmp/x.pcap", 1000, 3, 123456, "count"};

    VersionInfo version() const override { return version_info; }
    std::string config_toml() const override { return toml; }
    std::vector<PortStatus> ports() const override { return port_list; }
    std::optional<std::vector<std::pair<std::string, uint64_t>>> port_xstats(
        const std::string& port) const override {
        const bool known = std::any_of(port_list.begin(), port_list.end(),
                                       [&](const PortStatus& each) { return each.name == port; });
        return known ? std::optional(xstats) : std::nullopt;
    }
    std::vector<WorkerStatus> workers() const override { return worker_list; }
    std::vector<ServiceStatus> services() const override { return service_list; }
    std::vector<BackendStatus> backends(const std::string& service = {}) const override {
        std::vector<BackendStatus> found = backend_list;
        std::erase_if(found, [&](const BackendStatus& backend) {
            return !service.empty() && backend.service != service;
        });
        return found;
    }
    bool visit_services(size_t& from, size_t count,
                        const std::function<void(const ServiceView&)>& visit) const override {
        for (; count > 0 && from < service_list.size(); --count, ++from) {
            const ServiceStatus& s = service_list[from];
            visit({s.config, s.announced, s.packets, s.bytes, s.new_flows});
        }
        return from < service_list.size();
    }
    bool visit_backends(BackendCursor& from, size_t count,
                        const std::function<void(const BackendView&)>& visit) const override {
        for (; from.service < service_list.size(); ++from.service, from.backend = 0) {
            size_t index = 0;
            for (const BackendStatus& b : backend_list) {
                if (b.service != service_list[from.service].config.name || index++ < from.backend) {
                    continue;
                }
                if (count-- == 0) {
                    return true;
                }
                visit({b.service, b.config, b.state, b.active_connections, b.packets, b.bytes});
                ++from.backend;
            }
        }
        return false;
    }
    std::vector<NeighborStatus> neighbors() const override { return neighbor_list; }
    std::vector<RouteStatus> routes() const override { return route_list; }
    std::vector<MemoryStatus> memory() const override { return memory_list; }
    std::vector<std::string> log(unsigned lines) const override {
        const size_t count = std::min<size_t>(lines, log_lines.size());
        return {log_lines.end() - static_cast<ptrdiff_t>(count), log_lines.end()};
    }
    std::vector<std::pair<std::string, uint64_t>> drops() const override { return drop_list; }
    std::vector<HealthStatus> health() const override { return health_list; }
    ReloadStatus reload_status() const override { return reloads; }
    uint64_t flow_count(const std::string& service) const override {
        return service.empty() ? flow_list.size()
                               : static_cast<uint64_t>(std::count_if(
                                     flow_list.begin(), flow_list.end(),
                                     [&](const FlowStatus& f) { return f.service == service; }));
    }
    void flows(const FlowQuery& query, std::function<void(std::vector<FlowStatus>)> done) override {
        flow_query = query;
        std::vector<FlowStatus> found;
        for (const FlowStatus& flow : flow_list) {
            if ((query.service.empty() || flow.service == query.service) &&
                found.size() < query.limit) {
                found.push_back(flow);
            }
        }
        answer([done, found] { done(found); });
    }
    void explain(const ExplainQuery& query, std::function<void(Explanation)> done) override {
        explain_query = query;
        answer([done, explained = explanation] { done(explained); });
    }

    void capture(const CaptureQuery& query,
                 std::function<void(Result<CaptureReport>)> done) override {
        capture_query = query;
        answer([done, result = capture_result] { done(result); });
    }

    Status add_service(const ServiceConfig& service) override {
        added_service = service;
        return edit("add_service " + service.name);
    }
    Status del_service(const std::string& service) override {
        return edit("del_service " + service);
    }
    Status add_backend(const std::string& service, const BackendConfig& backend) override {
        added_backend = backend;
        return edit("add_backend " + service);
    }
    Status del_backend(const std::string& service, const IpAddress& address,
                       std::optional<uint16_t> port) override {
        given_port = port;
        return edit("del_backend " + service + " " + address.to_string());
    }
    Status set_weight(const std::string& service, const IpAddress& address,
                      std::optional<uint16_t> port, uint32_t weight) override {
        given_port = port;
        given_weight = weight;
        return edit("set_weight " + service + " " + address.to_string());
    }
    Status set_draining(const std::string& service, const IpAddress& address,
                        std::optional<uint16_t> port, bool draining) override {
        given_port = port;
        return edit((draining ? "drain " : "undrain ") + service + " " + address.to_string());
    }
    void await_drained(const DrainQuery& query, std::function<bool()> wanted,
                       std::function<void(Result<DrainResult>)> done) override {
        drain_query = query;
        drain_wanted = std::move(wanted);
        answer([this, done] { done(DrainResult{connections, false}); });
    }
    BgpStatus bgp() const override { return bgp_status; }
    std::vector<BgpRouteStatus> bgp_routes() const override { return bgp_route_list; }
    std::optional<std::vector<BgpReceivedRoute>> bgp_received(
        const IpAddress& neighbor) const override {
        const auto found = bgp_heard.find(neighbor);
        return found == bgp_heard.end() ? std::nullopt : std::optional(found->second);
    }
    Status reset_bgp(const IpAddress& neighbor) override {
        return edit("reset bgp " + neighbor.to_string());
    }
    Status refresh_bgp(const IpAddress& neighbor) override {
        return edit("refresh bgp " + neighbor.to_string());
    }
    Status set_announced(const Prefix& vip, bool announced) override {
        return edit((announced ? "announce " : "withdraw ") + vip.to_string());
    }
    Status set_drained(bool drained) override { return edit(drained ? "drain" : "undrain"); }
    void reload(StatusDone done) override {
        answer([done, status = edit("reload")] { done(status); });
    }
    void plan_reload(PlanDone done) override {
        answer([this, done] { edit_error.empty() ? done(plan) : done(Error{edit_error}); });
    }
    ReloadPlan runtime_changes() const override { return plan; }
    void commit_confirmed(std::chrono::milliseconds timeout, StatusDone done) override {
        const Status status =
            confirm_within ? Status(Error{"a commit waits"}) : edit("commit confirmed");
        if (status.ok()) {
            confirm_within = timeout;
        }
        answer([done, status] { done(status); });
    }
    Status confirm() override { return end_commit("commit"); }
    Status roll_back() override { return end_commit("rollback"); }
    std::optional<std::chrono::milliseconds> unconfirmed() const override { return confirm_within; }
    void settled(std::function<void()> done) override { done(); }
    void start() override { calls.emplace_back("start"); }
    void stop() override { calls.emplace_back("stop"); }
    void clear_stats() override { calls.emplace_back("clear_stats"); }
    Status hand_over() override { return edit("hand over"); }
    void shutdown() override { calls.emplace_back("shutdown"); }

  private:
    Status edit(const std::string& call) {
        calls.push_back(call);
        return edit_error.empty() ? Status() : Status(Error{edit_error});
    }
    Status end_commit(const std::string& call) {
        if (!confirm_within) {
            return Error{"no commit waits to be confirmed"};
        }
        confirm_within.reset();
        return edit(call);
    }
    void answer(std::function<void()> call) {
        if (hold) {
            held.push_back(std::move(call));
        } else {
            call();
        }
    }

    static IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
    static Endpoint endpoint(const char* text) { return Endpoint::parse(text).value(); }
    static MacAddress mac(const char* text) { return MacAddress::parse(text).value(); }
    static Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

    void make_ports() {
        PortStatus port;
        port.name = "uplink";
        port.device = "net_af_packet0,iface=eth0";
        port.driver = "net_af_packet";
        port.mac = mac("02:00:00:00:00:06");
        port.link_up = true;
        port.speed_mbps = 25000;
        port.mtu = 1500;
        port.rx_queues = port.tx_queues = 3;
        port.tap = "uplink0";
        port.addresses = {InterfaceAddress::parse("10.0.0.106/24").value(),
                          InterfaceAddress::parse("2001:db8::106/64").value()};
        port.stats = {.rx_packets = 123456789012,
                      .tx_packets = 123456780001,
                      .rx_bytes = 98765432109876,
                      .tx_bytes = 98765432100000,
                      .rx_missed = 123,
                      .rx_errors = 4,
                      .tx_dropped = 56,
                      .rx_pps = 14880952,
                      .tx_pps = 1234,
                      .rx_bps = 9.9e9,
                      .tx_bps = 820000};
        port_list = {port, port};
        port_list[1].name = "downlink";
        port_list[1].link_up = false;
        port_list[1].speed_mbps = 0;
        port_list[1].tap = "";
        port_list[1].addresses = {
            InterfaceAddress::parse("2001:db8:ffff:1:aaaa:bbbb:cccc:106/64").value()};
        port_list[1].stats = {};
        worker_list = {{.id = 0,
                        .core = 1,
                        .queues = {"uplink:0", "downlink:0"},
                        .packets = 61728394506,
                        .cycles_per_packet = 212.34,
                        .busy = 0.873,
                        .flows = 524288,
                        .running = true,
                        .flows_evicted = 7,
                        .verdicts = {{"forwarded", 61728394500}, {"no_service", 6}}},
                       {.id = 1,
                        .core = 2,
                        .queues = {"uplink:1", "downlink:1"},
                        .packets = 61728394506,
                        .cycles_per_packet = 198,
                        .busy = 0.0421,
                        .flows = 1048576,
                        .rcu_lag = 1,
                        .running = true,
                        .verdicts = {}},
                       {.id = 2, .core = 3, .queues = {"uplink:2", "downlink:2"}, .verdicts = {}}};
        neighbor_list = {{ip("10.0.0.1"), mac("02:00:00:00:00:01"), "uplink", "static"},
                         {ip("2001:db8::1"), mac("02:00:00:00:00:01"), "uplink", "reachable"},
                         {ip("172.16.21.9"), {}, "downlink", "incomplete"}};
        route_list = {{prefix("0.0.0.0/0"), ip("10.0.0.1"), "uplink", "config"},
                      {prefix("2001:db8::/64"), std::nullopt, "uplink", "kernel"}};
        memory_list = {{"mbufs", 12345, 32768, "mbufs"},
                       {"flow table v4, worker 0", 524288, 1048576, "flows"},
                       {"heap", 734003200, 1073741824, "bytes"}};
        log_lines = {"10:00:00 info: started", "10:00:01 info: uplink is up",
                     "10:00:02 warn: \x1b[31mstrange"};
    }

    static ServiceStatus service(const char* name, std::vector<Prefix> vip, Protocol protocol,
                                 std::vector<uint16_t> ports, Mode mode) {
        ServiceStatus status;
        status.config.name = name;
        status.config.vip = std::move(vip);
        status.config.protocol = protocol;
        status.config.ports = std::move(ports);
        status.config.mode = mode;
        return status;
    }

    void make_services() {
        service_list = {service("web", {prefix("10.1.1.1"), prefix("2001:db8:1::1")}, Protocol::Tcp,
                                {80, 443}, Mode::Nat),
                        service("dns", {prefix("10.1.2.0/24")}, Protocol::Udp, {53}, Mode::Ipip),
                        service("any", {prefix("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1")},
                                Protocol::Tcp, {}, Mode::Fnat)};
        service_list[0].announced = true;
        service_list[0].vips = {{prefix("10.1.1.1"), true, ""},
                                {prefix("2001:db8:1::1"), true, ""}};
        service_list[1].vips = {{prefix("10.1.2.0/24"), false, "withdrawn by hand"}};
        service_list[0].backends_up = 1;
        service_list[0].packets = 123456789012;
        service_list[0].bytes = 98765432109876;
        service_list[0].new_flows = 123456789;
        service_list[0].pps = 14880952;
        service_list[0].bps = 9.9e9;
        service_list[0].cps = 123456;
        service_list[2].config.snat = {ip("10.0.0.107"), ip("2001:db8::107")};
        backend("web", "172.16.21.2", 80, BackendState::Active, 123456789012);
        backend("web", "172.16.21.3", 0, BackendState::Draining, 1);
        backend("web", "2001:db8:ffff:1:aaaa:bbbb:cccc:2", 8080, BackendState::Down, 0);
        backend("dns", "172.16.21.9", 53, BackendState::Active, 0);
        for (ServiceStatus& each : service_list) {
            for (const BackendStatus& status : backend_list) {
                if (status.service == each.config.name) {
                    each.config.backends.push_back(status.config);
                }
            }
        }
    }

    void backend(const char* of, const char* address, uint16_t port, BackendState state,
                 uint64_t packets) {
        BackendStatus status;
        status.service = of;
        status.config.address = ip(address);
        status.config.port = port;
        status.state = state;
        status.health = state == BackendState::Down ? "down" : "none";
        status.active_connections = packets / 1000000;
        status.packets = packets;
        status.bytes = packets * 800;
        status.next_hop = "10.0.0.9 02:00:00:00:00:09 uplink";
        backend_list.push_back(status);
    }

    void make_flows() {
        FlowStatus flow;
        flow.client = endpoint("198.51.100.7:40000");
        flow.vip = endpoint("10.1.1.1:80");
        flow.backend = endpoint("172.16.21.2:80");
        flow.service = "web";
        flow.state = "established";
        flow.expires_ms = 899000;
        flow_list.push_back(flow);
        flow.worker = 1;
        flow.protocol = Protocol::Udp;
        flow.client = endpoint("[2001:db8:ffff::7]:5353");
        flow.vip = endpoint("[2001:db8:1::1]:53");
        flow.backend = endpoint("[2001:db8:2::9]:53");
        flow.snat = endpoint("[2001:db8::107]:61234");
        flow.service = "";
        flow.state = "udp";
        flow.expires_ms = 1500;
        flow_list.push_back(flow);
        explanation = {"web",
                       endpoint("172.16.21.2:80"),
                       "scheduler",
                       "nat",
                       "10.0.0.9 02:00:00:00:00:09 uplink",
                       "forwarded",
                       {"10.1.1.1:80 tcp is of service web", "no flow in the table of worker 1",
                        "maglev slot 4711 of 65537 holds 172.16.21.2:80"}};
    }
};

}  // namespace dlb
