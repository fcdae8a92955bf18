// IngressGuard: makes the kernel drop all that arrives on an interface, once AF_PACKET sockets saw
// it.
//
// A port over AF_PACKET shares its interface with the kernel, which would answer beside us: echo
// replies twice, TCP resets to connections it knows nothing of. An nf_tables chain at the
// interface's ingress with policy drop comes after the packet sockets and before all else.
//
//   table netdev dpdk-lb/eth0 { chain ingress { type filter hook ingress device "eth0" … policy
//   drop; } }
//
// Lifetime: the kernel removes the table with our netlink socket (NFT_TABLE_F_OWNER, Linux 5.12),
// so also after kill -9. Nobody else can change it meanwhile, nor does `nft flush ruleset` touch
// it. Errors: create() says what to mend. Thread safety: one thread.
#pragma once

#include <optional>
#include <string>

#include "kernel/netlink.hpp"
#include "net/result.hpp"

namespace dlb {

class IngressGuard {
  public:
    // `owner`: the load balancer's name, shown to whom looks or collides. Fails where the interface
    // is guarded already. Needs CAP_NET_ADMIN here, but not for the end. Falls back to
    // create_unowned() on older kernels.
    static Result<IngressGuard> create(const std::string& owner, const std::string& interface);

    // For kernels before 5.12: a table `dpdk-lb/INTERFACE/OWNER` that the destructor removes (which
    // needs CAP_NET_ADMIN then). One left over by a killed process of the same owner is replaced.
    static Result<IngressGuard> create_unowned(const std::string& owner,
                                               const std::string& interface);

    IngressGuard(IngressGuard&& other) noexcept;
    IngressGuard& operator=(IngressGuard&& other) noexcept;
    ~IngressGuard();

    const std::string& table() const { return table_; }  // in family netdev

  private:
    IngressGuard(NetlinkSocket socket, std::string table, bool remove)
        : socket_(std::move(socket)), table_(std::move(table)), remove_(remove) {}

    std::optional<NetlinkSocket> socket_;
    std::string table_;
    bool remove_ = false;  // the kernel will not do it for us
};

}  // namespace dlb
