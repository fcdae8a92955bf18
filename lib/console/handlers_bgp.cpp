// `show bgp …`: the looking glass.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "console/describe.hpp"
#include "console/handlers.hpp"
#include "console/text_table.hpp"
#include "console/units.hpp"

namespace dlb::handlers {

namespace {

constexpr std::string_view kOff = "BGP is not enabled";

bool is_up(const BgpNeighborStatus& neighbor) {
    return neighbor.state == "Established";
}

std::string after_up(double seconds) {
    return seconds < 1 ? "0s" : human_duration(seconds);
}

const BgpNeighborStatus* find_neighbor(const BgpStatus& bgp, const std::string& address) {
    const auto wanted = IpAddress::parse(address);
    const auto found =
        std::find_if(bgp.neighbors.begin(), bgp.neighbors.end(),
                     [&](const BgpNeighborStatus& each) { return each.address == wanted; });
    return found == bgp.neighbors.end() ? nullptr : &*found;
}

CommandResult no_neighbor(const BgpStatus& bgp, const std::string& address) {
    return failure(fmt::format("no BGP neighbor {}: {}", address,
                               bgp.enabled ? "`show bgp` lists them" : kOff));
}

// "65021" where there is nothing to say, else "Active: connection refused; no BGP speaker …".
std::string trouble(const BgpNeighborStatus& neighbor) {
    std::string text;
    if (!is_up(neighbor) && !neighbor.last_error.empty()) {
        text = fmt::format("{} {}: {}\n", neighbor.address.to_string(), neighbor.state,
                           neighbor.last_error);
        if (!neighbor.likely_cause.empty()) {
            text += fmt::format("  likely: {}\n", neighbor.likely_cause);
        }
    }
    if (neighbor.bfd && !neighbor.bfd->error.empty()) {
        text += fmt::format("{}: {}\n", neighbor.address.to_string(), neighbor.bfd->error);
    }
    return text;
}

std::string bgp_text(const BgpStatus& bgp, const Json& document) {
    std::string text = fmt::format("AS {}, router id {}, {}\n\n", bgp.asn,
                                   document["router_id"].get<std::string>(), bgp.phase);
    Json rows = document["neighbors"];
    for (size_t i = 0; i < rows.size(); ++i) {
        const BgpNeighborStatus& neighbor = bgp.neighbors[i];
        rows[i]["up"] = is_up(neighbor) ? Json(after_up(neighbor.uptime_s)) : Json();
        rows[i]["bfd"] = neighbor.bfd ? Json(neighbor.bfd->state) : Json();
    }
    text += render_table(rows,
                         {{"NEIGHBOR", "address"},
                          {"AS", "asn"},
                          {"STATE", "state"},
                          {"UP", "up"},
                          {"SENT", "sent", CellFormat::Count},
                          {"RECEIVED", "received", CellFormat::Count},
                          {"FLAPS", "flaps", CellFormat::Count},
                          {"BFD", "bfd"}},
                         "no neighbor");
    for (const std::string& prefix : bgp.waiting) {
        text += fmt::format("{}: nobody of it has connected\n", prefix);
    }
    std::string troubles;
    for (const BgpNeighborStatus& neighbor : bgp.neighbors) {
        troubles += trouble(neighbor);
    }
    return text + (troubles.empty() ? "" : "\n" + troubles);
}

std::string milliseconds(double value) {
    return fmt::format("{:g} ms", value);
}

std::string session_text(const BgpNeighborStatus& neighbor) {
    std::string text = fmt::format("BGP neighbor {}, AS {}{}\n", neighbor.address.to_string(),
                                   neighbor.asn, neighbor.dynamic ? ", found by a prefix" : "");
    const auto line = [&](std::string_view label, const std::string& value) {
        if (!value.empty()) {
            text += fmt::format("  {:<14}{}\n", label, value);
        }
    };
    line("state", is_up(neighbor)
                      ? fmt::format("{} for {}", neighbor.state, after_up(neighbor.uptime_s))
                      : neighbor.state);
    if (neighbor.retry_in_s) {
        line("next attempt", fmt::format("in {:.1f}s", *neighbor.retry_in_s));
    }
    line("router id", neighbor.router_id ? neighbor.router_id->to_string() : "");
    if (is_up(neighbor)) {
        line("hold time",
             fmt::format("{:g}s, {:.1f}s left; keepalive every {:g}s", neighbor.hold_time_s,
                         neighbor.hold_left_s.value_or(0), neighbor.keepalive_s));
    }
    line("we offered", neighbor.offered);
    line("it offered", neighbor.received);
    line("last error", neighbor.last_error);
    line("likely cause", neighbor.likely_cause);
    line("flaps", std::to_string(neighbor.flaps));
    line("routes", fmt::format("{} announced, {} refused, {} received, {} not kept",
                               neighbor.routes_announced, neighbor.routes_refused,
                               neighbor.routes_received, neighbor.routes_not_kept));
    line("mended", neighbor.treated_as_withdraw + neighbor.attributes_discarded == 0
                       ? ""
                       : fmt::format("{} UPDATEs taken as withdrawals, {} attributes discarded",
                                     neighbor.treated_as_withdraw, neighbor.attributes_discarded));
    return text;
}

std::string messages_text(const Json& document) {
    Json rows = Json::array();
    for (const char* type : {"opens", "updates", "notifications", "keepalives", "refreshes"}) {
        rows.push_back({{"type", type},
                        {"sent", document["messages_sent"][type]},
                        {"received", document["messages_received"][type]}});
    }
    return "\n" + render_table(rows,
                               {{"MESSAGES", "type"},
                                {"SENT", "sent", CellFormat::Count},
                                {"RECEIVED", "received", CellFormat::Count}},
                               "");
}

std::string bfd_text(const BgpBfdStatus& bfd) {
    std::string text = "\nBFD ";
    if (bfd.state == "up") {
        text += fmt::format("up for {}\n", after_up(bfd.up_s));
    } else {
        text += bfd.state + "\n";
    }
    if (!bfd.remote_state.empty()) {
        text += fmt::format("  neighbor says  {}\n", bfd.remote_state);
    }
    text += fmt::format("  intervals      sends every {}, receives every {}\n",
                        milliseconds(bfd.tx_interval_ms), milliseconds(bfd.rx_interval_ms));
    text += fmt::format("  detection      {} without a packet\n", milliseconds(bfd.detection_ms));
    text += fmt::format("  packets        {} sent, {} received, {} dropped\n", bfd.sent,
                        bfd.received, bfd.dropped);
    text += fmt::format("  flaps          {}{}\n", bfd.flaps,
                        bfd.diagnostic.empty() ? "" : ", the last by: " + bfd.diagnostic);
    if (!bfd.error.empty()) {
        text += fmt::format("  error          {}\n", bfd.error);
    }
    if (!bfd.real_time) {
        text += "  priority       ordinary: a busy CPU may make it flap\n";
    }
    return text;
}

Json joined_words(const Json& list) {
    std::string text;
    for (const Json& word : list) {
        text += (text.empty() ? "" : " ") + word.get<std::string>();
    }
    return text.empty() ? Json() : Json(text);
}

std::string routes_text(const Json& routes) {
    Json out = Json::array();
    Json not_out = Json::array();
    std::string refused;
    for (const Json& route : routes) {
        Json row = route;
        row["communities"] = joined_words(route["communities"]);
        (route["announced"] == true ? out : not_out).push_back(std::move(row));
        for (const Json& refusal : route["refused"]) {
            refused += fmt::format("{} not to {}: {}\n", route["prefix"].get<std::string>(),
                                   refusal["neighbor"].get<std::string>(),
                                   refusal["reason"].get<std::string>());
        }
    }
    std::string text;
    if (!out.empty()) {
        text = render_table(out,
                            {{"ANNOUNCED", "prefix"},
                             {"NEXT HOP", "next_hop"},
                             {"TO", "announced_to", CellFormat::List},
                             {"COMMUNITIES", "communities"}},
                            "");
    }
    if (!not_out.empty()) {
        text += (text.empty() ? "" : "\n") +
                render_table(not_out, {{"NOT ANNOUNCED", "prefix"}, {"REASON", "reason"}}, "");
    }
    if (!refused.empty()) {
        text += "\n" + refused;
    }
    return text.empty() ? "no service has a VIP\n" : text;
}

}  // namespace

CommandResult show_bgp(ControlApi& control, const Arguments&) {
    const BgpStatus bgp = control.bgp();
    Json document = describe(bgp);
    std::string text = bgp.enabled ? bgp_text(bgp, document) : fmt::format("{}\n", kOff);
    return answer(std::move(document), std::move(text));
}

CommandResult show_bgp_neighbor(ControlApi& control, const Arguments& arguments) {
    const BgpStatus bgp = control.bgp();
    const BgpNeighborStatus* neighbor = find_neighbor(bgp, arguments.get("ADDRESS"));
    if (neighbor == nullptr) {
        return no_neighbor(bgp, arguments.get("ADDRESS"));
    }
    Json document = describe(*neighbor);
    std::string text = session_text(*neighbor) + messages_text(document);
    if (neighbor->bfd) {
        text += bfd_text(*neighbor->bfd);
    }
    return answer(std::move(document), std::move(text));
}

CommandResult show_bgp_neighbor_routes(ControlApi& control, const Arguments& arguments) {
    const auto address = IpAddress::parse(arguments.get("ADDRESS"));
    const auto routes = address ? control.bgp_received(*address) : std::nullopt;
    if (!routes) {
        return no_neighbor(control.bgp(), arguments.get("ADDRESS"));
    }
    Json document = Json::array();
    for (const BgpReceivedRoute& route : *routes) {
        document.push_back(describe(route));
    }
    Json rows = document;
    for (Json& row : rows) {
        row["communities"] = joined_words(row["communities"]);
    }
    std::string text = render_table(rows,
                                    {{"PREFIX", "prefix"},
                                     {"NEXT HOP", "next_hop"},
                                     {"AS PATH", "as_path"},
                                     {"MED", "med"},
                                     {"COMMUNITIES", "communities"}},
                                    "it has announced nothing");
    return answer(std::move(document), std::move(text));
}

CommandResult show_bgp_routes(ControlApi& control, const Arguments&) {
    if (!control.bgp().enabled) {
        return answer(Json::array(), fmt::format("{}\n", kOff));
    }
    Json document = Json::array();
    for (const BgpRouteStatus& route : control.bgp_routes()) {
        document.push_back(describe(route));
    }
    std::string text = routes_text(document);
    return answer(std::move(document), std::move(text));
}

CommandResult reset_bgp_neighbor(ControlApi& control, const Arguments& arguments) {
    const auto address = IpAddress::parse(arguments.get("ADDRESS"));
    if (!address || find_neighbor(control.bgp(), arguments.get("ADDRESS")) == nullptr) {
        return no_neighbor(control.bgp(), arguments.get("ADDRESS"));
    }
    if (Status reset = control.reset_bgp(*address); !reset.ok()) {
        return failure(reset.error());
    }
    return answer({{"ok", true}}, "the session ended, and begins anew\n");
}

CommandResult refresh_bgp_neighbor(ControlApi& control, const Arguments& arguments) {
    const auto address = IpAddress::parse(arguments.get("ADDRESS"));
    if (!address || find_neighbor(control.bgp(), arguments.get("ADDRESS")) == nullptr) {
        return no_neighbor(control.bgp(), arguments.get("ADDRESS"));
    }
    if (Status asked = control.refresh_bgp(*address); !asked.ok()) {
        return failure(asked.error());
    }
    return answer({{"ok", true}}, "asked for its routes again\n");
}

}  // namespace dlb::handlers
