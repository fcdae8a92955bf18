#include "control/log.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "control/log_limit.hpp"
#include "control/log_line.hpp"

namespace dlb {

namespace {

constexpr size_t kKeptLines = 1000;

// Standard error and the kept lines, with the limit before both.
class LogSink : public spdlog::sinks::base_sink<std::mutex> {
  public:
    LogSink() { kept_.set_formatter(make_line_formatter({})); }

    void style(LineStyle style) {
        const std::lock_guard lock(mutex_);
        error_.set_formatter(make_line_formatter(style));
    }

    std::vector<std::string> recent(unsigned lines) { return kept_.last_formatted(lines); }

    void limit() {
        const std::lock_guard lock(mutex_);
        limited_ = true;
    }

    // Once an interval: a flood of answers is one, too.
    bool begin_in_full() {
        const std::lock_guard lock(mutex_);
        const auto now = LogLimit::Clock::now();
        in_full_ = limited_ && (!last_full_ || now - *last_full_ >= LogLimit::kInterval);
        if (in_full_) {
            last_full_ = now;
        }
        return in_full_;
    }
    void end_in_full() {
        const std::lock_guard lock(mutex_);
        in_full_ = false;
    }

    void tick() {
        const std::lock_guard lock(mutex_);
        tell_suppressed();
    }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (limited_ && !in_full_) {
            tell_suppressed();
            if (!limit_.passes(message.level, {message.payload.data(), message.payload.size()},
                               LogLimit::Clock::now())) {
                return;
            }
        }
        write(message);
    }
    void flush_() override { error_.flush(); }
    void set_formatter_(std::unique_ptr<spdlog::formatter>) override {}

  private:
    void write(const spdlog::details::log_msg& message) {
        error_.log(message);
        kept_.log(message);
    }

    void tell_suppressed() {
        for (const LogLimit::Suppressed& what : limit_.over(LogLimit::Clock::now())) {
            const std::string text =
                fmt::format("… {} more like this suppressed: {}", what.count, what.example);
            write(spdlog::details::log_msg(
                "dpdk-lb", static_cast<spdlog::level::level_enum>(what.level), text));
        }
    }

    spdlog::sinks::stderr_sink_st error_;
    spdlog::sinks::ringbuffer_sink_mt kept_{kKeptLines};
    LogLimit limit_;
    bool limited_ = false;
    bool in_full_ = false;
    std::optional<LogLimit::Clock::time_point> last_full_;
};

LogSink& sink() {
    static const auto instance = std::make_shared<LogSink>();
    static const bool installed = [] {
        auto logger = std::make_shared<spdlog::logger>("dpdk-lb", instance);
        logger->flush_on(spdlog::level::trace);
        spdlog::set_default_logger(std::move(logger));
        return true;
    }();
    static_cast<void>(installed);
    return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::Error:
            return spdlog::level::err;
        case LogLevel::Warn:
            return spdlog::level::warn;
        case LogLevel::Info:
            return spdlog::level::info;
        case LogLevel::Debug:
            break;
    }
    return spdlog::level::debug;
}

}  // namespace

void start_log(const LbConfig& lb) {
    set_log(lb);
}

void set_log(const LbConfig& lb) {
    sink().style({lb.log_format, is_journal(std::getenv("JOURNAL_STREAM"), STDERR_FILENO)});
    spdlog::set_level(to_spdlog(lb.log_level));
}

void limit_log() {
    sink().limit();
}

LogInFull::LogInFull() : granted_(sink().begin_in_full()) {}

LogInFull::~LogInFull() {
    if (granted_) {
        sink().end_in_full();
    }
}

void tick_log() {
    sink().tick();
}

std::vector<std::string> recent_log(unsigned lines) {
    std::vector<std::string> recent = sink().recent(lines);
    for (std::string& line : recent) {
        line.pop_back();  // its end
    }
    return recent;
}

}  // namespace dlb
