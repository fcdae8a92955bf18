// udp: an empty datagram. An answer is good, and so is silence, for a server need not answer that;
// an ICMP error (port unreachable, no route) is not. In a tunnel only an answer is good.
#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

#include "health/descriptor_probe.hpp"

namespace dlb {

namespace {

class UdpProbe final : public DescriptorProbe {
  public:
    UdpProbe(ProbeContext& context, const ProbeSpec& spec, ProbeDone done)
        : DescriptorProbe(context, spec, std::move(done)), in_tunnel_(spec.in_tunnel_to.valid()) {}

    void start(ProbeContext& context, const ProbeSpec& spec) {
        const int fd = take(open_probe_socket(context, spec, SOCK_DGRAM, 0));
        if (fd < 0) {
            return;
        }
        // Connected: the kernel gives only this peer's datagrams, and the errors about ours.
        const SocketAddress peer(spec.endpoint);
        if (::connect(fd, peer.get(), peer.length) != 0 || ::send(fd, "", 0, 0) < 0) {
            const int error = errno;
            ::close(fd);
            return fail_soon(error);
        }
        wait(fd, Descriptor::wait_read);
    }

    ProbeResult timed_out(std::chrono::milliseconds limit) const override {
        if (in_tunnel_) {  // where silence is also what comes of a tunnel that nobody unpacks
            return Probe::timed_out(limit);
        }
        return {ProbeOutcome::Passed, "no answer, no error"};
    }

  private:
    void ready() override {
        char byte;
        if (::recv(fd(), &byte, 1, 0) >= 0) {
            return give(ProbeOutcome::Passed, "answered");
        }
        if (errno == EAGAIN || errno == EINTR) {  // a bad checksum, found out late
            return wait(fd(), Descriptor::wait_read);
        }
        fail(errno);
    }

    const bool in_tunnel_;
};

}  // namespace

std::shared_ptr<Probe> start_udp_probe(ProbeContext& context, const ProbeSpec& spec,
                                       ProbeDone done) {
    auto probe = std::make_shared<UdpProbe>(context, spec, std::move(done));
    probe->start(context, spec);
    return probe;
}

}  // namespace dlb
