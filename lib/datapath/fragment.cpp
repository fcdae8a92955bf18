#include "datapath/fragment.hpp"

#include <cstring>

#include <rte_ip.h>

#include "net/byte_order.hpp"
#include "net/checksum.hpp"

namespace dlb {

namespace {

constexpr size_t kUnit = 8;  // of fragment offsets

// The headers of an IPv4 packet's fragments. A packet that is a fragment itself may be split again.
class Ipv4Header {
  public:
    explicit Ipv4Header(const uint8_t* packet) {
        std::memcpy(first_, packet, sizeof(rte_ipv4_hdr));
        original_ = (first_[0] & 0x0fU) * 4U;
        std::memcpy(first_, packet, original_);
        std::memcpy(later_, packet, sizeof(rte_ipv4_hdr));
        later_size_ = sizeof(rte_ipv4_hdr) + copy_options();
        later_[0] = static_cast<uint8_t>(0x40 | later_size_ / 4);
        uint16_t field;
        std::memcpy(&field, packet + offsetof(rte_ipv4_hdr, fragment_offset), sizeof field);
        field = Be16::from_raw(field).host();
        offset_ = field & RTE_IPV4_HDR_OFFSET_MASK;
        more_ = field & RTE_IPV4_HDR_MF_FLAG;
    }
    size_t original_size() const { return original_; }
    size_t size(bool first) const { return first ? original_ : later_size_; }
    bool can_hold(size_t payload) const {
        return offset_ + payload / kUnit <= RTE_IPV4_HDR_OFFSET_MASK;
    }
    void write(uint8_t* at, size_t position, size_t payload, bool last) const {
        const bool first = position == 0;
        std::memcpy(at, first ? first_ : later_, size(first));
        auto* ip = reinterpret_cast<rte_ipv4_hdr*>(at);
        ip->total_length = Be16(static_cast<uint16_t>(size(first) + payload)).raw();
        ip->fragment_offset = Be16(static_cast<uint16_t>((offset_ + position / kUnit) |
                                                         (last ? more_ : RTE_IPV4_HDR_MF_FLAG)))
                                  .raw();
        ip->hdr_checksum = 0;
        ip->hdr_checksum = checksum(ip, size(first));
    }

  private:
    // Those that are for every fragment (RFC 791 §3.1, "copied flag"), filled up to whole words.
    size_t copy_options() {
        constexpr uint8_t kEnd = 0;
        constexpr uint8_t kNoOperation = 1;
        uint8_t* to = later_ + sizeof(rte_ipv4_hdr);
        size_t copied = 0;
        for (size_t at = sizeof(rte_ipv4_hdr); at < original_ && first_[at] != kEnd;) {
            if (first_[at] == kNoOperation) {
                ++at;
                continue;
            }
            const size_t length = at + 1 < original_ ? first_[at + 1] : 0;
            if (length < 2 || length > original_ - at) {
                break;  // what stands there is no option
            }
            if ((first_[at] & 0x80) != 0) {
                std::memcpy(to + copied, first_ + at, length);
                copied += length;
            }
            at += length;
        }
        return (copied + 3) / 4 * 4;
    }

    uint8_t first_[60];
    uint8_t later_[60] = {};
    size_t original_ = 0;
    size_t later_size_ = 0;
    unsigned offset_ = 0;
    unsigned more_ = 0;
};

// RFC 8200 §4.5: the same header before each, and a fragment header.
class Ipv6Header {
  public:
    Ipv6Header(const uint8_t* packet, uint32_t identification) : identification_(identification) {
        std::memcpy(&header_, packet, sizeof header_);
        next_ = header_.proto;
        header_.proto = IPPROTO_FRAGMENT;
    }
    size_t original_size() const { return sizeof header_; }
    size_t size(bool) const { return sizeof header_ + kExtension; }
    // Others belong before the fragment header, and are not ours to sort.
    bool can_hold(size_t) const {
        return next_ != IPPROTO_HOPOPTS && next_ != IPPROTO_ROUTING && next_ != IPPROTO_DSTOPTS &&
               next_ != IPPROTO_FRAGMENT;
    }
    void write(uint8_t* at, size_t position, size_t payload, bool last) const {
        rte_ipv6_hdr header = header_;
        header.payload_len = Be16(static_cast<uint16_t>(kExtension + payload)).raw();
        std::memcpy(at, &header, sizeof header);
        uint8_t* extension = at + sizeof header;
        const uint16_t offset = Be16(static_cast<uint16_t>(position | (last ? 0 : 1))).raw();
        const uint32_t identification = Be32(identification_).raw();
        extension[0] = next_;
        extension[1] = 0;
        std::memcpy(extension + 2, &offset, sizeof offset);
        std::memcpy(extension + 4, &identification, sizeof identification);
    }

