// MachineTree: what the kernel says of the machine in /proc and /sys, or in a tree like them.
//
// What is missing reads as empty: not every kernel has every file. Thread safety: a plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dlb {

class MachineTree {
  public:
    explicit MachineTree(std::string root = "") : root_(std::move(root)) {}

    // Paths without a leading slash: "sys/devices/system/cpu/isolated".
    bool exists(const std::string& path) const;
    std::string read(const std::string& path) const;       // the first line
    std::string link_name(const std::string& path) const;  // the last part of where it points
    std::vector<std::string> list(const std::string& directory) const;  // names, sorted

    std::optional<int64_t> number(const std::string& path) const;
    std::vector<unsigned> cpus(const std::string& path) const;  // of a list: "0-3,8"

    // The value of "KEY:  VALUE unit" in a file of such lines.
    std::string field(const std::string& path, const std::string& key) const;

    // Those that this process may run on.
    std::vector<unsigned> cpus_allowed() const;

    // The NUMA node of a CPU, of a device's directory; -1: the machine does not say.
    int node_of_cpu(unsigned cpu) const;
    int node_of_device(const std::string& directory) const;
    std::vector<unsigned> cpus_of_node(int node) const;

  private:
    std::string root_;
};

}  // namespace dlb
