#include "top_model.hpp"

#include <limits>

#include <fmt/format.h>

namespace dlb::ctl {

namespace {

std::string list_of(const Json& values) {
    std::string text;
    for (const Json& value : values) {
        text += (text.empty() ? "" : ", ") + value.get<std::string>();
    }
    return printable(text);
}

std::string text_of(const Json& row, const char* key) {
    return printable(row.at(key).get<std::string>());
}

uint64_t number_of(const Json& row, const char* key) {
    return row.at(key).get<uint64_t>();
}

}  // namespace

void Rates::begin(TopClock::time_point now) {
    before_ = std::exchange(now_, {});
    elapsed_s_ = std::chrono::duration<double>(now - time_).count();
    time_ = now;
}

double Rates::of(const std::string& name, uint64_t value) {
    now_[name] = value;
    const auto before = before_.find(name);
    if (before == before_.end() || elapsed_s_ <= 0) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    return value < before->second ? 0 : static_cast<double>(value - before->second) / elapsed_s_;
}

void TopModel::take_version(const Json& document) {
    name = text_of(document, "name");
    version = text_of(document, "version");
    uptime_s = document.at("uptime_s").get<double>();
}

void TopModel::take_ports(const Json& ports, TopClock::time_point now) {
    port_rates_.begin(now);
    uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
    for (const Json& port : ports) {
        rx_packets += number_of(port, "rx_packets");
        tx_packets += number_of(port, "tx_packets");
        rx_bytes += number_of(port, "rx_bytes");
        tx_bytes += number_of(port, "tx_bytes");
    }
    totals.rx_pps = port_rates_.of("rx_packets", rx_packets);
    totals.tx_pps = port_rates_.of("tx_packets", tx_packets);
    totals.rx_bps = 8 * port_rates_.of("rx_bytes", rx_bytes);
    totals.tx_bps = 8 * port_rates_.of("tx_bytes", tx_bytes);
}

void TopModel::take_drops(const Json& drops, TopClock::time_point now) {
    drop_rates_.begin(now);
    totals.drops = totals.worst_drops = 0;
    totals.worst_drop.clear();
    for (const auto& [reason, count] : drops.items()) {
        const double rate = drop_rates_.of(reason, count.get<uint64_t>());
        totals.drops += rate;
        if (rate > totals.worst_drops) {
            totals.worst_drops = rate;
            totals.worst_drop = printable(reason);
        }
    }
}

void TopModel::take_services(const Json& documents, TopClock::time_point now) {
    service_rates_.begin(now);
    services.clear();
    totals.new_flows = 0;
    for (const Json& document : documents) {
        ServiceRow row;
        const std::string key = document.at("name").get<std::string>();
        row.name = printable(key);
        row.vip = list_of(document.at("vip"));
        row.mode = text_of(document, "mode");
        row.up = number_of(document, "backends_up");
        row.backends = number_of(document, "backends");
        row.pps = service_rates_.of(key + " p", number_of(document, "packets"));
        row.bps = 8 * service_rates_.of(key + " b", number_of(document, "bytes"));
        row.cps = service_rates_.of(key + " n", number_of(document, "new_flows"));
        totals.new_flows += row.cps;
        services.push_back(std::move(row));
    }
}

void TopModel::take_workers(const Json& documents, TopClock::time_point now) {
    worker_rates_.begin(now);
    workers.clear();
    for (const Json& document : documents) {
        WorkerRow row;
        row.id = document.at("id").dump();
        row.core = document.at("core").dump();
        row.running = document.at("running").get<bool>();
        row.pps = worker_rates_.of(row.id, number_of(document, "packets"));
        row.cycles = document.at("cycles_per_packet").get<double>();
        row.busy = document.at("busy").get<double>();
        row.flows = number_of(document, "flows");
        row.lag = number_of(document, "rcu_lag");
        workers.push_back(std::move(row));
    }
}

void TopModel::take_backends(const std::string& service, const Json& documents,
                             TopClock::time_point now) {
    backend_rates_.begin(now);
    backends.clear();
    backends_of = service;
    for (const Json& document : documents) {
        BackendRow row;
        const std::string address = text_of(document, "address");
        const uint64_t port = number_of(document, "port");
        const bool v6 = address.find(':') != std::string::npos;
        row.address = fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "",
                                  port == 0 ? "any" : std::to_string(port));
        row.state = text_of(document, "state");
        row.health = text_of(document, "health");
        row.weight = number_of(document, "weight");
        row.connections = number_of(document, "active_connections");
        const std::string key = service + ' ' + row.address;
        row.pps = backend_rates_.of(key + " p", number_of(document, "packets"));
        row.bps = 8 * backend_rates_.of(key + " b", number_of(document, "bytes"));
        backends.push_back(std::move(row));
    }
}

void TopModel::forget() {
    for (Rates* rates :
         {&port_rates_, &drop_rates_, &service_rates_, &worker_rates_, &backend_rates_}) {
        rates->clear();
    }
}

}  // namespace dlb::ctl
