// preflight(): does this machine have what the configuration asks for?
//
// Looks and changes nothing. What it finds before DPDK starts can be said plainly; DPDK's own
// errors cannot. Thread safety: any one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "control/machine_tree.hpp"

namespace dlb {

// Warning: it starts, but not well. Note: good to know.
enum class Severity : uint8_t { Error, Warning, Note };

struct Finding {
    Severity severity = Severity::Error;
    std::string problem;
    std::string mend;

    std::string to_string() const { return problem + "; " + mend; }
};

// InUse: this configuration's dpdk-lb runs already, so what it holds is not missing.
enum class MachineState : uint8_t { Free, InUse };

// What keeps it from starting or from running well.
std::vector<Finding> preflight(const Config& config, MachineState state,
                               const MachineTree& machine = MachineTree());

// What it could have beside, for more speed: for who asks with --check.
std::vector<Finding> advise(const Config& config, const MachineTree& machine = MachineTree());

}  // namespace dlb
