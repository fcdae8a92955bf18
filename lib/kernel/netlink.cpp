#include "kernel/netlink.hpp"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

namespace dlb {

namespace {

constexpr int kAckTimeoutMs = 5000;  // the kernel answers within the send: this is for a stuck one
constexpr size_t kBufferSize = 65536;  // above the 32 KiB that the kernel puts in one dump message

}  // namespace

std::string NetlinkAck::to_string() const {
    const std::string name = std::strerror(error);
    return detail.empty() ? name : name + ": " + detail;
}

NetlinkRequest::NetlinkRequest(uint16_t type, unsigned flags, uint32_t sequence) {
    mnl_nlmsg_put_header(buffer_.data());
    message()->nlmsg_type = type;
    message()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    message()->nlmsg_seq = sequence;
}

void NetlinkRequest::put_u32(uint16_t type, uint32_t value) {
    mnl_attr_put_u32(message(), type, value);
}

void NetlinkRequest::put_be32(uint16_t type, uint32_t value) {
    mnl_attr_put_u32(message(), type, htonl(value));
}

void NetlinkRequest::put_string(uint16_t type, const std::string& value) {
    mnl_attr_put_strz(message(), type, value.c_str());
}

void NetlinkRequest::put_address(uint16_t type, const IpAddress& address) {
    mnl_attr_put(message(), type, address.size(), address.bytes().data());
}

void NetlinkRequest::put_bytes(uint16_t type, std::span<const uint8_t> bytes) {
    mnl_attr_put(message(), type, bytes.size(), bytes.data());
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
    mnl_socket* raw = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (raw == nullptr) {
        return Error{"cannot open a netlink socket: " + std::string(std::strerror(errno))};
    }
    NetlinkSocket socket(raw);
    if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0) {
        return Error{"cannot bind a netlink socket: " + std::string(std::strerror(errno))};
    }
    // Niceties of newer kernels: errors in words, and without a copy of the request.
    int on = 1;
    (void)mnl_socket_setsockopt(raw, NETLINK_EXT_ACK, &on, sizeof on);
    (void)mnl_socket_setsockopt(raw, NETLINK_CAP_ACK, &on, sizeof on);
    socket.buffer_.resize(kBufferSize);
    return socket;
}

int NetlinkSocket::join(unsigned group) {
    return mnl_socket_setsockopt(socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0
               ? errno
               : 0;
}

void NetlinkSocket::set_receive_buffer(int bytes) {
    if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) {
        (void)setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
}

int NetlinkSocket::send(std::span<const char> bytes) {
    return mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0 ? errno : 0;
}

ssize_t NetlinkSocket::receive(std::span<char> buffer) {
    while (true) {
        sockaddr_nl sender{};
        iovec part{buffer.data(), buffer.size()};
        msghdr header{};
        header.msg_name = &sender;
        header.msg_namelen = sizeof sender;
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        const ssize_t size = recvmsg(fd(), &header, 0);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return errno == EAGAIN ? 0 : -errno;
        }
        // The kernel's port is 0: anyone else could make up neighbours and routes. A cut datagram
        // has lost messages, like an overrun.
        if (sender.nl_pid == 0 && size > 0) {
            return (header.msg_flags & MSG_TRUNC) != 0 ? -ENOBUFS : size;
        }
    }
}

bool NetlinkSocket::wait(int milliseconds) const {
    pollfd poll_fd{fd(), POLLIN, 0};
    return ::poll(&poll_fd, 1, milliseconds) > 0;
}

void NetlinkSocket::discard_pending() {
    ssize_t size = 0;
    do {
        size = receive(buffer_);
    } while (size > 0 || size == -ENOBUFS);
}

NetlinkAck NetlinkSocket::transact(std::span<const char> bytes, uint32_t final_sequence,
                                   const Visitor& visit) {
    if (const int error = send(bytes); error != 0) {
        return {error, ""};
    }
    while (true) {
        const ssize_t size = receive(buffer_);
        if (size < 0) {
            return {static_cast<int>(-size), ""};
        }
        if (size == 0 && !wait(kAckTimeoutMs)) {
            return {ETIMEDOUT, ""};
        }
        std::optional<NetlinkAck> last;
        for_each_message({buffer_.data(), static_cast<size_t>(size)}, [&](const nlmsghdr* message) {
            const bool ack =
                message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
            if (last || message->nlmsg_type == NLMSG_NOOP) {
                return;
            }
            if (!ack) {
                if (visit && message->nlmsg_seq == final_sequence) {
                    visit(message);
                }
                return;
            }
            NetlinkAck answer = parse_ack(message);
            if (!answer.ok() || message->nlmsg_seq == final_sequence) {
                last = std::move(answer);
            }
        });
        if (last) {
            // A failed batch reports on each of its messages: what follows the first is of no use.
            discard_pending();
            return *last;
        }
    }
}

NetlinkAck parse_ack(const nlmsghdr* message) {
    const size_t size = mnl_nlmsg_get_payload_len(message);
    if (message->nlmsg_type == NLMSG_DONE) {
        int error = 0;
        if (size >= sizeof error) {
            std::memcpy(&error, mnl_nlmsg_get_payload(message), sizeof error);
        }
        return {error < 0 ? -error : 0, ""};
    }
    if (size < sizeof(nlmsgerr)) {
        return {EBADMSG, ""};
    }
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    NetlinkAck ack{-error->error, ""};
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
        size_t offset = sizeof(nlmsgerr);
        if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) {
            offset += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(nlmsghdr);
        }
        Attributes<NLMSGERR_ATTR_MAX> attributes;
        if (attributes.parse(message, offset)) {
            ack.detail = attributes.string(NLMSGERR_ATTR_MSG);
        }
    }
    return ack;
}

std::optional<IpAddress> to_address(int family, const void* data, size_t size) {
    if (family == AF_INET && size == 4) {
        uint32_t word;
        std::memcpy(&word, data, sizeof word);
        return IpAddress::v4(word);
    }
    if (family == AF_INET6 && size == 16) {
        std::array<uint8_t, 16> bytes;
        std::memcpy(bytes.data(), data, bytes.size());
        return IpAddress::v6(bytes);
    }
    return std::nullopt;
}

}  // namespace dlb
