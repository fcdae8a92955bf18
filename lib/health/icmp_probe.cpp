// icmp: an echo request (RFC 792, RFC 4443 §4.1), and the reply that carries its identifier, its
// sequence number and its data.
#include <array>
#include <cerrno>
#include <cstring>
#include <random>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "health/descriptor_probe.hpp"

namespace dlb {

namespace {

constexpr size_t kEchoHeader = 8;
constexpr size_t kData = 16;  // random: a reply to another's request cannot pass for ours
constexpr size_t kMostReply = 2048;
constexpr int kMostLooks = 16;  // at packets of others, before other checks have their turn

uint16_t internet_checksum(const uint8_t* bytes, size_t length) {  // of an even length
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i += 2) {
        sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~(sum + (sum >> 16)));
}

class IcmpProbe final : public DescriptorProbe {
  public:
    IcmpProbe(ProbeContext& context, const ProbeSpec& spec, ProbeDone done)
        : DescriptorProbe(context, spec, std::move(done)),
          v6_(spec.endpoint.address.is_v6()),
          sequence_(context.next_sequence()) {}

    void start(ProbeContext& context, const ProbeSpec& spec) {
        const int protocol =
            v6_ ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
        // The kernel's own echo socket needs no right where net.ipv4.ping_group_range has our
        // group.
        ProbeSocket socket = open_probe_socket(context, spec, SOCK_DGRAM, protocol);
        if (socket.error == EACCES || socket.error == EPERM) {
            socket = open_probe_socket(context, spec, SOCK_RAW, protocol);
            raw_ = true;
        }
        const int fd = take(std::move(socket));
        if (fd < 0) {
            return;
        }
        if (raw_) {
            take_only_replies(fd);
        }
        make_request(spec.in_tunnel_to.valid());
        const SocketAddress peer({spec.endpoint.address, 0});
        if (::connect(fd, peer.get(), peer.length) != 0 ||
            ::send(fd, request_.data(), request_.size(), 0) < 0) {
            const int error = errno;
            ::close(fd);
            return fail_soon(error);
        }
        wait(fd, Descriptor::wait_read);
    }

  private:
    uint8_t reply_type() const { return v6_ ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY; }

    void take_only_replies(int fd) const {
        if (v6_) {
            icmp6_filter filter;
            ICMP6_FILTER_SETBLOCKALL(&filter);
            ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
            ::setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
        } else {
            const uint32_t all_but_replies = ~(1U << ICMP_ECHOREPLY);
            constexpr int kIcmpFilter = 1;  // ICMP_FILTER of linux/icmp.h
            ::setsockopt(fd, SOL_RAW, kIcmpFilter, &all_but_replies, sizeof all_but_replies);
        }
    }

    void make_request(bool in_tunnel) {
        static thread_local std::mt19937 random{std::random_device{}()};
        request_[0] = v6_ ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
        for (size_t i = kEchoHeader; i < request_.size(); ++i) {
            request_[i] = static_cast<uint8_t>(random());
        }
        // The kernel's own socket sets its own.
        const auto identifier = in_tunnel ? claim().port().port : static_cast<uint16_t>(random());
        request_[4] = static_cast<uint8_t>(identifier >> 8);
        request_[5] = static_cast<uint8_t>(identifier);
        request_[6] = static_cast<uint8_t>(sequence_ >> 8);
        request_[7] = static_cast<uint8_t>(sequence_);
        if (!v6_) {  // with IPv6 the kernel knows the addresses that the checksum covers
            const uint16_t sum = internet_checksum(request_.data(), request_.size());
            request_[2] = static_cast<uint8_t>(sum >> 8);
            request_[3] = static_cast<uint8_t>(sum);
        }
    }

    bool is_reply(const uint8_t* packet, size_t length) const {
        if (raw_ && !v6_) {  // raw IPv4 sockets get the IP header too
            const size_t header = length > 0 ? (packet[0] & 0xfU) * 4 : 0;
            if (header < 20 || header > length) {
                return false;
            }
            packet += header;
            length -= header;
        }
        // The identifier of the kernel's socket is checked by the kernel, and is not ours to know.
        const size_t compared = raw_ ? 4 : 6;
        return length == request_.size() && packet[0] == reply_type() && packet[1] == 0 &&
               std::memcmp(packet + compared, request_.data() + compared, length - compared) == 0;
    }

    void ready() override {
        std::array<uint8_t, kMostReply> packet;
        for (int look = 0; look < kMostLooks; ++look) {
            const ssize_t length = ::recv(fd(), packet.data(), packet.size(), 0);
            if (length < 0 && errno != EAGAIN && errno != EINTR) {
                return fail(errno);
            }
            if (length < 0) {
                break;
            }
            if (is_reply(packet.data(), static_cast<size_t>(length))) {
                return give(ProbeOutcome::Passed, "answered");
            }
        }
        wait(fd(), Descriptor::wait_read);
    }

    const bool v6_;
    bool raw_ = false;
    const uint16_t sequence_;
    std::array<uint8_t, kEchoHeader + kData> request_{};
};

}  // namespace

std::shared_ptr<Probe> start_icmp_probe(ProbeContext& context, const ProbeSpec& spec,
                                        ProbeDone done) {
    auto probe = std::make_shared<IcmpProbe>(context, spec, std::move(done));
    probe->start(context, spec);
    return probe;
}

}  // namespace dlb
