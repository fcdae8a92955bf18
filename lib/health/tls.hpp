// TlsClient: how https checks speak TLS. A check asks whether the backend serves, not who it is:
// its certificate is not verified, as backends are reached by address. Thread safety: as probe.hpp.
#pragma once

#include <boost/asio/ssl/context.hpp>

namespace dlb {

class TlsClient {
  public:
    TlsClient() : context_(boost::asio::ssl::context::tls_client) {
        context_.set_verify_mode(boost::asio::ssl::verify_none);
    }
    boost::asio::ssl::context& context() { return context_; }

  private:
    boost::asio::ssl::context context_;
};

}  // namespace dlb
