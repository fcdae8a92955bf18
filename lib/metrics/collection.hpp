// Collection: one scrape's numbers, gathered in slices; Scraper: one collection at a time for all
// who ask.
//
// The control thread answers for BGP, health checks and consoles too: a scrape of 100,000 backends
// takes a second of it, in slices of about a millisecond with everything else in between. The
// numbers of one scrape are therefore not of one moment.
// Errors: none. Thread safety: the control thread's, which runs the io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "control/api.hpp"
#include "metrics/families.hpp"

namespace dlb {

class Collection {
  public:
    explicit Collection(const ControlApi& control) : control_(control) {}

    // Does one slice; false once all is gathered.
    bool step();
    Pieces take() { return exposition_.take(); }

  private:
    enum class Stage : uint8_t { General, Services, Backends, ServiceSums, Health, Done };
    struct Sums {
        std::string name;
        uint64_t connections = 0, active = 0, draining = 0, down = 0, up = 0;
        bool entered = false;
    };

    bool page();  // one page of the present stage; false: there is no more
    void add_process();
    void add_bgp();
    void add_bgp_neighbor(const BgpNeighborStatus& neighbor);
    void add_ports();
    void add_workers();
    void add_memory();
    void add_service(const ServiceView& service);
    void add_backend(const BackendView& backend);
    void add_sums(const Sums& sums);
    void add_health(const HealthStatus& check);
    Sums* enter(const std::string& service);

    const ControlApi& control_;
    Exposition exposition_;
    Stage stage_ = Stage::General;
    size_t next_ = 0;  // service, sum or check
    BackendCursor next_backend_;
    // A sample that comes twice makes the whole text invalid, and edits between pages may bring a
    // service or a backend again.
    std::unordered_set<std::string> services_seen_;
    std::vector<Sums> sums_;                         // by service
    size_t current_ = 0;                             // whose backends come
    std::unordered_set<std::string> backends_seen_;  // of the current one alone: cheap to clear
    std::vector<HealthStatus> health_;
};

class Scraper {
  public:
    using Text = std::shared_ptr<const Pieces>;

    // Both outlive it; slices still queued when it goes do nothing.
    Scraper(boost::asio::io_context& io, const ControlApi& control) : io_(io), control_(control) {}
    ~Scraper();
    Scraper(const Scraper&) = delete;
    Scraper& operator=(const Scraper&) = delete;

    // Later on the same thread. Who asks while a collection runs gets that one's text.
    void scrape(std::function<void(Text)> done);

  private:
    struct Run;
    void continue_later(const std::shared_ptr<Run>& run);

    boost::asio::io_context& io_;
    const ControlApi& control_;
    std::shared_ptr<Run> run_;
};

}  // namespace dlb
