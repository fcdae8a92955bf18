#include "bgp/bfd_socket.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

namespace dlb {
namespace {

using boost::asio::ip::udp;

// A flood to the port must not push out the peers' packets while the thread waits for a core: room
// for some 5,000 datagrams, used only then. Without CAP_NET_ADMIN net.core.rmem_max bounds it.
constexpr int kReceiveBuffer = 4 << 20;
// How much of a flood is read: 200,000 datagrams a second.
constexpr auto kWindow = std::chrono::milliseconds(10);
constexpr unsigned kBudget = 2000;
constexpr int kHopLimit = 255;
constexpr int kClassSelector6 = 0xc0;  // network control, as routing protocols are marked
constexpr int kIpv6Freebind = 78;      // IPV6_FREEBIND, which glibc 2.36 does not name

udp protocol(Family family) {
    return family == Family::V4 ? udp::v4() : udp::v6();
}

udp::endpoint endpoint(const IpAddress& address, uint16_t port, unsigned interface) {
    if (address.is_v4()) {
        boost::asio::ip::address_v4::bytes_type bytes;
        std::memcpy(bytes.data(), address.bytes().data(), bytes.size());
        return {boost::asio::ip::address_v4(bytes), port};
    }
    return {boost::asio::ip::address_v6(address.bytes(), address.is_link_local() ? interface : 0),
            port};
}

bool set(udp::socket& socket, int level, int option, int value) {
    return ::setsockopt(socket.native_handle(), level, option, &value, sizeof value) == 0;
}

// What the kernel tells beside a datagram.
void read_control(msghdr& message, BfdArrival& arrival) {
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
         head = CMSG_NXTHDR(&message, head)) {
        const uint8_t* data = CMSG_DATA(head);
        const std::pair kind(head->cmsg_level, head->cmsg_type);
        if (kind == std::pair<int, int>(IPPROTO_IP, IP_TTL) ||
            kind == std::pair<int, int>(IPPROTO_IPV6, IPV6_HOPLIMIT)) {
            int hops;
            std::memcpy(&hops, data, sizeof hops);
            arrival.hop_limit = static_cast<uint8_t>(hops);
        } else if (kind == std::pair<int, int>(IPPROTO_IP, IP_PKTINFO)) {
            in_pktinfo info;
            std::memcpy(&info, data, sizeof info);
            arrival.local = IpAddress::v4(info.ipi_addr.s_addr);
            arrival.interface = static_cast<unsigned>(info.ipi_ifindex);
        } else if (kind == std::pair<int, int>(IPPROTO_IPV6, IPV6_PKTINFO)) {
            in6_pktinfo info;
            std::memcpy(&info, data, sizeof info);
            arrival.local = IpAddress::v6(info.ipi6_addr.s6_addr);
            arrival.interface = info.ipi6_ifindex;
        }
    }
}

}  // namespace

BfdReceiver::BfdReceiver(boost::asio::io_context& io, Family family, bool multihop, Take take)
    : socket_(io), rest_(io), family_(family), multihop_(multihop), take_(std::move(take)) {}

