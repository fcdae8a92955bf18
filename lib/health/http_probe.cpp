// http, https: GET, and the status of the answer. Its header may take kMostHeader bytes; the body
// is never read.
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <unistd.h>

#include "health/probe_types.hpp"
#include "health/socket.hpp"
#include "health/tls.hpp"

namespace dlb {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr uint32_t kMostHeader = 8192;  // bytes

tcp::endpoint to_asio(const Endpoint& endpoint) {
    const SocketAddress address(endpoint);
    tcp::endpoint converted;
    converted.resize(address.length);
    std::memcpy(converted.data(), address.get(), address.length);
    return converted;
}

std::string host_of(const ProbeSpec& spec) {
    if (!spec.host.empty()) {
        return spec.host;
    }
    const uint16_t usual = spec.type == HealthType::Https ? 443 : 80;
    if (spec.endpoint.port != usual) {
        return spec.endpoint.to_string();
    }
    const std::string address = spec.endpoint.address.to_string();
    return spec.endpoint.address.is_v6() ? "[" + address + "]" : address;
}

std::string request_of(const ProbeSpec& spec) {
    return "GET " + spec.path + " HTTP/1.1\r\nHost: " + host_of(spec) +
           "\r\nUser-Agent: dpdk-lb/" DPDK_LB_VERSION
           "\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

template <typename Stream>
class HttpProbe final : public Probe, public std::enable_shared_from_this<HttpProbe<Stream>> {
  public:
    template <typename... StreamArguments>
    HttpProbe(const ProbeSpec& spec, ProbeDone done, StreamArguments&&... stream)
        : result_(std::move(done)),
          spec_(spec),
          request_(request_of(spec)),
          stream_(std::forward<StreamArguments>(stream)...),
          answer_(kMostHeader) {
        expect_header();
    }

    void start(ProbeContext& context) {
        ProbeSocket opened = open_probe_socket(context, spec_, SOCK_STREAM, 0);
        if (opened.fd < 0) {
            asio::post(socket().get_executor(),
                       [self = this->shared_from_this(), refusal = std::move(opened.refusal)] {
                           self->give(refusal.outcome, refusal.reason);
                       });
            return;
        }
        claim_ = std::move(opened.claim);
        device_ = std::move(opened.device);
        const tcp::endpoint peer = to_asio(spec_.endpoint);
        ErrorCode error;
        if (socket().assign(peer.protocol(), opened.fd, error)) {
            ::close(opened.fd);
            asio::post(socket().get_executor(), [self = this->shared_from_this(), error] {
                self->give(ProbeOutcome::NotRun, "no socket: " + error_words(error.value()));
            });
            return;
        }
        socket().async_connect(peer, then("", [](HttpProbe& self) { self.handshake(); }));
    }

    void cancel() override {
        result_.drop();
        close();
    }

  private:
    // `step`: what failed, where it does, before the error's own words.
    template <typename Next>
    auto then(const char* step, Next next) {
        return [self = this->shared_from_this(), step, next](const ErrorCode& error, auto&&...) {
            if (!self->result_.pending()) {
                return;
            }
            if (error) {
                self->failed(error, step);
            } else {
                next(*self);
            }
        };
    }

    void handshake() {
        if constexpr (std::is_same_v<Stream, tcp::socket>) {
            send();
        } else {
            // RFC 6066 §3: a name, never an address.
            const std::string name = spec_.host.substr(0, spec_.host.find(':'));
            if (!name.empty() && name.front() != '[' && !IpAddress::parse(name) &&
                !IpAddress::parse(spec_.host)) {
                SSL_set_tlsext_host_name(stream_.native_handle(), name.c_str());
            }
            stream_.async_handshake(asio::ssl::stream_base::client,
                                    then("TLS: ", [](HttpProbe& self) { self.send(); }));
        }
    }

    void send() {
        asio::async_write(stream_, asio::buffer(request_),
                          then("", [](HttpProbe& self) { self.receive(); }));
    }

    void expect_header() {
        parser_.emplace();
        parser_->header_limit(kMostHeader);
        parser_->body_limit(std::numeric_limits<uint64_t>::max());  // announced, not read
    }

    void receive() {
        http::async_read_header(stream_, answer_, *parser_,
                                then("HTTP: ", [](HttpProbe& self) { self.judge(); }));
    }

    void judge() {
        const unsigned status = parser_->get().result_int();
        // RFC 9110 §15.2: the answer itself comes after those. 101 would be another protocol.
        if (status / 100 == 1 && status != 101) {
            expect_header();
            return receive();
        }
        const bool good =
            std::find(spec_.expect.begin(), spec_.expect.end(), status) != spec_.expect.end();
        give(good ? ProbeOutcome::Passed : ProbeOutcome::Failed,
             "status " + std::to_string(status));
    }

    void failed(const ErrorCode& error, const std::string& step) {
        if (error.category() == boost::system::system_category()) {
            ProbeResult result = result_of(error.value(), spec_.endpoint.address, device_);
            return give(result.outcome, std::move(result.reason));
        }
        if (error == asio::error::eof || error == http::error::end_of_stream ||
            error == asio::ssl::error::stream_truncated) {
            return give(ProbeOutcome::Failed, "closed without an answer");
        }
        give(ProbeOutcome::Failed, step + error.message());
    }

    void give(ProbeOutcome outcome, std::string reason) {
        close();
        result_.give(outcome, std::move(reason));
    }

    void close() {
        ErrorCode ignored;
        socket().close(ignored);
        claim_ = {};
    }
    tcp::socket::lowest_layer_type& socket() { return stream_.lowest_layer(); }

    OneResult result_;
    const ProbeSpec spec_;
    const std::string request_;
    std::string device_;
    TunnelClaim claim_;
    Stream stream_;
    boost::beast::flat_buffer answer_;
    std::optional<http::response_parser<http::empty_body>> parser_;
};

template <typename Stream, typename... StreamArguments>
std::shared_ptr<Probe> start(ProbeContext& context, const ProbeSpec& spec, ProbeDone done,
                             StreamArguments&&... stream) {
    auto probe = std::make_shared<HttpProbe<Stream>>(spec, std::move(done),
                                                     std::forward<StreamArguments>(stream)...);
    probe->start(context);
    return probe;
}

}  // namespace

std::shared_ptr<Probe> start_http_probe(ProbeContext& context, const ProbeSpec& spec,
                                        ProbeDone done) {
    if (spec.type == HealthType::Https) {
        return start<asio::ssl::stream<tcp::socket>>(context, spec, std::move(done), context.io(),
                                                     context.tls().context());
    }
    return start<tcp::socket>(context, spec, std::move(done), context.io());
}

}  // namespace dlb
