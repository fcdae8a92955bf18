#include "control/capture.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <csignal>
#include <ctime>
#include <future>
#include <optional>
#include <thread>

#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include <rte_cycles.h>

#include "control/pcap_file.hpp"

namespace dlb {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::milliseconds kSoon{1};       // what else is due comes first
constexpr std::chrono::seconds kLongestPassing{1};  // of the workers, before the answer
constexpr size_t kAllRings = size_t{64} * 1024 * 1024;
constexpr unsigned kFramesAtOnce = 4096;  // the same thread owes BGP keepalives

// The wall clock's time of a TSC value: on the line through two moments at which both were read.
class TscTimes {
  public:
    TscTimes() { read(); }
    // of() needs a second reading.
    void read() {
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        old_ = now_;
        now_ = {rte_rdtsc(), static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec};
    }
    uint64_t now_tsc() const { return now_.tsc; }
    uint64_t of(uint64_t tsc) const {
        const auto cycles = static_cast<double>(now_.tsc - old_.tsc);
        const double share =
            cycles == 0 ? 0 : static_cast<double>(static_cast<int64_t>(tsc - old_.tsc)) / cycles;
        return static_cast<uint64_t>(
            old_.ns + static_cast<int64_t>(share * static_cast<double>(now_.ns - old_.ns)));
    }

  private:
    struct Moment {
        uint64_t tsc = 0;
        int64_t ns = 0;
    };
    Moment old_, now_;
};

// A host's name in the filter is looked up in the DNS, which may take long: on a thread of its own,
// which nothing waits for.
std::future<Result<PacketFilter>> compile_apart(const std::string& expression) {
    std::packaged_task<Result<PacketFilter>()> task(
        [expression] { return PacketFilter::compile(expression); });
    std::future<Result<PacketFilter>> compiled = task.get_future();
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    try {
        std::thread(std::move(task)).detach();
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return compiled;
}

}  // namespace

struct Captures::Capture {
    Capture(boost::asio::io_context& io, const CaptureQuery& asked, const ControlPort& of_port,
            Done when_done)
        : query(asked), port(of_port), done(std::move(when_done)), timer(io) {
        report.file = query.file;
    }
    bool abandoned() const { return query.abandoned && query.abandoned(); }

