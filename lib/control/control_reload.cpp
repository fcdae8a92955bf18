// Control: the file, and the way back from it.
#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "control/bgp_peers.hpp"
#include "control/control.hpp"
#include "control/log.hpp"

namespace dlb {

namespace {

constexpr unsigned kTriesApart = 5;    // then on the control thread, where nothing comes between
constexpr size_t kLoggedChanges = 50;  // a large file's are more than anyone reads there

void log_changes(const std::vector<ReloadChange>& changes) {
    const LogInFull in_full;
    for (size_t i = 0; i < std::min(changes.size(), kLoggedChanges); ++i) {
        spdlog::info("  {}", changes[i].to_string());
    }
    if (changes.size() > kLoggedChanges) {
        spdlog::info("  … and {} more", changes.size() - kLoggedChanges);
    }
}

void log_errors(const std::vector<ConfigError>& errors) {
    const LogInFull in_full;
    for (const ConfigError& error : errors) {
        spdlog::error("{}", error.to_string());
    }
}

// Backends that their checks hold down get no new flow before or after.
void leave_out_down(const LbModel& model, LbState& state) {
    for (ServiceState& service : state.services) {
        if (const ModelService* running = model.find(service.config.name)) {
            for (const ModelBackend& backend : running->backends) {
                if (backend.down) {
                    service.draining.insert(backend.config.endpoint());
                }
            }
        }
    }
}

std::vector<ServiceConfig> configs_of(const LbState& state) {
    std::vector<ServiceConfig> services;
    services.reserve(state.services.size());
    for (const ServiceState& service : state.services) {
        services.push_back(service.config);
    }
    return services;
}

}  // namespace

double unix_time() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now).count();
}

LbState Control::running_state() const {
    LbState state;
    state.settings = config_;
    state.settings.services.clear();
    state.services.reserve(model_.services().size());
    for (const ModelService& service : model_.services()) {
        ServiceState& entry = state.services.emplace_back();
        entry.config = service.full_config();
        for (const ModelBackend& backend : service.backends) {
            if (backend.draining) {
                entry.draining.insert(backend.config.endpoint());
            }
        }
    }
    return state;
}

Status Control::check_file(ConfigResult& loaded) const {
    if (!loaded.config) {
        return Error{"nothing changed: " + join_errors(loaded.errors)};
    }
    loaded.config->lb.log_level = log_level_.value_or(loaded.config->lb.log_level);
    const std::string fixed = fixed_differences(config_, *loaded.config);
    if (!fixed.empty()) {
        return Error{"nothing changed: " + fixed +
                     " cannot change while dpdk-lb runs; restart it, or undo that in " +
                     config_file_};
    }
    return {};
}

Status Control::check_nothing_unconfirmed() const {
    if (!unconfirmed_) {
        return {};
    }
    return Error{
        "the last commit waits to be confirmed; `commit` keeps it, `rollback` takes it back"};
}

// Counts the reload, whatever its end.
Status Control::note_reload(Status status) {
    ++(status.ok() ? reload_status_.reloads : reload_status_.failures);
    reload_status_.last_ok = status.ok();
    if (status.ok()) {
        reload_status_.last_success = unix_time();
    }
    return status;
}

// Reads the file, then makes of it what the workers need, both on the other thread; what is left
// for this one takes no time.
void Control::start_reload(std::optional<std::chrono::milliseconds> confirm_within,
                           const StatusDone& done) {
    if (Status free = check_nothing_unconfirmed(); !free.ok()) {
        return done(note_reload(free));
    }
    background_.run([this, confirm_within, done, file = config_file_] {
        auto loaded = std::make_shared<ConfigResult>(load_config(file));
        return [this, confirm_within, done, loaded] {
            log_errors(loaded->errors);
            if (Status good = check_file(*loaded); !good.ok()) {
                return done(note_reload(good));
            }
            auto reload = std::make_shared<Reload>();
            reload->next = std::move(*loaded->config);
            reload->confirm_within = confirm_within;
            reload->done = done;
            prepare_reload(reload);
        };
    });
}

