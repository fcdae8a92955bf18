// dpdk-lbctl: the console of a running dpdk-lb from another terminal.
#include <clocale>
#include <iostream>

#include "console/client.hpp"
#include "options.hpp"
#include "top.hpp"

namespace {

constexpr int kMisuse = 2;

int fail(const std::string& error, int status) {
    std::cerr << "error: " << error << '\n';
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    std::setlocale(LC_CTYPE, "");
    const auto parsed = dlb::ctl::parse_options(argc, argv);
    if (!parsed.ok()) {
        return fail(parsed.error(), kMisuse);
    }
    const dlb::ctl::Options& options = parsed.value();
    if (options.help) {
        std::cout << dlb::ctl::usage();
        return 0;
    }
    if (options.version) {
        std::cout << "dpdk-lbctl " << DPDK_LB_VERSION << '\n';
        return 0;
    }
    std::string socket;
    if (options.socket) {
        socket = *options.socket;
    } else if (const auto found = dlb::default_console_socket(); found.ok()) {
        socket = found.value();
    } else {
        return fail(found.error(), kMisuse);
    }
    dlb::ClientSettings settings = options.settings;
    settings.top = [&settings](const std::string& path, double seconds) {
        return dlb::ctl::run_top(path, seconds, settings.color);
    };
    return options.command.empty() ? dlb::run_interactive(socket, settings)
                                   : dlb::run_once(socket, settings, options.command);
}
