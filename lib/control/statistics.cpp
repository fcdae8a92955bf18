#include "control/statistics.hpp"

#include <algorithm>

#include <rte_cycles.h>

namespace dlb {

Statistics::Statistics(const WorkerPool& workers, const std::vector<ControlPort>& ports)
    : workers_(workers),
      ports_(ports),
      sampled_(std::chrono::steady_clock::now()),
      port_records_(ports.size()),
      worker_baseline_(workers.size()),
      worker_last_(workers.size()),
      worker_busy_(workers.size()) {}

ServiceSums Statistics::sum_service(uint32_t slot) const {
    ServiceSums sums;
    for (unsigned id = 0; id < workers_.size(); ++id) {
        const ServiceCounters& counters = workers_.worker(id).table_counters().of_service(slot);
        sums.packets += counters.packets.get();
        sums.bytes += counters.bytes.get();
        sums.new_flows += counters.new_flows.get();
        sums.replies += counters.replies.get();
    }
    return sums;
}

BackendSums Statistics::sum_backend(BackendId id) const {
    BackendSums sums;
    for (unsigned worker = 0; worker < workers_.size(); ++worker) {
        const TableCounters& by_table = workers_.worker(worker).table_counters();
        sums.active += by_table.active(id);
        if (const BackendCounters* counters = by_table.find(id)) {
            sums.packets += counters->packets.get();
            sums.bytes += counters->bytes.get();
            sums.flows += counters->flows.get();
        }
    }
    return sums;
}

uint64_t Statistics::sum_verdict(Verdict verdict) const {
    uint64_t sum = 0;
    for (unsigned id = 0; id < workers_.size(); ++id) {
        sum += workers_.worker(id).counters().of(verdict).get();
    }
    return sum;
}

uint64_t Statistics::sum_tx_dropped(size_t port) const {
    uint64_t sum = 0;
    for (unsigned id = 0; id < workers_.size(); ++id) {
        sum += workers_.worker(id).counters().tx_dropped[port].get();
    }
    return sum;
}

Statistics::WorkerSample Statistics::sum_worker(unsigned id) const {
    const WorkerCounters& counters = workers_.worker(id).counters();
    return {counters.rx_packets.get() + counters.handed_in.get(), counters.busy_cycles.get(),
            counters.total_cycles.get()};
}

void Statistics::sample(const LbModel& model) {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - sampled_).count();
    if (seconds <= 0) {
        return;
    }
    sampled_ = now;
    for (size_t i = 0; i < ports_.size(); ++i) {
        PortRecord& record = port_records_[i];
        const DeviceCounters counters = ports_[i].port->counters();
        const auto rate = [seconds](uint64_t after, uint64_t before) {
            return after < before ? 0.0 : static_cast<double>(after - before) / seconds;
        };
        record.rx_pps = rate(counters.rx_packets, record.last.rx_packets);
        record.tx_pps = rate(counters.tx_packets, record.last.tx_packets);
        record.rx_bps = 8 * rate(counters.rx_bytes, record.last.rx_bytes);
        record.tx_bps = 8 * rate(counters.tx_bytes, record.last.tx_bytes);
        record.last = counters;
    }
    for (const ModelService& service : model.services()) {
        ServiceRecord& record = service_records_[service.config.name];
        const ServiceSums sums = sum_service(service.slot);
        record.pps = static_cast<double>(sums.packets - record.last.packets) / seconds;
        record.bps = 8 * static_cast<double>(sums.bytes - record.last.bytes) / seconds;
        record.cps = static_cast<double>(sums.new_flows - record.last.new_flows) / seconds;
        record.last = sums;
    }
    for (unsigned id = 0; id < workers_.size(); ++id) {
        const WorkerSample sample = sum_worker(id);
        // Busy cycles as a share of the time that passed, asleep or not.
        const double elapsed = seconds * static_cast<double>(rte_get_tsc_hz());
        worker_busy_[id] =
            std::min(1.0, static_cast<double>(sample.busy - worker_last_[id].busy) / elapsed);
        worker_last_[id] = sample;
    }
}

