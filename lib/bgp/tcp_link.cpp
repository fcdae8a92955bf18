#include "bgp/tcp_link.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace dlb::bgp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// How long a neighbour has for its FIN.
constexpr std::chrono::seconds kLinger{1};

std::string words(const error_code& error) {
    return error == asio::error::eof ? "closed by the neighbour" : error.message();
}

}  // namespace

tcp::endpoint to_asio(const Endpoint& endpoint) {
    const auto& bytes = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
        return {asio::ip::address_v4({bytes[0], bytes[1], bytes[2], bytes[3]}), endpoint.port};
    }
    return {asio::ip::address_v6(bytes), endpoint.port};
}

IpAddress from_asio(const asio::ip::address& address) {
    if (address.is_v4()) {
        const auto bytes = address.to_v4().to_bytes();
        return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
    }
    if (address.to_v6().is_v4_mapped()) {
        return from_asio(asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()));
    }
    return IpAddress::v6(address.to_v6().to_bytes());
}

TcpLink::TcpLink(asio::io_context& io, LinkId id, Events& events)
    : socket_(io), linger_(io), id_(id), events_(&events) {}

Result<void> TcpLink::prepare(const Endpoint& remote, const std::optional<IpAddress>& local,
                              const SocketRules& rules) {
    error_code error;
    socket_.open(remote.address.is_v4() ? tcp::v4() : tcp::v6(), error);
    if (!error && local) {
        socket_.bind(to_asio({*local, 0}), error);
        if (error) {
            return Error{"cannot connect from local_address " + local->to_string() + ": " +
                         error.message()};
        }
    }
    if (error) {
        return Error{error.message()};
    }
    socket_.non_blocking(true, error);
    if (!rules.password.empty()) {
        auto done =
            set_password(socket_.native_handle(), Prefix::host(remote.address), rules.password);
        if (!done) {
            return done;
        }
    }
    return set_rules(socket_.native_handle(), remote.address.family(), rules);
}

void TcpLink::connect(const Endpoint& remote, const std::optional<IpAddress>& local,
                      const SocketRules& rules) {
    if (const auto ready = prepare(remote, local, rules); !ready) {
        asio::post(socket_.get_executor(),
                   [self = shared_from_this(), why = ready.error()] { self->disconnected(why); });
        return;
    }
    socket_.async_connect(to_asio(remote), [self = shared_from_this()](const error_code& error) {
        if (error) {
            self->disconnected(words(error));
            return;
        }
        if (self->closing_ || self->events_ == nullptr) {
            return;
        }
        self->connected_ = true;
        self->read();
        self->events_->link_connected(self->id_);
    });
}

void TcpLink::adopt(tcp::socket socket) {
    socket_ = std::move(socket);
    error_code ignored;
    socket_.non_blocking(true, ignored);
    connected_ = true;
    read();
}

IpAddress TcpLink::local_address() const {
    error_code error;
    const auto endpoint = socket_.local_endpoint(error);
    return error ? IpAddress() : from_asio(endpoint.address());
}

void TcpLink::read() {
    socket_.async_read_some(
        asio::buffer(buffer_), [self = shared_from_this()](const error_code& error, size_t size) {
            if (self->finished_) {
                return;
            }
            if (error) {
                self->disconnected(words(error));
                return;
            }
            if (!self->closing_ && self->events_ != nullptr) {
                self->events_->link_received(self->id_, View(self->buffer_).first(size));
            }
            if (!self->finished_) {
                self->read();
            }
        });
}

void TcpLink::send(Bytes bytes) {
    if (closing_ || finished_) {
        return;
    }
    backlog_ += bytes.size();
    queue_.push_back(std::move(bytes));
    write();
}

void TcpLink::write() {
    if (writing_ || queue_.empty() || finished_) {
        return;
    }
    constexpr size_t kAtOnce = 32;
    std::vector<asio::const_buffer> buffers;
    for (const Bytes& bytes : queue_) {
        buffers.push_back(asio::buffer(bytes));
        if (buffers.size() == kAtOnce) {
            break;
        }
    }
    buffers.front() += written_;
    writing_ = true;
    socket_.async_write_some(
        buffers, [self = shared_from_this()](const error_code& error, size_t size) {
            self->writing_ = false;
            if (self->finished_) {
                return;
            }
            if (error) {
                self->disconnected(words(error));
                return;
            }
            self->backlog_ -= size;
            self->written_ += size;
            while (!self->queue_.empty() && self->written_ >= self->queue_.front().size()) {
                self->written_ -= self->queue_.front().size();
                self->queue_.pop_front();
            }
            if (self->closing_) {
                self->queue_.empty() ? self->begin_shutdown() : self->write();
                return;
            }
            self->write();
            if (self->events_ != nullptr) {
                self->events_->link_wrote(self->id_, self->backlog_);
            }
        });
}

void TcpLink::close() {
    if (closing_ || finished_) {
        return;
    }
    closing_ = true;
    const auto self = shared_from_this();
    if (!connected_) {
        asio::post(socket_.get_executor(), [self] { self->finish(); });
        return;
    }
    linger_.expires_after(kLinger);
    linger_.async_wait([self](const error_code& error) {
        if (!error) {
            self->finish();
        }
    });
    if (queue_.empty()) {
        begin_shutdown();
    }
}

void TcpLink::begin_shutdown() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void TcpLink::finish() {
    if (finished_) {
        return;
    }
    finished_ = true;
    error_code ignored;
    linger_.cancel(ignored);
    socket_.close(ignored);
    if (events_ != nullptr) {
        events_->link_closed(id_);
    }
}

void TcpLink::detach() {
    events_ = nullptr;
    finish();
}

void TcpLink::disconnected(const std::string& why) {
    if (finished_) {
        return;
    }
    if (closing_) {
        finish();
        return;
    }
    if (events_ != nullptr) {
        events_->link_disconnected(id_, why);  // which ends in close()
    }
    if (!closing_ && !finished_) {
        finish();
    }
}

}  // namespace dlb::bgp
