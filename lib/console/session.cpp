#include "console/session.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <poll.h>

namespace dlb {

namespace {

using boost::system::error_code;

constexpr size_t kMaxDepth = 4;  // a request is one flat object

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20; }, ' ');
    return text;
}

Json error_reply(int status, const std::string& error) {
    return {{"status", status}, {"output", ""}, {"error", one_line(error)}};
}

// A discarded value for anything but a shallow JSON object.
Json parse_request(const std::string& line) {
    bool deep = false;
    const auto limit = [&](int depth, Json::parse_event_t, Json&) {
        deep = deep || depth > static_cast<int>(kMaxDepth);
        return !deep;
    };
    Json request = Json::parse(line, limit, false);
    return deep || !request.is_object() ? Json(Json::value_t::discarded) : request;
}

}  // namespace

ConsoleSession::ConsoleSession(Socket socket, ControlApi& control, const ConsoleOptions& options,
                               std::function<void()> closed)
    : socket_(std::move(socket)),
      write_timer_(socket_.get_executor()),
      answer_timer_(socket_.get_executor()),
      control_(control),
      options_(options),
      closed_callback_(std::move(closed)) {}

void ConsoleSession::start() {
    read();
}

void ConsoleSession::refuse(const std::string& error) {
    reply(error_reply(1, error));
    finish();
}

void ConsoleSession::close() {
    if (closed_) {
        return;
    }
    closed_ = true;
    error_code ignored;
    socket_.close(ignored);
    write_timer_.cancel();
    answer_timer_.cancel();
    closed_callback_();
}

void ConsoleSession::read() {
    if (reading_ || input_ended_ || closed_) {
        return;
    }
    reading_ = true;
    socket_.async_read_some(
        boost::asio::buffer(buffer_), [self = shared_from_this()](error_code error, size_t size) {
            self->reading_ = false;
            if (self->closed_) {
                return;
            }
            self->input_ended_ = static_cast<bool>(error);
            if (self->finishing_) {  // read so that the peer gets the last reply, not a reset
                return self->input_ended_ ? self->close() : self->read();
            }
            self->input_.append(self->buffer_, size);
            self->take_request();
        });
}

// One request a turn of the loop: the same thread owes BGP keepalives.
void ConsoleSession::later() {
    if (std::exchange(posted_, true)) {
        return;
    }
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
        self->posted_ = false;
        self->take_request();
    });
}

void ConsoleSession::take_request() {
    if (busy_ || finishing_ || closed_ || unsent_.size() + writing_.size() > kLowWater) {
        return;
    }
    size_t end = input_.find('\n', taken_);
    const size_t size = std::min(end, input_.size()) - taken_;
    if (size > options_.max_request) {
        return refuse(fmt::format("a request of more than {} bytes: send shorter lines",
                                  options_.max_request));
    }
    if (end == std::string::npos) {
        input_.erase(0, std::exchange(taken_, 0));
        if (!input_ended_) {
            return read();
        }
        if (input_.empty()) {
            return finish();
        }
        end = input_.size();  // the last line without its newline
    }
    const std::string line = input_.substr(taken_, end - taken_);
    taken_ = std::min(end + 1, input_.size());
    try {
        handle(line);
    } catch (const std::exception& e) {
        busy_ = false;
        reply(error_reply(1, fmt::format("the request failed: {}", e.what())));
        later();
    }
}

void ConsoleSession::handle(const std::string& line) {
    const Json request = parse_request(line);
    const auto text = [&](const char* key) {
        const bool has = !request.is_discarded() && request.contains(key);
        return has && request[key].is_string() ? &request[key].get_ref<const std::string&>()
                                               : nullptr;
    };
    if (const std::string* command = text("command")) {
        return run(*command, request.value("json", Json(false)) == true);
    }
    if (const std::string* partial = text("complete")) {
        const Completion completion = complete(control_, *partial);
        Json expected = Json::array();
        for (const Expectation& each : completion.expected) {
            expected.push_back({{"word", each.word}, {"help", each.help}});
        }
        reply({{"candidates", completion.candidates}, {"expected", expected}});
    } else {
        reply(error_reply(2, R"(not a request: send {"command":"help"} and a newline)"));
    }
    later();
}

