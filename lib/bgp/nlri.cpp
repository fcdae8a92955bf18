#include "bgp/nlri.hpp"

#include <algorithm>
#include <array>

namespace dlb::bgp {
namespace {

IpAddress address_of(View bytes, Family family) {
    std::array<uint8_t, 16> whole{};
    std::copy(bytes.begin(), bytes.end(), whole.begin());
    return family == Family::V4 ? IpAddress::v4(whole[0], whole[1], whole[2], whole[3])
                                : IpAddress::v6(whole);
}

size_t bytes_of(unsigned length) {
    return (length + 7) / 8;
}

}  // namespace

bool decode_nlri(View bytes, Family family, bool add_path, std::vector<Nlri>& prefixes) {
    Reader reader(bytes);
    while (!reader.done()) {
        const uint32_t path_id = add_path ? reader.u32() : 0;
        const unsigned length = reader.u8();
        if (reader.failed() || length > (family == Family::V4 ? 32U : 128U)) {
            return false;
        }
        const View address = reader.bytes(bytes_of(length));
        if (reader.failed()) {
            return false;
        }
        // RFC 4271 §4.3: "the value of trailing bits is irrelevant".
        prefixes.push_back({Prefix(address_of(address, family), length), path_id});
    }
    return true;
}

void encode_nlri(Writer& writer, const Nlri& nlri, bool add_path) {
    if (add_path) {
        writer.u32(nlri.path_id);
    }
    writer.u8(static_cast<uint8_t>(nlri.prefix.length()));
    writer.bytes(View(nlri.prefix.address().bytes()).first(bytes_of(nlri.prefix.length())));
}

size_t nlri_size(const Nlri& nlri, bool add_path) {
    return (add_path ? 4 : 0) + 1 + bytes_of(nlri.prefix.length());
}

}  // namespace dlb::bgp
