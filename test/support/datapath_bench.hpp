// DatapathBench: a worker's tables and flows without a worker: services in, classified packets and
// paths out. No EAL.
//
// Port 0 is 10.0.0.106/24 and 2001:db8::106/64 with both gateways known; port 1 has VLAN 7, the
// addresses 172.16.0.106 and 2001:db8:16::106, and leads to 172.16.0.0/16 and 2001:db8:16::/48, on
// the link. Thread safety: one thread.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "datapath/classify.hpp"
#include "datapath/flow_engine.hpp"
#include "support/model_helpers.hpp"
#include "support/packet_builder.hpp"

namespace dlb::test {

inline MacAddress mac(const std::string& text) {
    return MacAddress::parse(text).value();
}

inline Route route(const std::string& prefix, const std::string& gateway, uint16_t port) {
    Route route;
    route.prefix = Prefix::parse(prefix).value();
    if (!gateway.empty()) {
        route.gateway = ip(gateway);
    }
    route.port = port;
    return route;
}

class DatapathBench {
  public:
    explicit DatapathBench(const std::vector<ServiceConfig>& services, uint32_t capacity = 1024,
                           WorkerIdentity identity = {})
        : model(addresses({"10.0.0.106", "2001:db8::106"})),
          self(identity),
          engine(identity, capacity, allocate_pages, counters, by_table) {
        replace(services);
    }

    void replace(const std::vector<ServiceConfig>& services) {
        if (!model.replace(services)) {
            std::abort();
        }
        publish();
    }
    // Freezes the model as it is now.
    void publish() {
        tables.lb = build(model, tables.lb.get());
        tables.hops = NextHops(routes, neighbors, ports, *tables.lb);
        while (pools.size() < tables.lb->snat_addresses.size()) {
            pools.push_back(std::make_unique<SnatPool>(self.id, self.count, excluded));
        }
        tables.snat_pools.assign(self.count, {});
        for (const auto& pool : pools) {
            tables.snat_pools[self.id].push_back(pool.get());
        }
    }

    Packet classified(const PacketBuilder& builder, bool handed_over = false) const {
        const Bytes frame = builder.build();
        Packet packet;
        packet.handed_over = handed_over;
        packet.queues = &queues;
        packet.meta = parse(frame.data(), frame.size());
        if (packet.meta.status != ParseStatus::Ok) {
            std::abort();
        }
        if (packet.meta.family == Family::V4) {
            load_key<V4>(frame.data(), packet);
            classify<V4>(*tables.lb, self, packet);
        } else {
            load_key<V6>(frame.data(), packet);
            classify<V6>(*tables.lb, self, packet);
        }
        return packet;
    }

    // What find_path() and find_reply_path() say, in text: "172.16.0.1:80", the SNAT source before
    // it where there is one, or the verdict's name.
    std::string send(const PacketBuilder& builder) {
        Packet packet = classified(builder);
        return builder.is_v4() ? send_in<V4>(packet) : send_in<V6>(packet);
    }
    FlowEngine::Peek peek(const PacketBuilder& builder) const {
        const Packet packet = classified(builder);
        return builder.is_v4() ? engine.peek<V4>(*tables.lb, packet, now_ms)
                               : engine.peek<V6>(*tables.lb, packet, now_ms);
    }
    // "VIP:port > client:port", or the verdict's name.
    std::string reply(const PacketBuilder& builder) {
        Packet packet = classified(builder);
        return builder.is_v4() ? reply_in<V4>(packet) : reply_in<V6>(packet);
    }
    bool known = false;  // by send(): from a flow
    QueueRule queues{};  // of the packets' port

    uint32_t active(const std::string& endpoint) const { return by_table.active(id_of(endpoint)); }
    // The worker's ports of a SNAT address.
    SnatPool& pool_of(const std::string& address) {
        const auto& all = tables.lb->snat_addresses;
        const auto at = std::find(all.begin(), all.end(), ip(address));
        return *pools.at(static_cast<size_t>(at - all.begin()));
    }
    BackendId id_of(const std::string& endpoint) const {
        for (const ModelService& s : model.services()) {
            for (const ModelBackend& b : s.backends) {
                if (b.config.endpoint() == Endpoint::parse(endpoint)) {
                    return b.id;
                }
            }
        }
        return {};
    }

    LbModel model;
    WorkerIdentity self;
    PortRange excluded;
    std::vector<PortLink> ports = {
        {mac("02:00:00:00:01:06"), 0, 1500, {ip("10.0.0.106"), ip("2001:db8::106")}},
        {mac("02:00:00:00:02:06"), 7, 1500, {ip("172.16.0.106"), ip("2001:db8:16::106")}}};
    std::vector<Route> routes = {route("0.0.0.0/0", "10.0.0.1", 0), route("::/0", "2001:db8::1", 0),
                                 route("172.16.0.0/16", "", 1), route("2001:db8:16::/48", "", 1)};
    std::vector<Neighbor> neighbors = {
        {ip("10.0.0.1"), mac("02:00:00:00:00:01"), 0},
        {ip("2001:db8::1"), mac("02:00:00:00:00:01"), 0},
        {ip("172.16.0.1"), mac("02:00:00:00:16:01"), 1},
        {ip("2001:db8:16::1"), mac("02:00:00:00:16:01"), 1},
    };
    WorkerCounters counters;
    TableCounters by_table;
    FlowEngine engine;
    DataplaneTables tables;
    std::vector<std::unique_ptr<SnatPool>> pools;
    uint32_t now_ms = 0;

  private:
    template <typename F>
    static std::string text(const typename F::Address& address, uint16_t port) {
        return Endpoint{to_ip_address(address), Be16::from_raw(port).host()}.to_string();
    }
    template <typename F>
    std::string send_in(Packet& packet) {
        if (packet.cls != PacketClass::Request) {
            return "not a request";
        }
        const auto path = engine.find_path<F>(tables, packet, now_ms);
        known = path.known;
        if (path.failure != Verdict::Forwarded) {
            return std::string(to_string(path.failure));
        }
        const BackendEntry& backend = *packet.backend;
        const std::string to = text<F>(raw_address<F>(backend.address), backend.port);
        return path.snat_port == 0 ? to : text<F>(path.snat_address, path.snat_port) + " > " + to;
    }
    template <typename F>
    std::string reply_in(Packet& packet) {
        if (packet.cls != PacketClass::NatReply && packet.cls != PacketClass::FnatReply) {
            return "not a reply";
        }
        const auto path = engine.find_reply_path<F>(tables, packet, now_ms);
        if (path.failure != Verdict::Replied) {
            return std::string(to_string(path.failure));
        }
        return text<F>(path.to.source, path.to.source_port) + " > " +
               text<F>(path.to.destination, path.to.destination_port);
    }
};

}  // namespace dlb::test
