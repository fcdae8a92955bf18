// VipIndex: which service's VIP an address lies in, without asking every service.
//
// Thread safety: a plain value.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "config/config.hpp"

namespace dlb::conf {

class VipIndex {
  public:
    explicit VipIndex(const std::vector<ServiceConfig>& services) {
        for (size_t service = 0; service < services.size(); ++service) {
            for (size_t vip = 0; vip < services[service].vip.size(); ++vip) {
                const Prefix& prefix = services[service].vip[vip];
                places_.try_emplace(prefix, service, vip);
                lengths_[prefix.family()].insert(prefix.length());
            }
        }
    }

    // The first service in order, and which of its VIPs; nullopt: the address lies in none.
    std::optional<std::pair<size_t, size_t>> find(const IpAddress& address) const {
        std::optional<std::pair<size_t, size_t>> first;
        const auto lengths = lengths_.find(address.family());
        if (lengths == lengths_.end()) {
            return first;
        }
        for (const unsigned length : lengths->second) {
            const auto found = places_.find(Prefix(address, length));
            if (found != places_.end() && (!first || found->second < *first)) {
                first = found->second;
            }
        }
        return first;
    }

  private:
    std::map<Prefix, std::pair<size_t, size_t>> places_;
    std::map<Family, std::set<unsigned>> lengths_;
};

}  // namespace dlb::conf
