// DescriptorProbe: a probe that is one socket and one wait for it. Private to lib/health.
// Thread safety: as probe.hpp.
#pragma once

#include <memory>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <unistd.h>

#include "health/probe_types.hpp"
#include "health/socket.hpp"

namespace dlb {

class DescriptorProbe : public Probe, public std::enable_shared_from_this<DescriptorProbe> {
  public:
    using Descriptor = boost::asio::posix::stream_descriptor;

    DescriptorProbe(ProbeContext& context, const ProbeSpec& spec, ProbeDone done)
        : result_(std::move(done)), peer_(spec.endpoint.address), descriptor_(context.io()) {}

    void cancel() override {
        result_.drop();
        close();
    }

  protected:
    // `fd` is this probe's from here on.
    void wait(int fd, Descriptor::wait_type what) {
        if (!descriptor_.is_open()) {
            boost::system::error_code refused;
            descriptor_.assign(fd, refused);
            if (refused) {  // no room in the kernel's epoll: this machine's fault
                ::close(fd);
                return fail_soon(refused.value());
            }
        }
        descriptor_.async_wait(what,
                               [self = shared_from_this()](const boost::system::error_code& error) {
                                   if (!error && self->result_.pending()) {
                                       self->ready();
                                   }
                               });
    }

    // The outcome of a system call that failed at once, told after start_probe() has returned.
    void fail_soon(int error) {
        boost::asio::post(descriptor_.get_executor(),
                          [self = shared_from_this(), error] { self->fail(error); });
    }
    // The fd of a socket that is this probe's now, still to be given to wait(); -1: there is none,
    // and the refusal will be told.
    int take(ProbeSocket&& socket) {
        if (socket.fd < 0) {
            boost::asio::post(descriptor_.get_executor(),
                              [self = shared_from_this(), refusal = std::move(socket.refusal)] {
                                  self->give(refusal);
                              });
            return -1;
        }
        claim_ = std::move(socket.claim);
        device_ = std::move(socket.device);
        return socket.fd;
    }
    void fail(int error) { give(result_of(error, peer_, device_)); }
    void give(ProbeResult result) { give(result.outcome, std::move(result.reason)); }
    void give(ProbeOutcome outcome, std::string reason) {
        close();
        result_.give(outcome, std::move(reason));
    }

    virtual void ready() = 0;
    int fd() { return descriptor_.native_handle(); }
    const TunnelClaim& claim() const { return claim_; }

  private:
    void close() {
        boost::system::error_code ignored;
        descriptor_.close(ignored);
        claim_ = {};
    }

    OneResult result_;
    const IpAddress peer_;
    std::string device_;
    TunnelClaim claim_;
    Descriptor descriptor_;
};

}  // namespace dlb
