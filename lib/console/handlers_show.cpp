// `show` of the load balancer as a whole: ports, workers, drops, next hops, memory, log.
#include <algorithm>

#include <fmt/format.h>

#include "console/describe.hpp"
#include "console/handlers.hpp"
#include "console/units.hpp"
#include "console/words.hpp"

namespace dlb::handlers {

CommandResult answer(Json data, std::string text) {
    CommandResult result;
    result.data = std::move(data);
    result.text = std::move(text);
    return result;
}

CommandResult failure(std::string error) {
    CommandResult result;
    result.status = 1;
    result.error = std::move(error);
    return result;
}

CommandResult misuse(std::string error) {
    CommandResult result = failure(std::move(error));
    result.status = 2;
    return result;
}

CommandResult outcome(const Status& status, std::string text) {
    return status.ok() ? answer({{"ok", true}}, std::move(text)) : failure(status.error());
}

CommandResult no_such(std::string_view kind, const std::string& name,
                      const std::vector<std::string>& names) {
    if (names.empty()) {
        return failure(fmt::format("no {} {}: there is none", kind, quote_word(name)));
    }
    if (const auto nearest = nearest_word(name, names)) {
        return failure(
            fmt::format("no {} {}: did you mean \"{}\"?", kind, quote_word(name), *nearest));
    }
    return failure(fmt::format("no {} {}: \"show {}s\" lists them", kind, quote_word(name), kind));
}

CommandResult show_version(ControlApi& control, const Arguments&) {
    const VersionInfo version = control.version();
    return answer(describe(version),
                  fmt::format("dpdk-lb {} with DPDK {}, name {}, up {}\n", version.version,
                              version.dpdk, version.name, human_duration(version.uptime_s)));
}

CommandResult show_uptime(ControlApi& control, const Arguments&) {
    const double uptime = control.version().uptime_s;
    return answer({{"uptime_s", uptime}}, human_duration(uptime) + '\n');
}

CommandResult show_config(ControlApi& control, const Arguments&) {
    const std::string toml = control.config_toml();
    return answer({{"toml", toml}}, toml);
}

CommandResult show_ports(ControlApi& control, const Arguments&) {
    const Json ports = describe_all(control.ports());
    Json rows = ports;
    for (Json& row : rows) {
        const auto speed = row["speed_mbps"].get<unsigned>();
        row["speed"] = speed == 0      ? Json(nullptr)
                       : speed >= 1000 ? Json(fmt::format("{:g} Gbps", speed / 1000.0))
                                       : Json(fmt::format("{} Mbps", speed));
        row["queues"] = fmt::format("{}/{}", row["rx_queues"].get<unsigned>(),
                                    row["tx_queues"].get<unsigned>());
        row["address"].insert(row["address"].begin(), row["mac"]);
    }
    return answer(ports, render_table(rows,
                                      {{"NAME", "name"},
                                       {"LINK", "link"},
                                       {"SPEED", "speed"},
                                       {"MTU", "mtu", CellFormat::Count},
                                       {"RX/TXQ", "queues"},
                                       {"DRIVER", "driver"},
                                       {"TAP", "tap"},
                                       {"MAC, ADDRESSES", "address", CellFormat::List}},
                                      "no ports"));
}

namespace {

// testpmd's view of a port: the two directions side by side.
std::string stats_text(const Json& stats) {
    using Align = TextTable::Align;
    TextTable table(
        {{"port " + stats["name"].get<std::string>()}, {"RX", Align::Right}, {"TX", Align::Right}});
    const auto row = [&](const char* label, const char* rx, const char* tx, CellFormat format) {
        const auto cell = [&](const char* key) {
            return key == nullptr ? "-" : format_cell(stats[key], format);
        };
        table.add_row({std::string("  ") + label, cell(rx), cell(tx)});
    };
    row("packets", "rx_packets", "tx_packets", CellFormat::Count);
    row("bytes", "rx_bytes", "tx_bytes", CellFormat::Bytes);
    row("missed", "rx_missed", nullptr, CellFormat::Count);
    row("errors", "rx_errors", nullptr, CellFormat::Count);
    row("dropped", nullptr, "tx_dropped", CellFormat::Count);
    row("packet rate", "rx_pps", "tx_pps", CellFormat::PacketRate);
    row("bit rate", "rx_bps", "tx_bps", CellFormat::BitRate);
    return table.to_string();
}

std::vector<std::string> names_of(const std::vector<PortStatus>& ports) {
    std::vector<std::string> names;
    names.reserve(ports.size());
    for (const PortStatus& port : ports) {
        names.push_back(port.name);
    }
    return names;
}

}  // namespace

CommandResult show_port_stats(ControlApi& control, const Arguments& arguments) {
    const std::vector<PortStatus> ports = control.ports();
    if (!arguments.has("NAME")) {
        Json all = Json::array();
        std::string text;
        for (const PortStatus& port : ports) {
            all.push_back(describe_stats(port));
            text += (text.empty() ? "" : "\n") + stats_text(all.back());
        }
        return answer(all, text.empty() ? "no ports\n" : text);
    }
    const std::string name = arguments.get("NAME");
    const auto port = std::find_if(ports.begin(), ports.end(),
                                   [&](const PortStatus& each) { return each.name == name; });
    if (port == ports.end()) {
        return no_such("port", name, names_of(ports));
    }
    const Json stats = describe_stats(*port);
    return answer(stats, stats_text(stats));
}

CommandResult show_port_xstats(ControlApi& control, const Arguments& arguments) {
    const std::string name = arguments.get("NAME");
    const auto xstats = control.port_xstats(name);
    if (!xstats) {
        return no_such("port", name, names_of(control.ports()));
    }
    Json counters = Json::object();
    TextTable table({{"COUNTER"}, {"VALUE", TextTable::Align::Right}});
    for (const auto& [counter, value] : *xstats) {
        counters[counter] = value;
        table.add_row({counter, std::to_string(value)});
    }
    return answer({{"name", name}, {"xstats", counters}},
                  xstats->empty() ? "this driver has none\n" : table.to_string());
}

CommandResult show_workers(ControlApi& control, const Arguments&) {
    const Json workers = describe_all(control.workers());
    Json rows = workers;
    for (Json& row : rows) {
        row["state"] = row["running"] == true ? "running" : "stopped";
        if (row["queues"].empty()) {
            row["queues"] = Json::array({"none"});
        }
    }
    return answer(workers, render_table(rows,
                                        {{"WORKER", "id", CellFormat::Count},
                                         {"CORE", "core", CellFormat::Count},
                                         {"STATE", "state"},
                                         {"QUEUES", "queues", CellFormat::List},
                                         {"PACKETS", "packets", CellFormat::Count},
                                         {"CYCLES/PKT", "cycles_per_packet", CellFormat::Decimal},
                                         {"BUSY", "busy", CellFormat::Share},
                                         {"FLOWS", "flows", CellFormat::Count},
                                         {"LAG", "rcu_lag", CellFormat::Count}},
                                        "no workers"));
}

CommandResult show_drops(ControlApi& control, const Arguments&) {
    auto drops = control.drops();
    Json data = Json::object();
    for (const auto& [reason, count] : drops) {
        data[reason] = count;
    }
    // Reasons that happened come first; the order of the enum otherwise.
    std::stable_sort(drops.begin(), drops.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    TextTable table({{"REASON"}, {"PACKETS", TextTable::Align::Right}});
    for (const auto& [reason, count] : drops) {
        table.add_row({reason, std::to_string(count)});
    }
    return answer(std::move(data), table.to_string());
}

CommandResult show_neighbors(ControlApi& control, const Arguments&) {
    const Json neighbors = describe_all(control.neighbors());
    return answer(
        neighbors,
        render_table(neighbors,
                     {{"ADDRESS", "address"}, {"MAC", "mac"}, {"PORT", "port"}, {"STATE", "state"}},
                     "no neighbors"));
}

CommandResult show_routes(ControlApi& control, const Arguments&) {
    const Json routes = describe_all(control.routes());
    Json rows = routes;
    for (Json& row : rows) {
        row["via"] = row["gateway"].is_null() ? Json("on the link") : row["gateway"];
    }
    return answer(
        routes,
        render_table(rows,
                     {{"PREFIX", "prefix"}, {"VIA", "via"}, {"PORT", "port"}, {"SOURCE", "source"}},
                     "no routes"));
}

CommandResult show_memory(ControlApi& control, const Arguments&) {
    const Json memory = describe_all(control.memory());
    Json rows = memory;
    for (Json& row : rows) {
        const auto used = row["used"].get<uint64_t>(), size = row["size"].get<uint64_t>();
        const bool bytes = row["unit"] == "bytes";
        row["share"] =
            size == 0 ? Json(nullptr) : Json(static_cast<double>(used) / static_cast<double>(size));
        for (const char* key : {"used", "size"}) {
            row[key] = format_cell(row[key], bytes ? CellFormat::Bytes : CellFormat::Count);
        }
    }
    return answer(memory, render_table(rows,
                                       {{"NAME", "name"},
                                        {"USED", "used", CellFormat::Count},
                                        {"SIZE", "size", CellFormat::Count},
                                        {"UNIT", "unit"},
                                        {"SHARE", "share", CellFormat::Share}},
                                       "no memory is accounted for"));
}

CommandResult show_log(ControlApi& control, const Arguments& arguments) {
    constexpr unsigned kLines = 20;
    const auto lines = control.log(arguments.has("N") ? arguments.number("N") : kLines);
    std::string text;
    for (const std::string& line : lines) {
        text += printable(line) + '\n';
    }
    return answer(lines, text);
}

}  // namespace dlb::handlers
