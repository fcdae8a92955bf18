// Eal: DPDK's environment abstraction layer, started once in a process and cleaned up at its end.
//
// Errors: init() gives one line with what DPDK said and the mend; nothing of DPDK is left in use
// then. Thread safety: the main thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/result.hpp"

namespace dlb {

struct EalOptions {
    std::string file_prefix = "lb1";  // instances with different ones share a machine
    bool hugepages = true;
    uint32_t memory_mb = 1024;
    unsigned control_core = 0;
    std::vector<unsigned> cores;     // one worker lcore each, may name the control core again
    std::vector<std::string> pci;    // addresses of the devices that are ours
    std::vector<std::string> extra;  // given by the user behind `--`
    bool verbose = false;            // pass DPDK's informational messages on
    std::function<void(const std::string&)> log;  // a line of DPDK's, without its end
};

class Eal {
  public:
    static Result<Eal> init(const EalOptions& options);
    Eal(Eal&& other) noexcept;
    Eal& operator=(Eal&&) = delete;
    ~Eal();

    // The lcore of worker 0, 1, …; its thread is pinned to the core that the options gave.
    static unsigned worker_lcore(unsigned worker) { return worker + 1; }

    // True after an init() that failed because of options.extra.
    static bool refused_arguments() { return refused_arguments_; }

    // DPDK's last messages, newest last, to explain a failure with.
    static std::string last_messages();

  private:
    Eal() = default;

    static inline bool refused_arguments_ = false;
    bool owner_ = true;
};

}  // namespace dlb
