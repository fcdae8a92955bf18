#include "bgp/adj_rib_in.hpp"

namespace dlb::bgp {

void AdjRibIn::apply(const Update& update) {
    for (const Nlri& nlri : update.withdrawn) {
        routes_.erase(nlri);
    }
    if (update.announced.empty()) {
        return;
    }
    const auto attributes = std::make_shared<const Attributes>(update.attributes);
    for (const Nlri& nlri : update.announced) {
        const auto found = routes_.find(nlri);
        if (found == routes_.end() && routes_.size() >= bound_) {
            ++not_kept_;
            continue;
        }
        routes_[nlri] = {attributes, refreshes_[nlri.prefix.family()]};
    }
}

void AdjRibIn::end_refresh(Family family) {
    std::erase_if(routes_, [&](const auto& entry) {
        return entry.first.prefix.family() == family && entry.second.refresh != refreshes_[family];
    });
}

void AdjRibIn::clear() {
    routes_.clear();
    not_kept_ = 0;
}

}  // namespace dlb::bgp
