#include "kernel/ingress_guard.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "kernel/link.hpp"

namespace dlb {

namespace {

constexpr uint32_t kTableOwner = 0x2;   // NFT_TABLE_F_OWNER; headers before 5.12 lack it
constexpr uint16_t kTableUserdata = 6;  // NFTA_TABLE_USERDATA, Linux 5.10
constexpr uint8_t kCommentType = 0;     // libnftnl's record of a table's comment
constexpr size_t kMaxOwner = 64;        // names have at most NFT_NAME_MAXLEN (256) bytes
const std::string kChain = "ingress";

// What `nft` can print and read back.
std::string safe_name(const std::string& owner) {
    std::string out = owner.substr(0, kMaxOwner);
    std::replace_if(
        out.begin(), out.end(),
        [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_' && c != '.'; },
        '_');
    return out;
}

// Messages of one transaction: all of them happen or none (nfnetlink_rcv_batch()).
class Batch {
  public:
    explicit Batch(NetlinkSocket& socket) : socket_(socket) { add_marker(NFNL_MSG_BATCH_BEGIN); }

    void new_table(const std::string& name, uint32_t flags, const std::string& comment) {
        NetlinkRequest request = start(NFT_MSG_NEWTABLE, NLM_F_CREATE | extra_flags(flags));
        request.put_string(NFTA_TABLE_NAME, name);
        request.put_be32(NFTA_TABLE_FLAGS, flags);
        if (!comment.empty()) {
            std::vector<uint8_t> record = {kCommentType, static_cast<uint8_t>(comment.size() + 1)};
            record.insert(record.end(), comment.begin(), comment.end());
            record.push_back(0);
            request.put_bytes(kTableUserdata, record);
        }
        append(request);
    }

    void delete_table(const std::string& name) {
        NetlinkRequest request = start(NFT_MSG_DELTABLE, 0);
        request.put_string(NFTA_TABLE_NAME, name);
        append(request);
    }

    void new_drop_chain(const std::string& table, const std::string& interface) {
        NetlinkRequest request = start(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
        request.put_string(NFTA_CHAIN_TABLE, table);
        request.put_string(NFTA_CHAIN_NAME, kChain);
        nlattr* hook = request.begin(NFTA_CHAIN_HOOK);
        request.put_be32(NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
        request.put_be32(NFTA_HOOK_PRIORITY, 0);
        request.put_string(NFTA_HOOK_DEV, interface);
        request.end(hook);
        request.put_be32(NFTA_CHAIN_POLICY, NF_DROP);
        request.put_string(NFTA_CHAIN_TYPE, "filter");
        append(request);
    }

    NetlinkAck commit() {
        const uint32_t last = last_sequence_;
        add_marker(NFNL_MSG_BATCH_END);
        return socket_.transact({bytes_.data(), bytes_.size()}, last);
    }

  private:
    // An owned table is ours alone, so it must be new.
    static unsigned extra_flags(uint32_t table_flags) {
        return (table_flags & kTableOwner) != 0 ? NLM_F_EXCL : 0;
    }

    void add_marker(uint16_t type) {
        NetlinkRequest request(type, 0, socket_.next_sequence());
        request.header<nfgenmsg>().res_id = htons(NFNL_SUBSYS_NFTABLES);
        append(request);
    }

    NetlinkRequest start(uint16_t type, unsigned flags) {
        last_sequence_ = socket_.next_sequence();
        NetlinkRequest request(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                               NLM_F_ACK | flags, last_sequence_);
        request.header<nfgenmsg>().nfgen_family = NFPROTO_NETDEV;
        return request;
    }

    void append(const NetlinkRequest& request) {
        bytes_.insert(bytes_.end(), request.bytes().begin(), request.bytes().end());
    }

    NetlinkSocket& socket_;
    std::vector<char> bytes_;  // messages are whole multiples of 4 bytes long
    uint32_t last_sequence_ = 0;
};

struct NamedTable {
    std::string name;
    std::string comment;
};

std::vector<NamedTable> list_tables(NetlinkSocket& socket) {
    NetlinkRequest request(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP,
                           socket.next_sequence());
    request.header<nfgenmsg>().nfgen_family = NFPROTO_NETDEV;
    std::vector<NamedTable> tables;
    const NetlinkAck ack = socket.transact(request, [&](const nlmsghdr* message) {
        Attributes<kTableUserdata> attributes;
        if (!attributes.parse(message, sizeof(nfgenmsg))) {
            return;
        }
        NamedTable table{attributes.string(NFTA_TABLE_NAME), ""};
        const auto record = attributes.bytes(kTableUserdata);
        if (record.size() > 2 && record[0] == kCommentType && record[1] == record.size() - 2) {
            table.comment.assign(record.begin() + 2, record.end() - 1);
        }
        tables.push_back(std::move(table));
    });
    if (!ack.ok()) {
        tables.clear();  // the caller's own request says what is wrong
    }
    return tables;
}

// Another guard's table over the same interface, whoever's it is.
std::optional<NamedTable> find_other(NetlinkSocket& socket, const std::string& base,
                                     const std::string& own) {
    for (const NamedTable& table : list_tables(socket)) {
        if (table.name != own && (table.name == base || table.name.starts_with(base + "/"))) {
            return table;
        }
    }
    return std::nullopt;
}

Error taken_error(const std::string& interface, const NamedTable& table) {
    const std::string who = table.comment.empty() ? "another dpdk-lb" : table.comment;
    return {"interface '" + interface + "' is in use by " + who +
            " already (nf_tables table netdev " + table.name +
            "): stop it or give this one another interface; if nothing runs: nft delete table " +
            "netdev " + table.name};
}

Error failure(const std::string& interface, const NetlinkAck& ack) {
    const std::string what = "cannot keep the kernel off interface '" + interface + "': ";
    switch (ack.error) {
        case EPERM:
            return {what + "it needs root or CAP_NET_ADMIN"};
        case EOPNOTSUPP:
        case ENOENT:
        case EPROTONOSUPPORT:
            return {what + "this kernel has no nf_tables ingress chains; load them (modprobe " +
                    "nf_tables) or use a kernel with CONFIG_NF_TABLES_NETDEV"};
        default:
            return {what + ack.to_string()};
    }
}

Result<NetlinkSocket> open_for(const std::string& interface) {
    if (!interface_index(interface)) {
        return Error{"there is no interface '" + interface + "': `ip link` lists those there are"};
    }
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    if (!socket.ok()) {
        return Error{failure(interface, {EPROTONOSUPPORT, ""})};
    }
    return socket;
}

std::string base_name(const std::string& interface) {
    return "dpdk-lb/" + interface;
}

std::string comment_of(const std::string& owner) {
    return "dpdk-lb '" + safe_name(owner) + "'";
}

}  // namespace

Result<IngressGuard> IngressGuard::create(const std::string& owner, const std::string& interface) {
    auto opened = open_for(interface);
    if (!opened.ok()) {
        return Error{opened.error()};
    }
    NetlinkSocket socket = std::move(opened).value();
    const std::string table = base_name(interface);
    Batch batch(socket);
    batch.new_table(table, kTableOwner, comment_of(owner));
    batch.new_drop_chain(table, interface);
    const NetlinkAck ack = batch.commit();
    if (ack.ok()) {
        return IngressGuard(std::move(socket), table, false);
    }
    if (ack.error == EOPNOTSUPP || ack.error == EINVAL) {
        return create_unowned(owner, interface);
    }
    // EEXIST for somebody's plain table, EPERM for one with an owner, or for lack of privilege.
    if (ack.error == EEXIST || ack.error == EPERM) {
        if (const auto other = find_other(socket, table, "")) {
            return taken_error(interface, *other);
        }
    }
    return failure(interface, ack);
}

Result<IngressGuard> IngressGuard::create_unowned(const std::string& owner,
                                                  const std::string& interface) {
    auto opened = open_for(interface);
    if (!opened.ok()) {
        return Error{opened.error()};
    }
    NetlinkSocket socket = std::move(opened).value();
    const std::string table = base_name(interface) + "/" + safe_name(owner);
    if (const auto other = find_other(socket, base_name(interface), table)) {
        return taken_error(interface, *other);
    }
    Batch batch(socket);
    // Creating first makes the deletion of a leftover good in either case.
    batch.new_table(table, 0, "");
    batch.delete_table(table);
    batch.new_table(table, 0, comment_of(owner));
    batch.new_drop_chain(table, interface);
    const NetlinkAck ack = batch.commit();
    if (!ack.ok()) {
        return failure(interface, ack);
    }
    return IngressGuard(std::move(socket), table, true);
}

IngressGuard::IngressGuard(IngressGuard&& other) noexcept
    : socket_(std::exchange(other.socket_, std::nullopt)),
      table_(std::move(other.table_)),
      remove_(other.remove_) {}

IngressGuard& IngressGuard::operator=(IngressGuard&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(table_, other.table_);
    std::swap(remove_, other.remove_);
    return *this;
}

IngressGuard::~IngressGuard() {
    if (socket_ && remove_) {
        Batch batch(*socket_);
        batch.delete_table(table_);
        (void)batch.commit();
    }
}

}  // namespace dlb
