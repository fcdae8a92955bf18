// What a reload would change, as JSON.
#include "console/describe.hpp"

namespace dlb {

namespace {

Json value_or_null(const std::string& toml) {
    return toml.empty() ? Json(nullptr) : Json(toml);
}

Json describe(const ReloadChange& change) {
    Json json = {{"action", std::string(1, static_cast<char>(change.action))},
                 {"kind", change.kind()}};
    if (!change.service.empty()) {
        json["service"] = change.service;
    }
    if (change.backend) {
        json["address"] = change.backend->address.to_string();
        json["port"] = change.backend->port;
    }
    json["by_hand"] = change.by_console;
    json["values"] = Json::array();
    for (const ValueChange& value : change.values) {
        json["values"].push_back({{"key", value.key},
                                  {"before", value_or_null(value.before)},
                                  {"after", value_or_null(value.after)},
                                  {"by_hand", value.by_console}});
    }
    json["text"] = change.to_string();
    return json;
}

Json describe(const FlowMove& move) {
    return {{"service", move.service},
            {"new_flows", move.new_flows},
            {"restarts", move.restarts},
            {"flow_table", !move.stateless},
            {"gone_backends", move.gone_backends},
            {"ending_flows", move.ending_flows},
            {"text", move.to_string()}};
}

}  // namespace

Json describe(const ReloadPlan& plan) {
    Json json = {{"changes", Json::array()}, {"moves", Json::array()}, {"kept", plan.kept}};
    for (const ReloadChange& change : plan.changes) {
        json["changes"].push_back(describe(change));
    }
    for (const FlowMove& move : plan.moves) {
        json["moves"].push_back(describe(move));
    }
    return json;
}

}  // namespace dlb
