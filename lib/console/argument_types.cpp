#include "console/argument_types.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "console/words.hpp"

namespace dlb {

namespace {

std::optional<uint32_t> whole_number(std::string_view word, uint32_t least, uint32_t most) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool whole = error == std::errc{} && end == word.data() + word.size() && !word.empty();
    return whole && value >= least && value <= most ? std::optional(value) : std::nullopt;
}

template <uint32_t Least, uint32_t Most>
bool is_number(std::string_view word) {
    return whole_number(word, Least, Most).has_value();
}

template <typename T>
bool parses(std::string_view word) {
    return T::parse(word).has_value();
}

bool is_any(std::string_view word) {
    return !word.empty();
}

// What lb.toml takes as a name too; keeps names apart from options and quotes.
bool is_name(std::string_view word) {
    return !word.empty() && word.size() <= 64 && word.front() != '-' &&
           std::all_of(word.begin(), word.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.' || c == '/' || c == ':';
           });
}

std::vector<std::string> port_names(const ControlApi& control, const Arguments&) {
    std::vector<std::string> names;
    for (const PortStatus& port : control.ports()) {
        names.push_back(port.name);
    }
    return names;
}

std::vector<std::string> service_names(const ControlApi& control, const Arguments&) {
    std::vector<std::string> names;
    for (const ServiceStatus& service : control.services()) {
        names.push_back(service.config.name);
    }
    return names;
}

std::vector<std::string> backend_addresses(const ControlApi& control, const Arguments& before) {
    std::vector<std::string> addresses;
    if (!before.get("SERVICE").empty()) {
        for (const BackendStatus& backend : control.backends(before.get("SERVICE"))) {
            addresses.push_back(backend.config.address.to_string());
        }
    }
    return addresses;
}

std::vector<std::string> backend_ports(const ControlApi& control, const Arguments& before) {
    std::vector<std::string> ports;
    for (const BackendStatus& backend : control.backends()) {
        if (backend.service == before.get("SERVICE") &&
            backend.config.address == IpAddress::parse(before.get("ADDRESS"))) {
            ports.push_back(std::to_string(backend.config.port));
        }
    }
    return ports;
}

std::vector<std::string> bgp_neighbors(const ControlApi& control, const Arguments&) {
    std::vector<std::string> addresses;
    for (const BgpNeighborStatus& neighbor : control.bgp().neighbors) {
        addresses.push_back(neighbor.address.to_string());
    }
    return addresses;
}

std::vector<std::string> served_vips(const ControlApi& control, const Arguments&) {
    std::vector<std::string> vips;
    for (const ServiceStatus& service : control.services()) {
        for (const Prefix& vip : service.config.vip) {
            vips.push_back(vip.to_string());
        }
    }
    return vips;
}

// Not longer than a day: a timer of the control thread's.
std::optional<std::chrono::milliseconds> some_time(std::string_view word) {
    const auto duration = conf::parse_duration(word);
    return duration && duration->count() > 0 && *duration <= std::chrono::hours(24) ? duration
                                                                                    : std::nullopt;
}

template <typename Enum>
std::vector<std::string> enum_names(unsigned count) {
    std::vector<std::string> names;
    for (unsigned i = 0; i < count; ++i) {
        names.emplace_back(to_string(static_cast<Enum>(i)));
    }
    return names;
}

