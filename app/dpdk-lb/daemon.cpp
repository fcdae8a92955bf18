#include "daemon.hpp"

#include <csignal>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <spdlog/spdlog.h>

#include "console/client.hpp"
#include "console/server.hpp"
#include "control/control.hpp"
#include "control/log.hpp"
#include "control/preflight.hpp"
#include "eal/eal.hpp"

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
        run_interactive(socket, false, {.in_daemon = true});
        spdlog::info(
            "the console here has ended; dpdk-lbctl -s {} opens another, Ctrl-C or SIGTERM "
            "ends dpdk-lb",
            socket);
    });
}

int run_control(const Config& config, const Options& options, boost::asio::io_context& io,
                Control& control, WorkerPool& workers) {
    ConsoleServer console(io, control, {.socket = config.lb.socket});
    if (Status started = console.start(); !started.ok()) {
        return fail(started.error());
    }
    if (Result<void> launched = workers.launch(); !launched) {
        return fail(launched.error());
    }
    if (Result<void> running = control.run_services(); !running) {
        return fail(running.error());
    }
    spdlog::info("dpdk-lb {} '{}' forwards: {} workers, {} ports, {} services, console at {}",
                 DPDK_LB_VERSION, config.lb.name, workers.size(), config.ports.size(),
                 config.services.size(), config.lb.socket);
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
    start_log(config.lb.log_level);
    if (is_running(config)) {
        return fail("another dpdk-lb answers on " + config.lb.socket +
                    "; stop it, or choose another [lb] name or socket");
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
    const int status = run_control(config, options, io, control, *workers.value());
    workers.value()->stop();
    spdlog::info("dpdk-lb '{}' has ended", config.lb.name);
    return status;
}

}  // namespace dlb