Result<void> BfdReceiver::open() {
    const uint16_t port = multihop_ ? kBfdMultihopPort : kBfdSingleHopPort;
    boost::system::error_code failed;
    socket_.open(protocol(family_), failed);
    bool told = !failed;
    if (family_ == Family::V4) {
        told = told && set(socket_, IPPROTO_IP, IP_RECVTTL, 1) &&
               set(socket_, IPPROTO_IP, IP_PKTINFO, 1);
    } else {
        told = told && set(socket_, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
               set(socket_, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
               set(socket_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    if (!told) {
        return Error{std::string("BFD: the kernel gives no UDP socket that tells the hop limit: ") +
                     (failed ? failed.message() : std::strerror(errno))};
    }
    if (!set(socket_, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer)) {
        set(socket_, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    }
    socket_.bind({protocol(family_), port}, failed);
    if (failed) {
        return Error{"BFD: UDP port " + std::to_string(port) + ": " + failed.message() +
                     (failed == boost::asio::error::address_in_use
                          ? "; another BFD daemon has it: stop that, or let that one do BFD"
                          : "")};
    }
    socket_.non_blocking(true, failed);
    wait();
    return {};
}

void BfdReceiver::wait() {
    socket_.async_wait(udp::socket::wait_read, [this](boost::system::error_code cancelled) {
        if (cancelled) {
            return;
        }
        drain();
        if (budget_ > 0) {
            wait();
            return;
        }
        rest_.expires_at(window_ + kWindow);
        rest_.async_wait([this](boost::system::error_code rest_cancelled) {
            if (!rest_cancelled) {
                wait();
            }
        });
    });
}

void BfdReceiver::drain() {
    if (const BfdTime now = std::chrono::steady_clock::now(); now - window_ >= kWindow) {
        window_ = now;
        budget_ = kBudget;
    }
    while (budget_ > 0 && receive_one()) {
        --budget_;
    }
}

bool BfdReceiver::receive_one() {
    std::array<uint8_t, 256>
        payload;  // §4.1: Length is one byte; what is after it is not looked at
    alignas(cmsghdr) std::array<char, 256> control;
    sockaddr_storage source{};
    iovec vector{payload.data(), payload.size()};
    msghdr message{};
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
    if (size < 0) {
        return errno == EINTR;
    }
    BfdArrival arrival;
    arrival.multihop = multihop_;
    if (family_ == Family::V4) {
        sockaddr_in from;
        std::memcpy(&from, &source, sizeof from);
        arrival.remote = IpAddress::v4(from.sin_addr.s_addr);
    } else {
        sockaddr_in6 from;
        std::memcpy(&from, &source, sizeof from);
        arrival.remote = IpAddress::v6(from.sin6_addr.s6_addr);
    }
    read_control(message, arrival);
    take_({payload.data(), static_cast<size_t>(size)}, arrival);
    return true;
}

Result<void> BfdSender::open(const BfdPeer& peer, uint16_t first_port, const Taken& taken) {
    boost::system::error_code failed;
    socket_.open(protocol(peer.remote.family()), failed);
    if (failed) {
        return Error{"BFD peer " + peer.remote.to_string() + ": no socket: " + failed.message()};
    }
    socket_.non_blocking(true, failed);
    // Freebind: an address may come to its interface later than the session is made.
    const bool done = peer.remote.is_v4()
                          ? set(socket_, IPPROTO_IP, IP_TTL, kHopLimit) &&
                                set(socket_, IPPROTO_IP, IP_TOS, kClassSelector6) &&
                                set(socket_, IPPROTO_IP, IP_FREEBIND, 1)
                          : set(socket_, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
                                set(socket_, IPPROTO_IPV6, IPV6_UNICAST_HOPS, kHopLimit) &&
                                set(socket_, IPPROTO_IPV6, IPV6_TCLASS, kClassSelector6) &&
                                set(socket_, IPPROTO_IPV6, kIpv6Freebind, 1);
    if (!done) {
        return Error{"BFD peer " + peer.remote.to_string() +
                     ": the socket does not take its options: " + std::strerror(errno)};
    }
    if (peer.interface != 0 &&
        !set(socket_, SOL_SOCKET, SO_BINDTOIFINDEX, static_cast<int>(peer.interface))) {
        return Error{"BFD peer " + peer.remote.to_string() + ": interface " +
                     std::to_string(peer.interface) + ": " + std::strerror(errno) +
                     "; give one that is there"};
    }
    destination_ =
        endpoint(peer.remote, peer.multihop ? kBfdMultihopPort : kBfdSingleHopPort, peer.interface);
    return bind(peer, first_port, taken);
}

Result<void> BfdSender::bind(const BfdPeer& peer, uint16_t first_port, const Taken& taken) {
    constexpr unsigned kPorts = 65536 - kBfdFirstSourcePort;
    for (unsigned i = 0; i < kPorts; ++i) {
        const unsigned offset = (first_port - kBfdFirstSourcePort + i) % kPorts;
        const auto port = static_cast<uint16_t>(kBfdFirstSourcePort + offset);
        if (taken(port)) {
            continue;
        }
        boost::system::error_code failed;
        socket_.bind(peer.local ? endpoint(*peer.local, port, peer.interface)
                                : udp::endpoint(protocol(peer.remote.family()), port),
                     failed);
        if (!failed) {
            source_port_ = port;
            return {};
        }
        if (failed != boost::asio::error::address_in_use) {
            return Error{"BFD peer " + peer.remote.to_string() + ": local address " +
                         (peer.local ? peer.local->to_string() : "any") + ": " + failed.message() +
                         "; give one of this machine's"};
        }
    }
    return Error{"BFD peer " + peer.remote.to_string() +
                 ": no UDP port from 49152 on is free; end what holds them"};
}

bool BfdSender::send(std::span<const uint8_t> payload) {
    boost::system::error_code failed;
    socket_.send_to(boost::asio::buffer(payload.data(), payload.size()), destination_, 0, failed);
    if (failed) {
        ++failures_;
        last_error_ = failed.message();
    }
    return !failed;
}

}  // namespace dlb
