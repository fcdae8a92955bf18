#include "bgp/tcp_listeners.hpp"

#include <chrono>

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bgp/socket_options.hpp"
#include "bgp/tcp_link.hpp"

namespace dlb::bgp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// How long after an error the next accept() comes: out of descriptors, at once would only burn
// time.
constexpr std::chrono::milliseconds kPause{100};

Result<void> open(tcp::acceptor& acceptor, const Endpoint& endpoint) {
    const bool v6 = endpoint.address.is_v6();
    error_code error;
    acceptor.open(v6 ? tcp::v6() : tcp::v4(), error);
    if (!error) {
        acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error && v6) {
        acceptor.set_option(asio::ip::v6_only(true), error);
    }
    if (!error) {
        acceptor.bind(to_asio(endpoint), error);
    }
    return error ? Result<void>(
                       Error{"cannot listen at " + endpoint.to_string() + ": " + error.message()})
                 : Result<void>();
}

}  // namespace

struct TcpListeners::Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), pause(io) {}
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    bool closed = false;
};

TcpListeners::TcpListeners(asio::io_context& io, Accept accept)
    : io_(io), accept_(std::move(accept)) {}

TcpListeners::~TcpListeners() {
    close();
}

Result<void> TcpListeners::listen(const Endpoint& endpoint, const Keys& keys) {
    auto listener = std::make_shared<Listener>(io_);
    const Family family = endpoint.address.family();
    if (auto opened = open(listener->acceptor, endpoint); !opened) {
        return opened;
    }
    const int socket = listener->acceptor.native_handle();
    // Keys first: what listens without one would answer who does not sign.
    for (const auto& [who, password] : keys) {
        if (who.family() == family && !password.empty()) {
            if (auto set = set_password(socket, who, password); !set) {
                return set;
            }
        }
    }
    if (auto set = set_hop_limit(socket, family, 255); !set) {
        return set;
    }
    error_code error;
    listener->acceptor.listen(64, error);
    if (error) {
        return Error{"cannot listen at " + endpoint.to_string() + ": " + error.message()};
    }
    listener->acceptor.non_blocking(true, error);
    listeners_.push_back(listener);
    accept(listener);
    return {};
}

void TcpListeners::accept(const std::shared_ptr<Listener>& listener) {
    listener->acceptor.async_accept([this, listener](const error_code& error, tcp::socket socket) {
        if (listener->closed) {
            return;  // `this` may be gone with it
        }
        if (error) {
            listener->pause.expires_after(kPause);
            listener->pause.async_wait([this, listener](const error_code&) {
                if (!listener->closed) {
                    accept(listener);
                }
            });
            return;
        }
        error_code gone;
        const auto remote = socket.remote_endpoint(gone);
        if (!gone) {
            accept_(std::move(socket), from_asio(remote.address()));
        }
        if (!listener->closed) {
            accept(listener);
        }
    });
}

Result<void> TcpListeners::set_key(const Prefix& neighbors, const std::string& password) {
    for (const auto& listener : listeners_) {
        error_code error;
        const auto local = listener->acceptor.local_endpoint(error);
        if (error || local.address().is_v4() != (neighbors.family() == Family::V4)) {
            continue;
        }
        auto set = set_password(listener->acceptor.native_handle(), neighbors, password);
        if (!set && !password.empty()) {  // to take away what is not there is no error here
            return set;
        }
    }
    return {};
}

void TcpListeners::close() {
    for (const auto& listener : listeners_) {
        listener->closed = true;
        error_code ignored;
        listener->pause.cancel(ignored);
        listener->acceptor.close(ignored);
    }
    listeners_.clear();
}

}  // namespace dlb::bgp
