// One client of the console's socket. Private to lib/console.
//
// Invariants: (1) one request is worked on at a time; the next is taken when its reply is queued
// and little output is unsent, so that a client owes at most one reply and kLowWater bytes; (2)
// input is read only when no whole line is at hand, so that it holds at most one request and one
// read. Thread safety: control thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "console/command.hpp"
#include "console/server.hpp"

namespace dlb {

class ConsoleSession : public std::enable_shared_from_this<ConsoleSession> {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;

    // `options` and `control` outlive close(); `closed` is called once, from it.
    ConsoleSession(Socket socket, ControlApi& control, const ConsoleOptions& options,
                   std::function<void()> closed);

    void start();
    // Sends an error and closes.
    void refuse(const std::string& error);
    void close();

  private:
    static constexpr size_t kLowWater = size_t{64} * 1024;

    void read();
    void take_request();  // if there is one and its turn has come
    void later();         // take_request() after other work of the loop
    void handle(const std::string& line);
    void run(const std::string& command, bool json);
    void answer(const CommandResult& result, bool json);
    bool peer_is_gone();
    void watch_hangup();  // once a session
    void reply(const Json& message);
    void send(const std::string& text);
    void write();
    void arm_write_timer();
    void finish();  // closes once all is sent

    Socket socket_;
    boost::asio::steady_timer write_timer_, answer_timer_;
    ControlApi& control_;
    const ConsoleOptions& options_;
    std::function<void()> closed_callback_;

    std::string input_;
    size_t taken_ = 0;    // bytes of input_ that are worked off
    std::string unsent_;  // not yet given to the write under way
    std::string writing_;
    size_t written_ = 0;    // bytes of writing_
    uint64_t request_ = 0;  // number of the request at hand; late answers carry an old one
    bool busy_ = false;     // a command's answer is due
    bool watching_ = false;
    bool reading_ = false, is_writing_ = false, posted_ = false;
    bool input_ended_ = false;
    bool finishing_ = false;  // takes no more requests
    bool closed_ = false;
    char buffer_[4096];
};

}  // namespace dlb
