#include "health/socket.hpp"

#include <cassert>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace dlb {

SocketAddress::SocketAddress(const Endpoint& endpoint) {
    if (endpoint.address.is_v4()) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(endpoint.port);
        std::memcpy(&v4->sin_addr, endpoint.address.bytes().data(), sizeof v4->sin_addr);
        length = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(endpoint.port);
        std::memcpy(&v6->sin6_addr, endpoint.address.bytes().data(), sizeof v6->sin6_addr);
        length = sizeof *v6;
    }
}

int address_family(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

std::string error_words(int error) {
    std::string words = std::generic_category().message(error);
    if (words.size() > 1 && std::islower(static_cast<unsigned char>(words[1])) != 0) {
        words[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(words[0])));
    }
    return words;
}

ProbeOutcome outcome_of(int error) {
    switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EAGAIN:         // fork: too many processes
        case EADDRNOTAVAIL:  // all local ports towards this backend are taken
        case EPERM:          // a packet filter of this machine
            return ProbeOutcome::NotRun;
        default:
            return ProbeOutcome::Failed;
    }
}

namespace {

constexpr int kMostTries = 32;
// Room for every tunnel, and for IPv6's least MTU, so that no segment is too long for the way.
constexpr int kTunnelMss = 1024;

void hear_of_errors(int fd, bool v4) {
    const int on = 1;
    // Best effort: without it a backend that is off is found out by silence, where that counts.
    if (v4) {
        ::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    } else {
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    }
}

// The kernel's routes by the device count, no others. Without one IPv4 takes the VIP for a
// neighbour; IPv6 does not.
bool bind_in_tunnel(int fd, const TunnelWay::Start& start, int type) {
    if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, start.device.c_str(),
                     static_cast<socklen_t>(start.device.size())) != 0) {
        return false;
    }
    if (type == SOCK_STREAM) {
        ::setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &kTunnelMss, sizeof kTunnelMss);
        // Nothing is left to be sent after close(), when the port may get another backend's.
        const linger reset{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    const SocketAddress source({start.source, 0});
    return ::bind(fd, source.get(), source.length) == 0;
}

// The port that the kernel gave; a raw socket has none, and any identifier will do.
uint16_t local_port(int fd, int type) {
    if (type == SOCK_RAW) {
        static thread_local std::mt19937 random{std::random_device{}()};
        return static_cast<uint16_t>(random());
    }
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
    return ntohs(storage.ss_family == AF_INET
                     ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                     : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
}

uint8_t protocol_of(int type, int protocol) {
    if (protocol != 0) {
        return static_cast<uint8_t>(protocol);
    }
    return type == SOCK_STREAM ? uint8_t{IPPROTO_TCP} : uint8_t{IPPROTO_UDP};
}

ProbeSocket no_socket(int error) {
    ProbeSocket none;
    none.error = error;
    none.refusal = {ProbeOutcome::NotRun, "no socket: " + error_words(error)};
    return none;
}

// REQUIRES: spec.in_tunnel_to is valid.
ProbeSocket open_in_tunnel(TunnelWay& way, const ProbeSpec& spec, int type, int protocol) {
    const IpAddress& vip = spec.endpoint.address;
    const TunnelWay::Start start = way.start(spec.in_tunnel_to, vip.family());
    if (start.refusal.outcome != ProbeOutcome::Passed) {
        ProbeSocket none;
        none.refusal = start.refusal;
        return none;
    }
    for (int tries = 0; tries < kMostTries; ++tries) {
        const int fd = ::socket(address_family(vip), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
        if (fd < 0) {
            return no_socket(errno);
        }
        if (!bind_in_tunnel(fd, start, type)) {
            const int error = errno;
            ::close(fd);
            ProbeSocket none = no_socket(error);
            none.refusal.reason = "cannot use " + start.source.to_string() + " on " + start.device +
                                  ": " + error_words(error);
            return none;
        }
        const ProbePort port{vip.family(), protocol_of(type, protocol), local_port(fd, type)};
        if (way.claim(port, vip, spec.in_tunnel_to)) {
            hear_of_errors(fd, vip.is_v4());
            ProbeSocket socket;
            socket.fd = fd;
            socket.device = start.device;
            socket.claim = TunnelClaim(way, port);
            return socket;
        }
        ::close(fd);
    }
    return no_socket(EADDRNOTAVAIL);
}

}  // namespace

ProbeSocket open_probe_socket(ProbeContext& context, const ProbeSpec& spec, int type,
                              int protocol) {
    if (spec.in_tunnel_to.valid()) {
        assert(context.tunnels() != nullptr);
        return open_in_tunnel(*context.tunnels(), spec, type, protocol);
    }
    const IpAddress& peer = spec.endpoint.address;
    ProbeSocket socket;
    socket.fd = ::socket(address_family(peer), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (socket.fd < 0) {
        return no_socket(errno);
    }
    if (type != SOCK_STREAM) {
        hear_of_errors(socket.fd, peer.is_v4());
    }
    return socket;
}

ProbeResult result_of(int error, const IpAddress& peer, const std::string& device) {
    if (error == ENETUNREACH && !device.empty()) {  // this machine's own, and no backend's fault
        const std::string vip = peer.to_string();
        return {ProbeOutcome::NotRun, "no route to the vip on " + device + ": ip " +
                                          (peer.is_v4() ? "" : "-6 ") + "route add " + vip +
                                          " dev " + device};
    }
    return {outcome_of(error), error_words(error)};
}

}  // namespace dlb
