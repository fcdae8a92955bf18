// Port: one DPDK device, configured with a queue pair for each worker or as many as it offers,
// started; stopped and closed at its end.
//
// Errors: open() gives one line that names the mend; the device is closed again then.
// Thread safety: open, close and statistics on the main thread; the queues belong to the workers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rte_mempool.h>

#include "eal/device_string.hpp"
#include "net/ip_address.hpp"
#include "net/result.hpp"
#include "net/rss.hpp"

namespace dlb {

struct PortOptions {
    DeviceString device;
    uint16_t queues = 1;  // pairs that are wanted
    uint16_t mtu = 1500;
    bool promiscuous = false;
    rte_mempool* pool = nullptr;
};

struct DeviceCounters {
    uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
    uint64_t rx_missed = 0;  // no room in the queue, or no mbuf
    uint64_t rx_errors = 0, tx_errors = 0;
};

class Port {
  public:
    static Result<Port> open(const PortOptions& options);
    Port(Port&& other) noexcept;
    Port& operator=(Port&&) = delete;
    ~Port();

    uint16_t id() const { return id_; }
    const MacAddress& mac() const { return mac_; }
    const std::string& driver() const { return driver_; }
    uint16_t queues() const { return queues_; }  // pairs: as many as wanted, or offered
    uint16_t mtu() const { return mtu_; }
    // By queue: a descriptor that becomes readable when a packet waits. Empty: the driver has none
    // that we know of.
    const std::vector<int>& wake_fds() const { return wake_fds_; }
    // How a NIC spreads packets over the queues that were wanted; nullptr: there is one, or fewer
    // than wanted, or the device does not tell.
    const RssView* rss() const { return rss_.get(); }

    DeviceCounters counters() const;
    std::vector<std::pair<std::string, uint64_t>> xstats() const;
    bool link_up() const;
    uint32_t speed_mbps() const;  // 0: unknown

  private:
    Port() = default;
    Result<void> probe(const PortOptions& options);
    Result<void> configure(const PortOptions& options);
    Result<void> start(const PortOptions& options);
    Error failure(const std::string& what, int error) const;

    bool open_ = false;
    uint16_t id_ = 0;
    std::string name_;
    std::string mend_;  // of what DPDK refuses
    MacAddress mac_;
    std::string driver_;
    uint16_t queues_ = 0;
    uint16_t mtu_ = 0;
    std::vector<int> wake_fds_;
    std::unique_ptr<const RssView> rss_;
};

}  // namespace dlb
