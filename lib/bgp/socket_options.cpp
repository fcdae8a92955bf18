#include "bgp/socket_options.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace dlb::bgp {
namespace {

constexpr int kClassSelector6 = 0xc0;
constexpr int kMostHops = 255;

template <typename T>
Result<void> set(int socket, int level, int option, const T& value, const char* name) {
    if (::setsockopt(socket, level, option, &value, sizeof value) != 0) {
        return Error{std::string(name) + ": " + std::strerror(errno)};
    }
    return {};
}

sockaddr_storage storage_of(const IpAddress& address) {
    sockaddr_storage storage{};
    if (address.is_v4()) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        v4->sin_family = AF_INET;
        std::memcpy(&v4->sin_addr, address.bytes().data(), 4);
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
        v6->sin6_family = AF_INET6;
        std::memcpy(&v6->sin6_addr, address.bytes().data(), 16);
    }
    return storage;
}

// RFC 5082 §3: sent with 255, taken with no less than the distance allows.
Result<void> set_distance(int socket, Family family, const SocketRules& rules) {
    if (!rules.ttl_security) {
        return rules.internal ? Result<void>()
                              : set_hop_limit(socket, family, static_cast<int>(rules.multihop));
    }
    if (auto set_it = set_hop_limit(socket, family, kMostHops); !set_it) {
        return set_it;
    }
    const int least = kMostHops + 1 - static_cast<int>(rules.multihop);
    return family == Family::V4
               ? set(socket, IPPROTO_IP, IP_MINTTL, least, "IP_MINTTL")
               : set(socket, IPPROTO_IPV6, IPV6_MINHOPCOUNT, least, "IPV6_MINHOPCOUNT");
}

}  // namespace

Result<void> set_hop_limit(int socket, Family family, int hops) {
    return family == Family::V4
               ? set(socket, IPPROTO_IP, IP_TTL, hops, "IP_TTL")
               : set(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops, "IPV6_UNICAST_HOPS");
}

Result<void> set_rules(int socket, Family family, const SocketRules& rules) {
    const int on = 1;
    if (auto done = set(socket, IPPROTO_TCP, TCP_NODELAY, on, "TCP_NODELAY"); !done) {
        return done;
    }
    // Beyond the hold timer (RFC 4271) and the send hold timer (RFC 9687), which tell the
    // neighbour.
    const auto timeout = std::chrono::milliseconds(rules.hold_time) * 3;
    if (timeout.count() > 0) {
        const auto ms = static_cast<unsigned>(timeout.count());
        if (auto done = set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, ms, "TCP_USER_TIMEOUT"); !done) {
            return done;
        }
    }
    const auto done = family == Family::V4
                          ? set(socket, IPPROTO_IP, IP_TOS, kClassSelector6, "IP_TOS")
                          : set(socket, IPPROTO_IPV6, IPV6_TCLASS, kClassSelector6, "IPV6_TCLASS");
    return done ? set_distance(socket, family, rules) : done;
}

Result<void> set_password(int socket, const Prefix& who, const std::string& password) {
    tcp_md5sig signature{};
    if (password.size() > sizeof signature.tcpm_key) {
        return Error{"the TCP MD5 password of " + who.to_string() + " is longer than " +
                     std::to_string(sizeof signature.tcpm_key) + " bytes"};
    }
    signature.tcpm_addr = storage_of(who.address());
    signature.tcpm_keylen = static_cast<uint16_t>(password.size());
    std::copy(password.begin(), password.end(), signature.tcpm_key);
    int option = TCP_MD5SIG;
    if (!who.is_host()) {
        option = TCP_MD5SIG_EXT;
        signature.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
        signature.tcpm_prefixlen = static_cast<uint8_t>(who.length());
    }
    auto done = set(socket, IPPROTO_TCP, option, signature, "TCP_MD5SIG");
    explicit_bzero(&signature, sizeof signature);
    return done;
}

}  // namespace dlb::bgp
