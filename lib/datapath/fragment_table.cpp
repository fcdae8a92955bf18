#include "datapath/fragment_table.hpp"

#include <algorithm>

namespace dlb {

FragmentTable::FragmentTable()
    : datagrams_(kDatagrams), buckets_(kBuckets, kNone), waiting_(kWaiting) {
    for (uint16_t index = 0; index < kDatagrams; ++index) {
        datagrams_[index] = Datagram{};
        datagrams_[index].head = kNone;
        datagrams_[index].next = index + 1 < kDatagrams ? static_cast<uint16_t>(index + 1) : kNone;
    }
    for (uint16_t index = 0; index < kWaiting; ++index) {
        waiting_[index].next = index + 1 < kWaiting ? static_cast<uint16_t>(index + 1) : kNone;
    }
}

uint16_t FragmentTable::find(const DatagramKey& key) {
    uint16_t index = bucket_of(key);
    while (index != kNone && !(datagrams_[index].key == key)) {
        index = datagrams_[index].next;
    }
    return index;
}

uint16_t FragmentTable::make(const DatagramKey& key, uint32_t now_ms) {
    const uint16_t index = free_;
    if (index == kNone) {
        return kNone;
    }
    Datagram& datagram = datagrams_[index];
    free_ = datagram.next;
    uint16_t& bucket = bucket_of(key);
    datagram.key = key;
    datagram.made_ms = now_ms;
    datagram.next = bucket;
    datagram.state = State::Headless;
    datagram.spans = 0;
    datagram.piece = 0;
    datagram.even = true;
    datagram.waiting = 0;
    datagram.last_from = datagram.total = 0;
    datagram.head = datagram.tail = kNone;
    bucket = index;
    ++count_;
    return index;
}

void FragmentTable::forget(uint16_t index) {
    Datagram& datagram = datagrams_[index];
    uint16_t* link = &bucket_of(datagram.key);
    while (*link != index) {
        link = &datagrams_[*link].next;
    }
    *link = datagram.next;
    datagram.state = State::Free;
    datagram.next = free_;
    free_ = index;
    --count_;
}

// True for a fragment that came before just so. RFC 8200 §4.5 lets copies go without the datagram;
// anything else over known bytes is an overlap.
bool FragmentTable::is_copy(const Datagram& datagram, const FragmentRange& range) {
    const auto* end = datagram.covered.begin() + datagram.spans;
    const bool known = std::any_of(datagram.covered.begin(), end, [&](const Span& span) {
        return span.begin <= range.begin && range.end <= span.end;
    });
    if (!known) {
        return false;
    }
    if (!range.more) {
        return range.begin == datagram.last_from && range.end == datagram.total;
    }
    // Where all pieces are alike, as routers cut them, a known range of that shape is one of them.
    return datagram.even && range.end - range.begin == datagram.piece &&
           range.begin % datagram.piece == 0 &&
           (datagram.total == 0 || range.end <= datagram.last_from);
}

// Whether the fragment agrees with those that came before it.
Verdict FragmentTable::check(const Datagram& datagram, const FragmentRange& range) {
    if (datagram.state == State::GivenUp) {
        return Verdict::FragmentOverlap;
    }
    if (is_copy(datagram, range)) {
        return Verdict::FragmentDuplicate;
    }
    const auto* end = datagram.covered.begin() + datagram.spans;
    const bool overlaps = std::any_of(datagram.covered.begin(), end, [&](const Span& span) {
        return range.begin < span.end && span.begin < range.end;
    });
    const uint16_t known_end = datagram.spans == 0 ? 0 : end[-1].end;
    // Behind the end, or a second end.
    const bool beyond = datagram.total != 0 && (range.end > datagram.total || !range.more);
    const bool too_early = !range.more && range.end < known_end;
    return overlaps || beyond || too_early ? Verdict::FragmentOverlap : Verdict::Forwarded;
}

// Adds the range to those that have come. False: there would be too many. REQUIRES: no overlap.
bool FragmentTable::cover(Datagram& datagram, const FragmentRange& range) {
    Span* spans = datagram.covered.data();
    uint8_t at = 0;
    while (at < datagram.spans && spans[at].end < range.begin) {
        ++at;
    }
    const bool joins_before = at < datagram.spans && spans[at].end == range.begin;
    const uint8_t after = at + (joins_before ? 1 : 0);
    const bool joins_after = after < datagram.spans && spans[after].begin == range.end;
    if (joins_before && joins_after) {
        spans[at].end = spans[after].end;
        std::copy(spans + after + 1, spans + datagram.spans, spans + after);
        --datagram.spans;
    } else if (joins_before) {
        spans[at].end = range.end;
    } else if (joins_after) {
        spans[after].begin = range.begin;
    } else {
        if (datagram.spans == kRanges) {
            return false;
        }
        std::copy_backward(spans + at, spans + datagram.spans, spans + datagram.spans + 1);
        spans[at] = {range.begin, range.end};
        ++datagram.spans;
    }
    return true;
}

void FragmentTable::note_shape(Datagram& datagram, const FragmentRange& range) {
    if (!range.more) {
        datagram.last_from = range.begin;
        datagram.total = range.end;
        return;
    }
    const auto length = static_cast<uint16_t>(range.end - range.begin);
    datagram.piece = datagram.piece == 0 ? length : datagram.piece;
    datagram.even = datagram.even && length == datagram.piece && range.begin % datagram.piece == 0;
}

FragmentTable::Admission FragmentTable::admit(const DatagramKey& key, const FragmentRange& range,
                                              uint32_t now_ms) {
    uint16_t index = find(key);
    const bool early =
        range.begin != 0 && (index == kNone || datagrams_[index].state == State::Headless);
    const bool no_room = early && (free_waiting_ == kNone ||
                                   (index != kNone && datagrams_[index].waiting == kWaitingEach));
    if (index == kNone) {
        index = no_room ? kNone : make(key, now_ms);
        if (index == kNone) {
            return {Verdict::FragmentLimit, kNone};
        }
    }
    Datagram& datagram = datagrams_[index];
    const Verdict verdict = check(datagram, range);
    if (verdict == Verdict::FragmentOverlap) {
        datagram.state = State::GivenUp;
    }
    if (verdict != Verdict::Forwarded) {
        return {verdict, index};
    }
    if (no_room || !cover(datagram, range)) {
        return {Verdict::FragmentLimit, index};
    }
    note_shape(datagram, range);
    return {Verdict::Forwarded, index};
}

void FragmentTable::set_transport(uint16_t datagram, const FragmentTransport& transport) {
    datagrams_[datagram].transport = transport;
    datagrams_[datagram].state = State::Known;
}

const FragmentTransport* FragmentTable::transport_of(uint16_t datagram) const {
    return datagrams_[datagram].state == State::Known ? &datagrams_[datagram].transport : nullptr;
}

void FragmentTable::keep(uint16_t index, rte_mbuf* mbuf) {
    Datagram& datagram = datagrams_[index];
    const uint16_t slot = free_waiting_;
    free_waiting_ = waiting_[slot].next;
    waiting_[slot] = {mbuf, kNone};
    (datagram.head == kNone ? datagram.head : waiting_[datagram.tail].next) = slot;
    datagram.tail = slot;
    ++datagram.waiting;
    ++waiting_count_;
}

rte_mbuf* FragmentTable::next_waiting(uint16_t index) {
    Datagram& datagram = datagrams_[index];
    const uint16_t slot = datagram.head;
    if (slot == kNone) {
        return nullptr;
    }
    datagram.head = waiting_[slot].next;
    waiting_[slot].next = free_waiting_;
    free_waiting_ = slot;
    --datagram.waiting;
    --waiting_count_;
    return waiting_[slot].mbuf;
}

void FragmentTable::forget_if_whole(uint16_t index) {
    const Datagram& datagram = datagrams_[index];
    if (datagram.state == State::Known && datagram.total != 0 && datagram.spans == 1 &&
        datagram.covered[0].begin == 0 && datagram.covered[0].end == datagram.total) {
        forget(index);
    }
}

}  // namespace dlb
