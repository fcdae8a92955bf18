// Parts of preflight() that look at files.
// Thread safety: any one thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "control/preflight.hpp"
#include "eal/device_string.hpp"

namespace dlb {

class MachineFindings {
  public:
    void fatal(std::string problem, std::string mend) {
        list_.push_back({Severity::Error, std::move(problem), std::move(mend)});
    }
    void warn(std::string problem, std::string mend) {
        list_.push_back({Severity::Warning, std::move(problem), std::move(mend)});
    }
    void note(std::string what, std::string advice) {
        list_.push_back({Severity::Note, std::move(what), std::move(advice)});
    }
    std::vector<Finding> take() { return std::move(list_); }

  private:
    std::vector<Finding> list_;
};

// The console's socket can be made, or made again.
void check_socket(const LbConfig& lb, MachineFindings& findings);

// The files that a virtual device's arguments name.
void check_files(const PortConfig& port, const DeviceString& device, MachineFindings& findings);

}  // namespace dlb
