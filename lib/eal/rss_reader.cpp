#include "eal/rss_reader.hpp"

#include <algorithm>
#include <vector>

#include <rte_ethdev.h>

namespace dlb {

namespace {

struct HashSettings {
    std::vector<uint8_t> key;
    RssTypes types;
};

// `key_size`: 0 where the driver leaves it at what ethdev takes for granted.
std::optional<HashSettings> read_hash(uint16_t device, uint8_t key_size) {
    constexpr uint8_t kUsualKey = 40;
    HashSettings settings;
    settings.key.resize(key_size != 0 ? key_size : kUsualKey);
    rte_eth_rss_conf conf{};
    conf.rss_key = settings.key.data();
    conf.rss_key_len = static_cast<uint8_t>(settings.key.size());
    if (rte_eth_dev_rss_hash_conf_get(device, &conf) != 0) {
        return std::nullopt;
    }
    // Some drivers say yes and write nothing.
    const auto none = [](uint8_t byte) { return byte == 0; };
    if (std::all_of(settings.key.begin(), settings.key.end(), none)) {
        return std::nullopt;
    }
    const auto hashes = [&](uint64_t type) { return (conf.rss_hf & type) != 0; };
    settings.types = {hashes(RTE_ETH_RSS_NONFRAG_IPV4_TCP), hashes(RTE_ETH_RSS_NONFRAG_IPV4_UDP),
                      hashes(RTE_ETH_RSS_NONFRAG_IPV6_TCP), hashes(RTE_ETH_RSS_NONFRAG_IPV6_UDP)};
    return settings;
}

std::vector<uint16_t> read_redirection(uint16_t device, uint16_t size) {
    std::vector<rte_eth_rss_reta_entry64> groups((size + RTE_ETH_RETA_GROUP_SIZE - 1U) /
                                                 RTE_ETH_RETA_GROUP_SIZE);
    for (rte_eth_rss_reta_entry64& group : groups) {
        group.mask = UINT64_MAX;
    }
    std::vector<uint16_t> redirection;
    if (size == 0 || rte_eth_dev_rss_reta_query(device, groups.data(), size) != 0) {
        return redirection;
    }
    for (uint16_t i = 0; i < size; ++i) {
        redirection.push_back(
            groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE]);
    }
    return redirection;
}

}  // namespace

std::optional<RssView> read_rss(uint16_t device, uint16_t queues) {
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(device, &info) != 0) {
        return std::nullopt;
    }
    const std::optional<HashSettings> hash = read_hash(device, info.hash_key_size);
    const std::vector<uint16_t> redirection = read_redirection(device, info.reta_size);
    const auto unknown = [&](uint16_t queue) { return queue >= queues; };
    if (!hash || std::any_of(redirection.begin(), redirection.end(), unknown)) {
        return std::nullopt;
    }
    const RssTypes& types = hash->types;
    if (!types.tcp4 && !types.udp4 && !types.tcp6 && !types.udp6) {
        return std::nullopt;
    }
    return RssView::make(hash->key, redirection, types);
}

}  // namespace dlb