// Off the control thread but where a change has come in between.
void Control::Reload::prepare() {
    const LbState before = state_of(loaded);
    changes = find_changes(now, state_of(next), &before);
    std::set<std::pair<std::string, Endpoint>> down;  // replace() forgets it
    for (const ModelService& service : model->services()) {
        for (const ModelBackend& backend : service.backends) {
            if (backend.down) {
                down.emplace(service.config.name, backend.config.endpoint());
            }
        }
    }
    replaced = model->replace(next.services);
    if (replaced.ok()) {
        model->set_down_where([&](const ModelService& service, const ModelBackend& backend) {
            return down.contains({service.config.name, backend.config.endpoint()});
        });
        snapshot = build(*model, snapshot.get());
    }
}

void Control::take_state(Reload& reload) const {
    reload.version = version_;
    reload.loaded = config_;
    reload.now = running_state();
    reload.model = model_;
    reload.snapshot = snapshot_;
}

void Control::prepare_reload(const std::shared_ptr<Reload>& reload) {
    take_state(*reload);
    background_.run([this, reload] {
        reload->prepare();
        return [this, reload] {
            // The model has moved on, by a health check or the console: once more, from there.
            if (reload->version != version_ && ++reload->tries < kTriesApart) {
                return prepare_reload(reload);
            }
            if (reload->version != version_) {
                take_state(*reload);
                reload->prepare();
            }
            reload->done(note_reload(use(*reload)));
        };
    });
}

Status Control::use(Reload& reload) {
    // Asked again: another commit may have come first.
    if (Status free = check_nothing_unconfirmed(); !free.ok()) {
        return free;
    }
    if (!reload.replaced.ok()) {
        return Error{"nothing changed: " + reload.replaced.error()};
    }
    Unconfirmed before{config_, std::move(reload.now), routes_.withdrawn, {}};
    model_ = std::move(*reload.model);
    config_ = std::move(reload.next);
    settings_changed();
    if (health_.sync(model_)) {  // other checks than before
        reload.snapshot = build(model_, reload.snapshot.get());
    }
    use_snapshot(std::move(reload.snapshot));
    spdlog::info("{} reloaded: {} changes", config_file_, reload.changes.size());
    log_changes(reload.changes);
    if (reload.confirm_within) {
        await_confirmation(std::move(before), *reload.confirm_within);
    }
    return {};
}

// What of config_ is another's to go by.
void Control::settings_changed() {
    set_log(config_.lb);
    publisher_.set_routing_peers(routing_peers_of(config_.bgp));
    if (Result<void> done = routing_.reconfigure(config_.lb, config_.bgp); !done) {
        spdlog::error("BGP: {}", done.error());
    }
    for (const auto& observer : reload_observers_) {
        observer(config_);
    }
}

void Control::reload(StatusDone done) {
    start_reload(std::nullopt, done);
}

void Control::commit_confirmed(std::chrono::milliseconds timeout, StatusDone done) {
    start_reload(timeout, done);
}

void Control::reload_on_signal() {
    reload([](const Status& reloaded) {
        if (!reloaded.ok()) {
            spdlog::error("reload: {}", reloaded.error());
        }
    });
}

void Control::plan_reload(PlanDone done) {
    background_.run([this, done = std::move(done), file = config_file_] {
        auto loaded = std::make_shared<ConfigResult>(load_config(file));
        return [this, done, loaded] {
            if (Status good = check_file(*loaded); !good.ok()) {
                return done(Error{good.error()});
            }
            auto reload = std::make_shared<Reload>();
            reload->next = std::move(*loaded->config);
            take_state(*reload);
            background_.run([this, done, reload] {
                auto plan = std::make_shared<ReloadPlan>();
                LbState next = state_of(reload->next);
                const LbState before = state_of(reload->loaded);
                plan->changes = find_changes(reload->now, next, &before);
                leave_out_down(*reload->model, reload->now);
                leave_out_down(*reload->model, next);
                plan->moves = find_moves(reload->now, next);
                reload->replaced = reload->model->replace(reload->next.services);
                return [this, done, reload, plan] {
                    if (!reload->replaced.ok()) {
                        return done(Error{"nothing would change: " + reload->replaced.error()});
                    }
                    plan->kept = routes_by_hand();
                    for (FlowMove& move : plan->moves) {
                        move.ending_flows = count_ending_flows(move, reload->next);
                    }
                    done(std::move(*plan));
                };
            });
        };
    });
}

