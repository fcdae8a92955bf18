#include "health/probe.hpp"

#include <cassert>

#include "health/probe_types.hpp"
#include "health/tls.hpp"

namespace dlb {

ProbeResult Probe::timed_out(std::chrono::milliseconds limit) const {
    return {ProbeOutcome::Failed, "no answer within " + std::to_string(limit.count()) + " ms"};
}

ProbeContext::ProbeContext(boost::asio::io_context& io, TunnelWay* tunnels)
    : io_(io), tunnels_(tunnels), programs_(make_program_gate(kMostPrograms)) {}

ProbeContext::~ProbeContext() = default;

TlsClient& ProbeContext::tls() {
    if (tls_ == nullptr) {
        tls_ = std::make_unique<TlsClient>();
    }
    return *tls_;
}

std::shared_ptr<Probe> start_probe(ProbeContext& context, const ProbeSpec& spec, ProbeDone done) {
    switch (spec.type) {
        case HealthType::Tcp:
            return start_tcp_probe(context, spec, std::move(done));
        case HealthType::Http:
        case HealthType::Https:
            return start_http_probe(context, spec, std::move(done));
        case HealthType::Udp:
            return start_udp_probe(context, spec, std::move(done));
        case HealthType::Icmp:
            return start_icmp_probe(context, spec, std::move(done));
        case HealthType::Exec:
            return start_exec_probe(context, spec, std::move(done));
        case HealthType::None:
            break;
    }
    assert(false && "no probe without a type");
    return nullptr;
}

}  // namespace dlb
