#include "kernel/link.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel/unique_fd.hpp"

#ifndef IFF_LOWER_UP  // linux/if.h cannot stand beside net/if.h
#define IFF_LOWER_UP 0x10000
#endif

namespace dlb {

namespace {

uint8_t family_of(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

Error failure(const std::string& what, const NetlinkAck& ack) {
    if (ack.error == EPERM) {
        return {"cannot " + what + ": it needs root or CAP_NET_ADMIN"};
    }
    return {"cannot " + what + ": " + ack.to_string()};
}

// errno; 0: done. `data` is one of linux/ethtool.h's structures.
int ethtool(const std::string& name, void* data) {
    const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = static_cast<char*>(data);
    return control && ::ioctl(control.get(), SIOCETHTOOL, &request) == 0 ? 0 : errno;
}

// IFLA_NUM_RX_QUEUES counts what was allocated, which is often more than is in use.
std::optional<unsigned> rx_channels(const std::string& name) {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    const int error = ethtool(name, &channels);
    const unsigned count = channels.rx_count + channels.combined_count;
    return error == 0 && count > 0 ? std::optional(count) : std::nullopt;
}

std::optional<LinkInfo> parse_link(const nlmsghdr* message) {
    Attributes<IFLA_MAX> attributes;
    if (message->nlmsg_type != RTM_NEWLINK || !attributes.parse(message, sizeof(ifinfomsg))) {
        return std::nullopt;
    }
    const auto& info = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    LinkInfo link;
    link.ifindex = info.ifi_index;
    link.name = attributes.string(IFLA_IFNAME);
    link.mac = attributes.mac(IFLA_ADDRESS).value_or(MacAddress{});
    link.mtu = attributes.u32(IFLA_MTU).value_or(0);
    link.up = (info.ifi_flags & IFF_UP) != 0;
    link.running = (info.ifi_flags & IFF_LOWER_UP) != 0;
    link.rx_queues = attributes.u32(IFLA_NUM_RX_QUEUES).value_or(1);
    return link;
}

}  // namespace

Result<Rtnetlink> Rtnetlink::open() {
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    if (!socket.ok()) {
        return Error{socket.error()};
    }
    return Rtnetlink(std::move(socket).value());
}

Result<LinkInfo> Rtnetlink::link(const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ) {
        return Error{"there is no interface '" + name + "': names have 1 to 15 characters"};
    }
    NetlinkRequest request(RTM_GETLINK, NLM_F_ACK, socket_.next_sequence());
    request.header<ifinfomsg>();
    request.put_string(IFLA_IFNAME, name);
    return query_link(request, "'" + name + "'");
}

Result<LinkInfo> Rtnetlink::link(int ifindex) {
    NetlinkRequest request(RTM_GETLINK, NLM_F_ACK, socket_.next_sequence());
    request.header<ifinfomsg>().ifi_index = ifindex;
    return query_link(request, "with index " + std::to_string(ifindex));
}

Result<LinkInfo> Rtnetlink::query_link(NetlinkRequest& request, const std::string& subject) {
    std::optional<LinkInfo> found;
    const NetlinkAck ack = socket_.transact(request, [&](const nlmsghdr* message) {
        if (auto link = parse_link(message)) {
            found = std::move(link);
        }
    });
    if (ack.error == ENODEV || (ack.ok() && !found)) {
        return Error{"there is no interface " + subject + ": `ip link` lists those there are"};
    }
    if (!ack.ok()) {
        return failure("read interface " + subject, ack);
    }
    found->rx_queues = rx_channels(found->name).value_or(found->rx_queues);
    return *found;
}

NetlinkAck Rtnetlink::change_address(uint16_t type, unsigned flags, int ifindex,
                                     const InterfaceAddress& address) {
    NetlinkRequest request(type, NLM_F_ACK | flags, socket_.next_sequence());
    auto& header = request.header<ifaddrmsg>();
    header.ifa_family = family_of(address.address);
    header.ifa_prefixlen = static_cast<uint8_t>(address.prefix_length);
    header.ifa_flags = address.address.is_v6() ? IFA_F_NODAD : 0;
    header.ifa_index = static_cast<uint32_t>(ifindex);
    request.put_address(IFA_LOCAL, address.address);
    request.put_address(IFA_ADDRESS, address.address);
    return socket_.transact(request);
}

Result<void> Rtnetlink::add_address(int ifindex, const InterfaceAddress& address) {
    const NetlinkAck ack = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, address);
    if (ack.ok() || ack.error == EEXIST) {
        return {};
    }
    const std::string name = interface_name(ifindex);
    const std::string what = "add " + address.to_string() + " to " + name;
    if (address.address.is_v6() && (ack.error == EACCES || ack.error == EOPNOTSUPP)) {
        return Error{"cannot " + what + ": IPv6 is off there; switch it on (sysctl net.ipv6.conf." +
                     name + ".disable_ipv6=0, or no ipv6.disable=1 on the kernel's command " +
                     "line; an mtu below 1280 turns it off too)"};
    }
    return failure(what, ack);
}

