// Eal: DPDK's environment abstraction layer, started once in a process and cleaned up at its end.
//
// Errors: init() gives one line with what DPDK said and the mend; nothing of DPDK is left in use
// then. Thread safety: the main thread's.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "net/result.hpp"

namespace dlb {

struct EalOptions {
    std::string file_prefix = "lb1";  // instances with different ones share a machine
    bool hugepages = true;
    bool attachable = true;  // with hugepages and a hugetlbfs: dpdk-dumpcap and others may attach
    uint32_t memory_mb = 1024;
    unsigned control_core = 0;
    std::vector<unsigned> cores;     // one worker lcore each, may name the control core again
    std::vector<std::string> pci;    // addresses of the devices that are ours
    std::vector<std::string> extra;  // given by the user behind `--`
    bool verbose = false;            // pass DPDK's informational messages on
    std::function<void(const std::string&)> log;  // a line of DPDK's, without its end
};

// While it lives, what libraries print on standard error (libbpf and libxdp do) goes where DPDK's
// log goes, which is lines with a level. Not for a time when a terminal is in use.
class StderrToLog {
  public:
    StderrToLog();
    ~StderrToLog();
    StderrToLog(const StderrToLog&) = delete;
    StderrToLog& operator=(const StderrToLog&) = delete;

  private:
    FILE* before_;
};

class Eal {
  public:
    static Result<Eal> init(const EalOptions& options);
    Eal(Eal&& other) noexcept;
    Eal& operator=(Eal&&) = delete;
    ~Eal();

    // The lcore of worker 0, 1, …; its thread is pinned to the core that the options gave.
    static unsigned worker_lcore(unsigned worker) { return worker + 1; }

    // Other processes of DPDK may attach: what it is made of lies in files.
    bool attachable() const { return attachable_; }

    // True after an init() that failed because of options.extra.
    static bool refused_arguments() { return refused_arguments_; }

    // Lets this user take what is in DPDK's runtime directory away at the end. The directory itself
    // then stays, empty: it lies in one that is root's.
    void give_runtime_dir(uid_t user, gid_t group);

    // DPDK's last messages, newest last, to explain a failure with.
    static std::string last_messages();

  private:
    Eal() = default;

    static inline bool refused_arguments_ = false;
    bool owner_ = true;
    bool attachable_ = false;
    std::string file_prefix_;
    int runtime_dir_ = -1;
};

}  // namespace dlb
