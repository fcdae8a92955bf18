// HealthChecker: checks the backends of all services, each on its own time.
//
// First checks are spread over the interval, or over kFirstSpread a backend where that is shorter,
// so that they never come all at once; a slow backend holds up no other, only exec programs share
// kMostPrograms places. Errors: what cannot be checked keeps its state. Thread safety: that of the
// io_context, which one thread runs; the observer is called from its handlers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "health/target.hpp"

namespace dlb {

struct CheckedBackend {
    Endpoint backend;  // its name here
    ProbeSpec probe;
};

struct CheckedService {
    std::string name;
    HealthConfig health;  // of a type that is not None
    std::vector<CheckedBackend> backends;
};

class HealthChecker final : HealthObserver {
  public:
    static constexpr std::chrono::milliseconds kFirstSpread{10};

    struct Events {
        std::function<void(const HealthTarget&, HealthState::Change)> changed;
        // A check could not be run, for a reason of this machine's own.
        std::function<void(const HealthTarget&)> not_run;
        // Too many of the service's backends are down, so that all are kept; or no longer.
        std::function<void(const std::string& service, bool panic, unsigned down,
                           unsigned backends)>
            panic;
    };

    // `tunnels`: as ProbeContext's.
    HealthChecker(boost::asio::io_context& io, Events events, TunnelWay* tunnels = nullptr);
    ~HealthChecker();

    // Checks these and no others. What is there already keeps its state and its times. No events.
    void sync(const std::vector<CheckedService>& services);

    // Null: not checked.
    const HealthTarget* find(const std::string& service, const Endpoint& backend) const;
    bool in_panic(const std::string& service) const;
    // To be kept out of the tables. False for what is not checked.
    bool is_down(const std::string& service, const Endpoint& backend) const;

  private:
    struct Service {
        std::shared_ptr<const HealthConfig> health;
        std::unordered_map<Endpoint, std::shared_ptr<HealthTarget>> targets;
        unsigned down = 0;  // not usable
        bool panic = false;
    };

    struct Start {
        HealthTarget* target;
        std::shared_ptr<const HealthConfig> health;
        const ProbeSpec* probe;
    };

    void checked(HealthTarget& target, bool was_usable, HealthState::Change change) override;
    void sync_service(const CheckedService& wanted, Service& service, std::vector<Start>& starting);
    static void count(Service& service);
    static void judge_panic(Service& service);

    ProbeContext context_;
    Events events_;
    std::unordered_map<std::string, Service> services_;
};

}  // namespace dlb
