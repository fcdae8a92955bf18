// Probe: one check of one backend, from its start to its result.
//
// Errors: a result says in a few words what was seen; an error of this machine's own (no file
// descriptor left, no memory) is NotRun, and tells nothing about the backend. The time limit is the
// caller's to keep: at its end it asks timed_out() and cancels. Thread safety: that of the
// io_context, which one thread runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "lb/ids.hpp"
#include "lb/types.hpp"
#include "net/ip_address.hpp"

namespace dlb {

struct ProbeSpec {
    HealthType type = HealthType::Tcp;  // not None
    Endpoint endpoint;                  // icmp: the port is not used; exec: LB_PORT
    std::string path;                   // http, https
    std::string host;                   // http, https; "": the endpoint
    std::vector<uint16_t> expect;       // http, https: good status codes
    std::string command;                // exec: for /bin/sh -c
    // Valid: `endpoint` is a VIP, asked on this backend, by the TunnelWay. Not of exec.
    BackendId in_tunnel_to;

    friend bool operator==(const ProbeSpec&, const ProbeSpec&) = default;
};

enum class ProbeOutcome : uint8_t { Passed, Failed, NotRun };

struct ProbeResult {
    ProbeOutcome outcome = ProbeOutcome::NotRun;
    std::string reason;  // "connected", "connection refused", "status 503"
};

// Called at most once, never from within start_probe() or cancel().
using ProbeDone = std::function<void(ProbeResult)>;

class Probe {
  public:
    virtual ~Probe() = default;
    // What it means that there is no result after `limit`.
    virtual ProbeResult timed_out(std::chrono::milliseconds limit) const;
    // Gives up whatever is open; `done` will not be called.
    virtual void cancel() = 0;
};

class TlsClient;    // tls.hpp
class ProgramGate;  // exec_probe.cpp
class TunnelWay;    // tunnel_way.hpp

// What probes share. Outlives them; the io_context outlives it.
class ProbeContext {
  public:
    // Programs of exec checks that run at once; more wait for their turn.
    static constexpr size_t kMostPrograms = 64;

    // `tunnels`: for probes that go in a tunnel; null: there are none. Outlives us.
    explicit ProbeContext(boost::asio::io_context& io, TunnelWay* tunnels = nullptr);
    ~ProbeContext();

    boost::asio::io_context& io() { return io_; }
    TunnelWay* tunnels() const { return tunnels_; }
    TlsClient& tls();
    const std::shared_ptr<ProgramGate>& programs() { return programs_; }
    uint16_t next_sequence() { return sequence_++; }  // of echo requests

  private:
    boost::asio::io_context& io_;
    TunnelWay* tunnels_;
    std::unique_ptr<TlsClient> tls_;  // made when first asked for
    std::shared_ptr<ProgramGate> programs_;
    uint16_t sequence_ = 0;
};

// The caller cancels the probe before it lets go of it.
std::shared_ptr<Probe> start_probe(ProbeContext& context, const ProbeSpec& spec, ProbeDone done);

}  // namespace dlb
