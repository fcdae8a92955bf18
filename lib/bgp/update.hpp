// UPDATE (RFC 4271 §4.3, RFC 4760, RFC 7911), read under RFC 7606 and written in as few messages
// as the limit allows.
// Thread safety: plain values and pure functions.
#pragma once

#include <optional>
#include <vector>

#include "bgp/attribute_reader.hpp"
#include "bgp/attributes.hpp"
#include "net/result.hpp"

namespace dlb::bgp {

struct Update {
    std::vector<Nlri> withdrawn;  // where treated as withdrawn, also what was announced
    std::vector<Nlri> announced;
    Attributes attributes;               // of what is announced
    std::optional<Family> end_of_rib;    // RFC 4724 §2
    bool treated_as_withdraw = false;    // RFC 7606 §2
    std::vector<AttributeFault> faults;  // survived
};

// Errors: what RFC 7606 leaves a session reset.
Decoded<Update> decode_update(View body, const UpdateFormat& format);

// REQUIRES: all prefixes are of `family`. attributes.next_hop is set, and is IPv4 or, for IPv6 and
// with format.extended_next_hop, IPv6. Errors: the attributes leave no room for a prefix; a next
// hop of the wrong family.
Result<std::vector<Bytes>> encode_announcements(Family family, const std::vector<Nlri>& prefixes,
                                                const Attributes& attributes,
                                                const UpdateFormat& format);
std::vector<Bytes> encode_withdrawals(Family family, const std::vector<Nlri>& prefixes,
                                      const UpdateFormat& format);
Bytes encode_end_of_rib(Family family);

}  // namespace dlb::bgp
