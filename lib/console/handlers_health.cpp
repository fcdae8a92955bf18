// `show health`.
#include <fmt/format.h>

#include "console/describe.hpp"
#include "console/handlers.hpp"
#include "console/units.hpp"

namespace dlb::handlers {

namespace {

// "20 ms ago", "3m 5s ago", "never"
std::string ago(const Json& checked_s) {
    if (checked_s.is_null()) {
        return "never";
    }
    const auto seconds = checked_s.get<double>();
    return (seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1000) : human_duration(seconds)) +
           " ago";
}

std::string health_text(Json rows) {
    for (Json& row : rows) {
        if (row["panic"] == true) {
            row["state"] = "panic";
        }
        row["last"] = ago(row["checked_s"]);
    }
    return render_table(rows,
                        {{"SERVICE", "service"},
                         {"BACKEND", "backend"},
                         {"TYPE", "type"},
                         {"STATE", "state"},
                         {"CHECKS", "checks", CellFormat::Count},
                         {"FAILURES", "failures", CellFormat::Count},
                         {"LAST", "last"},
                         {"REASON", "reason"}},
                        "no checks");
}

}  // namespace

CommandResult show_health(ControlApi& control, const Arguments& arguments) {
    const std::string service = arguments.get("SERVICE");
    if (!service.empty()) {
        if (auto unknown = unknown_service(control, service)) {
            return *unknown;
        }
    }
    Json checks = Json::array();
    Json rows = Json::array();
    for (const HealthStatus& status : control.health()) {
        if (service.empty() || status.service == service) {
            checks.push_back(describe(status));
            rows.push_back(checks.back());
            // As it stands in lb.toml: port 0 is the client's own.
            rows.back()["backend"] = status.backend.port == 0
                                         ? status.backend.address.to_string()
                                         : status.backend.endpoint().to_string();
        }
    }
    return answer(std::move(checks), health_text(std::move(rows)));
}

}  // namespace dlb::handlers
