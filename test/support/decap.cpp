// Unpacks ipip, gre, gue and fou for a backend of the tests and of scripts/quickstart: many kernels
// have no modules for them. (VXLAN is the kernel's.)
//
//   load balancer ──[ outer IP | … | inner IP | … ]──▶ socket ─▶ decap ─▶ TUN ─▶ the same
//   namespace's stack
//
//   decap [--tun NAME]      NAME is made, set up and gone again with the process; default: decap0
//
// All at once, each with IPv4 or IPv6 outside and inside:
//
//   ipip   raw sockets for protocols 4 and 41
//   gre    raw sockets for protocol 47; RFC 2784, the version without any option
//   gue    UDP port 6080; variant 0 without any option
//   fou    UDP port 8285
//
// The kernel has checked the outer headers (version, checksums, length) and put fragments together
// before a socket sees the packet; decap checks that the inner packet is of the announced family
// and exactly as long as what the tunnel carries, and drops and counts what is not.
//
// SIGUSR1 prints the counters in one line, SIGTERM and SIGINT print them and end the process:
// packets by tunnel and families, inner first, where there were any, and bad ones ("6in4 7 gre4in6
// 9 bad 0"). Needs CAP_NET_ADMIN and CAP_NET_RAW.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr size_t kBatch = 64;
constexpr size_t kMaxPacket = 65536;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

class Fd {
  public:
    explicit Fd(int fd, const std::string& what) : fd_(fd) {
        if (fd_ < 0) {
            fail(what);
        }
    }
    ~Fd() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

void set_up(const char* name) {
    Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(control.get(), SIOCGIFFLAGS, &request) < 0) {
        fail("reading the flags of " + std::string(name));
    }
    request.ifr_flags |= IFF_UP;
    if (ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) {
        fail("setting " + std::string(name) + " up");
    }
}

Fd open_tun(const char* name) {
    Fd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(tun.get(), TUNSETIFF, &request) < 0) {
        fail("making the TUN device " + std::string(name));
    }
    set_up(name);
    return tun;
}

