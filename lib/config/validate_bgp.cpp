#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "config/text.hpp"
#include "config/validate.hpp"
#include "net/result.hpp"

namespace dlb::conf {

namespace {

using std::chrono::seconds;

constexpr size_t kLongestKey = 80;                  // TCP_MD5SIG_MAXKEYLEN
constexpr seconds kLeastHold{3}, kMostHold{65535};  // RFC 4271 §4.2; 0 has no timer
constexpr seconds kMostRestart{4095};               // RFC 4724 §3: 12 bits

bool is_on_link(const IpAddress& address, const std::vector<PortConfig>& ports) {
    return std::any_of(ports.begin(), ports.end(), [&](const PortConfig& port) {
        return std::any_of(
            port.address.begin(), port.address.end(),
            [&](const InterfaceAddress& own) { return own.subnet().contains(address); });
    });
}

bool is_own(const IpAddress& address, const std::vector<PortConfig>& ports) {
    return std::any_of(ports.begin(), ports.end(), [&](const PortConfig& port) {
        return std::any_of(port.address.begin(), port.address.end(),
                           [&](const InterfaceAddress& own) { return own.address == address; });
    });
}

void check_address(const BgpNeighborConfig& neighbor, const std::vector<PortConfig>& ports,
                   const Path& path, Findings& findings) {
    const IpAddress& address = *neighbor.address;
    const std::string shown = address.to_string();
    if (const auto reason = unusable(address)) {
        findings.add(path.key("address"), fmt::format("{} is {}", shown, *reason),
                     "give the neighbour's own address");
    } else if (address.is_v6() && address.is_link_local()) {
        findings.add(path.key("address"), shown + " is link-local, which needs an interface",
                     "give the neighbour's global address");
    } else if (is_own(address, ports)) {
        findings.add(path.key("address"), shown + " is a port's own address",
                     "give the neighbour's address");
    } else if (neighbor.multihop == 1 && !is_on_link(address, ports)) {
        findings.add(
            path.key("address"), shown + " is in no subnet of a port",
            "set multihop to the number of hops, or give the port an address of its subnet",
            {path.key("multihop")});
    }
    if (neighbor.local_address && neighbor.local_address->family() != address.family()) {
        findings.add(path.key("local_address"),
                     fmt::format("{} is of another family than the neighbour",
                                 neighbor.local_address->to_string()),
                     fmt::format("give an {} address, or remove it", family_name(address.family())),
                     {path.key("address")});
    }
}

void check_prefix(const BgpNeighborConfig& neighbor, const Path& path, Findings& findings) {
    if (!neighbor.passive) {
        findings.add(path.key("prefix"), "a neighbour by prefix cannot be connected to",
                     "set passive = true", {path.key("passive")});
    }
    if (neighbor.local_address) {
        findings.add(path.key("local_address"), "nothing connects to a neighbour by prefix",
                     "remove it");
    }
}

void check_session(const BgpNeighborConfig& neighbor, const BgpConfig& bgp, const Path& path,
                   Findings& findings) {
    if (neighbor.asn == 0) {
        findings.add(path.key("asn"), "asn is missing", "give the neighbour's AS number");
    }
    if (neighbor.hold_time != seconds(0) &&
        (neighbor.hold_time < kLeastHold || neighbor.hold_time > kMostHold)) {
        findings.add(path.key("hold_time"),
                     fmt::format("{}s is no hold time", neighbor.hold_time.count()),
                     "give 0s, or \"3s\" to \"65535s\"");
    }
    if (!neighbor.ipv4 && !neighbor.ipv6) {
        findings.add(path.key("families"), "families is empty",
                     "give ipv4-unicast, ipv6-unicast or both");
    }
    if (neighbor.passive && bgp.listen.empty()) {
        findings.add(path.key("passive"), "the neighbour can connect to nothing",
                     "set listen, or passive = false", {path.key("passive")});
    }
    if (neighbor.prepend > 0 && neighbor.asn == bgp.asn) {
        findings.add(path.key("prepend"), "the AS path of a neighbour of our own AS stays empty",
                     "remove prepend", {path.key("asn")});
    }
    if (!neighbor.password_file.empty() && !neighbor.password.empty()) {
        findings.add(path.key("password_file"), "there is a password too", "give one of the two");
    }
    if (neighbor.password.size() > kLongestKey) {
        findings.add(path.key("password"),
                     fmt::format("the password has {} bytes", neighbor.password.size()),
                     fmt::format("give at most {}: TCP MD5 takes no more", kLongestKey));
    }
}

void check_neighbors(const BgpConfig& bgp, const std::vector<PortConfig>& ports, const Path& path,
                     Findings& findings) {
    std::set<std::string> seen;
    for (size_t i = 0; i < bgp.neighbors.size(); ++i) {
        const BgpNeighborConfig& neighbor = bgp.neighbors[i];
        const Path where = path.item("neighbor", i);
        if (!neighbor.address == !neighbor.prefix) {
            findings.add(
                where.key(neighbor.address ? "prefix" : "address"),
                neighbor.address ? "address and prefix are both given" : "address is missing",
                "give an address, or a prefix with passive = true",
                {where.key("address"), where.key("prefix")});
            continue;
        }
        if (!seen.insert(neighbor.name()).second) {
            findings.add(where.key(neighbor.address ? "address" : "prefix"),
                         fmt::format("neighbor {} is there twice", neighbor.name()),
                         "keep one of the two");
        }
        if (neighbor.address) {
            check_address(neighbor, ports, where, findings);
        } else {
            check_prefix(neighbor, where, findings);
        }
        check_session(neighbor, bgp, where, findings);
    }
}

void check_next_hops(const BgpConfig& bgp, size_t given, const Path& path, Findings& findings) {
    const size_t kept = (bgp.next_hop4 ? 1 : 0) + (bgp.next_hop6 ? 1 : 0);
    if (given > kept) {
        findings.add(path.key("next_hop"), "two addresses are of one family",
                     "give at most one IPv4 and one IPv6 address");
    }
    for (const auto& next_hop : {bgp.next_hop4, bgp.next_hop6}) {
        if (!next_hop) {
            continue;
        }
        if (const auto reason = unusable(*next_hop)) {
            findings.add(path.key("next_hop"),
                         fmt::format("{} is {}", next_hop->to_string(), *reason),
                         "give an address that routers can send to");
        }
    }
}

// The whole key; on failure what is wrong.
Result<std::string> read_password(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string text(kLongestKey + 3, '\0');
    if (!in || std::filesystem::is_directory(file)) {
        return Error{std::string("cannot read it: ") + std::strerror(in ? EISDIR : errno)};
    }
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(in.gcount()));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
        text.pop_back();
    }
    if (text.empty()) {
        return Error{"it is empty"};
    }
    if (text.size() > kLongestKey) {
        return Error{fmt::format("it has more than {} bytes", kLongestKey)};
    }
    return text;
}

}  // namespace

