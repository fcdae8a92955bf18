// Telemetry: /dpdk_lb/… for dpdk-telemetry.py, beside what DPDK itself tells there.
//
// DPDK calls from threads of its own, one a client. Such a thread hands its question to the control
// thread and waits for the answer, two seconds at most; it never touches Control. The control
// thread waits for none of them, so that neither can hold up the other's end.
// Errors: a command that DPDK does not take is a warning. A bad question is answered with
// {"error": "what, and its mend"}. Thread safety: made and destroyed by the control thread, one at
// a time (rte_telemetry's callbacks carry no argument).
#pragma once

#include <boost/asio/io_context.hpp>

#include "control/api.hpp"

namespace dlb {

class Telemetry {
  public:
    // REQUIRES: EAL is initialized. Both outlive it.
    Telemetry(boost::asio::io_context& io, const ControlApi& control);
    // Questions from now on are answered with an error.
    ~Telemetry();
    Telemetry(const Telemetry&) = delete;
    Telemetry& operator=(const Telemetry&) = delete;
};

}  // namespace dlb
