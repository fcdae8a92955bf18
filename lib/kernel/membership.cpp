#include "kernel/membership.hpp"

#include <cerrno>
#include <cstring>

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

namespace dlb {

Result<PacketMembership> PacketMembership::join(const std::string& interface, bool promiscuous) {
    // Protocol 0: the socket itself receives nothing.
    UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    packet_mreq request{};
    request.mr_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    request.mr_type = promiscuous ? PACKET_MR_PROMISC : PACKET_MR_ALLMULTI;
    if (!socket || setsockopt(socket.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request,
                              sizeof request) != 0) {
        return Error{"cannot receive all multicast on " + interface + ": " + std::strerror(errno) +
                     "; run as root or with CAP_NET_RAW"};
    }
    return PacketMembership(std::move(socket));
}

}  // namespace dlb
