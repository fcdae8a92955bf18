// The console's socket: newline-delimited JSON, one reply a request, in order.
//
//   {"command":"show backends","json":true} → {"status":0,"output":"…","error":""}
//       output: the text, or with "json" the JSON document as text. "quit":true: the client is to
//       leave.
//   {"complete":"show ba"} →
//   {"candidates":["backends"],"expected":[{"word":"backends","help":"…"}]}
//
// A client that stops reading, or sends more than a request holds, is dropped: nothing here waits.
// Errors: start() returns one line that names the mend. A bad request gets
// {"status":2,…,"error":"…"}. Thread safety: control thread only, which runs the io_context.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "console/socket_file.hpp"
#include "control/api.hpp"

namespace dlb {

struct ConsoleOptions {
    std::string socket = {};                // path of the Unix socket
    std::optional<SocketOwner> owner = {};  // of its file; none: who runs this
    size_t max_clients = 64;
    size_t max_request = size_t{64} * 1024;                               // bytes of a line
    size_t max_output = size_t{8} * 1024 * 1024;                          // bytes of a reply
    std::chrono::milliseconds write_timeout = std::chrono::seconds(5);    // without progress
    std::chrono::milliseconds answer_timeout = std::chrono::seconds(10);  // of a command
};

class ConsoleServer {
  public:
    // `control` and `io` outlive the server.
    ConsoleServer(boost::asio::io_context& io, ControlApi& control, ConsoleOptions options);
    ~ConsoleServer();  // stop()
    ConsoleServer(const ConsoleServer&) = delete;
    ConsoleServer& operator=(const ConsoleServer&) = delete;

    // Makes the socket and listens. REQUIRES: not started.
    Status start();

    // Drops every client and removes the socket if it is still this server's. Handlers that are
    // under way may be run or destroyed later; they do nothing.
    void stop();

    size_t clients() const;

  private:
    class Listener;

    std::shared_ptr<Listener> listener_;
};

}  // namespace dlb
