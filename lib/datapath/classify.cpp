#include "datapath/classify.hpp"

#include <cstring>

#include "datapath/answer.hpp"
#include "datapath/icmp.hpp"
#include "flow/snat_pool.hpp"
#include "net/host_address.hpp"

namespace dlb {

namespace {

constexpr uint8_t kEchoRequest = 8;      // RFC 792
constexpr uint8_t kEchoRequestV6 = 128;  // RFC 4443 §4.1
constexpr uint8_t kRoutingHeader = 43;   // RFC 8200 §4
constexpr uint8_t kOptionsHeader = 60;
// RFC 4861 §4: router solicitation to redirect. The control thread answers for VIPs.
constexpr uint8_t kFirstNdp = 133;
constexpr uint8_t kLastNdp = 137;

void finish(Packet& packet, Verdict verdict) {
    packet.cls = PacketClass::Done;
    packet.verdict = verdict;
}

void hand_over_unless_own(Packet& packet, WorkerIdentity self, unsigned owner) {
    if (owner != self.id && !packet.handed_over) {
        packet.cls = PacketClass::HandOver;
        packet.owner = static_cast<uint8_t>(owner);
    }
}

// Who keeps a client's flows where the queue does not settle it, see FlowKeeper.
template <typename F>
unsigned client_owner(FlowKeeper keeper, const typename F::Address& client, uint16_t port,
                      unsigned workers) {
    const uint16_t seed = keeper == FlowKeeper::ClientAddress ? 0 : port;
    return hash_share(XXH3_64bits_withSeed(&client, sizeof client, seed), workers);
}

// Whether a fragment's datagram may be of TCP or UDP. RFC 8200 §4.5: a fragment names the header
// that follows; in IPv6 that may be one before the transport header.
template <typename F>
bool may_have_ports(uint8_t protocol) {
    return protocol == kProtocolTcp || protocol == kProtocolUdp ||
           (F::kFamily == Family::V6 && (protocol == kRoutingHeader || protocol == kOptionsHeader));
}

template <typename F>
void finish_portless_fragment(const FamilyTables<F>& tables, const typename F::Address& destination,
                              Packet& packet) {
    if (tables.find_vip(destination) == nullptr || tables.find_address(destination) != nullptr) {
        packet.cls = PacketClass::Punt;
    } else {
        finish(packet, Verdict::Fragment);
    }
}

// By its addresses alone: only those that a service may have a claim to are looked at closer.
template <typename F>
void sort_fragment(const FamilyTables<F>& tables, const typename F::Address& source,
                   const typename F::Address& destination, Packet& packet) {
    const AddressEntry* own = tables.find_address(destination);
    const bool possible = tables.find_vip(destination) != nullptr ||
                          (own != nullptr ? own->snat_slot >= 0 : tables.is_nat_backend(source));
    if (!possible) {
        packet.cls = PacketClass::Punt;
    } else if (!may_have_ports<F>(packet.meta.protocol)) {
        finish_portless_fragment<F>(tables, destination, packet);
    } else if (packet.meta.tiny_fragment) {
        finish(packet, Verdict::FragmentTiny);
    } else {
        packet.cls = PacketClass::Fragment;
    }
}

template <typename F>
void fill_key(const uint8_t* frame, const PacketMeta& meta, FlowKey<F>& key) {
    // As whole words: the hash reads them back at once.
    const auto addresses = load_addresses<F>(frame + meta.l3_offset);
    const uint64_t rest =
        meta.source_port | uint64_t{meta.destination_port} << 16 | uint64_t{meta.protocol} << 32;
    std::memcpy(static_cast<void*>(&key), &addresses, sizeof addresses);
    std::memcpy(reinterpret_cast<uint8_t*>(&key) + sizeof addresses, &rest, sizeof rest);
}

// The packet's key becomes that of the flow that an ICMP error is about.
template <typename F>
void take_flow(Packet& packet, PacketClass cls, const FlowKey<F>& key) {
    packet.cls = cls;
    packet.key<F>() = key;
    packet.hash = key.hash();
}

// An ICMP error goes to the sender of what it quotes: what a backend sent has the VIP for its
// source, what went to a fnat backend a SNAT address, what went to a nat backend the client's.
// True: it is one of a service, and packet's class is set.
template <typename F>
bool classify_error(const LbSnapshot& snapshot, WorkerIdentity self, Packet& packet) {
    const FamilyTables<F>& tables = snapshot.tables<F>();
    const FlowKey<F>& quoted = packet.quoted_key<F>();
    const typename F::Address to = packet.key<F>().destination;
    if (packet.quoted.status != ParseStatus::Ok || !packet.quoted.has_ports ||
        quoted.source != to) {
        return false;
    }
    const FlowKey<F> answer = quoted.reversed();
    const auto match = tables.find_service(to, quoted.source_port, quoted.protocol);
    const AddressEntry* own = tables.find_address(to);
    if (match.service != nullptr) {
        if (!can_be_source(packet.key<F>().source)) {
            finish(packet, Verdict::BadHeader);
            return true;
        }
        take_flow<F>(packet, PacketClass::ErrorToBackend, answer);
        packet.service = &snapshot.services[match.service->service];
        hand_over_unless_own(
            packet, self,
            flow_owner<F>(*packet.service, answer, *packet.queues, self.count).value_or(self.id));
        return true;
    }
    packet.template reply<F>() = nullptr;
    if (own != nullptr) {
        packet.local = own->local;
        if (own->snat_slot < 0) {
            return false;
        }
        take_flow<F>(packet, PacketClass::ErrorToClient, answer);
        hand_over_unless_own(
            packet, self,
            SnatPool::owner_of(Be16::from_raw(quoted.source_port).host(), self.count));
        return true;
    }
    const ReplyEntry<F>* reply =
        tables.find_reply(quoted.destination, quoted.destination_port, quoted.protocol);
    if (match.vip != nullptr || reply == nullptr) {
        return false;
    }
    take_flow<F>(packet, PacketClass::ErrorToClient, answer);
    packet.template reply<F>() = reply;
    if (reply->ambiguous || packet.queues->shared) {
        hand_over_unless_own(
            packet, self,
            client_owner<F>(snapshot.reply_keeper, quoted.source, quoted.source_port, self.count));
    }
    return true;
}

// Why an ICMP error to a VIP is about no flow.
Verdict verdict_of_error(const Packet& packet) {
    return packet.quoted.status == ParseStatus::Ok ? Verdict::IcmpNoFlow : Verdict::IcmpMalformed;
}

// ICMP and whatever else has no ports to look up.
template <typename F>
void classify_portless(const FamilyTables<F>& tables, const typename F::Address& source,
                       const typename F::Address& destination, Packet& packet) {
    const VipEntry* vip = tables.find_vip(destination);
    if (vip == nullptr) {
        packet.cls = PacketClass::Punt;
        return;
    }
    const PacketMeta& meta = packet.meta;
    const bool icmp = meta.protocol == (F::kFamily == Family::V4 ? kProtocolIcmp : kProtocolIcmpv6);
    if (!icmp && tables.find_address(destination) == nullptr) {
        finish(packet, Verdict::NoService);
    } else if (!icmp) {
        packet.cls = PacketClass::Punt;
    } else if (F::kFamily == Family::V6 && meta.icmp_type >= kFirstNdp &&
               meta.icmp_type <= kLastNdp) {
        packet.cls = PacketClass::Punt;
    } else if (vip->icmp_echo &&
               meta.icmp_type == (F::kFamily == Family::V4 ? kEchoRequest : kEchoRequestV6)) {
        if (can_be_source(source)) {
            packet.cls = PacketClass::Echo;
        } else {
            finish(packet, Verdict::BadHeader);
        }
    } else if (tables.find_address(destination) != nullptr) {
        packet.cls = PacketClass::Punt;
    } else if (packet.quoted.status != ParseStatus::NotIp) {
        finish(packet, verdict_of_error(packet));
    } else {
        finish(packet, Verdict::IcmpUnhandled);
    }
}

}  // namespace

template <typename F>
std::optional<unsigned> flow_owner(const ServiceEntry& service, const FlowKey<F>& key,
                                   const QueueRule& queues, unsigned workers) {
    if (service.keeper != FlowKeeper::Queue) {
        return client_owner<F>(service.keeper, key.source, key.source_port, workers);
    }
    if (service.sticky && !queues.shared && queues.keeps_flows<F>(key.protocol)) {
        return queues.rss->queue_of(key);
    }
    if (queues.shared || (service.sticky && queues.any_queue)) {
        return client_owner<F>(FlowKeeper::Client, key.source, key.source_port, workers);
    }
    return std::nullopt;
}

namespace {

// NICs find no ports in fragments, and may find none behind extension headers.
bool nic_sees_ports(const PacketMeta& meta) {
    constexpr unsigned kIpv6Header = 40;
    return !meta.fragment &&
           (meta.family == Family::V4 || meta.l4_offset - meta.l3_offset == kIpv6Header);
}

// For a request itself: where the NIC brought it to its owner, nothing has to be computed.
template <typename F>
void send_to_owner(WorkerIdentity self, Packet& packet) {
    if (self.count == 1) {
        return;
    }
    const ServiceEntry& service = *packet.service;
    const QueueRule& queues = *packet.queues;
    if (!is_brought_to_owner<F>(service, queues, packet.meta.protocol) ||
        !nic_sees_ports(packet.meta)) {
        hand_over_unless_own(
            packet, self,
            flow_owner<F>(service, packet.key<F>(), queues, self.count).value_or(self.id));
    }
}

template <typename F>
void classify_ports(const LbSnapshot& snapshot, WorkerIdentity self, Packet& packet) {
    const FamilyTables<F>& tables = snapshot.tables<F>();
    const PacketMeta& meta = packet.meta;
    const typename F::Address source = packet.key<F>().source;
    const typename F::Address destination = packet.key<F>().destination;
    const auto match = tables.find_service(destination, meta.destination_port, meta.protocol);
    if (match.service != nullptr) {
        if (!can_be_source(source)) {
            finish(packet, Verdict::BadHeader);
            return;
        }
        packet.cls = PacketClass::Request;
        packet.service = &snapshot.services[match.service->service];
        send_to_owner<F>(self, packet);
        return;
    }
    const AddressEntry* own = tables.find_address(destination);
    if (match.vip != nullptr && own == nullptr) {
        finish(packet, Verdict::NoService);
        return;
    }
    if (own != nullptr && own->snat_slot >= 0) {
        packet.cls = PacketClass::FnatReply;
        packet.local = own->local;
        hand_over_unless_own(
            packet, self,
            SnatPool::owner_of(Be16::from_raw(meta.destination_port).host(), self.count));
        return;
    }
    packet.cls = PacketClass::Punt;
    if (own != nullptr) {
        return;
    }
    const ReplyEntry<F>* reply = tables.find_reply(source, meta.source_port, meta.protocol);
    if (reply != nullptr) {
        packet.cls = PacketClass::NatReply;
        packet.template reply<F>() = reply;
        packet.service = &snapshot.services[reply->service];
        if (reply->ambiguous || packet.queues->shared) {
            hand_over_unless_own(packet, self,
                                 client_owner<F>(snapshot.reply_keeper, destination,
                                                 meta.destination_port, self.count));
        }
    }
}

}  // namespace

template <typename F>
void classify(const LbSnapshot& snapshot, WorkerIdentity self, Packet& packet) {
    const FlowKey<F>& key = packet.key<F>();
    if (packet.meta.has_ports) {
        classify_ports<F>(snapshot, self, packet);
    } else if (packet.meta.fragment) {
        sort_fragment<F>(snapshot.tables<F>(), key.source, key.destination, packet);
    } else if (packet.quoted.status == ParseStatus::NotIp ||
               !classify_error<F>(snapshot, self, packet)) {
        classify_portless<F>(snapshot.tables<F>(), key.source, key.destination, packet);
    }
}

template <typename F>
void classify_fragment(const LbSnapshot& snapshot, WorkerIdentity self,
                       const FragmentTransport& transport, Packet& packet) {
    FlowKey<F>& key = packet.key<F>();
    packet.meta.protocol = key.protocol = transport.protocol;
    packet.meta.source_port = key.source_port = transport.source_port;
    packet.meta.destination_port = key.destination_port = transport.destination_port;
    packet.hash = key.hash();
    if (transport.protocol == kProtocolTcp || transport.protocol == kProtocolUdp) {
        classify_ports<F>(snapshot, self, packet);
    } else {
        finish_portless_fragment<F>(snapshot.tables<F>(), key.destination, packet);
    }
}

template <typename F>
void load_key(const uint8_t* frame, Packet& packet) {
    const PacketMeta& meta = packet.meta;
    fill_key<F>(frame, meta, packet.key<F>());
    packet.hash = packet.key<F>().hash();
    packet.quoted.status = ParseStatus::NotIp;
    constexpr uint8_t kIcmp = F::kFamily == Family::V4 ? kProtocolIcmp : kProtocolIcmpv6;
    if (meta.protocol == kIcmp && !meta.fragment &&
        is_forwarded_error(F::kFamily, meta.icmp_type)) {
        packet.quoted = parse_quoted(frame, meta.l3_offset + size_t{meta.l3_length},
                                     meta.l4_offset + size_t{kIcmpHeaderSize}, F::kFamily);
        if (packet.quoted.status == ParseStatus::Ok) {
            fill_key<F>(frame, packet.quoted, packet.quoted_key<F>());
        }
    }
}

template std::optional<unsigned> flow_owner<V4>(const ServiceEntry&, const FlowKey<V4>&,
                                                const QueueRule&, unsigned);
template std::optional<unsigned> flow_owner<V6>(const ServiceEntry&, const FlowKey<V6>&,
                                                const QueueRule&, unsigned);
template void load_key<V4>(const uint8_t*, Packet&);
template void load_key<V6>(const uint8_t*, Packet&);
template void classify<V4>(const LbSnapshot&, WorkerIdentity, Packet&);
template void classify<V6>(const LbSnapshot&, WorkerIdentity, Packet&);
template void classify_fragment<V4>(const LbSnapshot&, WorkerIdentity, const FragmentTransport&,
                                    Packet&);
template void classify_fragment<V6>(const LbSnapshot&, WorkerIdentity, const FragmentTransport&,
                                    Packet&);

Verdict verdict_of(ParseStatus status) {
    switch (status) {
        case ParseStatus::Truncated:
            return Verdict::Truncated;
        case ParseStatus::BadHeader:
            return Verdict::BadHeader;
        case ParseStatus::BadChecksum:
            return Verdict::BadChecksum;
        case ParseStatus::BadLength:
            return Verdict::BadLength;
        case ParseStatus::BadExtension:
            return Verdict::BadExtension;
        case ParseStatus::Ok:
        case ParseStatus::NotIp:
            break;
    }
    return Verdict::Punted;
}

}  // namespace dlb
