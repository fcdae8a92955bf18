// Rtnetlink: what we ask the kernel to do to an interface, and what we ask it about one.
//
// Every call is one request and its acknowledgement, in the network namespace of open().
// Errors: one line that names the mend. The calls that change something need CAP_NET_ADMIN, also
// after a change of user. Thread safety: one thread an object; the free functions are for any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernel/netlink.hpp"
#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb {

struct LinkInfo {
    int ifindex = 0;
    std::string name;
    MacAddress mac;  // zero: none
    uint32_t mtu = 0;
    bool up = false;         // IFF_UP: switched on
    bool running = false;    // IFF_LOWER_UP: with a carrier
    unsigned rx_queues = 0;  // in use
};

class Rtnetlink {
  public:
    static Result<Rtnetlink> open();

    Result<LinkInfo> link(const std::string& name);
    Result<LinkInfo> link(int ifindex);

    // Usable at once: IPv6 without duplicate address detection. An address that is there already is
    // no error.
    Result<void> add_address(int ifindex, const InterfaceAddress& address);
    // One that is not there is no error.
    Result<void> remove_address(int ifindex, const InterfaceAddress& address);

    // A route of table main, protocol static; the lowest metric wins. REQUIRES: `ifindex` is up.
    Result<void> add_default_route(int ifindex, const IpAddress& gateway, uint32_t metric);

    // Asks the kernel to find the neighbour's MAC as though it had a packet to send: from nothing,
    // failed or stale. The answer comes through KernelMonitor. IPv6 needs a link-local address
    // there.
    Result<void> resolve(int ifindex, const IpAddress& neighbor);

  private:
    explicit Rtnetlink(NetlinkSocket socket) : socket_(std::move(socket)) {}
    Result<LinkInfo> query_link(NetlinkRequest& request, const std::string& subject);
    bool is_up(int ifindex);
    NetlinkAck change_address(uint16_t type, unsigned flags, int ifindex,
                              const InterfaceAddress& address);

    NetlinkSocket socket_;
};

// nullopt: no such interface.
std::optional<int> interface_index(const std::string& name);
std::string interface_name(int ifindex);  // "interface 7" where it is gone

// Down: switched off, or without a carrier.
enum class LinkState : uint8_t { Up, Down, Gone };
// By index: a new name leaves it the same interface, the old name at another does not. Asks by
// ioctl, which takes no lock that another's request to the kernel may hold for long, as netlink
// does.
LinkState link_state(int ifindex);

// ethtool -k, in short.
struct OffloadState {
    bool gro = false;          // receive: merges packets beyond the MTU
    bool lro = false;          // the same in the device
    bool tx_checksum = false;  // packets may come with partial checksums
    bool tso = false;          // packets may come longer than the MTU
};
Result<OffloadState> offload_state(const std::string& name);

}  // namespace dlb
