// The probes by type, and what they have in common. Private to lib/health.
// Thread safety: as probe.hpp.
#pragma once

#include <utility>

#include "health/probe.hpp"

namespace dlb {

std::shared_ptr<Probe> start_tcp_probe(ProbeContext&, const ProbeSpec&, ProbeDone);
std::shared_ptr<Probe> start_http_probe(ProbeContext&, const ProbeSpec&, ProbeDone);
std::shared_ptr<Probe> start_udp_probe(ProbeContext&, const ProbeSpec&, ProbeDone);
std::shared_ptr<Probe> start_icmp_probe(ProbeContext&, const ProbeSpec&, ProbeDone);
std::shared_ptr<Probe> start_exec_probe(ProbeContext&, const ProbeSpec&, ProbeDone);

std::shared_ptr<ProgramGate> make_program_gate(size_t most);

// Holds `done` until the first result or the cancel, whichever comes first.
class OneResult {
  public:
    explicit OneResult(ProbeDone done) : done_(std::move(done)) {}
    bool pending() const { return static_cast<bool>(done_); }
    void drop() { done_ = nullptr; }
    void give(ProbeOutcome outcome, std::string reason) {
        if (ProbeDone done = std::exchange(done_, nullptr)) {
            done({outcome, std::move(reason)});
        }
    }

  private:
    ProbeDone done_;
};

}  // namespace dlb