void Statistics::services_changed(const LbModel& model) {
    std::map<std::string, ServiceRecord> kept;
    std::map<uint32_t, BackendRecord> kept_backends;
    for (const ModelService& service : model.services()) {
        const auto old = service_records_.find(service.config.name);
        ServiceRecord record;
        if (old != service_records_.end() && old->second.slot == service.slot) {
            record = old->second;
        } else {
            record.slot = service.slot;
            record.baseline = sum_service(service.slot);
            record.last = record.baseline;
        }
        kept.emplace(service.config.name, record);
        for (const ModelBackend& backend : service.backends) {
            const auto known = backend_records_.find(backend.id.value());
            if (known != backend_records_.end()) {
                kept_backends.insert(*known);
            }
        }
    }
    service_records_ = std::move(kept);
    backend_records_ = std::move(kept_backends);
}

void Statistics::clear(const LbModel& model) {
    for (size_t i = 0; i < ports_.size(); ++i) {
        port_records_[i].baseline = ports_[i].port->counters();
        port_records_[i].tx_dropped_baseline = sum_tx_dropped(i);
    }
    for (const ModelService& service : model.services()) {
        service_records_[service.config.name].baseline = sum_service(service.slot);
        for (const ModelBackend& backend : service.backends) {
            backend_records_[backend.id.value()].baseline = sum_backend(backend.id);
        }
    }
    for (unsigned i = 0; i < kVerdicts; ++i) {
        verdict_baseline_[i] = sum_verdict(static_cast<Verdict>(i));
    }
    for (unsigned id = 0; id < workers_.size(); ++id) {
        worker_baseline_[id] = sum_worker(id);
    }
}

PortStats Statistics::port(size_t index) const {
    const PortRecord& record = port_records_[index];
    const DeviceCounters now = ports_[index].port->counters();
    const DeviceCounters& then = record.baseline;
    PortStats stats;
    stats.rx_packets = now.rx_packets - then.rx_packets;
    stats.tx_packets = now.tx_packets - then.tx_packets;
    stats.rx_bytes = now.rx_bytes - then.rx_bytes;
    stats.tx_bytes = now.tx_bytes - then.tx_bytes;
    stats.rx_missed = now.rx_missed - then.rx_missed;
    stats.rx_errors = now.rx_errors - then.rx_errors;
    stats.tx_dropped = sum_tx_dropped(index) - record.tx_dropped_baseline;
    stats.rx_pps = record.rx_pps;
    stats.tx_pps = record.tx_pps;
    stats.rx_bps = record.rx_bps;
    stats.tx_bps = record.tx_bps;
    return stats;
}

ServiceSums Statistics::service(const ModelService& service) const {
    ServiceSums sums = sum_service(service.slot);
    const auto record = service_records_.find(service.config.name);
    if (record != service_records_.end()) {
        sums.packets -= record->second.baseline.packets;
        sums.bytes -= record->second.baseline.bytes;
        sums.new_flows -= record->second.baseline.new_flows;
        sums.replies -= record->second.baseline.replies;
    }
    return sums;
}

void Statistics::fill_rates(const ModelService& service, ServiceStatus& status) const {
    const auto record = service_records_.find(service.config.name);
    if (record != service_records_.end()) {
        status.pps = record->second.pps;
        status.bps = record->second.bps;
        status.cps = record->second.cps;
    }
}

BackendSums Statistics::backend(const ModelBackend& backend) const {
    BackendSums sums = sum_backend(backend.id);
    const auto record = backend_records_.find(backend.id.value());
    if (record != backend_records_.end()) {
        sums.packets -= record->second.baseline.packets;
        sums.bytes -= record->second.baseline.bytes;
    }
    return sums;
}

uint64_t Statistics::verdict(Verdict verdict) const {
    return sum_verdict(verdict) - verdict_baseline_[static_cast<unsigned>(verdict)];
}

void Statistics::fill_worker(unsigned id, WorkerStatus& status) const {
    const WorkerSample now = sum_worker(id);
    const WorkerSample& then = worker_baseline_[id];
    status.packets = now.packets - then.packets;
    status.cycles_per_packet = status.packets == 0 ? 0.0
                                                   : static_cast<double>(now.busy - then.busy) /
                                                         static_cast<double>(status.packets);
    status.busy = worker_busy_[id];
    status.busy_cycles = now.busy - then.busy;
}

}  // namespace dlb
