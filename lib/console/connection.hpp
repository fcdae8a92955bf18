// The client's end of the console's socket: asks and waits.
//
// Errors: one line that names the mend. After an error of ask() the connection is of no more use.
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "console/text_table.hpp"
#include "net/result.hpp"

namespace dlb {

class ConsoleConnection {
  public:
    static Result<ConsoleConnection> open(const std::string& path);
    ~ConsoleConnection();
    ConsoleConnection(ConsoleConnection&& other) noexcept;
    ConsoleConnection& operator=(ConsoleConnection&&) = delete;

    // Sends one request and waits for its reply, a JSON object.
    Result<Json> ask(const Json& request);

    // The same in two steps, for one who waits for other things meanwhile: poll() takes what has
    // come on fd() and never waits; nullopt: not all of the reply yet. A reply that nobody polls
    // for is dropped by the next send() or ask().
    void send(const Json& request);
    Result<std::optional<Json>> poll();

    int fd() const { return fd_; }

  private:
    ConsoleConnection(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    Error gone() const;
    // Receives once; false: the peer is gone. `flags` as of recv(2).
    bool receive(int flags);
    // The next reply that is wanted, of what has been received.
    Result<std::optional<Json>> take();

    int fd_;
    std::string path_;
    std::string input_;    // received, not yet taken
    size_t searched_ = 0;  // bytes of input_ without a newline
    unsigned owed_ = 0;    // requests sent whose replies have not come
};

}  // namespace dlb
