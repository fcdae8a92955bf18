// Parts of preflight() and advise(): check_… finds what is wrong, advise_… what could be better.
// Thread safety: any one thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "control/machine_tree.hpp"
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

// Capabilities, and the user to become.
void check_rights(const Config& config, const MachineTree& machine, MachineFindings& findings);

void check_cpus(const LbConfig& lb, const MachineTree& machine, MachineFindings& findings);
void advise_cpus(const LbConfig& lb, const MachineTree& machine, MachineFindings& findings);

void check_hugepages(const Config& config, const MachineTree& machine, MachineFindings& findings);

// Driver, IOMMU, NUMA node; and RSS queues.
void check_nic(const PortConfig& port, const DeviceString& device, const LbConfig& lb,
               const MachineTree& machine, MachineFindings& findings);
void advise_nic(const PortConfig& port, const DeviceString& device, const LbConfig& lb,
                const MachineTree& machine, MachineFindings& findings);

// The console's socket can be made, or made again.
void check_socket(const LbConfig& lb, MachineFindings& findings);

// The files that a virtual device's arguments name.
void check_files(const PortConfig& port, const DeviceString& device, MachineFindings& findings);

}  // namespace dlb
