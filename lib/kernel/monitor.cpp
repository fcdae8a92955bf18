#include "kernel/monitor.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace dlb {

namespace {

constexpr size_t kBufferSize = 65536;  // above the 32 KiB that the kernel puts in one dump message
// Datagrams a process(): a few milliseconds of work at most.
constexpr unsigned kBudget = 256;
// A dump that is interrupted this often is taken as it is: the messages beside it mend the rest.
constexpr unsigned kMaxInterrupted = 8;
constexpr auto kStartTimeout = std::chrono::seconds(10);

constexpr unsigned kGroups[] = {
    RTNLGRP_LINK,  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
    RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,  RTNLGRP_IPV6_ROUTE,
};

struct Dump {
    uint16_t type;
    uint8_t family;
};

// Links first: their dump takes the lock that changes hold (RTNL), so it returns after a change
// whose announcement came before its effects, such as an interface that goes down. Others need no
// lock.
constexpr Dump kDumps[] = {
    {RTM_GETLINK, AF_UNSPEC}, {RTM_GETADDR, AF_UNSPEC}, {RTM_GETNEIGH, AF_UNSPEC},
    {RTM_GETROUTE, AF_INET},  {RTM_GETROUTE, AF_INET6},
};

// A kernel without IPv6, or without any route yet.
bool means_empty(int error) {
    return error == ENOENT || error == EAFNOSUPPORT || error == EOPNOTSUPP;
}

}  // namespace

void KernelMonitor::watch(int ifindex) {
    if (watched_.insert(ifindex).second) {
        watched_changed();
    }
}

void KernelMonitor::unwatch(int ifindex) {
    if (watched_.erase(ifindex) > 0) {
        version_ += live_.forget(ifindex) ? 1 : 0;
        watched_changed();
    }
}

void KernelMonitor::watched_changed() {
    live_.set_watched(watched_);
    if (!socket_) {
        return;
    }
    resync_wanted_ = true;  // after the one under way, which reads for the interfaces of before
    if (!step_ && !draining_) {
        begin_resync();
    }
}

Result<void> KernelMonitor::start() {
    auto opened = NetlinkSocket::open(NETLINK_ROUTE);
    if (!opened.ok()) {
        return Error{opened.error()};
    }
    socket_ = std::move(opened).value();
    socket_->set_receive_buffer(receive_buffer_);
    for (const unsigned group : kGroups) {
        if (const int error = socket_->join(group); error != 0) {
            return Error{"cannot follow the kernel's routes and neighbours: " +
                         std::string(std::strerror(error))};
        }
    }
    (void)socket_->join(RTNLGRP_NEXTHOP);  // Linux 5.3
    buffer_.resize(kBufferSize);
    begin_resync();
    const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
    while (synchronizing()) {
        process();
        if (dump_error_ != 0 || std::chrono::steady_clock::now() > deadline) {
            return Error{"cannot read the kernel's routes and neighbours: " +
                         std::string(std::strerror(dump_error_ != 0 ? dump_error_ : ETIMEDOUT))};
        }
        if (synchronizing()) {
            (void)socket_->wait(100);
        }
    }
    ++version_;
    return {};
}

void KernelMonitor::process() {
    if (!socket_) {
        return;
    }
    for (unsigned i = 0; i < kBudget; ++i) {
        const ssize_t size = socket_->receive(buffer_);
        if (size == 0) {
            settle();
            return;
        }
        if (size == -ENOBUFS) {
            // The kernel sends nothing more until the queue is empty: read it all, then ask anew.
            ++overruns_;
            draining_ = true;
            step_.reset();
            continue;
        }
        if (size < 0) {
            dump_error_ = static_cast<int>(-size);
            return;
        }
        if (!draining_) {
            handle({buffer_.data(), static_cast<size_t>(size)});
        }
    }
    // Out of turns: with an empty queue nobody would call again for what settle() has to do.
    if (!socket_->wait(0)) {
        settle();
    }
}

// REQUIRES: nothing is pending. Asks for a new dump where one is due.
void KernelMonitor::settle() {
    if (draining_ || (resync_wanted_ && !step_)) {
        begin_resync();
    }
}

void KernelMonitor::handle(std::span<const char> datagram) {
    for_each_message(datagram, [this](const nlmsghdr* message) { handle(message); });
}

void KernelMonitor::handle(const nlmsghdr* message) {
    const bool from_dump = message->nlmsg_pid == socket_->port_id() &&
                           message->nlmsg_seq == dump_sequence_ && step_.has_value();
    if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
        if (from_dump) {
            handle_dump_end(message);
        }
        return;
    }
    if (from_dump) {
        interrupted_ |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        next_.apply(message, true);
        return;
    }
    Effect effect = live_.apply(message, false);
    version_ += effect.changed ? 1 : 0;
    if (step_) {
        effect |= next_.apply(message, false);
        effect.uncertain |=
            effect.stale_dump || (effect.concerns && dump_is_due(message->nlmsg_type));
    }
    resync_wanted_ |= effect.uncertain;
}

// True where the answer to a dump may have been put together before a message that came first: some
// of the answer to what `type` tells of is still to come.
bool KernelMonitor::dump_is_due(uint16_t type) const {
    // RTM_NEW…, RTM_DEL… and RTM_GET… of one kind differ in the last two bits (linux/rtnetlink.h).
    return std::any_of(kDumps + *step_, std::end(kDumps),
                       [type](const Dump& dump) { return (dump.type & ~3) == (type & ~3); });
}

void KernelMonitor::handle_dump_end(const nlmsghdr* message) {
    interrupted_ |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    const int error = parse_ack(message).error;
    if (error != 0 && !means_empty(error)) {
        // Keep what is known; the next message or loss leads to another try.
        dump_error_ = error;
        step_.reset();
        return;
    }
    if (*step_ + 1 < std::size(kDumps)) {
        ++*step_;
        request_dump();
    } else {
        finish_resync();
    }
}

void KernelMonitor::begin_resync() {
    draining_ = false;
    resync_wanted_ = false;
    interrupted_ = false;
    next_ = KernelTables(watched_);
    step_ = 0;
    request_dump();
}

void KernelMonitor::request_dump() {
    const Dump& dump = kDumps[*step_];
    NetlinkRequest request(dump.type, NLM_F_DUMP, socket_->next_sequence());
    // A full header of the right kind: a lone rtgenmsg leaves flags that some kernels read.
    switch (dump.type) {
        case RTM_GETLINK:
            request.header<ifinfomsg>().ifi_family = dump.family;
            break;
        case RTM_GETADDR:
            request.header<ifaddrmsg>().ifa_family = dump.family;
            break;
        case RTM_GETNEIGH:
            request.header<ndmsg>().ndm_family = dump.family;
            break;
        default:
            request.header<rtmsg>().rtm_family = dump.family;
            break;
    }
    dump_sequence_ = request.sequence();
    if (const int error = socket_->send(request.bytes()); error != 0) {
        dump_error_ = error;
        step_.reset();
    }
}

void KernelMonitor::finish_resync() {
    step_.reset();
    ++resyncs_;
    dump_error_ = 0;
    if (!live_.same_for_callers(next_)) {
        ++version_;
    }
    live_ = std::move(next_);
    next_ = KernelTables();
    interrupted_in_row_ = interrupted_ ? interrupted_in_row_ + 1 : 0;
    resync_wanted_ |= interrupted_ && interrupted_in_row_ < kMaxInterrupted;
}

}  // namespace dlb
