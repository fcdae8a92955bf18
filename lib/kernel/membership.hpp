// PacketMembership: keeps an interface receiving all multicast, or everything, for as long as we
// live.
//
// By a packet socket's membership (packet(7), PACKET_ADD_MEMBERSHIP) and not by interface flags, so
// that the kernel undoes it with the process, also after kill -9, and others' wishes stay as they
// are. Thread safety: one thread.
#pragma once

#include <string>

#include "kernel/unique_fd.hpp"
#include "net/result.hpp"

namespace dlb {

class PacketMembership {
  public:
    // Needs CAP_NET_RAW.
    static Result<PacketMembership> join(const std::string& interface, bool promiscuous);

  private:
    explicit PacketMembership(UniqueFd socket) : socket_(std::move(socket)) {}
    UniqueFd socket_;
};

}  // namespace dlb
