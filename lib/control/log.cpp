#include "control/log.hpp"

#include <memory>

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace dlb {

namespace {

constexpr size_t kKeptLines = 1000;

std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt>& kept() {
    static auto sink = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(kKeptLines);
    return sink;
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

void start_log(LogLevel level) {
    auto console = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto logger = std::make_shared<spdlog::logger>(
        "dpdk-lb", spdlog::sinks_init_list{std::move(console), kept()});
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->flush_on(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
    set_log_level(level);
}

void set_log_level(LogLevel level) {
    spdlog::set_level(to_spdlog(level));
}

std::vector<std::string> recent_log(unsigned lines) {
    std::vector<std::string> recent = kept()->last_formatted(lines);
    for (std::string& line : recent) {
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
            line.pop_back();
        }
    }
    return recent;
}

}  // namespace dlb
