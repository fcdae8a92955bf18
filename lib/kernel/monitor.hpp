// KernelMonitor: the neighbours, routes, addresses and links of some interfaces, followed by
// rtnetlink.
//
//   KernelMonitor monitor;
//   monitor.watch(tap.ifindex());
//   if (auto started = monitor.start(); !started.ok()) …
//   … whenever monitor.fd() is readable:  monitor.process();  if (monitor.version() != seen)
//   rebuild
//
// Needs no privilege. Never blocks, but for start(), which waits for the first dumps.
// After a change that the kernel does not tell in full, and after messages were lost (ENOBUFS), it
// asks for everything again; until that has come, the state of before stands, so nothing flaps.
// Routes of next-hop objects need sysctl net.ipv4.nexthop_compat_mode = 1, the default.
// Errors: start() only. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "kernel/kernel_state.hpp"
#include "kernel/kernel_tables.hpp"
#include "kernel/netlink.hpp"
#include "net/result.hpp"

namespace dlb {

class KernelMonitor {
  public:
    // `receive_buffer`: bytes of messages that the kernel keeps for us between two calls of
    // process().
    explicit KernelMonitor(int receive_buffer = 8 << 20) : receive_buffer_(receive_buffer) {}

    // Before start() or at any time after: what is there already comes with the next process().
    void watch(int ifindex);
    void unwatch(int ifindex);

    // Opens the socket and reads all there is.
    Result<void> start();
    int fd() const { return socket_ ? socket_->fd() : -1; }  // wait for it to be readable
    // Reads what is pending; a bounded share of it in a flood, then fd() is readable still.
    void process();
    // True while a dump is under way.
    bool synchronizing() const { return step_.has_value() || draining_ || resync_wanted_; }

    // Grows when an address, a link, a route, or the set of usable neighbours with their MACs
    // changed. States of neighbours otherwise (Reachable → Stale) change without it.
    uint64_t version() const { return version_; }
    uint64_t resyncs() const { return resyncs_; }    // full dumps completed
    uint64_t overruns() const { return overruns_; }  // times that the kernel dropped messages

    std::vector<KernelNeighbor> neighbors() const { return live_.neighbors(); }
    std::vector<KernelRoute> routes() const { return live_.routes(); }
    std::vector<KernelAddress> addresses() const { return live_.addresses(); }
    std::vector<KernelLink> links() const { return live_.links(); }

  private:
    void watched_changed();
    void handle(std::span<const char> datagram);
    void handle(const nlmsghdr* message);
    bool dump_is_due(uint16_t type) const;
    void handle_dump_end(const nlmsghdr* message);
    void settle();
    void begin_resync();
    void request_dump();
    void finish_resync();

    std::optional<NetlinkSocket> socket_;
    int receive_buffer_;
    std::set<int> watched_;
    KernelTables live_;           // what callers see
    KernelTables next_;           // what a dump under way builds
    std::optional<size_t> step_;  // the dump under way, an index into kDumps
    uint32_t dump_sequence_ = 0;
    bool draining_ = false;  // messages were lost: what is queued is older than the loss
    bool resync_wanted_ = false;
    bool interrupted_ = false;  // NLM_F_DUMP_INTR: a dump saw a change half way
    unsigned interrupted_in_row_ = 0;
    int dump_error_ = 0;  // errno of the last failed dump
    uint64_t version_ = 0, resyncs_ = 0, overruns_ = 0;
    std::vector<char> buffer_;
};

}  // namespace dlb
