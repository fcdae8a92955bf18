// dpdk-lb: reads the command line and the configuration, then runs the daemon.
#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include <rte_version.h>

#include "control/preflight.hpp"
#include "daemon.hpp"
#include "options.hpp"

namespace {

constexpr int kUsage = 2;

// Prints every finding with its mend. Status 1: it would not start.
int check_machine(const dlb::Config& config, const std::string& file) {
    int status = 0;
    const bool running = dlb::is_running(config);
    if (running) {
        fmt::print("note: a dpdk-lb answers on {}: what it holds (memory, twins) is not checked\n",
                   config.lb.socket);
    }
    const auto tell = [&](const dlb::Finding& finding) {
        constexpr const char* kNames[] = {"error", "warning", "note"};
        fmt::print("{}: {}\n", kNames[static_cast<unsigned>(finding.severity)],
                   finding.to_string());
        status |= finding.severity == dlb::Severity::Error ? 1 : 0;
    };
    const auto state = running ? dlb::MachineState::InUse : dlb::MachineState::Free;
    for (const auto& findings : {dlb::preflight(config, state), dlb::advise(config)}) {
        std::for_each(findings.begin(), findings.end(), tell);
    }
    if (status == 0) {
        fmt::print("{}: fine: {} ports, {} services\n", file, config.ports.size(),
                   config.services.size());
    }
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    const dlb::Result<dlb::Options> parsed = dlb::parse_options(argc, argv);
    if (!parsed) {
        fmt::print(stderr, "dpdk-lb: {}\n", parsed.error());
        return kUsage;
    }
    const dlb::Options& options = parsed.value();
    if (options.help) {
        fmt::print("{}", options.help_text);
        return 0;
    }
    if (options.version) {
        fmt::print("dpdk-lb {} ({})\n", DPDK_LB_VERSION, rte_version());
        return 0;
    }
    dlb::ConfigResult loaded = dlb::load_config(options.config_file);
    if (!loaded.config) {
        for (const dlb::ConfigError& error : loaded.errors) {
            fmt::print(stderr, "{}\n", error.to_string());
        }
        return kUsage;
    }
    dlb::Config& config = *loaded.config;
    if (options.log_level) {
        config.lb.log_level = *options.log_level;
    }
    if (options.dump_config) {
        fmt::print("{}", dlb::dump_config(config));
        return 0;
    }
    if (options.check) {
        return check_machine(config, options.config_file);
    }
    return dlb::run_daemon(config, options);
}