void read_passwords(BgpConfig& bgp, const std::string& config_file, Findings& findings) {
    for (size_t i = 0; i < bgp.neighbors.size(); ++i) {
        BgpNeighborConfig& neighbor = bgp.neighbors[i];
        if (neighbor.password_file.empty() || !neighbor.password.empty()) {
            continue;
        }
        const auto file = std::filesystem::path(config_file).parent_path() / neighbor.password_file;
        Result<std::string> password = read_password(file);
        if (password.ok()) {
            neighbor.password = std::move(password.value());
        } else {
            findings.add(Path().key("bgp").item("neighbor", i).key("password_file"),
                         fmt::format("{}: {}", file.string(), password.error()),
                         "give a readable file that holds the key alone");
        }
    }
}

void check_bgp(const BgpConfig& bgp, size_t next_hops, const std::vector<PortConfig>& ports,
               Findings& findings) {
    if (!bgp.enabled) {
        return;
    }
    const Path path = Path().key("bgp");
    if (bgp.asn == 0) {
        findings.add(path.key("asn"), "asn is missing", "give the AS number of this load balancer");
    }
    if (bgp.router_id.is_unspecified()) {
        findings.add(path.key("router_id"), "router_id is missing, and no port has an IPv4 address",
                     "give an IPv4 address that no other router has");
    }
    check_next_hops(bgp, next_hops, path, findings);
    if (std::set(bgp.aggregate.begin(), bgp.aggregate.end()).size() < bgp.aggregate.size()) {
        findings.add(path.key("aggregate"), "a prefix is there twice", "keep one of the two");
    }
    const auto& restart = bgp.graceful_restart;
    if (restart.enabled &&
        (restart.restart_time < seconds(1) || restart.restart_time > kMostRestart)) {
        findings.add(path.key("graceful_restart").key("restart_time"),
                     fmt::format("{}s is no restart time", restart.restart_time.count()),
                     "give \"1s\" to \"4095s\"");
    }
    check_neighbors(bgp, ports, path, findings);
}

}  // namespace dlb::conf
