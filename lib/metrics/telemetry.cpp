#include "metrics/telemetry.hpp"

#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <string>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include <rte_telemetry.h>

#include "metrics/telemetry_answers.hpp"

namespace dlb {

namespace {

constexpr std::chrono::seconds kAnswerTimeout{2};
constexpr size_t kMaxText = RTE_TEL_MAX_STRING_LEN - 1;

// Where questions go; nowhere while there is no Telemetry.
struct Door {
    std::mutex mutex;  // held to post, never while waiting
    boost::asio::io_context* io = nullptr;
    const ControlApi* control = nullptr;
    uint64_t number = 0;  // of the Telemetry, so that a question meets only its own
};

Door& door() {
    static Door instance;
    return instance;
}

Error ending() {
    return {"dpdk-lb is about to end"};
}

Result<TelemetryAnswer> ask(const TelemetryCommand& command, const std::string& parameters) {
    using Promise = std::promise<Result<TelemetryAnswer>>;
    const auto promise = std::make_shared<Promise>();
    auto answer = promise->get_future();
    {
        const std::lock_guard lock(door().mutex);
        if (door().io == nullptr) {
            return ending();
        }
        boost::asio::post(*door().io, [promise, &command, parameters, number = door().number] {
            // Only this thread opens and closes the door, so it may look without the mutex.
            const ControlApi* control = door().number == number ? door().control : nullptr;
            promise->set_value(control != nullptr ? command.answer(*control, parameters)
                                                  : Result<TelemetryAnswer>(ending()));
        });
    }
    if (answer.wait_for(kAnswerTimeout) != std::future_status::ready) {
        return Error{"no answer within 2 s: dpdk-lb is busy or about to end; ask again"};
    }
    return answer.get();
}

void add(rte_tel_data* data, const TelemetryDict& dict) {
    rte_tel_data_start_dict(data);
    for (const auto& [name, value] : dict) {
        if (const auto* number = std::get_if<uint64_t>(&value)) {
            rte_tel_data_add_dict_u64(data, name.c_str(), *number);
        } else {
            rte_tel_data_add_dict_string(data, name.c_str(),
                                         std::get<std::string>(value).substr(0, kMaxText).c_str());
        }
    }
}

int fill(rte_tel_data* data, const TelemetryAnswer& answer) {
    if (const auto* dict = std::get_if<TelemetryDict>(&answer)) {
        add(data, *dict);
        return 0;
    }
    const auto& page = std::get<TelemetryPage>(answer);
    rte_tel_data_start_dict(data);
    for (size_t i = 0; i < page.rows.size(); ++i) {
        rte_tel_data* row = rte_tel_data_alloc();
        if (row == nullptr) {
            return -ENOMEM;
        }
        add(row, page.rows[i]);
        const std::string number = std::to_string(page.from + i);
        if (const int failed = rte_tel_data_add_dict_container(data, number.c_str(), row, 0);
            failed != 0) {
            rte_tel_data_free(row);
            return failed;
        }
    }
    return 0;
}

int answer_telemetry(const char* name, const char* parameters, rte_tel_data* data) {
    const TelemetryCommand* command = find_telemetry_command(name);
    if (command == nullptr) {
        return -ENOENT;
    }
    const Result<TelemetryAnswer> answer = ask(*command, parameters == nullptr ? "" : parameters);
    return fill(
        data, answer ? answer.value() : TelemetryAnswer(TelemetryDict{{"error", answer.error()}}));
}

}  // namespace

Telemetry::Telemetry(boost::asio::io_context& io, const ControlApi& control) {
    {
        const std::lock_guard lock(door().mutex);
        door().io = &io;
        door().control = &control;
        ++door().number;
    }
    for (const TelemetryCommand& command : kTelemetryCommands) {
        const int failed = rte_telemetry_register_cmd(command.name, answer_telemetry, command.help);
        if (failed != 0 && failed != -EEXIST) {
            spdlog::warn("telemetry: DPDK does not take {}: {}; Prometheus tells the same",
                         command.name, std::strerror(-failed));
        }
    }
}

Telemetry::~Telemetry() {
    const std::lock_guard lock(door().mutex);
    door().io = nullptr;
    door().control = nullptr;
}

}  // namespace dlb
