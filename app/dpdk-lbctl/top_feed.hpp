// Keeps a TopModel up to date by the console's socket, one request after the other, and never
// waits.
//
// Thread safety: one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console/connection.hpp"
#include "top_model.hpp"

namespace dlb::ctl {

class TopFeed {
  public:
    TopFeed(std::string socket, TopModel& model) : socket_(std::move(socket)), model_(model) {}

    // Connects; an Error where no daemon answers.
    Result<void> connect();
    // Asks for everything, and for the backends of `service`; not before the last round is done.
    // Tries again to connect where the daemon has gone.
    void start_round(const std::string& service);
    // Asks for the backends of `service` only, if nothing is asked now.
    void ask_backends(const std::string& service);
    // Takes what has come. True: the model is new.
    bool take();

    int fd() const { return connection_ ? connection_->fd() : -1; }
    bool idle() const { return next_ == requests_.size(); }
    const std::string& trouble() const { return trouble_; }  // "" for none

  private:
    enum class What { Version, Ports, Drops, Services, Workers, Backends };
    struct Request {
        What what;
        std::string command;
    };
    void send();
    void lose(const std::string& why);
    void absorb(const Request& request, const Json& answer);

    std::string socket_;
    TopModel& model_;
    std::optional<ConsoleConnection> connection_;
    std::vector<Request> requests_;  // of this round
    size_t next_ = 0;                // the one that is asked
    std::string service_;            // of the backends
    std::string trouble_;
};

}  // namespace dlb::ctl
