#include "lb/snapshot.hpp"

#include "net/mask.hpp"

namespace dlb {

template <typename F>
typename FamilyTables<F>::Match FamilyTables<F>::find_service(const typename F::Address& address,
                                                              uint16_t port,
                                                              uint8_t protocol) const {
    Match match;
    for (const uint8_t length : prefix_lengths) {
        VipKey<F> key{mask_address(address, length), port, protocol, length};
        match.service = vips.find(key);
        if (match.service != nullptr) {
            return match;
        }
        key.port = 0;
        match.service = vips.find(key);
        if (match.service != nullptr) {
            return match;
        }
    }
    match.vip = find_vip(address);
    return match;
}

template <typename F>
const VipEntry* FamilyTables<F>::find_vip(const typename F::Address& address) const {
    for (const uint8_t length : prefix_lengths) {
        const VipEntry* vip = vips.find({mask_address(address, length), 0, 0, length});
        if (vip != nullptr) {
            return vip;
        }
    }
    return nullptr;
}

template <typename F>
const ReplyEntry<F>* FamilyTables<F>::find_reply(const typename F::Address& address, uint16_t port,
                                                 uint8_t protocol) const {
    ReplyKey<F> key{};
    key.address = address;
    key.port = port;
    key.protocol = protocol;
    const ReplyEntry<F>* reply = replies.find(key);
    if (reply == nullptr) {
        key.port = 0;
        reply = replies.find(key);
    }
    return reply;
}

template struct FamilyTables<V4>;
template struct FamilyTables<V6>;

}  // namespace dlb
