#include "daemon.hpp"

#include <csignal>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <spdlog/spdlog.h>

#include "console/client.hpp"
#include "console/server.hpp"
#include "control/capabilities.hpp"
#include "control/control.hpp"
#include "control/log.hpp"
#include "control/preflight.hpp"
#include "control/privileges.hpp"
#include "eal/eal.hpp"
#include "eal/hugepage_files.hpp"
#include "metrics/server.hpp"
#include "metrics/telemetry.hpp"

namespace dlb {

namespace {

int fail(const std::string& message) {
    spdlog::error("{}", message);
    return 1;
}

EalOptions eal_options(const Config& config, const Options& options) {
    EalOptions eal;
    eal.file_prefix = config.lb.name;
    eal.hugepages = config.lb.hugepages;
    // Another user could neither answer those who attach nor remove the files at the end.
    eal.attachable = config.lb.user.empty();
    eal.memory_mb = config.lb.memory_mb;
    eal.control_core = config.lb.control_core;
    eal.cores = config.lb.cores;
    eal.extra = options.eal;
    eal.verbose = config.lb.log_level == LogLevel::Debug;
    eal.log = [](const std::string& line) { spdlog::debug("dpdk: {}", line); };
    for (const PortConfig& port : config.ports) {
        const DeviceString device = parse_device(port.device);
        if (device.is_pci()) {
            eal.pci.push_back(device.name);
        }
    }
    return eal;
}

bool passes_preflight(const Config& config) {
    bool passes = true;
    for (const Finding& finding : preflight(config, MachineState::Free)) {
        constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::err, spdlog::level::warn,
                                                         spdlog::level::info};
        spdlog::log(kLevels[static_cast<unsigned>(finding.severity)], "{}", finding.to_string());
        passes = passes && finding.severity != Severity::Error;
    }
    return passes;
}

std::vector<PortLink> links_of(const std::vector<ControlPort>& ports) {
    std::vector<PortLink> links;
    for (const ControlPort& port : ports) {
        links.push_back(port.link());
    }
    return links;
}

// The console of `-i` is a client like any other, on a thread of its own; leaving it does not end
// the daemon.
std::thread start_terminal(const std::string& socket) {
    return std::thread([socket] {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        run_interactive(socket, {}, {.in_daemon = true});
        spdlog::info(
            "the console here has ended; dpdk-lbctl -s {} opens another, Ctrl-C or SIGTERM "
            "ends dpdk-lb",
            socket);
    });
}

Result<void> give_up_root(const Config& config, const Options& options,
                          const std::optional<Account>& account, Eal& eal) {
    if (account) {
        eal.give_runtime_dir(account->uid, account->gid);
    }
    if (Result<void> dropped = drop_privileges(config, account); !dropped) {
        return dropped;
    }
    for (const std::string& missing : missing_access(config, options.config_file)) {
        spdlog::warn("{}", missing);
    }
    if (account) {
        spdlog::info("runs as user '{}' with {}", account->name,
                     capability_names(own_capabilities()));
    }
    return {};
}

int run_control(const Config& config, const Options& options, Eal& eal, boost::asio::io_context& io,
                Control& control, WorkerPool& workers) {
    Result<std::optional<Account>> account = find_account(config.lb.user);
    if (!account) {
        return fail(account.error());
    }
    ConsoleOptions console_options{.socket = config.lb.socket};
    if (account.value()) {
        console_options.owner = {account.value()->uid, account.value()->gid};
    }
    ConsoleServer console(io, control, console_options);
    if (Status started = console.start(); !started.ok()) {
        return fail(started.error());
    }
    if (Result<void> launched = workers.launch(); !launched) {
        return fail(launched.error());
    }
    if (Result<void> running = control.run_services(); !running) {
        return fail(running.error());
    }
    MetricsServer metrics(io, control);
    metrics.listen(config.metrics.listen);
    control.on_reloaded([&metrics](const Config& now) { metrics.listen(now.metrics.listen); });
    const Telemetry telemetry(io, control);
    if (Result<void> dropped = give_up_root(config, options, account.value(), eal); !dropped) {
        return fail(dropped.error());
    }
    spdlog::info("dpdk-lb {} '{}' forwards: {} workers, {} ports, {} services, console at {}",
                 DPDK_LB_VERSION, config.lb.name, workers.size(), config.ports.size(),
                 config.services.size(), config.lb.socket);
    limit_log();
    std::thread terminal;
    if (options.interactive) {
        terminal = start_terminal(config.lb.socket);
    }
    io.run();
    console.stop();
    if (terminal.joinable()) {
        terminal.join();
    }
    workers.stop();
    return 0;
}

}  // namespace

bool is_running(const Config& config) {
    boost::asio::io_context io;
    boost::asio::local::stream_protocol::socket probe(io);
    boost::system::error_code error;
    probe.connect(config.lb.socket, error);
    return !error;
}

int run_daemon(const Config& config, const Options& options) {
    start_log(config.lb);
    if (is_running(config)) {
        return fail("another dpdk-lb answers on " + config.lb.socket +
                    "; stop it, or choose another [lb] name or socket");
    }
    if (config.lb.hugepages) {
        remove_hugepage_files(config.lb.name, false);  // of one that was killed
    }
    if (!passes_preflight(config)) {
        return 1;
    }
    Result<Eal> eal = Eal::init(eal_options(config, options));
    if (!eal) {
        fail(eal.error());
        return Eal::refused_arguments() ? 2 : 1;
    }
    Result<PacketPool> pool = PacketPool::create(
        "packets", config.lb.mbufs, largest_frame_room(config.ports), kPacketPrivateSize);
    if (!pool) {
        return fail(pool.error());
    }
    const auto worker_count = static_cast<uint16_t>(config.lb.cores.size());
    Result<std::vector<ControlPort>> ports =
        open_ports(config.lb.name, config.ports, worker_count, pool.value().raw());
    if (!ports) {
        return fail(ports.error());
    }
    RcuDomain rcu(worker_count);
    SnapshotPublisher publisher(rcu, links_of(ports.value()), read_kernel_ports());
    Result<std::unique_ptr<WorkerPool>> workers =
        WorkerPool::create(config.lb, ports.value(), rcu, publisher.tables());
    if (!workers) {
        return fail(workers.error());
    }
    boost::asio::io_context io;
    Control control(io, {config, options.config_file, options.log_level, ports.value(),
                         pool.value(), rcu, publisher, *workers.value()});
    if (Result<void> loaded = control.load(); !loaded) {
        return fail(loaded.error());
    }
    const int status = run_control(config, options, eal.value(), io, control, *workers.value());
    workers.value()->stop();
    spdlog::info("dpdk-lb '{}' has ended", config.lb.name);
    return status;
}

}  // namespace dlb
