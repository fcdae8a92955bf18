// The client's end of the console's socket: asks and waits.
//
// Errors: one line that names the mend. After an error of ask() the connection is of no more use.
// Thread safety: one thread at a time.
#pragma once

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

    int fd() const { return fd_; }

  private:
    ConsoleConnection(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    Error gone() const;

    int fd_;
    std::string path_;
    std::string input_;  // received, not yet asked for
};

}  // namespace dlb
