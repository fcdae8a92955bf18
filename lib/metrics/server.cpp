#include "metrics/server.hpp"

#include <algorithm>
#include <set>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <spdlog/spdlog.h>

#include "metrics/collection.hpp"
#include "metrics/http_session.hpp"

namespace dlb {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

tcp::endpoint to_asio(const Endpoint& endpoint) {
    if (endpoint.address.is_v4()) {
        boost::asio::ip::address_v4::bytes_type bytes;
        std::copy_n(endpoint.address.bytes().begin(), bytes.size(), bytes.begin());
        return {boost::asio::ip::address_v4(bytes), endpoint.port};
    }
    return {boost::asio::ip::address_v6(endpoint.address.bytes()), endpoint.port};
}

std::string mend_of(const error_code& error, const Endpoint& endpoint) {
    const std::string port = std::to_string(endpoint.port);
    if (error == boost::asio::error::address_in_use) {
        return "`ss -ltnp 'sport = :" + port + "'` shows who has the port";
    }
    if (error == boost::asio::error::access_denied) {
        return "a port below 1024 needs root";
    }
    return "`ip address` shows the addresses there are";
}

void close_on_exec(int fd) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);  // health checks of type exec start programs
}

}  // namespace

// Sessions and pending accepts share it, so that it outlives the server where a handler is still
// queued.
class MetricsServer::Listener : public std::enable_shared_from_this<Listener> {
  public:
    Listener(boost::asio::io_context& io, const ControlApi& control, const MetricsOptions& options)
        : acceptor_(io), retry_(io), scraper_(io, control), options_(options) {}

    void listen(const std::optional<Endpoint>& endpoint) {
        if (endpoint == wanted_) {
            return;
        }
        wanted_ = endpoint;
        warned_.clear();
        close();
        if (wanted_) {
            open();
        } else {
            spdlog::info("metrics: off");
        }
    }

    void close() {
        ++generation_;
        error_code ignored;
        acceptor_.close(ignored);
        retry_.cancel();
        for (const auto& session : std::set(sessions_)) {
            session->close();
        }
    }

    std::optional<Endpoint> listening() const {
        if (!acceptor_.is_open()) {
            return std::nullopt;
        }
        error_code ignored;
        return Endpoint{wanted_->address, acceptor_.local_endpoint(ignored).port()};
    }
    size_t connections() const { return sessions_.size(); }

  private:
    void open() {
        const tcp::endpoint endpoint = to_asio(*wanted_);
        error_code error;
        acceptor_.open(endpoint.protocol(), error);
        if (!error) {
            close_on_exec(acceptor_.native_handle());
            acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
            acceptor_.bind(endpoint, error);
        }
        if (!error) {
            acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
        }
        if (error) {
            return open_later(error);
        }
        spdlog::info("metrics: http://{}/metrics", listening()->to_string());
        accept();
    }

    void open_later(const error_code& error) {
        error_code ignored;
        acceptor_.close(ignored);
        if (warned_ != error.message()) {
            warned_ = error.message();
            spdlog::warn(
                "metrics: cannot listen on {}: {}; {}, and [metrics] listen names another; trying "
                "again every {} ms",
                wanted_->to_string(), warned_, mend_of(error, *wanted_),
                options_.listen_retry.count());
        }
        retry_.expires_after(options_.listen_retry);
        retry_.async_wait([self = shared_from_this()](const error_code& cancelled) {
            if (!cancelled && self->wanted_ && !self->acceptor_.is_open()) {
                self->open();
            }
        });
    }

    void accept() {
        acceptor_.async_accept([self = shared_from_this(), generation = generation_](
                                   const error_code& error, tcp::socket socket) {
            // One that was accepted just before the listener moved is not served.
            if (error == boost::asio::error::operation_aborted || generation != self->generation_) {
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
        retry_.async_wait([self = shared_from_this()](const error_code& cancelled) {
            if (!cancelled && self->acceptor_.is_open()) {
                self->accept();
            }
        });
    }

    void welcome(tcp::socket socket) {
        close_on_exec(socket.native_handle());
        if (sessions_.size() >= 2 * options_.max_connections) {
            return;  // not even the refused ones are waited for
        }
        const auto session = std::make_shared<HttpSession>(
            std::move(socket), scraper_, options_,
            [self = shared_from_this()](const auto& ended) { self->sessions_.erase(ended); });
        const bool full = sessions_.size() >= options_.max_connections;
        sessions_.insert(session);
        if (full) {
            session->refuse_full();
        } else {
            session->start();
        }
    }

    tcp::acceptor acceptor_;
    uint64_t generation_ = 0;  // of what it listens on
    boost::asio::steady_timer retry_;
    Scraper scraper_;
    const MetricsOptions options_;
    std::optional<Endpoint> wanted_;
    std::string warned_;  // of the address: said once
    std::set<std::shared_ptr<HttpSession>> sessions_;
};

MetricsServer::MetricsServer(boost::asio::io_context& io, const ControlApi& control,
                             MetricsOptions options)
    : listener_(std::make_shared<Listener>(io, control, options)) {}

MetricsServer::~MetricsServer() {
    listener_->close();
}

void MetricsServer::listen(std::optional<Endpoint> endpoint) {
    listener_->listen(endpoint);
}

std::optional<Endpoint> MetricsServer::listening() const {
    return listener_->listening();
}

size_t MetricsServer::connections() const {
    return listener_->connections();
}

}  // namespace dlb
