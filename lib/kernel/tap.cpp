#include "kernel/tap.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dlb {

namespace {

ifreq request_for(const std::string& name) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

// dev_valid_name(), net/core/dev.c; '%' makes the kernel count up a name of its own.
bool is_valid_name(const std::string& name) {
    return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
           std::none_of(name.begin(), name.end(), [](unsigned char c) {
               return c == '/' || c == ':' || c == '%' || c <= ' ' || c >= 0x7f;
           });
}

Error exists_error(const std::string& name) {
    return {"an interface '" + name +
            "' exists already: choose another `tap` name or stop what owns it"};
}

Error open_error(int error) {
    const std::string what = "cannot open /dev/net/tun: " + std::string(std::strerror(error));
    switch (error) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return {what + "; load the driver (modprobe tun), or in a container make the device " +
                    "(mkdir -p /dev/net; mknod /dev/net/tun c 10 200)"};
        case EPERM:
        case EACCES:
            return {what + "; run as root or with CAP_NET_ADMIN, and give a container the device"};
        default:
            return {what};
    }
}

Error setup_error(const std::string& name, const std::string& what, int error) {
    if (error == EPERM) {
        return {"cannot " + what + " of TAP '" + name + "': it needs root or CAP_NET_ADMIN"};
    }
    return {"cannot " + what + " of TAP '" + name + "': " + std::strerror(error)};
}

std::string sysctl_path(const char* family, const std::string& name, const char* key) {
    return std::string("/proc/sys/net/") + family + "/conf/" + name + "/" + key;
}

// errno; 0: written
int write_file(const std::string& path, const char* value) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) {
        return errno;
    }
    const auto size = static_cast<ssize_t>(std::strlen(value));
    return ::write(fd.get(), value, std::strlen(value)) == size ? 0 : errno;
}

std::optional<char> read_digit(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char digit = 0;
    if (!fd || ::read(fd.get(), &digit, 1) != 1) {
        return std::nullopt;
    }
    return digit;
}

}  // namespace

Tap::Tap(UniqueFd fd, std::string name, int ifindex)
    : fd_(std::move(fd)), name_(std::move(name)), ifindex_(ifindex) {}

Result<Tap> Tap::create(const std::string& name, const MacAddress& mac, uint16_t mtu) {
    if (!is_valid_name(name)) {
        return Error{"'" + name + "' is no name for a TAP: give 1 to 15 characters without " +
                     "spaces, '/', ':' and '%'"};
    }
    if (mac.is_zero() || mac.is_multicast()) {
        return Error{"TAP '" + name + "' cannot have the MAC " + mac.to_string() +
                     ": give a unicast one"};
    }
    UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) {
        return open_error(errno);
    }
    ifreq request = request_for(name);
    // EXCL: another program's persistent TAP of that name must not become ours.
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL);
    if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) {
        const int error = errno;
        if (if_nametoindex(name.c_str()) != 0) {
            return exists_error(name);
        }
        if (error == EPERM) {
            return Error{"cannot create TAP '" + name + "': it needs root or CAP_NET_ADMIN"};
        }
        return Error{"cannot create TAP '" + name + "': " + std::strerror(error)};
    }
    // This is the default, said aloud: nobody behind read() could finish a partial checksum.
    if (::ioctl(fd.get(), TUNSETOFFLOAD, 0UL) < 0) {
        return setup_error(name, "turn off the offloads", errno);
    }
    Tap tap(std::move(fd), name, static_cast<int>(if_nametoindex(name.c_str())));
    if (auto configured = tap.configure(mac, mtu); !configured.ok()) {
        return Error{configured.error()};
    }
    return tap;
}

Result<void> Tap::configure(const MacAddress& mac, uint16_t mtu) {
    const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!control) {
        return setup_error(name_, "set the addresses", errno);
    }
    ifreq request = request_for(name_);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::copy(mac.bytes.begin(), mac.bytes.end(), request.ifr_hwaddr.sa_data);
    if (::ioctl(control.get(), SIOCSIFHWADDR, &request) < 0) {
        return setup_error(name_, "set the MAC", errno);
    }
    request = request_for(name_);
    request.ifr_mtu = mtu;
    if (::ioctl(control.get(), SIOCSIFMTU, &request) < 0) {
        if (errno == EINVAL) {
            return Error{"TAP '" + name_ + "' cannot have the mtu " + std::to_string(mtu) +
                         ": give a number from 68 to 65521"};
        }
        return setup_error(name_, "set the MTU", errno);
    }
    // Between the MAC, of which the link-local address is made, and the start, which makes it.
    set_sysctls();
    request = request_for(name_);
    if (::ioctl(control.get(), SIOCGIFFLAGS, &request) < 0) {
        return setup_error(name_, "read the flags", errno);
    }
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) {
        return setup_error(name_, "set the state", errno);
    }
    return {};
}

// Documentation/networking/ip-sysctl.rst
void Tap::set_sysctls() {
    set_sysctl("ipv6", "accept_dad", "0", "IPv6 addresses may take a second to work");
    set_sysctl("ipv6", "dad_transmits", "0", "IPv6 addresses may take a second to work");
    set_sysctl("ipv6", "accept_ra", "0", "routers may add addresses and routes to it");
    set_sysctl("ipv6", "router_solicitations", "0", "routers are asked for addresses");
    // Neighbour solicitations need a link-local source address, whatever the machine's default is.
    // Last, as it may make the address at once.
    set_sysctl("ipv6", "addr_gen_mode", "0", "IPv6 neighbours may not resolve");
    // The stricter of `all` and the interface's own counts, where loose (2) is above strict (1). A
    // reply may well come in on another port than the request went out of.
    const auto all = read_digit(sysctl_path("ipv4", "all", "rp_filter"));
    set_sysctl("ipv4", "rp_filter", all == '0' ? "0" : "2",
               "packets on asymmetric paths may be dropped");
}

void Tap::set_sysctl(const char* family, const char* key, const char* value,
                     const char* consequence) {
    const std::string path = sysctl_path(family, name_, key);
    // Already so, or this kernel runs without IPv6.
    const auto now = read_digit(path);
    if (!now || now == value[0]) {
        return;
    }
    if (const int error = write_file(path, value); error != 0) {
        warnings_.push_back("cannot set sysctl net." + std::string(family) + ".conf." + name_ +
                            "." + key + " to " + value + " (" + std::strerror(error) +
                            "): " + consequence);
    }
}

size_t Tap::read(std::span<uint8_t> buffer) {
    const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size < 0) {
        deleted_ |= errno == EBADFD;
        return 0;
    }
    return static_cast<size_t>(size);
}

bool Tap::write(std::span<const uint8_t> frame) {
    const ssize_t size = ::write(fd_.get(), frame.data(), frame.size());
    return size == static_cast<ssize_t>(frame.size());
}

}  // namespace dlb
