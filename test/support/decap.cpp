// Unpacks IP in IP for a backend of the tests and of scripts/quickstart: many kernels have no ipip
// module.
//
//   load balancer ──[ outer IP | inner IP | … ]──▶ raw socket ─▶ decap ─▶ TUN ─▶ the same
//   namespace's stack
//
//   decap [--tun NAME]      NAME is made, set up and gone again with the process; default: decap0
//
// All four combinations at once: IPv4 or IPv6 outside (protocol 4 or 41), IPv4 or IPv6 inside. The
// kernel has checked the outer header (version, checksum, length) and put fragments together before
// a raw socket sees the packet; decap checks that the inner packet is of the announced family and
// exactly as long as the outer payload, and drops and counts what is not.
//
// SIGUSR1 prints the counters in one line, SIGTERM and SIGINT print them and end the process.
// Needs CAP_NET_ADMIN and CAP_NET_RAW.
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

constexpr unsigned kBatch = 64;
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

// One kind of tunnel: its raw socket, its buffers and its counter.
class Tunnel {
  public:
    Tunnel(const char* name, int outer_family, int protocol)
        : name_(name),
          outer_ipv4_(outer_family == AF_INET),
          inner_ipv4_(protocol == IPPROTO_IPIP),
          socket_(::socket(outer_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
                  std::string("raw socket for ") + name),
          buffers_(std::make_unique<std::array<std::array<uint8_t, kMaxPacket>, kBatch>>()) {
        const int receive_buffer = 16 << 20;
        setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer,
                   sizeof(receive_buffer));
        for (unsigned i = 0; i < kBatch; ++i) {
            vectors_[i] = {(*buffers_)[i].data(), kMaxPacket};
            messages_[i].msg_hdr.msg_iov = &vectors_[i];
            messages_[i].msg_hdr.msg_iovlen = 1;
        }
    }

    int fd() const { return socket_.get(); }
    const char* name() const { return name_; }
    uint64_t packets() const { return packets_; }
    uint64_t bad() const { return bad_; }

    // Moves what waits in the socket to `tun`.
    void pump(int tun) {
        const int count = recvmmsg(fd(), messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
        for (int i = 0; i < count; ++i) {
            const auto inner = unpack({(*buffers_)[static_cast<size_t>(i)].data(),
                                       messages_[static_cast<size_t>(i)].msg_len});
            if (inner.empty() || write(tun, inner.data(), inner.size()) < 0) {
                ++bad_;
            } else {
                ++packets_;
            }
        }
    }

  private:
    // The inner packet, or nothing for one that does not hold together. A raw IPv4 socket hands
    // over the outer header too, a raw IPv6 socket (RFC 3542 section 3) does not.
    std::span<const uint8_t> unpack(std::span<const uint8_t> packet) const {
        if (outer_ipv4_) {
            if (packet.size() < sizeof(iphdr)) {
                return {};
            }
            const size_t header = (packet[0] & 0x0fu) * 4u;
            if (packet[0] >> 4 != 4 || header < sizeof(iphdr) || packet.size() < header) {
                return {};
            }
            packet = packet.subspan(header);
        }
        return packet.size() == inner_length(packet) ? packet : std::span<const uint8_t>{};
    }

    size_t inner_length(std::span<const uint8_t> inner) const {
        const auto be16 = [&](size_t at) { return (size_t{inner[at]} << 8) | inner[at + 1]; };
        if (inner_ipv4_) {
            return inner.size() >= sizeof(iphdr) && inner[0] >> 4 == 4 ? be16(2) : 0;
        }
        return inner.size() >= sizeof(ip6_hdr) && inner[0] >> 4 == 6 ? sizeof(ip6_hdr) + be16(4)
                                                                     : 0;
    }

    const char* name_;
    bool outer_ipv4_, inner_ipv4_;
    Fd socket_;
    std::unique_ptr<std::array<std::array<uint8_t, kMaxPacket>, kBatch>> buffers_;
    std::array<iovec, kBatch> vectors_{};
    std::array<mmsghdr, kBatch> messages_{};
    uint64_t packets_ = 0, bad_ = 0;
};

void print_counters(std::span<const Tunnel> tunnels) {
    uint64_t bad = 0;
    for (const auto& tunnel : tunnels) {
        std::printf("%s %llu ", tunnel.name(), static_cast<unsigned long long>(tunnel.packets()));
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
    std::array<Tunnel, 4> tunnels{{{"4in4", AF_INET, IPPROTO_IPIP},
                                   {"6in4", AF_INET, IPPROTO_IPV6},
                                   {"4in6", AF_INET6, IPPROTO_IPIP},
                                   {"6in6", AF_INET6, IPPROTO_IPV6}}};
    std::array<pollfd, 5> polled{};
    for (size_t i = 0; i < tunnels.size(); ++i) {
        polled[i] = {tunnels[i].fd(), POLLIN, 0};
    }
    polled.back() = {signals.get(), POLLIN, 0};
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
        if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
            fail("poll");
        }
        for (size_t i = 0; i < tunnels.size(); ++i) {
            if (polled[i].revents != 0) {
                tunnels[i].pump(tun.get());
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
