// Sockets of probes: addresses for the kernel, errors in words.
// Thread safety: as probe.hpp.
#pragma once

#include <string>

#include <sys/socket.h>

#include "health/probe.hpp"
#include "health/tunnel_way.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct SocketAddress {
    explicit SocketAddress(const Endpoint& endpoint);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

    sockaddr_storage storage{};
    socklen_t length = 0;
};

int address_family(const IpAddress& address);  // AF_INET, AF_INET6

// strerror(3)'s words, as they read after a colon: "connection refused".
std::string error_words(int error);

// Whether this errno is the backend's failure, or only says that this machine could not check.
ProbeOutcome outcome_of(int error);

// A socket for `spec`, on its way: non-blocking, close-on-exec, and errors from the way reach it
// too (IP_RECVERR: no route, no neighbour).
struct ProbeSocket {
    int fd = -1;          // the caller's to close; -1: see refusal
    int error = 0;        // errno, where there is no socket of this type
    ProbeResult refusal;  // where there is none
    std::string device;   // "": the kernel's routes lead
    TunnelClaim claim;    // in a tunnel; of SOCK_RAW: the identifier to use
};
ProbeSocket open_probe_socket(ProbeContext& context, const ProbeSpec& spec, int type, int protocol);

// What comes of a check whose socket had this error. `device`: the socket's.
ProbeResult result_of(int error, const IpAddress& peer, const std::string& device);

}  // namespace dlb