void ConsoleSession::run(const std::string& command, bool json) {
    busy_ = true;
    const uint64_t request = ++request_;
    // The control plane may keep the callback for longer than the client stays.
    const auto waiting = [weak = weak_from_this(), request] {
        auto self = weak.lock();
        return self && !self->closed_ && self->busy_ && self->request_ == request ? self : nullptr;
    };
    const auto answer = [waiting, json](const CommandResult& result) {
        if (const auto self = waiting()) {
            self->answer(result, json);
        }
    };
    const auto wanted = [waiting] {
        const auto self = waiting();
        return self && !self->peer_is_gone();
    };
    const bool takes_time = execute(control_, command, {answer, wanted});
    if (!busy_ || closed_) {
        return;
    }
    if (takes_time) {
        return watch_hangup();
    }
    answer_timer_.expires_after(options_.answer_timeout);
    answer_timer_.async_wait([self = shared_from_this(), request](error_code error) {
        if (error || self->closed_ || !self->busy_ || self->request_ != request) {
            return;
        }
        self->busy_ = false;
        self->reply(error_reply(1, "the workers do not answer: \"show workers\" tells which run"));
        self->later();
    });
}

void ConsoleSession::answer(const CommandResult& result, bool json) {
    busy_ = false;
    answer_timer_.cancel();
    Json message = error_reply(result.status, result.error);
    if (result.status == 0) {
        message["output"] = json ? dump(result.data) : result.text;
    }
    if (result.quit) {
        message["quit"] = true;
    }
    reply(message);
    later();
}

// One that only has no more to ask (POLLRDHUP) still waits for the answer.
bool ConsoleSession::peer_is_gone() {
    pollfd polled{socket_.native_handle(), 0, 0};
    return ::poll(&polled, 1, 0) > 0 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

// While a command takes its time nothing is read, so a client that leaves has to be noticed in
// another way.
void ConsoleSession::watch_hangup() {
    if (std::exchange(watching_, true)) {
        return;
    }
    socket_.async_wait(Socket::wait_error, [self = shared_from_this()](error_code error) {
        if (!error && !self->closed_ && self->peer_is_gone()) {
            self->close();
        }
    });
}

void ConsoleSession::reply(const Json& message) {
    std::string text = dump(message);
    if (text.size() > options_.max_output) {
        text =
            dump(error_reply(1, fmt::format("the answer has {} bytes, more than {}: ask for less, "
                                            "for example with limit N",
                                            text.size(), options_.max_output)));
    }
    send(text + '\n');
}

void ConsoleSession::send(const std::string& text) {
    if (closed_) {
        return;
    }
    unsent_ += text;
    if (!is_writing_) {
        write();
    }
}

void ConsoleSession::write() {
    if (written_ == writing_.size()) {
        writing_ = std::exchange(unsent_, {});
        written_ = 0;
    }
    is_writing_ = true;
    arm_write_timer();
    socket_.async_write_some(
        boost::asio::buffer(writing_.data() + written_, writing_.size() - written_),
        [self = shared_from_this()](error_code error, size_t size) {
            self->is_writing_ = false;
            if (error || self->closed_) {
                return self->close();
            }
            self->written_ += size;
            if (self->written_ < self->writing_.size() || !self->unsent_.empty()) {
                return self->write();
            }
            self->writing_.clear();
            self->written_ = 0;
            self->write_timer_.cancel();
            return self->finishing_ ? self->finish() : self->later();
        });
}

void ConsoleSession::arm_write_timer() {
    write_timer_.expires_after(options_.write_timeout);
    write_timer_.async_wait([self = shared_from_this()](error_code error) {
        if (!error) {
            self->close();
        }
    });
}

void ConsoleSession::finish() {
    finishing_ = true;
    if (is_writing_ || closed_) {
        return;  // comes back once all is sent
    }
    if (input_ended_) {
        return close();
    }
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    arm_write_timer();
    read();
}

}  // namespace dlb
