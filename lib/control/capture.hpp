// Captures: the `capture` commands that are under way, at most one a port.
//
// The workers copy frames into rings (PacketCapture); a timer of the control loop takes them from
// there, oldest first, into a file. A capture ends by its count or time, when its client leaves,
// when the daemon ends, or when the file cannot be written. It is off the packet path at once then;
// its memory goes once the workers have been quiescent, and nothing waits for that but the answer.
//
// Errors: one line, given to `done`. Thread safety: the control thread's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "control/api.hpp"
#include "control/ports.hpp"
#include "eal/packet_capture.hpp"
#include "rcu/rcu.hpp"

namespace dlb {

class Captures {
  public:
    using Done = std::function<void(Result<CaptureReport>)>;

    // All outlive it. `ring_size`: bytes a queue at most, a power of two.
    Captures(boost::asio::io_context& io, const std::vector<ControlPort>& ports, RcuDomain& rcu,
             size_t ring_size = size_t{4} * 1024 * 1024);
    // Ends what is under way without an answer; the files are whole. REQUIRES: no worker runs.
    ~Captures();
    Captures(const Captures&) = delete;
    Captures& operator=(const Captures&) = delete;

    // `done` is called once, when the capture has ended or cannot be.
    void start(const CaptureQuery& query, Done done);
    // Ends all of them; their answers come as soon as the workers have passed.
    void end_all(const std::string& reason);

    bool idle() const { return captures_.empty(); }

  private:
    bool ending_ = false;  // no new one
    struct Capture;
    using CapturePtr = std::shared_ptr<Capture>;
    const ControlPort* find_port(const std::string& name) const;
    Result<void> begin(Capture& capture);
    void await_filter(const CapturePtr& capture);
    void tick(const CapturePtr& capture);
    void arm(const CapturePtr& capture, std::chrono::milliseconds after,
             void (Captures::*next)(const CapturePtr&));
    bool drain(Capture& capture);  // true: there may be more at once
    void end(Capture& capture, const std::string& reason);
    void finish(const CapturePtr& capture);
    void conclude(const CapturePtr& capture, const Result<CaptureReport>& result);

    boost::asio::io_context& io_;
    const std::vector<ControlPort>& ports_;
    RcuDomain& rcu_;
    const size_t ring_size_;
    std::vector<CapturePtr> captures_;
    RetireList<PacketCapture> retired_;  // of captures that a worker did not pass in time
};

}  // namespace dlb
