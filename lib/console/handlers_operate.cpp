// Commands about the file, and those that take a backend, a VIP or all out of service.
#include <algorithm>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "console/describe.hpp"
#include "console/handlers.hpp"

namespace dlb::handlers {

namespace {

constexpr std::chrono::milliseconds kDrainWait = std::chrono::seconds(60);

std::string plan_text(const ReloadPlan& plan, std::string_view nothing) {
    std::string text;
    for (const ReloadChange& change : plan.changes) {
        text += printable(change.to_string()) + '\n';
    }
    for (const FlowMove& move : plan.moves) {
        text += printable(move.to_string()) + '\n';
    }
    if (plan.changes.empty()) {
        text = nothing;
    }
    for (const std::string& kept : plan.kept) {
        text += printable(kept) + '\n';
    }
    return text;
}

std::string seconds_text(std::chrono::milliseconds left) {
    return fmt::format("{:.0f} s", std::chrono::duration<double>(left).count());
}

// Answers with `text` once the workers go by what has changed.
StatusDone once_settled(ControlApi& control, const CommandDone& done, const std::string& text) {
    return [&control, done, text](const Status& status) {
        if (!status.ok()) {
            return done(failure(status.error()));
        }
        control.settled([done, text] { done(outcome({}, text)); });
    };
}

CommandResult set_announced(ControlApi& control, const Arguments& arguments, bool announced) {
    const auto vips = parse_vips(arguments.get("VIP"));
    const std::vector<ServiceStatus> services = control.services();
    for (const Prefix& vip : vips.value()) {  // all of them, or none
        const bool known =
            std::any_of(services.begin(), services.end(), [&](const ServiceStatus& service) {
                const std::vector<Prefix>& own = service.config.vip;
                return std::find(own.begin(), own.end(), vip) != own.end();
            });
        if (!known) {
            return failure("no service has the VIP " + vip.to_string() +
                           "; `show services` lists them");
        }
    }
    std::string text;
    for (const Prefix& vip : vips.value()) {
        if (Status set = control.set_announced(vip, announced); !set.ok()) {
            return failure(set.error());
        }
        text += fmt::format(
            "VIP {} is {}\n", vip.to_string(),
            announced ? "announced while its backends allow it" : "withdrawn; its flows go on");
    }
    return outcome({}, text);
}

std::string connections_text(uint64_t count) {
    return count == 1 ? "1 connection is open" : fmt::format("{} connections are open", count);
}

CommandResult drain_result(const std::string& backend, const DrainResult& drained, bool waited,
                           std::chrono::milliseconds timeout) {
    if (waited && drained.connections != 0) {
        return failure(fmt::format("{}: {} after {}; wait longer, or `del backend` cuts them off",
                                   backend, connections_text(drained.connections),
                                   conf::format_duration(timeout)));
    }
    std::string text = fmt::format("{} drains: it takes no new flow; {}\n", backend,
                                   connections_text(drained.connections));
    if (drained.gone) {
        text = backend + " has been removed meanwhile\n";
    } else if (waited) {
        text = backend + " is drained: no connection is left\n";
    }
    return answer({{"ok", true}, {"connections", drained.connections}}, text);
}

}  // namespace

void reload(ControlApi& control, const Arguments& arguments, const CommandDone& done) {
    if (!arguments.has("--dry-run")) {
        return control.reload(once_settled(control, done, "the configuration file is applied\n"));
    }
    control.plan_reload([done](const Result<ReloadPlan>& plan) {
        if (!plan.ok()) {
            return done(failure(plan.error()));
        }
        Json data = describe(plan.value());
        data["ok"] = true;
        done(answer(data, plan_text(plan.value(), "nothing would change\n")));
    });
}

CommandResult show_changes(ControlApi& control, const Arguments&) {
    const ReloadPlan plan = control.runtime_changes();
    const auto left = control.unconfirmed();
    Json data = describe(plan);
    data.erase("moves");
    data["unconfirmed_ms"] = left ? Json(left->count()) : Json(nullptr);
    std::string text = plan_text(plan, "services and backends are those of the file\n");
    if (left) {
        text += fmt::format("the commit is taken back in {} unless \"commit\" confirms it\n",
                            seconds_text(*left));
    }
    return answer(data, text);
}

void commit_confirmed(ControlApi& control, const Arguments& arguments, const CommandDone& done) {
    const std::chrono::milliseconds timeout = arguments.duration("TIMEOUT");
    control.commit_confirmed(
        timeout,
        once_settled(control, done,
                     fmt::format("the configuration file is applied, and taken back in {} unless "
                                 "\"commit\" confirms it\n",
                                 conf::format_duration(timeout))));
}

CommandResult confirm(ControlApi& control, const Arguments&) {
    return outcome(control.confirm(), "the configuration stays\n");
}

CommandResult roll_back(ControlApi& control, const Arguments&) {
    return outcome(control.roll_back(), "the state before the commit is back\n");
}

CommandResult announce(ControlApi& control, const Arguments& arguments) {
    return set_announced(control, arguments, true);
}

CommandResult withdraw(ControlApi& control, const Arguments& arguments) {
    return set_announced(control, arguments, false);
}

CommandResult drain(ControlApi& control, const Arguments&) {
    return outcome(control.set_drained(true),
                   "no VIP is announced; what still comes is forwarded as before\n");
}

CommandResult undrain(ControlApi& control, const Arguments&) {
    return outcome(control.set_drained(false),
                   "VIPs are announced while their backends allow it\n");
}

void drain_backend(ControlApi& control, const Arguments& arguments, const CommandDone& done) {
    const bool waits = arguments.has("wait");
    if (!waits && arguments.has("TIMEOUT")) {
        return done(misuse("a time needs the word \"wait\" before it"));
    }
    DrainQuery query{arguments.get("SERVICE"), arguments.address("ADDRESS"), given_port(arguments),
                     std::chrono::milliseconds(0)};
    if (waits) {
        query.timeout = arguments.has("TIMEOUT") ? arguments.duration("TIMEOUT") : kDrainWait;
    }
    if (Status set = control.set_draining(query.service, query.address, query.port, true);
        !set.ok()) {
        return done(failure(set.error()));
    }
    // Counted once no worker gives it new flows.
    control.settled([&control, done, query, waits, backend = backend_name(arguments)] {
        control.await_drained(
            query, [done] { return done.wanted(); },
            [done, query, waits, backend](const Result<DrainResult>& drained) {
                done(drained.ok() ? drain_result(backend, drained.value(), waits, query.timeout)
                                  : failure(drained.error()));
            });
    });
}

}  // namespace dlb::handlers
