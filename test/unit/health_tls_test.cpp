// https against a TLS server with a certificate that nobody signed.
#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "support/health_servers.hpp"

namespace dlb {
namespace {

using TlsStream = asio::ssl::stream<tcp::socket>;

void use_new_certificate(asio::ssl::context& context) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    ASSERT_EQ(SSL_CTX_use_certificate(context.native_handle(), certificate.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(context.native_handle(), key.get()), 1);
}

class HealthTls : public testing::Test {
  protected:
    HealthTls() { use_new_certificate(server_context); }

    ProbeResult ask(const std::string& host) {
        const TcpServer server(io, "127.0.0.1", [this](const TcpServer::Connection& connection) {
            serve(connection);
        });
        ProbeSpec spec;
        spec.type = HealthType::Https;
        spec.endpoint = {address_of("127.0.0.1"), server.port()};
        spec.path = "/";
        spec.host = host;
        spec.expect = {200};
        return ProbeRun(io, context)(spec);
    }

    void serve(const TcpServer::Connection& connection) {
        auto stream = std::make_shared<TlsStream>(std::move(*connection), server_context);
        stream->async_handshake(TlsStream::server, [this, stream](const auto& error) {
            if (error) {
                return;
            }
            const char* name =
                SSL_get_servername(stream->native_handle(), TLSEXT_NAMETYPE_host_name);
            server_name = name == nullptr ? "" : name;
            asio::async_write(*stream, asio::buffer(answer), [stream](auto, auto) {});
        });
    }

    asio::io_context io;
    ProbeContext context{io};
    asio::ssl::context server_context{asio::ssl::context::tls_server};
    std::string answer = "HTTP/1.1 200 OK\r\n\r\n";
    std::string server_name;
};

TEST_F(HealthTls, StatusDecides) {
    EXPECT_EQ(ask("").reason, "status 200");
    answer = "HTTP/1.1 500 Oh\r\n\r\n";
    const ProbeResult result = ask("");
    EXPECT_EQ(result.outcome, ProbeOutcome::Failed);
    EXPECT_EQ(result.reason, "status 500");
}

TEST_F(HealthTls, NamesTheHost) {
    EXPECT_EQ(ask("web.example").outcome, ProbeOutcome::Passed);
    EXPECT_EQ(server_name, "web.example");
    EXPECT_EQ(ask("192.0.2.1").outcome, ProbeOutcome::Passed);
    EXPECT_EQ(server_name, "") << "an address is no server name";
}

}  // namespace
}  // namespace dlb
