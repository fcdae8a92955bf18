#include <array>
#include <charconv>

#include "config/build.hpp"
#include "config/read_values.hpp"

namespace dlb::conf {

namespace {

// "65021:1:2"; nullopt: not `count` numbers. The schema has checked their size.
template <size_t count>
std::optional<std::array<uint32_t, count>> parse_numbers(const std::string& text) {
    std::array<uint32_t, count> numbers{};
    const char* from = text.data();
    const char* const end = from + text.size();
    for (size_t i = 0; i < count; ++i) {
        const auto [next, error] = std::from_chars(from, end, numbers[i]);
        const bool last = i + 1 == count;
        if (error != std::errc() || (last ? next != end : next == end || *next != ':')) {
            return std::nullopt;
        }
        from = last ? next : next + 1;
    }
    return numbers;
}

std::optional<BgpCommunity> parse_community(const std::string& text) {
    const auto numbers = parse_numbers<2>(text);
    return numbers ? std::optional(BgpCommunity{static_cast<uint16_t>((*numbers)[0]),
                                                static_cast<uint16_t>((*numbers)[1])})
                   : std::nullopt;
}

std::optional<BgpLargeCommunity> parse_large_community(const std::string& text) {
    const auto numbers = parse_numbers<3>(text);
    return numbers ? std::optional(BgpLargeCommunity{(*numbers)[0], (*numbers)[1], (*numbers)[2]})
                   : std::nullopt;
}

template <typename T, typename Parse>
void take_list(const Value& table, const char* key, std::vector<T>& out, Parse parse) {
    std::vector<std::string> texts;
    take(table, key, texts);
    for (const std::string& text : texts) {
        out.push_back(parse(text).value_or(T{}));
    }
}

void take_seconds(const Value& table, const char* key, std::chrono::seconds& out) {
    std::chrono::milliseconds time = out;
    take(table, key, time);
    out = std::chrono::floor<std::chrono::seconds>(time);
}

void take_address(const Value& table, const char* key, std::optional<IpAddress>& out) {
    std::string text;
    take(table, key, text);
    out = IpAddress::parse(text);
}

BgpNeighborConfig build_bgp_neighbor(const Value& table) {
    BgpNeighborConfig neighbor;
    take_address(table, "address", neighbor.address);
    std::string prefix;
    take(table, "prefix", prefix);
    neighbor.prefix = Prefix::parse(prefix);
    take(table, "asn", neighbor.asn);
    take(table, "port", neighbor.port);
    take_address(table, "local_address", neighbor.local_address);
    take_seconds(table, "hold_time", neighbor.hold_time);
    take(table, "connect_retry", neighbor.connect_retry);
    take(table, "passive", neighbor.passive);
    take(table, "password", neighbor.password);
    take(table, "password_file", neighbor.password_file);
    take(table, "ttl_security", neighbor.ttl_security);
    take(table, "multihop", neighbor.multihop);
    if (child(table, "families") != nullptr) {
        std::vector<std::string> families;
        take(table, "families", families);
        neighbor.ipv4 = neighbor.ipv6 = false;
        for (const std::string& family : families) {
            (family == "ipv4-unicast" ? neighbor.ipv4 : neighbor.ipv6) = true;
        }
    }
    take(table, "add_path", neighbor.add_path);
    take(table, "extended_next_hop", neighbor.extended_next_hop);
    take(table, "prepend", neighbor.prepend);
    if (const Value* bfd = child(table, "bfd")) {
        take(*bfd, "enabled", neighbor.bfd.enabled);
        take(*bfd, "interval", neighbor.bfd.interval);
        take(*bfd, "multiplier", neighbor.bfd.multiplier);
    }
    return neighbor;
}

IpAddress first_ipv4_of(const std::vector<PortConfig>& ports) {
    for (const PortConfig& port : ports) {
        for (const InterfaceAddress& own : port.address) {
            if (own.address.is_v4()) {
                return own.address;
            }
        }
    }
    return {};
}

std::vector<Endpoint> listen_of(const Value& table) {
    const Value* listen = child(table, "listen");
    if (listen == nullptr) {
        return {*Endpoint::parse("0.0.0.0:179"), *Endpoint::parse("[::]:179")};
    }
    std::string text;
    read(*listen, text);
    const auto endpoint = Endpoint::parse(text);
    return endpoint ? std::vector{*endpoint} : std::vector<Endpoint>{};  // "": nowhere
}

}  // namespace

size_t count_next_hops(const Value& root) {
    std::vector<IpAddress> next_hops;
    if (const Value* bgp = child(root, "bgp")) {
        take(*bgp, "next_hop", next_hops);
    }
    return next_hops.size();
}

BgpConfig build_bgp(const Value& table, const std::vector<PortConfig>& ports) {
    BgpConfig bgp;
    bgp.enabled = true;
    take(table, "enabled", bgp.enabled);
    take(table, "asn", bgp.asn);
    std::optional<IpAddress> router_id;
    take_address(table, "router_id", router_id);
    bgp.router_id = router_id.value_or(first_ipv4_of(ports));
    bgp.listen = listen_of(table);
    std::vector<IpAddress> next_hops;
    take(table, "next_hop", next_hops);
    for (const IpAddress& next_hop : next_hops) {
        (next_hop.is_v4() ? bgp.next_hop4 : bgp.next_hop6) = next_hop;
    }
    std::string announce;
    take(table, "announce", announce);
    bgp.announce = announce == "always" ? BgpAnnounce::Always : BgpAnnounce::Healthy;
    take(table, "aggregate", bgp.aggregate);
    take_list(table, "communities", bgp.communities, parse_community);
    take_list(table, "large_communities", bgp.large_communities, parse_large_community);
    take(table, "med", bgp.med);
    take(table, "local_preference", bgp.local_preference);
    take(table, "link_bandwidth", bgp.link_bandwidth_mbps);
    if (const Value* restart = child(table, "graceful_restart")) {
        take(*restart, "enabled", bgp.graceful_restart.enabled);
        take_seconds(*restart, "restart_time", bgp.graceful_restart.restart_time);
    }
    take_tables(table, "neighbor", bgp.neighbors, build_bgp_neighbor);
    return bgp;
}

}  // namespace dlb::conf
