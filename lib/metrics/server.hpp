// The HTTP door to the metrics: GET and HEAD of /metrics (Prometheus' text), /healthz ("ok" while
// the control thread answers) and / (where to look). Nothing else, and no request with a body.
//
// Bounds: MetricsOptions. What breaks them is told so where it still listens, and its connection is
// closed: 400 not HTTP, 404, 405, 408 too slow, 413 has a body, 431 too long, 503 too many
// connections. Errors: an address that cannot be listened on is a warning with its mend, and is
// tried again. Thread safety: the control thread's, which runs the io_context.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>

#include "control/api.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct MetricsOptions {
    size_t max_connections = 64;
    size_t max_header = 8192;                                              // bytes
    std::chrono::milliseconds request_timeout = std::chrono::seconds(30);  // idle time included
    std::chrono::milliseconds write_timeout = std::chrono::seconds(30);    // of a whole answer
    std::chrono::milliseconds farewell = std::chrono::seconds(1);  // until a refused client is cut
    std::chrono::milliseconds listen_retry = std::chrono::seconds(5);
};

class MetricsServer {
  public:
    // `control` and `io` outlive the server.
    MetricsServer(boost::asio::io_context& io, const ControlApi& control,
                  MetricsOptions options = {});
    ~MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    // From now on at this address, or nowhere. A change drops the connections there are.
    void listen(std::optional<Endpoint> endpoint);

    // Where it listens; none while it is off, or the address is not to be had.
    std::optional<Endpoint> listening() const;
    size_t connections() const;

  private:
    class Listener;

    std::shared_ptr<Listener> listener_;
};

}  // namespace dlb
