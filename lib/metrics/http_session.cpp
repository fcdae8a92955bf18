#include "metrics/http_session.hpp"

#include <boost/asio/buffer.hpp>

namespace dlb {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr size_t kMaxDiscarded = size_t{256} * 1024;
constexpr char kNoBody[] = "a request here has no body";
constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

// A body of Pieces, written one by one as they are.
struct PiecesBody {
    using value_type = Scraper::Text;

    static uint64_t size(const value_type& pieces) {
        uint64_t bytes = 0;
        for (const std::string& piece : *pieces) {
            bytes += piece.size();
        }
        return bytes;
    }

    class writer {
      public:
        using const_buffers_type = boost::asio::const_buffer;

        template <bool isRequest, typename Fields>
        writer(const http::header<isRequest, Fields>&, const value_type& pieces)
            : pieces_(pieces) {}
        void init(error_code& error) { error = {}; }
        boost::optional<std::pair<const_buffers_type, bool>> get(error_code& error) {
            error = {};
            if (next_ == pieces_->size()) {
                return boost::none;
            }
            const std::string& piece = (*pieces_)[next_++];
            return std::pair(const_buffers_type(piece.data(), piece.size()),
                             next_ < pieces_->size());
        }

      private:
        const value_type& pieces_;
        size_t next_ = 0;
    };
};

std::string path_of(boost::beast::string_view target) {
    return std::string(target.substr(0, target.find('?')));
}

}  // namespace

HttpSession::HttpSession(boost::asio::ip::tcp::socket socket, Scraper& scraper,
                         const MetricsOptions& options, Ended ended)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      scraper_(scraper),
      options_(options),
      ended_(std::move(ended)),
      buffer_(options.max_header) {}

void HttpSession::start() {
    read();
}

void HttpSession::refuse_full() {
    refuse(Status::service_unavailable, "there are " + std::to_string(options_.max_connections) +
                                            " connections, the most there may be: close one");
}

void HttpSession::close() {
    if (!socket_.is_open()) {
        return;
    }
    error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
    ended_(shared_from_this());
}

void HttpSession::set_timer(std::chrono::milliseconds time, AtEnd at_end) {
    timed_out_ = false;
    start_timer(time, at_end);
}

void HttpSession::start_timer(std::chrono::milliseconds time, AtEnd at_end) {
    timer_.expires_after(time);
    // A wait that had ended already when its timer was set anew is told apart by its number.
    timer_.async_wait(
        [self = shared_from_this(), wait = ++wait_, at_end](const error_code& cancelled) {
            if (cancelled || wait != self->wait_) {
                return;
            }
            if (at_end == AtEnd::Close) {
                return self->close();
            }
            self->timed_out_ = true;
            error_code ignored;
            self->socket_.cancel(ignored);  // what is under way ends
            // A part of it may just have ended well, and the next one begins: that is not waited
            // for.
            self->start_timer(self->options_.farewell, AtEnd::Close);
        });
}

void HttpSession::read() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(options_.max_header));
    set_timer(options_.request_timeout, AtEnd::Cancel);
    http::async_read_header(
        socket_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& error, size_t) { self->on_request(error); });
}

void HttpSession::on_request(const error_code& error) {
    if (!socket_.is_open()) {
        return;
    }
    head_ = parser_->get().method() == http::verb::head;
    if (!error) {
        return answer();
    }
    if (timed_out_ && (buffer_.size() > 0 || parser_->got_some())) {
        return refuse(Status::request_timeout,
                      "the request did not come within " +
                          std::to_string(options_.request_timeout.count()) + " ms");
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return refuse(Status::request_header_fields_too_large,
                      "a request has at most " + std::to_string(options_.max_header) + " bytes");
    }
    if (error == http::error::end_of_stream ||
        error.category() != make_error_code(http::error::bad_method).category()) {
        return close();
    }
    if (error == http::error::body_limit) {
        return refuse(Status::payload_too_large, kNoBody);
    }
    refuse(Status::bad_request, "this is no HTTP/1 request: " + error.message());
}

void HttpSession::answer() {
    const auto& request = parser_->get();
    if (request.method() != http::verb::get && !head_) {
        return refuse(Status::method_not_allowed, "there is GET and HEAD");
    }
    if (!parser_->is_done()) {
        return refuse(Status::payload_too_large, kNoBody);
    }
    keep_ = parser_->keep_alive();
    const std::string path = path_of(request.target());
    if (path == "/healthz") {
        return answer_text(Status::ok, "ok", keep_);
    }
    if (path == "/") {
        return answer_text(Status::ok, "dpdk-lb: Prometheus' metrics are at /metrics", keep_);
    }
    if (path != "/metrics") {
        return answer_text(Status::not_found, "not here: the metrics are at /metrics", keep_);
    }
    ++wait_;
    timer_.cancel();
    if (head_) {
        return answer_metrics(std::make_shared<const Pieces>());
    }
    scraper_.scrape([self = shared_from_this()](const Scraper::Text& text) {
        if (self->socket_.is_open()) {
            self->answer_metrics(text);
        }
    });
}

void HttpSession::answer_metrics(const Scraper::Text& text) {
    const auto response = std::make_shared<http::response<PiecesBody>>(Status::ok, 11, text);
    response->set(http::field::content_type, kMetricsText);
    if (!head_) {
        response->content_length(PiecesBody::size(text));
    }
    write(response);
}

void HttpSession::answer_text(Status status, const std::string& text, bool keep) {
    keep_ = keep;
    const auto response = std::make_shared<http::response<http::string_body>>(status, 11);
    response->set(http::field::content_type, kText);
    response->content_length(text.size() + 1);
    if (!head_) {
        response->body() = text + '\n';
    }
    if (status == Status::method_not_allowed) {
        response->set(http::field::allow, "GET, HEAD");
    }
    write(response);
}

void HttpSession::refuse(Status status, const std::string& text) {
    answer_text(status, text, false);
}

template <typename Body>
void HttpSession::write(std::shared_ptr<http::response<Body>> response) {
    response->keep_alive(keep_);
    response->set(http::field::cache_control, "no-store");
    set_timer(options_.write_timeout, AtEnd::Close);
    http::async_write(socket_, *response,
                      [self = shared_from_this(), response](const error_code& error, size_t) {
                          if (!self->socket_.is_open()) {
                              return;
                          }
                          if (error) {
                              self->close();
                          } else if (self->keep_) {
                              self->read();
                          } else {
                              self->say_farewell();
                          }
                      });
}

// A socket closed with unread bytes is reset, and the answer lost on its way: read on for a while.
void HttpSession::say_farewell() {
    error_code ignored;
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
    discarded_.resize(4096);
    set_timer(options_.farewell, AtEnd::Close);
    discard();
}

void HttpSession::discard() {
    socket_.async_read_some(boost::asio::buffer(discarded_),
                            [self = shared_from_this()](const error_code& error, size_t bytes) {
                                self->discarded_bytes_ += bytes;
                                if (error || self->discarded_bytes_ > kMaxDiscarded) {
                                    self->close();
                                } else {
                                    self->discard();
                                }
                            });
}

}  // namespace dlb
