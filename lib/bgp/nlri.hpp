// Prefixes on the wire: (path id,)? length in bits, as many bytes as that takes. RFC 4271 §4.3,
// RFC 4760 §5, RFC 7911 §3.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "bgp/bytes.hpp"
#include "bgp/types.hpp"

namespace dlb::bgp {

// Appends to `prefixes`; false where a length is too long or the bytes end early (RFC 7606 §5.3).
bool decode_nlri(View bytes, Family family, bool add_path, std::vector<Nlri>& prefixes);
void encode_nlri(Writer& writer, const Nlri& nlri, bool add_path);
size_t nlri_size(const Nlri& nlri, bool add_path);

}  // namespace dlb::bgp