  private:
    static constexpr size_t kExtension = 8;
    rte_ipv6_hdr header_;
    uint8_t next_;
    uint32_t identification_;
};

template <typename Header>
Verdict add_piece(const rte_mbuf* mbuf, const Header& header, size_t position, size_t payload,
                  FragmentList& earlier) {
    if (earlier.count == FragmentList::kMost) {
        return Verdict::TooBig;
    }
    rte_mbuf* piece = rte_pktmbuf_alloc(mbuf->pool);
    if (piece == nullptr) {
        return Verdict::NoMbuf;
    }
    earlier.mbufs[earlier.count++] = piece;
    const size_t own = header.size(position == 0);
    auto* at =
        reinterpret_cast<uint8_t*>(rte_pktmbuf_append(piece, static_cast<uint16_t>(own + payload)));
    if (at == nullptr) {
        return Verdict::NoMbuf;
    }
    header.write(at, position, payload, false);
    std::memcpy(at + own,
                rte_pktmbuf_mtod_offset(mbuf, const uint8_t*, header.original_size() + position),
                payload);
    return Verdict::Forwarded;
}

template <typename Header>
Verdict split(rte_mbuf* mbuf, const Header& header, size_t mtu, FragmentList& earlier) {
    size_t left = rte_pktmbuf_pkt_len(mbuf) - header.original_size();
    size_t position = 0;
    if (mbuf->nb_segs != 1 || !header.can_hold(left)) {
        return Verdict::TooBig;
    }
    while (header.size(position == 0) + left > mtu) {
        const size_t own = header.size(position == 0);
        const size_t payload = mtu < own ? 0 : (mtu - own) / kUnit * kUnit;
        const Verdict made =
            payload == 0 ? Verdict::TooBig : add_piece(mbuf, header, position, payload, earlier);
        if (made != Verdict::Forwarded) {
            free_fragments(earlier);
            return made;
        }
        position += payload;
        left -= payload;
    }
    const size_t own = header.size(position == 0);
    void* at =
        rte_pktmbuf_adj(mbuf, static_cast<uint16_t>(header.original_size() + position - own));
    header.write(static_cast<uint8_t*>(at), position, left, true);
    return Verdict::Forwarded;
}

}  // namespace

Verdict split_packet(rte_mbuf* mbuf, Family family, uint16_t mtu, uint32_t identification,
                     FragmentList& earlier) {
    earlier.count = 0;
    const auto* packet = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    return family == Family::V4 ? split(mbuf, Ipv4Header(packet), mtu, earlier)
                                : split(mbuf, Ipv6Header(packet, identification), mtu, earlier);
}

void free_fragments(FragmentList& fragments) {
    rte_pktmbuf_free_bulk(fragments.mbufs.data(), fragments.count);
    fragments.count = 0;
}

void allow_fragments(rte_mbuf* mbuf, uint16_t identification) {
    auto* ip = rte_pktmbuf_mtod(mbuf, rte_ipv4_hdr*);
    ip->fragment_offset = 0;
    ip->packet_id = Be16(identification).raw();
    ip->hdr_checksum = 0;
    ip->hdr_checksum = checksum(ip, (ip->version_ihl & 0x0fU) * 4U);
}

}  // namespace dlb
