// What `top` shows, from the documents of the console's socket: rates are the differences of
// counters between two polls.
//
// Units: rates a second; NaN before the second poll, and 0 where a counter was set back.
// Errors: a document of another shape throws Json::exception.
// Thread safety: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "console/text_table.hpp"

namespace dlb::ctl {

using TopClock = std::chrono::steady_clock;

// Counters of one document, by name.
class Rates {
  public:
    // The counters that follow are of `now`.
    void begin(TopClock::time_point now);
    double of(const std::string& name, uint64_t value);
    void clear() { *this = Rates(); }

  private:
    std::unordered_map<std::string, uint64_t> before_, now_;
    TopClock::time_point time_{};
    double elapsed_s_ = 0;
};

struct ServiceRow {
    std::string name, vip, mode;
    uint64_t up = 0, backends = 0;
    double pps = 0, bps = 0, cps = 0;
};

struct BackendRow {
    std::string address, state, health;
    uint64_t weight = 0, connections = 0;
    double pps = 0, bps = 0;
};

struct WorkerRow {
    std::string id, core;
    bool running = true;
    double pps = 0, cycles = 0, busy = 0;
    uint64_t flows = 0, lag = 0;
};

struct TopTotals {
    double rx_pps = 0, rx_bps = 0, tx_pps = 0, tx_bps = 0, new_flows = 0, drops = 0;
    std::string worst_drop;  // the reason of most drops now; "" without any
    double worst_drops = 0;
};

class TopModel {
  public:
    void take_version(const Json& version);
    void take_ports(const Json& ports, TopClock::time_point now);
    void take_drops(const Json& drops, TopClock::time_point now);
    void take_services(const Json& services, TopClock::time_point now);
    void take_workers(const Json& workers, TopClock::time_point now);
    void take_backends(const std::string& service, const Json& backends, TopClock::time_point now);
    // No rates until the next two polls: the daemon may be another.
    void forget();

    std::string name, version;
    double uptime_s = 0;
    TopTotals totals;
    std::vector<ServiceRow> services;
    std::vector<WorkerRow> workers;
    std::vector<BackendRow> backends;
    std::string backends_of;  // the service whose they are

  private:
    Rates port_rates_, drop_rates_, service_rates_, worker_rates_, backend_rates_;
};

}  // namespace dlb::ctl