// Room for a batch of packets, for all tunnels in turn.
struct Batch {
    Batch() {
        for (size_t i = 0; i < kBatch; ++i) {
            vectors[i] = {packets[i].data(), kMaxPacket};
            messages[i].msg_hdr.msg_iov = &vectors[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
    }

    std::array<std::array<uint8_t, kMaxPacket>, kBatch> packets;
    std::array<iovec, kBatch> vectors{};
    std::array<mmsghdr, kBatch> messages{};
};

using Bytes = std::span<const uint8_t>;

size_t be16(Bytes bytes, size_t at) {
    return (size_t{bytes[at]} << 8) | bytes[at + 1];
}

// 4 or 6: whose packet `bytes` are, to the last byte; 0: nobody's.
int family_of(Bytes bytes) {
    const int version = bytes.empty() ? 0 : bytes[0] >> 4;
    if (version == 4 && bytes.size() >= sizeof(iphdr) && be16(bytes, 2) == bytes.size()) {
        return 4;
    }
    const bool whole = version == 6 && bytes.size() >= sizeof(ip6_hdr) &&
                       be16(bytes, 4) + sizeof(ip6_hdr) == bytes.size();
    return whole ? 6 : 0;
}

// What a tunnel's own header says: the inner packet and its family; 0 where the header is wrong.
struct Announced {
    int family = 0;
    Bytes inner;
};

Announced in_ipv4(Bytes bytes) {
    return {4, bytes};
}

Announced in_ipv6(Bytes bytes) {
    return {6, bytes};
}

Announced in_gre(Bytes bytes) {
    if (bytes.size() < 4 || be16(bytes, 0) != 0) {
        return {};
    }
    const size_t type = be16(bytes, 2);
    return {type == 0x0800 ? 4 : type == 0x86dd ? 6 : 0, bytes.subspan(4)};
}

Announced in_gue(Bytes bytes) {
    if (bytes.size() < 4 || bytes[0] != 0 || be16(bytes, 2) != 0) {
        return {};
    }
    const int protocol = bytes[1];
    return {protocol == IPPROTO_IPIP ? 4 : protocol == IPPROTO_IPV6 ? 6 : 0, bytes.subspan(4)};
}

Announced in_fou(Bytes bytes) {
    return {family_of(bytes), bytes};
}

struct Kind {
    const char* name;  // before "4in4" and the like
    int protocol;      // of the outer IP header
    uint16_t port;     // of UDP
    Announced (*announced)(Bytes);
};

constexpr std::array<Kind, 5> kKinds{{{"", IPPROTO_IPIP, 0, in_ipv4},
                                      {"", IPPROTO_IPV6, 0, in_ipv6},
                                      {"gre", IPPROTO_GRE, 0, in_gre},
                                      {"gue", IPPROTO_UDP, 6080, in_gue},
                                      {"fou", IPPROTO_UDP, 8285, in_fou}}};

Fd open_socket(const Kind& kind, int family) {
    const bool udp = kind.protocol == IPPROTO_UDP;
    const std::string what = "socket for IP protocol " + std::to_string(kind.protocol);
    Fd opened(
        socket(family, (udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC | SOCK_NONBLOCK, kind.protocol),
        what);
    const int receive_buffer = 16 << 20, on = 1;
    setsockopt(opened.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer));
    if (!udp) {
        return opened;
    }
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET6) {
        setsockopt(opened.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(kind.port);
    } else {
        reinterpret_cast<sockaddr_in&>(address).sin_port = htons(kind.port);
    }
    if (bind(opened.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
        fail("binding UDP port " + std::to_string(kind.port));
    }
    return opened;
}

// One kind of tunnel with one family outside: its socket and its counters.
class Tunnel {
  public:
    Tunnel(const Kind& kind, int outer_family)
        : kind_(kind),
          outer_ipv4_(outer_family == AF_INET),
          socket_(open_socket(kind, outer_family)) {}

    int fd() const { return socket_.get(); }
    uint64_t bad() const { return bad_; }

    // Moves what waits in the socket to `tun`.
    void pump(Batch& batch, int tun) {
        const int count = recvmmsg(fd(), batch.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
        for (size_t i = 0; static_cast<int>(i) < count; ++i) {
            const auto [family, inner] =
                unpack({batch.packets[i].data(), batch.messages[i].msg_len});
            if (family == 0 || write(tun, inner.data(), inner.size()) < 0) {
                ++bad_;
            } else {
                ++(family == 4 ? ipv4_packets_ : ipv6_packets_);
            }
        }
    }

    void print() const {
        for (const auto& [family, count] : {std::pair{4, ipv4_packets_}, {6, ipv6_packets_}}) {
            if (count != 0) {
                std::printf("%s%din%d %llu ", kind_.name, family, outer_ipv4_ ? 4 : 6,
                            static_cast<unsigned long long>(count));
            }
        }
    }

  private:
    // A raw IPv4 socket hands over the outer header too, a raw IPv6 socket (RFC 3542 section 3) and
    // a UDP socket do not.
    Announced unpack(Bytes packet) const {
        if (outer_ipv4_ && kind_.protocol != IPPROTO_UDP) {
            const size_t header = packet.empty() ? 0 : (packet[0] & 0x0fu) * 4u;
            if (header < sizeof(iphdr) || packet.size() < header) {
                return {};
            }
            packet = packet.subspan(header);
        }
        const Announced announced = kind_.announced(packet);
        return family_of(announced.inner) == announced.family ? announced : Announced{};
    }

    Kind kind_;
    bool outer_ipv4_;
    Fd socket_;
    uint64_t ipv4_packets_ = 0, ipv6_packets_ = 0, bad_ = 0;
};

void print_counters(std::span<const Tunnel> tunnels) {
    uint64_t bad = 0;
    for (const auto& tunnel : tunnels) {
        tunnel.print();
        bad += tunnel.bad();
    }
    std::printf("bad %llu\n", static_cast<unsigned long long>(bad));
    std::fflush(stdout);
}

Fd open_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
        sigaddset(&set, signal);
    }
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

void run(const char* tun_name) {
    const Fd signals = open_signals();
    const Fd tun = open_tun(tun_name);
    std::vector<Tunnel> tunnels;
    std::vector<pollfd> polled{{signals.get(), POLLIN, 0}};
    for (const Kind& kind : kKinds) {
        for (const int family : {AF_INET, AF_INET6}) {
            tunnels.emplace_back(kind, family);
            polled.push_back({tunnels.back().fd(), POLLIN, 0});
        }
    }
    const auto batch = std::make_unique<Batch>();
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
        if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
            fail("poll");
        }
        for (size_t i = 0; i < tunnels.size(); ++i) {
            if (polled[i + 1].revents != 0) {
                tunnels[i].pump(*batch, tun.get());
            }
        }
        signalfd_siginfo signal;
        while (read(signals.get(), &signal, sizeof(signal)) == sizeof(signal)) {
            print_counters(tunnels);
            if (signal.ssi_signo != SIGUSR1) {
                return;
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const char* tun = "decap0";
    if (argc == 3 && std::string_view(argv[1]) == "--tun") {
        tun = argv[2];
    } else if (argc != 1) {
        std::fprintf(stderr, "usage: decap [--tun NAME]\n");
        return 2;
    }
    try {
        run(tun);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "decap: %s\n", error.what());
        return 1;
    }
    return 0;
}
