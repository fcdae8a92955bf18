// One client of the metrics' HTTP server, from its first byte to its last; MetricsServer's own.
//
// Requests are answered one by one, so that who pipelines waits. Thread safety: the control
// thread's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "metrics/collection.hpp"
#include "metrics/server.hpp"

namespace dlb {

class HttpSession : public std::enable_shared_from_this<HttpSession> {
  public:
    using Ended = std::function<void(const std::shared_ptr<HttpSession>&)>;

    HttpSession(boost::asio::ip::tcp::socket socket, Scraper& scraper,
                const MetricsOptions& options, Ended ended);

    void start();
    void refuse_full();  // instead of start()
    void close();        // at once

  private:
    using Status = boost::beast::http::status;
    using ErrorCode = boost::system::error_code;

    void read();
    void on_request(const ErrorCode& error);
    void answer();
    void answer_text(Status status, const std::string& text, bool keep);
    void answer_metrics(const Scraper::Text& text);
    template <typename Body>
    void write(std::shared_ptr<boost::beast::http::response<Body>> response);
    void refuse(Status status, const std::string& text);
    void say_farewell();
    void discard();
    // Cancel: the request is refused, with a reason. Close: there is nobody to tell it to.
    enum class AtEnd : uint8_t { Cancel, Close };
    void set_timer(std::chrono::milliseconds time, AtEnd at_end);
    void start_timer(std::chrono::milliseconds time, AtEnd at_end);

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer timer_;
    Scraper& scraper_;
    const MetricsOptions options_;
    Ended ended_;
    boost::beast::flat_buffer buffer_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
    unsigned wait_ = 0;  // the timer's, by number
    bool timed_out_ = false;
    bool head_ = false;  // the request is a HEAD
    bool keep_ = false;  // the connection, after the answer
    std::string discarded_;
    size_t discarded_bytes_ = 0;
};

}  // namespace dlb
