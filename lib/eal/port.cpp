#include "eal/port.hpp"

#include <algorithm>
#include <cstring>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "eal/eal.hpp"
#include "eal/rss_reader.hpp"
#include "eal/wake_fds.hpp"

namespace dlb {

namespace {

// Hash what the workers tell flows by.
constexpr uint64_t kRssFields = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
constexpr uint16_t kDescriptors = 1024;

}  // namespace

Error Port::failure(const std::string& what, int error) const {
    const std::string said = Eal::last_messages();
    std::string message = "port device " + name_ + ": " + what;
    if (error != 0) {
        message += std::string(": ") + rte_strerror(error < 0 ? -error : error);
    }
    if (!said.empty()) {
        message += " (DPDK: " + said + ")";
    }
    // DPDK 22.11 names the group by process id XOR interface index: two processes can hit upon one.
    const bool taken = said.find("set PACKET_FANOUT") != std::string::npos;
    return {message + "; " +
            (taken
                 ? "another process in this network namespace has the same fanout group by chance: "
                   "start dpdk-lb again, so that it gets another process id"
                 : mend_)};
}

Result<Port> Port::open(const PortOptions& options) {
    Port port;
    port.name_ = options.device.name;
    port.mend_ = options.device.is_pci()
                     ? "bind it to vfio-pci with `scripts/bind-nic " + port.name_ +
                           "`, and check that DPDK has a driver for it"
                     : "check the arguments of `device` (" + options.device.text +
                           "); the DPDK guide of the driver lists them";
    port.mtu_ = options.mtu;
    const std::vector<int> before = open_descriptors();
    const StderrToLog quiet;
    for (auto step : {&Port::probe, &Port::configure, &Port::start}) {
        if (Result<void> done = (port.*step)(options); !done) {
            return Error{done.error()};
        }
    }
    port.wake_fds_ = find_wake_fds(before, port.queues_);
    return port;
}

Result<void> Port::probe(const PortOptions& options) {
    if (!options.device.is_pci()) {
        const std::string device = complete_device(options.device, options.queues, options.mtu);
        const int error = rte_dev_probe(device.c_str());
        if (error != 0) {
            return failure("the driver does not take it", error);
        }
    }
    const int error = rte_eth_dev_get_port_by_name(name_.c_str(), &id_);
    if (error != 0) {
        return failure(options.device.is_pci() ? "DPDK does not find it"
                                               : "the driver made no port of this name",
                       error);
    }
    open_ = true;
    return {};
}

Result<void> Port::configure(const PortOptions& options) {
    rte_eth_dev_info info{};
    if (const int error = rte_eth_dev_info_get(id_, &info); error != 0) {
        return failure("no information on the device", error);
    }
    driver_ = info.driver_name;
    const unsigned offered = std::min(info.max_rx_queues, info.max_tx_queues);
    if (offered == 0) {
        return failure("offers no queue to receive by and to send by", 0);
    }
    queues_ = static_cast<uint16_t>(std::min<unsigned>(offered, options.queues));
    rte_eth_conf conf{};
    if (queues_ > 1 && info.flow_type_rss_offloads != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = kRssFields & info.flow_type_rss_offloads;
    }
    if (options.device.is_pci()) {
        conf.rxmode.mtu = options.mtu;
    }
    conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM & info.rx_offload_capa;
    conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE & info.tx_offload_capa;
    if (const int error = rte_eth_dev_configure(id_, queues_, queues_, &conf); error != 0) {
        return failure("cannot be configured with " + std::to_string(queues_) + " queues", error);
    }
    uint16_t rx_descriptors = kDescriptors;
    uint16_t tx_descriptors = kDescriptors;
    rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_descriptors, &tx_descriptors);
    for (uint16_t queue = 0; queue < queues_; ++queue) {
        const int socket = rte_eth_dev_socket_id(id_);
        int error = rte_eth_rx_queue_setup(id_, queue, rx_descriptors,
                                           static_cast<unsigned>(socket), nullptr, options.pool);
        error = error != 0 ? error
                           : rte_eth_tx_queue_setup(id_, queue, tx_descriptors,
                                                    static_cast<unsigned>(socket), nullptr);
        if (error != 0) {
            return failure("cannot set up queue " + std::to_string(queue), error);
        }
    }
    return {};
}

Result<void> Port::start(const PortOptions& options) {
    if (const int error = rte_eth_dev_start(id_); error != 0) {
        return failure("does not start", error);
    }
    // An interface of the kernel's is not touched: its flags would stay changed when we are killed.
    if (options.device.interface.empty()) {
        rte_eth_allmulticast_enable(id_);  // not all drivers can, nor need to
        if (options.promiscuous && rte_eth_promiscuous_enable(id_) != 0) {
            return Error{"port device " + name_ +
                         " cannot be promiscuous; set promiscuous = false"};
        }
    }
    rte_ether_addr mac{};
    if (const int error = rte_eth_macaddr_get(id_, &mac); error != 0) {
        return failure("has no MAC address", error);
    }
    std::memcpy(mac_.bytes.data(), mac.addr_bytes, mac_.bytes.size());
    // Virtual devices that know the words do not spread packets by them.
    if (queues_ > 1 && queues_ == options.queues && options.device.is_pci()) {
        if (std::optional<RssView> view = read_rss(id_, queues_)) {
            rss_ = std::make_unique<const RssView>(std::move(*view));
        }
    }
    return {};
}

Port::Port(Port&& other) noexcept
    : open_(std::exchange(other.open_, false)),
      id_(other.id_),
      name_(std::move(other.name_)),
      mend_(std::move(other.mend_)),
      mac_(other.mac_),
      driver_(std::move(other.driver_)),
      queues_(other.queues_),
      mtu_(other.mtu_),
      wake_fds_(std::move(other.wake_fds_)),
      rss_(std::move(other.rss_)) {}

Port::~Port() {
    if (open_) {
        const StderrToLog quiet;
        rte_eth_dev_stop(id_);
        rte_eth_dev_close(id_);
    }
}

DeviceCounters Port::counters() const {
    rte_eth_stats stats{};
    rte_eth_stats_get(id_, &stats);
    return {
        stats.ipackets, stats.opackets, stats.ibytes, stats.obytes, stats.imissed + stats.rx_nombuf,
        stats.ierrors,  stats.oerrors};
}

std::vector<std::pair<std::string, uint64_t>> Port::xstats() const {
    const int count = rte_eth_xstats_get_names(id_, nullptr, 0);
    if (count <= 0) {
        return {};
    }
    std::vector<rte_eth_xstat_name> names(static_cast<size_t>(count));
    std::vector<rte_eth_xstat> values(static_cast<size_t>(count));
    if (rte_eth_xstats_get_names(id_, names.data(), static_cast<unsigned>(count)) != count ||
        rte_eth_xstats_get(id_, values.data(), static_cast<unsigned>(count)) != count) {
        return {};
    }
    std::vector<std::pair<std::string, uint64_t>> xstats;
    for (const rte_eth_xstat& value : values) {
        xstats.emplace_back(names[value.id].name, value.value);
    }
    return xstats;
}

bool Port::link_up() const {
    rte_eth_link link{};
    return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

uint32_t Port::speed_mbps() const {
    rte_eth_link link{};
    const bool known =
        rte_eth_link_get_nowait(id_, &link) == 0 && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
    return known ? link.link_speed : 0;
}

}  // namespace dlb
