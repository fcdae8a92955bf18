// read_rss() of a device that tells: DPDK's net_null keeps a key and a redirection table.
#include "eal/rss_reader.hpp"

#include <gtest/gtest.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "eal/memory.hpp"
#include "support/rss_view.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

class NullDevice {
  public:
    explicit NullDevice(uint16_t queues) {
        EXPECT_EQ(rte_dev_probe("net_null7"), 0);
        EXPECT_EQ(rte_eth_dev_get_port_by_name("net_null7", &id_), 0);
        Result<PacketPool> pool = PacketPool::create("null7", 1023, 2048, 0);
        EXPECT_TRUE(pool.ok());
        pool_ = std::make_unique<PacketPool>(std::move(pool).value());
        rte_eth_conf conf{};
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        EXPECT_EQ(rte_eth_dev_configure(id_, queues, queues, &conf), 0);
        for (uint16_t queue = 0; queue < queues; ++queue) {
            EXPECT_EQ(rte_eth_rx_queue_setup(id_, queue, 64, 0, nullptr, pool_->raw()), 0);
            EXPECT_EQ(rte_eth_tx_queue_setup(id_, queue, 64, 0, nullptr), 0);
        }
        EXPECT_EQ(rte_eth_dev_start(id_), 0);
    }
    ~NullDevice() {
        rte_eth_dev_info info{};
        rte_eth_dev_info_get(id_, &info);
        rte_eth_dev_stop(id_);
        rte_dev_remove(info.device);
    }

    void set(std::vector<uint8_t> key, uint64_t types) {
        rte_eth_rss_conf conf{key.data(), static_cast<uint8_t>(key.size()), types};
        EXPECT_EQ(rte_eth_dev_rss_hash_update(id_, &conf), 0);
    }
    void redirect(const std::vector<uint16_t>& redirection) {
        std::vector<rte_eth_rss_reta_entry64> groups(redirection.size() / 64);
        for (size_t i = 0; i < redirection.size(); ++i) {
            groups[i / 64].mask = UINT64_MAX;
            groups[i / 64].reta[i % 64] = redirection[i];
        }
        EXPECT_EQ(rte_eth_dev_rss_reta_update(id_, groups.data(),
                                              static_cast<uint16_t>(redirection.size())),
                  0);
    }
    uint16_t id() const { return id_; }

  private:
    uint16_t id_ = 0;
    std::unique_ptr<PacketPool> pool_;
};

TEST(RssReader, ReadsKeyTableAndTypes) {
    WorkerLab::start_eal();
    NullDevice device(3);
    device.set(rss_key(), RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP);
    device.redirect(redirection_to(3));
    const std::optional<RssView> view = read_rss(device.id(), 3);
    ASSERT_TRUE(view);
    EXPECT_TRUE(view->covers<V4>(6) && view->covers<V6>(17));
    EXPECT_FALSE(view->covers<V4>(17) || view->covers<V6>(6));
    const RssView wanted = rss_view(3);
    for (uint16_t port = 1; port < 1000; ++port) {
        FlowKey<V6> key;
        key.source_port = port;
        EXPECT_EQ(view->hash(key), wanted.hash(key));
        EXPECT_EQ(view->queue_of(key), wanted.queue_of(key));
    }
    EXPECT_FALSE(read_rss(device.id(), 2)) << "it names a queue that is not there";
    device.set(std::vector<uint8_t>(40, 0), RTE_ETH_RSS_NONFRAG_IPV4_TCP);
    EXPECT_FALSE(read_rss(device.id(), 3)) << "no key";
    device.set(rss_key(), RTE_ETH_RSS_IPV4);
    EXPECT_FALSE(read_rss(device.id(), 3)) << "addresses alone";
    EXPECT_FALSE(read_rss(RTE_MAX_ETHPORTS, 3)) << "no device";
}

}  // namespace
}  // namespace dlb::test
