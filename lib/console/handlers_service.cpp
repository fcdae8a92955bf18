// `show` of services, backends and flows, and `explain`.
#include <algorithm>

#include <fmt/format.h>

#include "console/describe.hpp"
#include "console/handlers.hpp"
#include "console/units.hpp"

namespace dlb::handlers {

namespace {

Json any_port(const Json& ports) {
    return ports.empty() ? Json("any") : ports;
}

// "yes", or "no: withdrawn by hand"
std::string route_text(const Json& service) {
    const std::string announced = service["announced"].get<bool>() ? "yes" : "no";
    const Json& why = service["not_announced"];
    return why.is_null() ? announced : announced + ": " + why.get<std::string>();
}

std::string backends_text(const Json& backends, bool with_service) {
    Json rows = backends;
    for (Json& row : rows) {
        row["port"] = row["port"] == 0 ? Json("any") : row["port"];
        row["port"] = format_cell(row["port"], CellFormat::Text);
    }
    std::vector<TableColumn> columns = {{"ADDRESS", "address"},
                                        {"PORT", "port", CellFormat::Count},
                                        {"WEIGHT", "weight", CellFormat::Count},
                                        {"STATE", "state"},
                                        {"HEALTH", "health"},
                                        {"CONNS", "active_connections", CellFormat::Count},
                                        {"PACKETS", "packets", CellFormat::Count},
                                        {"BYTES", "bytes", CellFormat::Bytes}};
    if (with_service) {
        columns.insert(columns.begin(), {"SERVICE", "service"});
    }
    return render_table(rows, columns, "no backends");
}

std::string flows_text(const Json& flows, uint32_t limit) {
    Json rows = flows;
    for (Json& row : rows) {
        row["via"] =
            row["snat"].is_null() ? row["backend"] : Json::array({row["backend"], row["snat"]});
    }
    const bool snat = std::any_of(flows.begin(), flows.end(),
                                  [](const Json& flow) { return !flow["snat"].is_null(); });
    std::string text = render_table(rows,
                                    {{"PROTO", "protocol"},
                                     {"CLIENT", "client"},
                                     {"VIP", "vip"},
                                     {snat ? "BACKEND, SNAT" : "BACKEND", "via", CellFormat::List},
                                     {"SERVICE", "service"},
                                     {"STATE", "state"},
                                     {"ENDS IN", "expires_ms", CellFormat::Duration},
                                     {"WORKER", "worker", CellFormat::Count}},
                                    "no flows");
    if (flows.size() >= limit) {
        text += fmt::format("the first {}; \"limit N\" shows more\n", limit);
    }
    return text;
}

std::string explain_text(const ExplainQuery& query, const Explanation& explanation) {
    std::string text = fmt::format("{} {} -> {}\n", to_string(query.protocol),
                                   query.source.to_string(), query.destination.to_string());
    for (size_t i = 0; i < explanation.steps.size(); ++i) {
        text += fmt::format("{:3}. {}\n", i + 1, printable(explanation.steps[i]));
    }
    if (!explanation.next_hop.empty()) {
        text += fmt::format("next hop: {}\n", explanation.next_hop);
    }
    text += "verdict: " + explanation.verdict;
    if (explanation.backend) {
        text += fmt::format(", backend {} of {}", explanation.backend->to_string(),
                            explanation.service);
        text += explanation.mode.empty() ? "" : fmt::format(" by {}", explanation.mode);
        text += explanation.source.empty() ? "" : fmt::format(", from the {}", explanation.source);
    }
    return printable(text) + '\n';
}

}  // namespace

std::optional<CommandResult> unknown_service(const ControlApi& control, const std::string& name) {
    std::vector<std::string> names;
    for (const ServiceStatus& service : control.services()) {
        if (service.config.name == name) {
            return std::nullopt;
        }
        names.push_back(service.config.name);
    }
    return no_such("service", name, names);
}

CommandResult show_services(ControlApi& control, const Arguments&) {
    const Json services = describe_all(control.services());
    Json rows = services;
    for (Json& row : rows) {
        row["up"] =
            fmt::format("{}/{}", row["backends_up"].get<size_t>(), row["backends"].get<size_t>());
        row["ports"] = any_port(row["ports"]);
        row["route"] = route_text(row);
    }
    return answer(services, render_table(rows,
                                         {{"NAME", "name"},
                                          {"VIP", "vip", CellFormat::List},
                                          {"PROTO", "protocol"},
                                          {"PORTS", "ports", CellFormat::List},
                                          {"MODE", "mode"},
                                          {"SCHED", "scheduler"},
                                          {"UP", "up", CellFormat::Count},
                                          {"ROUTE", "route"},
                                          {"PACKET RATE", "pps", CellFormat::PacketRate},
                                          {"BIT RATE", "bps", CellFormat::BitRate}},
                                         "no services"));
}

CommandResult show_service(ControlApi& control, const Arguments& arguments) {
    const std::string name = arguments.get("NAME");
    if (auto unknown = unknown_service(control, name)) {
        return *unknown;
    }
    const auto services = control.services();
    const auto found =
        std::find_if(services.begin(), services.end(),
                     [&](const ServiceStatus& service) { return service.config.name == name; });
    Json service = describe_in_full(*found);
    service["backend"] = describe_all(control.backends(name));

    Json shown = service;
    shown["ports"] = any_port(shown["ports"]);
    shown["up"] = fmt::format("{} of {}, at least {} to be announced", found->backends_up,
                              found->config.backends.size(), found->config.min_backends);
    std::string timeouts;
    for (const auto& [state, milliseconds] : shown["timeout_ms"].items()) {
        timeouts += fmt::format("{}{} {}", timeouts.empty() ? "" : ", ", state,
                                format_cell(milliseconds, CellFormat::Duration));
    }
    shown["timeouts"] = timeouts;
    shown["route"] = route_text(shown);
    std::vector<TableColumn> fields = {{"name", "name"},
                                       {"vip", "vip"},
                                       {"protocol", "protocol"},
                                       {"ports", "ports"},
                                       {"mode", "mode"},
                                       {"scheduler", "scheduler"},
                                       {"announced", "route"},
                                       {"backends up", "up"},
                                       {"sticky", "sticky", CellFormat::YesNo},
                                       {"icmp echo", "icmp_echo", CellFormat::YesNo},
                                       {"overflow", "overflow"},
                                       {"timeouts", "timeouts"},
                                       {"packets", "packets"},
                                       {"bytes", "bytes", CellFormat::Bytes},
                                       {"new flows", "new_flows"},
                                       {"packet rate", "pps", CellFormat::PacketRate},
                                       {"bit rate", "bps", CellFormat::BitRate}};
    shown["cps_text"] = human_rate(found->cps, "flows/s");
    fields.push_back({"flow rate", "cps_text"});
    for (const char* key : {"snat", "tunnel_source"}) {
        if (!shown[key].empty()) {
            fields.push_back({key, key});
        }
    }
    return answer(service,
                  render_object(shown, fields) + '\n' + backends_text(service["backend"], false));
}

CommandResult show_backends(ControlApi& control, const Arguments& arguments) {
    const std::string service = arguments.get("SERVICE");
    const Json backends = describe_all(control.backends(service));
    if (backends.empty() && !service.empty()) {
        if (auto unknown = unknown_service(control, service)) {
            return *unknown;
        }
    }
    return answer(backends, backends_text(backends, service.empty()));
}

void show_flows(ControlApi& control, const Arguments& arguments, const CommandDone& done) {
    FlowQuery query;
    query.service = arguments.get("NAME");
    if (!query.service.empty()) {
        if (auto unknown = unknown_service(control, query.service)) {
            return done(*unknown);
        }
    }
    if (arguments.has("count")) {
        const uint64_t count = control.flow_count(query.service);
        return done(answer({{"flows", count}}, fmt::format("{}\n", count)));
    }
    if (arguments.has("N")) {
        query.limit = arguments.number("N");
    }
    control.flows(query, [done, limit = query.limit](const std::vector<FlowStatus>& flows) {
        const Json data = describe_all(flows);
        done(answer(data, flows_text(data, limit)));
    });
}

void explain(ControlApi& control, const Arguments& arguments, const CommandDone& done) {
    ExplainQuery query;
    query.protocol = parse_protocol(arguments.get("tcp|udp")).value();
    query.source = arguments.endpoint("SRC:SPORT");
    query.destination = arguments.endpoint("DST:DPORT");
    if (query.source.address.family() != query.destination.address.family()) {
        return done(
            misuse("source and destination are of different families: "
                   "give two IPv4 or two IPv6 addresses"));
    }
    control.explain(query, [done, query](const Explanation& explanation) {
        done(answer(describe(explanation), explain_text(query, explanation)));
    });
}

}  // namespace dlb::handlers