uint64_t Control::count_ending_flows(const FlowMove& move, const Config& next) const {
    const ModelService* service = model_.find(move.service);
    if (service == nullptr) {
        return 0;  // removed since then
    }
    const auto wanted =
        std::find_if(next.services.begin(), next.services.end(),
                     [&](const ServiceConfig& config) { return config.name == move.service; });
    uint64_t flows = 0;
    for (const ModelBackend& backend : service->backends) {
        const bool stays = std::any_of(wanted->backends.begin(), wanted->backends.end(),
                                       [&](const BackendConfig& config) {
                                           return config.endpoint() == backend.config.endpoint();
                                       });
        flows += stays && !move.restarts ? 0 : statistics_.backend(backend).active;
    }
    return flows;
}

ReloadPlan Control::runtime_changes() const {
    ReloadPlan plan;
    plan.changes = find_changes(state_of(config_), running_state(), nullptr);
    plan.kept = routes_by_hand();
    return plan;
}

void Control::await_confirmation(Unconfirmed before, std::chrono::milliseconds timeout) {
    // Only those whose VIP the file has no more: all others are not the commit's to take back.
    std::erase_if(before.withdrawn,
                  [this](const Prefix& vip) { return routes_.withdrawn.contains(vip); });
    before.until = std::chrono::steady_clock::now() + timeout;
    unconfirmed_ = std::move(before);
    spdlog::warn("the commit is taken back in {} ms unless it is confirmed", timeout.count());
    confirm_timer_.expires_at(unconfirmed_->until);
    confirm_timer_.async_wait([this](const boost::system::error_code& error) {
        if (error || !unconfirmed_ || std::chrono::steady_clock::now() < unconfirmed_->until) {
            return;
        }
        spdlog::warn("the commit was not confirmed in time");
        if (Status back = roll_back(); !back.ok()) {
            spdlog::error("rollback: {}", back.error());
        }
    });
}

Status Control::confirm() {
    if (!unconfirmed_) {
        return Error{"no commit waits to be confirmed; `commit confirmed 60s` makes one"};
    }
    unconfirmed_.reset();
    confirm_timer_.cancel();
    spdlog::info("the commit is confirmed");
    return {};
}

Status Control::roll_back() {
    if (!unconfirmed_) {
        return Error{
            "no commit waits to be confirmed, so there is no way back; put the file back and "
            "`reload`"};
    }
    if (Result<void> replaced = model_.replace(configs_of(unconfirmed_->state)); !replaced) {
        return replaced;
    }
    const Unconfirmed before = std::move(*unconfirmed_);
    unconfirmed_.reset();
    confirm_timer_.cancel();
    for (const ServiceState& service : before.state.services) {
        for (const Endpoint& endpoint : service.draining) {
            const Result<void> drained =
                model_.set_draining(service.config.name, endpoint.address, endpoint.port, true);
            if (!drained.ok()) {
                spdlog::error("rollback: {}", drained.error());
            }
        }
    }
    config_ = before.config;
    routes_.withdrawn.insert(before.withdrawn.begin(), before.withdrawn.end());
    settings_changed();
    apply();
    spdlog::warn("rolled back to the state before the commit; {} still has what was taken back",
                 config_file_);
    return {};
}

std::optional<std::chrono::milliseconds> Control::unconfirmed() const {
    if (!unconfirmed_) {
        return std::nullopt;
    }
    const auto left = unconfirmed_->until - std::chrono::steady_clock::now();
    return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(left),
                    std::chrono::milliseconds(0));
}

}  // namespace dlb