Result<void> Rtnetlink::remove_address(int ifindex, const InterfaceAddress& address) {
    const NetlinkAck ack = change_address(RTM_DELADDR, 0, ifindex, address);
    if (ack.ok() || ack.error == EADDRNOTAVAIL || ack.error == ENODEV) {
        return {};
    }
    return failure("remove " + address.to_string() + " from " + interface_name(ifindex), ack);
}

bool Rtnetlink::is_up(int ifindex) {
    const auto info = link(ifindex);
    return info.ok() && info.value().up;
}

Result<void> Rtnetlink::add_default_route(int ifindex, const IpAddress& gateway, uint32_t metric) {
    NetlinkRequest request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                           socket_.next_sequence());
    auto& header = request.header<rtmsg>();
    header.rtm_family = family_of(gateway);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    request.put_address(RTA_GATEWAY, gateway);
    request.put_u32(RTA_OIF, static_cast<uint32_t>(ifindex));
    request.put_u32(RTA_PRIORITY, metric);
    NetlinkAck ack = socket_.transact(request);
    if ((ack.error == ENETUNREACH || ack.error == EINVAL) && !is_up(ifindex)) {
        ack.error = ENETDOWN;  // what IPv4 should have said
    }
    const std::string name = interface_name(ifindex);
    const std::string what = "add a default route by " + gateway.to_string() + " on " + name;
    switch (ack.error) {
        case 0:
            return {};
        case EEXIST:
            return Error{"cannot " + what + ": there is one with metric " + std::to_string(metric) +
                         " already; remove it (ip route del default metric " +
                         std::to_string(metric) + ") or leave out this gateway"};
        case ENETUNREACH:
        case EHOSTUNREACH:
        case EINVAL:
            return Error{
                "cannot " + what + ": " + ack.to_string() +
                "; the gateway has to be another machine inside the subnet of one of the " +
                "port's addresses"};
        case ENETDOWN:
            return Error{"cannot " + what + ": it is down; ip link set " + name + " up"};
        default:
            return failure(what, ack);
    }
}

Result<void> Rtnetlink::resolve(int ifindex, const IpAddress& neighbor) {
    if (neighbor.is_unspecified() || neighbor.is_multicast()) {
        return Error{neighbor.to_string() + " is no neighbour's address"};
    }
    NetlinkRequest request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, socket_.next_sequence());
    auto& header = request.header<ndmsg>();
    header.ndm_family = family_of(neighbor);
    header.ndm_ifindex = ifindex;
    header.ndm_flags = NTF_USE;  // neigh_add(), net/core/neighbour.c
    request.put_address(NDA_DST, neighbor);
    const NetlinkAck ack = socket_.transact(request);
    if (!ack.ok()) {
        return failure("resolve " + neighbor.to_string() + " on " + interface_name(ifindex), ack);
    }
    return {};
}

std::optional<int> interface_index(const std::string& name) {
    const unsigned index = if_nametoindex(name.c_str());
    return index == 0 ? std::nullopt : std::optional(static_cast<int>(index));
}

std::string interface_name(int ifindex) {
    char name[IFNAMSIZ] = {};
    return if_indextoname(static_cast<unsigned>(ifindex), name) != nullptr
               ? name
               : "interface " + std::to_string(ifindex);
}

LinkState link_state(int ifindex) {
    ifreq request{};
    const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!control || if_indextoname(static_cast<unsigned>(ifindex), request.ifr_name) == nullptr ||
        ::ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) {
        return LinkState::Gone;
    }
    const int wanted = IFF_UP | IFF_RUNNING;
    return (request.ifr_flags & wanted) == wanted ? LinkState::Up : LinkState::Down;
}

Result<OffloadState> offload_state(const std::string& name) {
    if (!interface_index(name)) {
        return Error{"there is no interface '" + name + "': `ip link` lists those there are"};
    }
    const auto get = [&name](uint32_t command) {
        ethtool_value value{};
        value.cmd = command;
        return ethtool(name, &value) == 0 ? value.data : 0;  // unknown to the device: not there
    };
    OffloadState state;
    state.gro = get(ETHTOOL_GGRO) != 0;
    state.lro = (get(ETHTOOL_GFLAGS) & ETH_FLAG_LRO) != 0;
    state.tx_checksum = get(ETHTOOL_GTXCSUM) != 0;
    state.tso = get(ETHTOOL_GTSO) != 0;
    return state;
}

}  // namespace dlb
