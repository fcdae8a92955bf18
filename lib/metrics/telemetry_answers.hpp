// What rte_telemetry's /dpdk_lb/… commands answer, as plain values.
//
//   /dpdk_lb/info                       the instance
//   /dpdk_lb/services[,FROM]            a page of the services
//   /dpdk_lb/backends,SERVICE[,FROM]    a page of a service's backends
//   /dpdk_lb/workers[,FROM] /dpdk_lb/ports[,FROM] /dpdk_lb/drops
//
// rte_telemetry sends 16 KB at most: lists come in pages of kTelemetryPage rows, from row FROM on
// (the first: 0); an empty page is behind the end. It has no lists of dictionaries: a page is a
// dictionary by row number.
// Errors: one line with its mend. Thread safety: the control thread's.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "control/api.hpp"
#include "net/result.hpp"

namespace dlb {

inline constexpr size_t kTelemetryPage = 25;

using TelemetryDict = std::vector<std::pair<std::string, std::variant<uint64_t, std::string>>>;
struct TelemetryPage {
    size_t from = 0;  // the first row's number
    std::vector<TelemetryDict> rows;
};
using TelemetryAnswer = std::variant<TelemetryDict, TelemetryPage>;

struct TelemetryCommand {
    const char* name;
    const char* help;
    Result<TelemetryAnswer> (*answer)(const ControlApi& control, std::string_view parameters);
};

extern const std::array<TelemetryCommand, 6> kTelemetryCommands;

const TelemetryCommand* find_telemetry_command(std::string_view name);

}  // namespace dlb
