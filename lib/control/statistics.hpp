// Statistics: the workers' and devices' counters, summed, with rates over the last second and since
// `clear stats`.
//
// Counters of workers only grow; clearing remembers what they were.
// Thread safety: the control thread's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "control/api.hpp"
#include "control/ports.hpp"
#include "control/worker_pool.hpp"
#include "lb/model.hpp"

namespace dlb {

struct ServiceSums {
    uint64_t packets = 0, bytes = 0, new_flows = 0, replies = 0;
};

struct BackendSums {
    uint64_t packets = 0, bytes = 0, active = 0, flows = 0;
};

class Statistics {
  public:
    Statistics(const WorkerPool& workers, const std::vector<ControlPort>& ports);

    // Takes a sample for the rates. Once a second.
    void sample(const LbModel& model);
    void clear(const LbModel& model);
    // A service slot may have been another's: what it counted for that one is left out.
    void services_changed(const LbModel& model);

    PortStats port(size_t index) const;
    ServiceSums service(const ModelService& service) const;
    void fill_rates(const ModelService& service, ServiceStatus& status) const;
    BackendSums backend(const ModelBackend& backend) const;
    uint64_t verdict(Verdict verdict) const;
    void fill_worker(unsigned id, WorkerStatus& status) const;

  private:
    struct WorkerSample {
        uint64_t packets = 0, busy = 0, total = 0;
    };
    struct ServiceRecord {
        uint32_t slot = 0;
        ServiceSums baseline;
        ServiceSums last;
        double pps = 0, bps = 0, cps = 0;
    };
    struct PortRecord {
        DeviceCounters baseline, last;
        uint64_t tx_dropped_baseline = 0;
        double rx_pps = 0, tx_pps = 0, rx_bps = 0, tx_bps = 0;
    };
    struct BackendRecord {
        BackendSums baseline;
    };

    ServiceSums sum_service(uint32_t slot) const;
    BackendSums sum_backend(BackendId id) const;
    uint64_t sum_verdict(Verdict verdict) const;
    uint64_t sum_tx_dropped(size_t port) const;
    WorkerSample sum_worker(unsigned id) const;

    const WorkerPool& workers_;
    const std::vector<ControlPort>& ports_;
    std::chrono::steady_clock::time_point sampled_;
    std::vector<PortRecord> port_records_;
    std::map<std::string, ServiceRecord> service_records_;
    std::map<uint32_t, BackendRecord> backend_records_;  // by BackendId::value()
    std::array<uint64_t, kVerdicts> verdict_baseline_{};
    std::vector<WorkerSample> worker_baseline_;
    std::vector<WorkerSample> worker_last_;
    std::vector<double> worker_busy_;
};

}  // namespace dlb
