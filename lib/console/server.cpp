#include "console/server.hpp"

#include <set>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "console/session.hpp"
#include "console/socket_file.hpp"

namespace dlb {

using boost::system::error_code;
using Local = boost::asio::local::stream_protocol;

// Sessions and pending accepts share it, so that it outlives the server where a handler is still
// queued.
class ConsoleServer::Listener : public std::enable_shared_from_this<Listener> {
  public:
    Listener(boost::asio::io_context& io, ControlApi& control, ConsoleOptions options)
        : acceptor_(io), retry_(io), control_(control), options_(std::move(options)) {}

    Status start() {
        const auto listening = listen_on_socket_file(options_.socket, options_.owner);
        if (!listening.ok()) {
            return Error{listening.error()};
        }
        file_ = listening.value();
        error_code error;
        acceptor_.assign(Local(), file_.fd, error);
        if (error) {
            remove_socket_file(options_.socket, file_);
            ::close(file_.fd);
            return Error{fmt::format("{}: {}: choose another [lb] socket", options_.socket,
                                     error.message())};
        }
        open_ = true;
        accept();
        return {};
    }

    void stop() {
        if (!open_) {
            return;
        }
        open_ = false;
        // Removed before it is closed: a file that refuses connections looks stale to another
        // daemon.
        remove_socket_file(options_.socket, file_);
        error_code ignored;
        acceptor_.close(ignored);
        retry_.cancel();
        for (const auto& session : std::set(sessions_)) {
            session->close();
        }
    }

    size_t clients() const { return sessions_.size(); }

  private:
    void accept() {
        acceptor_.async_accept([self = shared_from_this()](error_code error, Local::socket socket) {
            if (!self->open_) {
                return;
            }
            if (error) {
                return self->accept_later();
            }
            self->welcome(std::move(socket));
            self->accept();
        });
    }

    // Out of descriptors: trying again at once would spin.
    void accept_later() {
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([self = shared_from_this()](error_code error) {
            if (!error && self->open_) {
                self->accept();
            }
        });
    }

    void welcome(Local::socket socket) {
        // Health checks of type exec start programs; they are not to inherit consoles.
        ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        if (sessions_.size() >= 2 * options_.max_clients) {
            return;  // not even the refused ones are waited for
        }
        auto slot = std::make_shared<std::weak_ptr<ConsoleSession>>();
        const auto session = std::make_shared<ConsoleSession>(
            std::move(socket), control_, options_,
            [self = shared_from_this(), slot] { self->sessions_.erase(slot->lock()); });
        *slot = session;
        const bool full = sessions_.size() >= options_.max_clients;
        sessions_.insert(session);
        if (full) {
            return session->refuse(
                fmt::format("{} consoles are connected, the most there may be: close one",
                            options_.max_clients));
        }
        session->start();
    }

    Local::acceptor acceptor_;
    boost::asio::steady_timer retry_;
    ControlApi& control_;
    const ConsoleOptions options_;
    ListeningSocket file_;
    std::set<std::shared_ptr<ConsoleSession>> sessions_;
    bool open_ = false;
};

ConsoleServer::ConsoleServer(boost::asio::io_context& io, ControlApi& control,
                             ConsoleOptions options)
    : listener_(std::make_shared<Listener>(io, control, std::move(options))) {}

ConsoleServer::~ConsoleServer() {
    stop();
}

Status ConsoleServer::start() {
    return listener_->start();
}

void ConsoleServer::stop() {
    listener_->stop();
}

size_t ConsoleServer::clients() const {
    return listener_->clients();
}

}  // namespace dlb
