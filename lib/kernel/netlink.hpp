// NetlinkSocket, NetlinkRequest, Attributes: the thin layer over libmnl that this folder shares.
//
// Shapes: a message is an nlmsghdr, a family header and attributes (netlink(7), linux/netlink.h).
// Errors: errno values as positive ints, 0 for success; a malformed message parses to false or
// nullopt. Thread safety: one thread an object.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb {

// What the kernel answered to a request.
struct NetlinkAck {
    int error = 0;       // errno; 0: done
    std::string detail;  // the kernel's own words (extended ack), often empty

    bool ok() const { return error == 0; }
    std::string to_string() const;  // "No such device", "Network is unreachable: Nexthop has …"
};

// One request message, built front to back.
class NetlinkRequest {
  public:
    NetlinkRequest(uint16_t type, unsigned flags, uint32_t sequence);

    // Appends the zeroed family header. REQUIRES: called once, before any put().
    template <typename Header>
    Header& header() {
        return *static_cast<Header*>(mnl_nlmsg_put_extra_header(message(), sizeof(Header)));
    }
    void put_u32(uint16_t type, uint32_t value);   // host byte order
    void put_be32(uint16_t type, uint32_t value);  // nfnetlink's integers are big-endian
    void put_string(uint16_t type, const std::string& value);  // with its NUL
    void put_address(uint16_t type, const IpAddress& address);
    void put_bytes(uint16_t type, std::span<const uint8_t> bytes);
    nlattr* begin(uint16_t type) { return mnl_attr_nest_start(message(), type); }
    void end(nlattr* nest) { mnl_attr_nest_end(message(), nest); }

    std::span<const char> bytes() const { return {buffer_.data(), message()->nlmsg_len}; }
    uint32_t sequence() const { return message()->nlmsg_seq; }

  private:
    nlmsghdr* message() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
    const nlmsghdr* message() const { return reinterpret_cast<const nlmsghdr*>(buffer_.data()); }

    // Room for any request of this folder: names are below 256 bytes, addresses below 16.
    alignas(nlmsghdr) std::array<char, 1024> buffer_{};
};

// Never blocks on receive; fd() is for poll(2).
class NetlinkSocket {
  public:
    using Visitor = std::function<void(const nlmsghdr*)>;

    // `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER
    static Result<NetlinkSocket> open(int protocol);

    int fd() const { return mnl_socket_get_fd(socket_.get()); }
    uint32_t port_id() const { return mnl_socket_get_portid(socket_.get()); }
    uint32_t next_sequence() { return ++sequence_; }

    int join(unsigned group);  // RTNLGRP_…
    // Beyond net.core.rmem_max where CAP_NET_ADMIN allows it, else as far as that.
    void set_receive_buffer(int bytes);

    int send(std::span<const char> bytes);
    // One datagram of the kernel's: its size, 0 when there is none, -errno otherwise. What other
    // processes send is dropped.
    ssize_t receive(std::span<char> buffer);
    // Waits until receive() has something. False: not within `milliseconds`.
    bool wait(int milliseconds) const;

    // Sends one request (or a batch) and reads up to the acknowledgement, or the end of the dump,
    // that has `final_sequence`, or up to the first error. `visit` sees the messages in between.
    NetlinkAck transact(std::span<const char> bytes, uint32_t final_sequence,
                        const Visitor& visit = {});
    NetlinkAck transact(const NetlinkRequest& request, const Visitor& visit = {}) {
        return transact(request.bytes(), request.sequence(), visit);
    }

  private:
    struct Closer {
        void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
    };
    explicit NetlinkSocket(mnl_socket* socket) : socket_(socket) {}
    void discard_pending();

    std::unique_ptr<mnl_socket, Closer> socket_;
    uint32_t sequence_ = 0;
    std::vector<char> buffer_;
};

// The error of an NLMSG_ERROR or NLMSG_DONE message.
NetlinkAck parse_ack(const nlmsghdr* message);

// Calls `visit` for each whole message of a received datagram.
template <typename Visit>
void for_each_message(std::span<const char> datagram, Visit&& visit) {
    int left = static_cast<int>(datagram.size());
    const auto* message = reinterpret_cast<const nlmsghdr*>(datagram.data());
    while (mnl_nlmsg_ok(message, left)) {
        visit(message);
        message = mnl_nlmsg_next(message, &left);
    }
}

// `family`: AF_INET, AF_INET6. nullopt unless the size is that family's.
std::optional<IpAddress> to_address(int family, const void* data, size_t size);

// The attributes of a message by type, 0 to Max; unknown ones are passed over. Every getter checks
// the size of what it reads (libmnl's own validation lets short integers pass).
template <size_t Max>
class Attributes {
  public:
    // False: shorter than its family header. What follows an attribute that runs over the end is
    // not seen.
    bool parse(const nlmsghdr* message, size_t header_size) {
        table_ = {};
        return mnl_nlmsg_get_payload_len(message) >= header_size &&
               mnl_attr_parse(message, static_cast<unsigned>(header_size), &store, this) ==
                   MNL_CB_OK;
    }
    bool parse_payload(const void* data, size_t size) {
        table_ = {};
        return mnl_attr_parse_payload(data, size, &store, this) == MNL_CB_OK;
    }

    bool has(size_t type) const { return table_[type] != nullptr; }
    std::span<const uint8_t> bytes(size_t type) const {  // empty: not there
        if (table_[type] == nullptr) {
            return {};
        }
        return {static_cast<const uint8_t*>(mnl_attr_get_payload(table_[type])),
                mnl_attr_get_payload_len(table_[type])};
    }
    std::optional<uint32_t> u32(size_t type) const {
        if (bytes(type).size() != sizeof(uint32_t)) {
            return std::nullopt;
        }
        return mnl_attr_get_u32(table_[type]);
    }
    std::optional<IpAddress> address(size_t type, int family) const {
        return to_address(family, bytes(type).data(), bytes(type).size());
    }
    std::optional<MacAddress> mac(size_t type) const {
        MacAddress mac;
        if (bytes(type).size() != mac.bytes.size()) {
            return std::nullopt;
        }
        std::copy_n(bytes(type).data(), mac.bytes.size(), mac.bytes.begin());
        return mac;
    }
    std::string string(size_t type) const {  // "": not there
        const auto* text = reinterpret_cast<const char*>(bytes(type).data());
        return text == nullptr ? std::string()
                               : std::string(text, strnlen(text, bytes(type).size()));
    }

  private:
    static int store(const nlattr* attribute, void* self) {
        const uint16_t type = mnl_attr_get_type(attribute);
        if (type <= Max) {
            static_cast<Attributes*>(self)->table_[type] = attribute;
        }
        return MNL_CB_OK;
    }

    std::array<const nlattr*, Max + 1> table_{};
};

}  // namespace dlb