    const CaptureQuery query;
    const ControlPort& port;
    Done done;
    boost::asio::steady_timer timer;
    std::future<Result<PacketFilter>> filter;  // not valid once the capture has begun
    std::optional<PcapFile> file;
    std::unique_ptr<PacketCapture> frames;
    TscTimes times;
    Clock::time_point ends;  // at the latest; of one that is ending: its answer
    CaptureReport report;
    std::string write_error;
    bool ending = false;   // off the packet path, but workers may still be in it
    uint64_t passing = 0;  // the workers' grace period then
};

Captures::Captures(boost::asio::io_context& io, const std::vector<ControlPort>& ports,
                   RcuDomain& rcu, size_t ring_size)
    : io_(io), ports_(ports), rcu_(rcu), ring_size_(ring_size), retired_(rcu) {}

Captures::~Captures() {
    for (const CapturePtr& capture : captures_) {
        if (capture->frames != nullptr) {
            end(*capture, "shutdown");
            while (drain(*capture)) {
            }
        }
    }
}

const ControlPort* Captures::find_port(const std::string& name) const {
    const auto found = std::find_if(ports_.begin(), ports_.end(), [&](const ControlPort& port) {
        return port.config.name == name;
    });
    return found == ports_.end() ? nullptr : &*found;
}

void Captures::start(const CaptureQuery& query, Done done) {
    retired_.reclaim();
    const ControlPort* port = find_port(query.port);
    if (port == nullptr) {
        return done(Error{"no port '" + query.port + "'; `show ports` lists them"});
    }
    for (const CapturePtr& other : captures_) {
        if (&other->port == port) {
            return done(Error{"port '" + query.port + "' is being captured into " +
                              other->query.file + "; wait for its end, or end it with Ctrl-C"});
        }
    }
    if (ending_) {
        return done(Error{"dpdk-lb is ending; capture once it runs again"});
    }
    std::future<Result<PacketFilter>> filter = compile_apart(query.filter);
    const CapturePtr capture =
        captures_.emplace_back(std::make_shared<Capture>(io_, query, *port, std::move(done)));
    capture->filter = std::move(filter);
    await_filter(capture);
}

void Captures::arm(const CapturePtr& capture, std::chrono::milliseconds after,
                   void (Captures::*next)(const CapturePtr&)) {
    capture->timer.expires_after(after);
    capture->timer.async_wait(
        [this, next, weak = std::weak_ptr(capture)](const boost::system::error_code& error) {
            const CapturePtr self = weak.lock();
            if (!error && self != nullptr) {
                (this->*next)(self);
            }
        });
}

void Captures::await_filter(const CapturePtr& capture) {
    if (capture->abandoned()) {
        capture->report.reason = "client_gone";
        return conclude(capture, capture->report);
    }
    if (capture->filter.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        return arm(capture, kSoon, &Captures::await_filter);
    }
    if (Result<void> begun = begin(*capture); !begun) {
        return conclude(capture, Error{begun.error()});
    }
    arm(capture, kTick, &Captures::tick);
}

Result<void> Captures::begin(Capture& capture) {
    Result<PacketFilter> filter = capture.filter.get();
    if (!filter) {
        return Error{"filter: " + filter.error()};
    }
    Result<PcapFile> file = PcapFile::create(capture.query.file);
    if (!file) {
        return Error{file.error()};
    }
    const uint16_t queues = capture.port.port->queues();
    capture.times.read();
    auto frames = PacketCapture::start(
        {.port = capture.port.port->id(),
         .queues = queues,
         .filter = std::move(filter).value(),
         .ring_size = std::min(ring_size_, std::bit_floor(kAllRings / queues))});
    if (!frames) {
        file.value().remove();
        return Error{frames.error()};
    }
    capture.file.emplace(std::move(file).value());
    capture.frames = std::move(frames).value();
    capture.ends = Clock::now() + std::chrono::seconds(capture.query.seconds);
    spdlog::info("capture of port '{}' into {}{}", capture.query.port, capture.query.file,
                 capture.query.filter.empty() ? "" : ", filter " + capture.query.filter);
    return {};
}

void Captures::tick(const CapturePtr& capture) {
    const bool more = drain(*capture);
    if (!capture->ending) {
        if (!capture->write_error.empty()) {
            end(*capture, "error");
        } else if (capture->report.packets == capture->query.count) {
            end(*capture, "count");
        } else if (Clock::now() >= capture->ends) {
            end(*capture, "time");
        } else if (capture->abandoned()) {
            end(*capture, "client_gone");
        }
    }
    if (capture->ending && !more &&
        (rcu_.passed(capture->passing) || Clock::now() >= capture->ends)) {
        return finish(capture);
    }
    arm(capture, more || capture->ending ? kSoon : kTick, &Captures::tick);
}

// What was captured until now, and not what comes meanwhile.
bool Captures::drain(Capture& capture) {
    capture.times.read();
    CapturedFrame frame;
    unsigned taken = 0;
    while (taken < kFramesAtOnce && capture.write_error.empty() &&
           capture.report.packets < capture.query.count &&
           capture.frames->next(frame, capture.times.now_tsc())) {
        ++taken;
        const Result<void> written = capture.file->write(capture.times.of(frame.tsc), frame.data,
                                                         frame.captured, frame.length);
        capture.report.packets += written.ok() ? 1 : 0;
        capture.write_error = written.error();
    }
    if (Result<void> flushed = capture.file->flush(); !flushed && capture.write_error.empty()) {
        capture.write_error = flushed.error();
    }
    return taken == kFramesAtOnce;
}

void Captures::end(Capture& capture, const std::string& reason) {
    if (std::exchange(capture.ending, true)) {
        return;
    }
    capture.frames->stop();
    capture.passing = rcu_.start_grace_period();
    capture.ends = Clock::now() + kLongestPassing;
    capture.report.reason = reason;
    // What the workers find no room for from here on was not asked for.
    if (reason == "count") {
        capture.report.missed = capture.frames->missed();
    }
}

void Captures::finish(const CapturePtr& capture) {
    // The workers' last burst.
    while (drain(*capture)) {
    }
    if (capture->report.reason != "count") {
        capture->report.missed = capture->frames->missed();
    }
    capture->report.bytes = capture->file->bytes();
    if (!rcu_.passed(capture->passing)) {
        retired_.push(std::move(capture->frames));
    }
    if (!capture->write_error.empty()) {
        return conclude(capture, Error{capture->write_error + " (after " +
                                       std::to_string(capture->report.packets) + " packets)"});
    }
    conclude(capture, capture->report);
}

void Captures::conclude(const CapturePtr& capture, const Result<CaptureReport>& result) {
    std::erase(captures_, capture);
    capture->file.reset();
    capture->frames.reset();
    if (result.ok()) {
        spdlog::info("capture of port '{}' has ended: {}, {} packets, {} missed",
                     capture->query.port, capture->report.reason, capture->report.packets,
                     capture->report.missed);
    } else {
        spdlog::warn("capture of port '{}': {}", capture->query.port, result.error());
    }
    capture->done(result);
}

void Captures::end_all(const std::string& reason) {
    ending_ = true;
    for (const CapturePtr& capture : std::vector<CapturePtr>(captures_)) {
        if (capture->frames != nullptr) {
            end(*capture, reason);
        } else {  // it still waits for its filter
            capture->report.reason = reason;
            conclude(capture, capture->report);
        }
    }
}

}  // namespace dlb
