// tcp: a connection is made, and reset.
#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

#include "health/descriptor_probe.hpp"

namespace dlb {

namespace {

class TcpProbe final : public DescriptorProbe {
  public:
    using DescriptorProbe::DescriptorProbe;

    void start(ProbeContext& context, const ProbeSpec& spec) {
        const int fd = take(open_probe_socket(context, spec, SOCK_STREAM, 0));
        if (fd < 0) {
            return;
        }
        // Closed by a reset: thousands of checks a second would leave as many ports in TIME_WAIT.
        const linger reset{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        const SocketAddress peer(spec.endpoint);
        if (::connect(fd, peer.get(), peer.length) != 0 && errno != EINPROGRESS) {
            const int error = errno;
            ::close(fd);
            return fail_soon(error);
        }
        wait(fd, Descriptor::wait_write);
    }

  private:
    void ready() override {
        int error = 0;
        socklen_t length = sizeof error;
        ::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) {
            return fail(error);
        }
        give(ProbeOutcome::Passed, "connected");
    }
};

}  // namespace

std::shared_ptr<Probe> start_tcp_probe(ProbeContext& context, const ProbeSpec& spec,
                                       ProbeDone done) {
    auto probe = std::make_shared<TcpProbe>(context, spec, std::move(done));
    probe->start(context, spec);
    return probe;
}

}  // namespace dlb
