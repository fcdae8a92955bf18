#include "control/control.hpp"

#include <algorithm>
#include <csignal>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "control/bgp_peers.hpp"
#include "control/log.hpp"

namespace dlb {

namespace {

constexpr std::chrono::milliseconds kFastTick{1};
constexpr std::chrono::seconds kSlowTick{1};

std::vector<IpAddress> addresses_of(const Config& config) {
    std::vector<IpAddress> addresses;
    for (const PortConfig& port : config.ports) {
        for (const InterfaceAddress& address : port.address) {
            addresses.push_back(address.address);
        }
    }
    return addresses;
}

}  // namespace

Control::Control(boost::asio::io_context& io, ControlParts parts)
    : io_(io),
      config_(std::move(parts.config)),
      config_file_(std::move(parts.config_file)),
      log_level_(parts.log_level),
      ports_(parts.ports),
      pool_(parts.pool),
      rcu_(parts.rcu),
      publisher_(parts.publisher),
      workers_(parts.workers),
      model_(addresses_of(config_)),
      tunnel_checks_(ports_, [this]() -> const DataplaneTables& { return publisher_.current(); }),
      health_(io, {[this] { health_changed(); }, [this] { routes_changed(); }}, &tunnel_checks_),
      links_(ports_),
      network_(io, ports_, [this] { network_changed(); }),
      twins_(
          io, ports_, workers_, pool_.raw(),
          [this]() -> const DataplaneTables& { return publisher_.current(); },
          [this](const NextHop& hop) { network_.resolve({hop}); }, tunnel_checks_),
      statistics_(workers_, ports_),
      jobs_(workers_),
      captures_(io, ports_, rcu_),
      doorbell_(io),
      second_timer_(io),
      fast_timer_(io),
      build_timer_(io),
      drain_look_timer_(io),
      confirm_timer_(io),
      signals_(io, SIGTERM, SIGINT, SIGHUP),
      started_(std::chrono::steady_clock::now()),
      routing_(io, {[this](const ModelService& service, const ModelBackend& backend) {
                        return health_.is_unchecked(service.config, backend.config);
                    },
                    [this] { routes_changed(); }}),
      background_(io) {}

Result<void> Control::load() {
    if (Result<void> replaced = model_.replace(config_.services); !replaced) {
        return replaced;
    }
    publisher_.set_routing_peers(routing_peers_of(config_.bgp));
    apply();
    reload_status_.last_success = unix_time();
    return {};
}

Result<void> Control::run_services() {
    if (Result<void> network = network_.start(); !network) {
        return network;
    }
    publish();
    twins_.start();
    announce_addresses();
    if (Result<void> routing = routing_.start(config_.lb, config_.bgp); !routing) {
        return routing;
    }
    routes_changed();
    doorbell_.assign(dup(workers_.control_bell().fd()));
    watch_doorbell();
    watch_signals();
    tick_second();
    return {};
}

// The one way in which a change reaches the workers.
void Control::apply() {
    health_.sync(model_);
    use_snapshot(build(model_, snapshot_.get()));
}

// REQUIRES: built from model_.
void Control::use_snapshot(std::shared_ptr<const LbSnapshot> snapshot) {
    ++version_;
    snapshot_ = std::move(snapshot);
    statistics_.services_changed(model_);
    forget_gone_vips();
    publish();
    routes_changed();
}

void Control::publish() {
    publisher_.publish(snapshot_, network_.routes(), network_.neighbors());
    network_.resolve(publisher_.current().hops.unresolved());
    tick_fast();
}

void Control::network_changed() {
    publish();
    twins_.neighbors_changed();
}

// Neighbours that knew another machine, or another MAC, at these addresses learn at once who has
// them now.
void Control::announce_addresses() {
    for (uint16_t port = 0; port < ports_.size(); ++port) {
        if (!ports_[port].tap) {
            continue;
        }
        const std::vector<InterfaceAddress>& own = ports_[port].config.address;
        const auto announce_on_link = [&](const IpAddress& address) {
            const bool on_link = std::any_of(own.begin(), own.end(), [&](const auto& subnet) {
                return subnet.subnet().contains(address) && subnet.address != address;
            });
            if (on_link) {
                twins_.announce(port, address);
            }
        };
        for (const InterfaceAddress& address : own) {
            twins_.announce(port, address.address);
        }
        for (const ModelService& service : model_.services()) {
            for (const Prefix& vip : service.config.vip) {
                if (vip.is_host()) {
                    announce_on_link(vip.address());
                }
            }
        }
        for (const IpAddress& address : model_.snat_addresses()) {
            announce_on_link(address);
        }
    }
}

// Sleeps on the doorbell as doorbell.hpp says: announce it, look once more, then wait.
void Control::watch_doorbell() {
    Doorbell& bell = workers_.control_bell();
    bell.prepare_sleep();
    const bool more = twins_.drain();
    jobs_.poll();
    if (more) {
        bell.finish_sleep();
        boost::asio::post(io_, [this] { watch_doorbell(); });
        return;
    }
    doorbell_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& error) {
                             if (error) {
                                 return;
                             }
                             workers_.control_bell().finish_sleep();
                             watch_doorbell();
                         });
}

void Control::tick_second() {
    statistics_.sample(model_);
    tick_log();
    links_.look();
    network_.refresh(publisher_.current().hops);
    publisher_.reclaim();
    twins_.expire();
    routing_.tick();
    second_timer_.expires_after(kSlowTick);
    second_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            tick_second();
        }
    });
}

// Runs only while old tables wait for the workers to pass them.
void Control::tick_fast() {
    if (fast_ticking_) {
        return;
    }
    if (publisher_.reclaim() == 0) {
        std::vector<std::function<void()>> settled = std::move(awaiting_workers_);
        awaiting_workers_.clear();
        for (const auto& done : settled) {
            done();
        }
        return;
    }
    fast_ticking_ = true;
    fast_timer_.expires_after(kFastTick);
    fast_timer_.async_wait([this](const boost::system::error_code& error) {
        fast_ticking_ = false;
        if (!error) {
            tick_fast();
        }
    });
}

void Control::settled(std::function<void()> done) {
    awaiting_workers_.push_back(std::move(done));
    tick_fast();
}

void Control::watch_signals() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
        if (error) {
            return;
        }
        if (signal == SIGHUP) {
            reload_on_signal();
        } else {
            shutdown();
        }
        watch_signals();
    });
}

void Control::start() {
    spdlog::info("forwarding starts");
    workers_.pause(false);
}

void Control::stop() {
    spdlog::info("forwarding stops");
    workers_.pause(true);
}

void Control::capture(const CaptureQuery& query, std::function<void(Result<CaptureReport>)> done) {
    captures_.start(query, std::move(done));
}

void Control::clear_stats() {
    statistics_.clear(model_);
    twins_.clear_counters();
}

}  // namespace dlb
