#include "control/address_answer.hpp"

#include <cstring>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"
#include "net/parse.hpp"

namespace dlb {

namespace {

constexpr uint8_t kNeighborSolicitation = 135;
constexpr uint8_t kNeighborAdvertisement = 136;
constexpr uint8_t kAllNodesMac[6] = {0x33, 0x33, 0, 0, 0, 1};
constexpr uint32_t kSolicited = 0x40000000;
constexpr uint32_t kOverride = 0x20000000;

struct NeighborMessage {  // RFC 4861 §4.3, §4.4
    uint8_t type;
    uint8_t code;
    uint16_t checksum;
    uint32_t flags;
    uint8_t target[16];
};
static_assert(sizeof(NeighborMessage) == 24);

struct LinkLayerOption {  // §4.6.1
    uint8_t type;
    uint8_t length;
    uint8_t mac[6];
};

using AddressTest = std::function<bool(const IpAddress&)>;

template <typename F>
bool is_ours(const LbSnapshot& snapshot, const typename F::Address& address) {
    const FamilyTables<F>& tables = snapshot.tables<F>();
    const AddressEntry* own = tables.find_address(address);
    if (own != nullptr && own->local) {
        return false;  // the kernel answers
    }
    return (own != nullptr && own->snat_slot >= 0) || tables.find_vip(address) != nullptr;
}

void set_ethernet(rte_mbuf* mbuf, const uint8_t* destination, const MacAddress& source) {
    auto* ethernet = rte_pktmbuf_mtod(mbuf, rte_ether_hdr*);
    std::memcpy(ethernet->dst_addr.addr_bytes, destination, 6);
    std::memcpy(ethernet->src_addr.addr_bytes, source.bytes.data(), 6);
}

bool answer_arp(rte_mbuf* mbuf, size_t offset, const AddressTest& is_ours, const MacAddress& mac) {
    if (rte_pktmbuf_data_len(mbuf) < offset + sizeof(rte_arp_hdr)) {
        return false;
    }
    auto* arp = rte_pktmbuf_mtod_offset(mbuf, rte_arp_hdr*, offset);
    rte_arp_ipv4& data = arp->arp_data;
    uint8_t target[4];
    uint8_t sender[4];
    std::memcpy(target, &data.arp_tip, sizeof target);
    std::memcpy(sender, &data.arp_sip, sizeof sender);
    if (arp->arp_hardware != Be16(RTE_ARP_HRD_ETHER).raw() ||
        arp->arp_protocol != Be16(RTE_ETHER_TYPE_IPV4).raw() || arp->arp_hlen != 6 ||
        arp->arp_plen != 4 || arp->arp_opcode != Be16(RTE_ARP_OP_REQUEST).raw() ||
        !is_ours(to_ip_address(load_address<V4>(target)))) {
        return false;
    }
    arp->arp_opcode = Be16(RTE_ARP_OP_REPLY).raw();
    data.arp_tha = data.arp_sha;
    std::memcpy(&data.arp_tip, sender, sizeof sender);
    std::memcpy(data.arp_sha.addr_bytes, mac.bytes.data(), 6);
    std::memcpy(&data.arp_sip, target, sizeof target);
    set_ethernet(mbuf, data.arp_tha.addr_bytes, mac);
    return true;
}

// §7.2.4: to the one who asked, or to all nodes for one who has no address yet (duplicate address
// detection).
void write_advertisement(rte_ipv6_hdr* ip, NeighborMessage* message, const MacAddress& mac) {
    const bool anonymous = to_ip_address(load_address<V6>(ip->src_addr)).is_unspecified();
    constexpr uint8_t kAllNodes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    std::memcpy(ip->dst_addr, anonymous ? kAllNodes : ip->src_addr, sizeof ip->dst_addr);
    std::memcpy(ip->src_addr, message->target, sizeof ip->src_addr);
    constexpr uint16_t kLength = sizeof(NeighborMessage) + sizeof(LinkLayerOption);
    ip->payload_len = Be16(kLength).raw();
    ip->hop_limits = 255;
    message->type = kNeighborAdvertisement;
    message->code = 0;
    message->checksum = 0;
    message->flags = Be32(kOverride | (anonymous ? 0 : kSolicited)).raw();
    auto* option = reinterpret_cast<LinkLayerOption*>(message + 1);
    *option = {2, 1, {}};
    std::memcpy(option->mac, mac.bytes.data(), sizeof option->mac);
    const uint64_t sum = sum_bytes(ip->src_addr, 32) + Be32(kLength).raw() +
                         Be32(kProtocolIcmpv6).raw() + sum_bytes(message, kLength);
    message->checksum = static_cast<uint16_t>(~fold_checksum(sum));
}

bool answer_solicitation(rte_mbuf* mbuf, const PacketMeta& meta, const AddressTest& is_ours,
                         const MacAddress& mac) {
    constexpr size_t kHeaders = sizeof(rte_ipv6_hdr) + sizeof(NeighborMessage);
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    auto* ip = rte_pktmbuf_mtod_offset(mbuf, rte_ipv6_hdr*, meta.l3_offset);
    auto* message = rte_pktmbuf_mtod_offset(mbuf, NeighborMessage*, meta.l4_offset);
    // §7.1.1: a hop limit of 255 shows that no router passed it on.
    if (meta.l3_length < kHeaders || meta.l4_offset != meta.l3_offset + sizeof(rte_ipv6_hdr) ||
        ip->hop_limits != 255 || message->code != 0 ||
        !is_ours(to_ip_address(load_address<V6>(message->target)))) {
        return false;
    }
    const size_t length = meta.l3_offset + kHeaders + sizeof(LinkLayerOption);
    uint8_t asker[6];
    std::memcpy(asker, frame + 6, sizeof asker);
    const size_t present = rte_pktmbuf_pkt_len(mbuf);
    if (mbuf->nb_segs != 1 ||
        (present > length &&
         rte_pktmbuf_trim(mbuf, static_cast<uint16_t>(present - length)) != 0) ||
        (present < length &&
         rte_pktmbuf_append(mbuf, static_cast<uint16_t>(length - present)) == nullptr)) {
        return false;
    }
    write_advertisement(ip, message, mac);
    set_ethernet(mbuf, ip->dst_addr[0] == 0xff ? kAllNodesMac : asker, mac);
    return true;
}

template <typename Header>
Header* append(rte_mbuf* mbuf, size_t extra = 0) {
    const auto size = static_cast<uint16_t>(sizeof(Header) + extra);
    // REQUIRES room: an empty mbuf has some 2,000 bytes.
    char* room = rte_pktmbuf_mtod_offset(mbuf, char*, mbuf->data_len);
    mbuf->data_len = static_cast<uint16_t>(mbuf->data_len + size);
    mbuf->pkt_len += size;
    std::memset(room, 0, size);
    return reinterpret_cast<Header*>(room);
}

// RFC 5227 §3: a request in which sender and target are the address itself.
void write_arp_announcement(rte_mbuf* mbuf, const IpAddress& address, const MacAddress& mac) {
    auto* arp = append<rte_arp_hdr>(mbuf);
    arp->arp_hardware = Be16(RTE_ARP_HRD_ETHER).raw();
    arp->arp_protocol = Be16(RTE_ETHER_TYPE_IPV4).raw();
    arp->arp_hlen = 6;
    arp->arp_plen = 4;
    arp->arp_opcode = Be16(RTE_ARP_OP_REQUEST).raw();
    std::memcpy(arp->arp_data.arp_sha.addr_bytes, mac.bytes.data(), 6);
    std::memcpy(&arp->arp_data.arp_sip, address.bytes().data(), 4);
    std::memcpy(&arp->arp_data.arp_tip, address.bytes().data(), 4);
}

}  // namespace

void make_address_announcement(rte_mbuf* mbuf, const IpAddress& address, const MacAddress& mac) {
    constexpr uint8_t kBroadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    auto* ethernet = append<rte_ether_hdr>(mbuf);
    ethernet->ether_type = Be16(address.is_v4() ? RTE_ETHER_TYPE_ARP : RTE_ETHER_TYPE_IPV6).raw();
    if (address.is_v4()) {
        write_arp_announcement(mbuf, address, mac);
    } else {
        auto* ip = append<rte_ipv6_hdr>(mbuf);
        auto* message = append<NeighborMessage>(mbuf, sizeof(LinkLayerOption));
        ip->vtc_flow = Be32(0x60000000).raw();
        ip->proto = kProtocolIcmpv6;
        std::memcpy(message->target, address.bytes().data(), sizeof message->target);
        write_advertisement(ip, message, mac);  // from ::, so to all nodes
    }
    set_ethernet(mbuf, address.is_v4() ? kBroadcast : kAllNodesMac, mac);
}

bool answer_address_query(rte_mbuf* mbuf, const AddressTest& is_ours, const MacAddress& mac) {
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const PacketMeta meta = parse(frame, rte_pktmbuf_data_len(mbuf));
    if (meta.status == ParseStatus::NotIp) {
        uint16_t type;
        std::memcpy(&type, frame + meta.l3_offset - 2, sizeof type);
        return type == Be16(RTE_ETHER_TYPE_ARP).raw() &&
               answer_arp(mbuf, meta.l3_offset, is_ours, mac);
    }
    return meta.status == ParseStatus::Ok && meta.protocol == kProtocolIcmpv6 && !meta.fragment &&
           meta.icmp_type == kNeighborSolicitation && answer_solicitation(mbuf, meta, is_ours, mac);
}

bool answer_address_query(rte_mbuf* mbuf, const LbSnapshot& snapshot, const MacAddress& mac) {
    const auto test = [&snapshot](const IpAddress& address) {
        return address.is_v4() ? is_ours<V4>(snapshot, raw_address<V4>(address))
                               : is_ours<V6>(snapshot, raw_address<V6>(address));
    };
    return answer_address_query(mbuf, test, mac);
}

}  // namespace dlb
