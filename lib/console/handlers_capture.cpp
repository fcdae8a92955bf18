// capture PORT FILE: the answer comes when the capture has ended.
#include <algorithm>

#include <fmt/format.h>

#include "console/handlers.hpp"

namespace dlb::handlers {

void capture(ControlApi& control, const Arguments& arguments, const CommandDone& done) {
    std::vector<std::string> names;
    for (const PortStatus& port : control.ports()) {
        names.push_back(port.name);
    }
    CaptureQuery query;
    query.port = arguments.get("PORT");
    if (std::find(names.begin(), names.end(), query.port) == names.end()) {
        return done(no_such("port", query.port, names));
    }
    query.file = arguments.get("FILE");
    query.filter = arguments.get("EXPR");
    query.count = arguments.has("N") ? arguments.number("N") : query.count;
    query.seconds = arguments.has("S") ? arguments.number("S") : query.seconds;
    query.abandoned = [done] { return !done.wanted(); };
    control.capture(query, [done](const Result<CaptureReport>& result) {
        if (!result) {
            return done(failure(result.error()));
        }
        const CaptureReport& report = result.value();
        done(answer({{"file", report.file},
                     {"packets", report.packets},
                     {"missed", report.missed},
                     {"bytes", report.bytes},
                     {"reason", report.reason}},
                    fmt::format("{}: {} packets, {} missed, {} bytes; ended by {}\n", report.file,
                                report.packets, report.missed, report.bytes, report.reason)));
    });
}

}  // namespace dlb::handlers