constexpr std::array kTypes = {
    ArgumentType{"service", "the name of a service", is_any, service_names},
    ArgumentType{"port", "the name of a port", is_any, port_names},
    ArgumentType{"name", "a name of up to 64 letters, digits and - _ . / :", is_name},
    ArgumentType{"address", "an IPv4 or IPv6 address", parses<IpAddress>},
    ArgumentType{"backend", "the address of a backend, IPv4 or IPv6", parses<IpAddress>,
                 backend_addresses},
    ArgumentType{"bgp-neighbor", "the address of a BGP neighbor", parses<IpAddress>, bgp_neighbors},
    ArgumentType{"vip", "addresses or prefixes, separated by commas",
                 [](std::string_view word) { return parse_vips(word).ok(); }},
    ArgumentType{"served-vip", "a VIP of a service, or several, separated by commas",
                 [](std::string_view word) { return parse_vips(word).ok(); }, served_vips},
    ArgumentType{"duration", "a time like \"500ms\", \"60s\" or \"5m\", at most 24h",
                 [](std::string_view word) { return some_time(word).has_value(); }},
    ArgumentType{"endpoint", "ADDRESS:PORT, or [ADDRESS]:PORT for IPv6", parses<Endpoint>},
    ArgumentType{"ports", "ports from 1 to 65535, separated by commas",
                 [](std::string_view word) { return parse_ports(word).ok(); }},
    ArgumentType{"backend-port", "a port from 0 to 65535 (0: the client's own destination port)",
                 is_number<0, 65535>, backend_ports},
    ArgumentType{"weight", "a whole number from 0 to 65535 (0: takes no new flow)",
                 is_number<0, 65535>},
    ArgumentType{"vni", "a VXLAN network identifier, 0 to 16777215", is_number<0, 16777215>},
    ArgumentType{"udp-port", "a UDP port from 1 to 65535", is_number<1, 65535>},
    ArgumentType{"mac", "a MAC address, 02:00:00:00:00:01", parses<MacAddress>},
    ArgumentType{"limit", "a whole number from 1 to 20000", is_number<1, 20000>},
    ArgumentType{"seconds", "seconds from 0.1 to 3600",
                 [](std::string_view word) { return parse_seconds(word).has_value(); }},
    ArgumentType{"mode", "nat, fnat, dr, ipip, gre, gue, fou or vxlan",
                 [](std::string_view word) { return parse_mode(word).has_value(); },
                 [](const ControlApi&, const Arguments&) { return enum_names<Mode>(kModes); }},
    ArgumentType{
        "scheduler", "maglev, rr, wrr, lc, wlc, sh or random",
        [](std::string_view word) { return parse_scheduler(word).has_value(); },
        [](const ControlApi&, const Arguments&) { return enum_names<SchedulerKind>(kSchedulers); }},
    ArgumentType{"new-file", "the absolute path of a file that is not there yet",
                 [](std::string_view word) { return word.starts_with('/'); }},
    ArgumentType{"capture-count", "a whole number from 1 to 1000000",
                 is_number<1, CaptureQuery::kMaxCount>},
    ArgumentType{"capture-seconds", "a whole number from 1 to 3600",
                 is_number<1, CaptureQuery::kMaxSeconds>},
    ArgumentType{"filter", "a filter of pcap-filter(7), in quotes: \"tcp port 80\"", is_any},
    ArgumentType{"word", "a command or the first words of one", is_any},
};

// Calls `take` for each item of a comma list until it returns false.
template <typename Take>
bool each_item(std::string_view list, Take take) {
    for (;;) {
        const size_t comma = list.find(',');
        if (!take(list.substr(0, comma))) {
            return false;
        }
        if (comma == std::string_view::npos) {
            return true;
        }
        list.remove_prefix(comma + 1);
    }
}

}  // namespace

const std::string* Arguments::find(std::string_view name) const {
    const auto found = std::find_if(values_.begin(), values_.end(),
                                    [&](const auto& value) { return value.first == name; });
    return found == values_.end() ? nullptr : &found->second;
}

std::string Arguments::get(std::string_view name) const {
    const std::string* value = find(name);
    return value != nullptr ? *value : std::string();
}

std::vector<std::string> Arguments::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : values_) {
        if (key == name) {
            values.push_back(value);
        }
    }
    return values;
}

IpAddress Arguments::address(std::string_view name) const {
    return IpAddress::parse(get(name)).value();
}

Endpoint Arguments::endpoint(std::string_view name) const {
    return Endpoint::parse(get(name)).value();
}

uint32_t Arguments::number(std::string_view name) const {
    return whole_number(get(name), 0, UINT32_MAX).value();
}

std::chrono::milliseconds Arguments::duration(std::string_view name) const {
    return some_time(get(name)).value();
}

const ArgumentType* find_argument_type(std::string_view name) {
    const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                     [&](const ArgumentType& type) { return type.name == name; });
    return found == kTypes.end() ? nullptr : found;
}

std::optional<double> parse_seconds(std::string_view word) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool whole = error == std::errc{} && end == word.data() + word.size();
    return whole && value >= 0.1 && value <= 3600 ? std::optional(value) : std::nullopt;
}

Result<std::vector<uint16_t>> parse_ports(std::string_view list) {
    std::vector<uint16_t> ports;
    const bool valid = each_item(list, [&](std::string_view item) {
        const auto port = whole_number(item, 1, 65535);
        if (port) {
            ports.push_back(static_cast<uint16_t>(*port));
        }
        return port.has_value();
    });
    if (!valid) {
        return Error{fmt::format("{} is not a list of ports", quote_word(list))};
    }
    return ports;
}

Result<std::vector<Prefix>> parse_vips(std::string_view list) {
    std::vector<Prefix> vips;
    const bool valid = each_item(list, [&](std::string_view item) {
        const auto vip = Prefix::parse(item);
        if (vip) {
            vips.push_back(*vip);
        }
        return vip.has_value();
    });
    if (!valid) {
        return Error{fmt::format("{} is not a list of addresses", quote_word(list))};
    }
    return vips;
}

}  // namespace dlb
